"""Cumulative-link mixed models of ratings: from a table or a design to a result to report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.formulas.design import Design, build_design, has_replicates
from mturk_eval.stats.formulas.factors import as_name, check_columns
from mturk_eval.stats.formulas.grammar import RandomTerm, columns_in, parse_formula
from mturk_eval.stats.formulas.matrices import Contrasts, term_columns
from mturk_eval.stats.mixed.advice import lacks_image_slope, with_image_slope
from mturk_eval.stats.mixed.marginal_means import (
    MarginalMeans,
    averaged_rows,
    marginal_means,
    reference_grid,
)
from mturk_eval.stats.mixed.results import unit_name
from mturk_eval.stats.ordinal.fit import OrdinalFit
from mturk_eval.stats.ordinal.fitting import fit_ordinal
from mturk_eval.stats.ordinal.links import Link
from mturk_eval.stats.ordinal.predictions import expected_answers, random_variance_at
from mturk_eval.stats.ordinal.results import (
    MethodPrediction,
    OrdinalResult,
    OrdinalSlopeCheck,
    wald_tests,
)

DEFAULT_FORMULA = "rating ~ method + (1 + method | image) + (1 | rater)"
_INTERCEPT = "(Intercept)"
_FEW_LEVELS = 6
_FEW_IMAGES = 20

Grid = dict[str, list[str] | list[float]]


def fit_ordinal_ratings(
    ratings: pd.DataFrame,
    formula: str | None = None,
    *,
    link: Link = "logit",
    reference: Mapping[str, str] | None = None,
    contrasts: Contrasts = "treatment",
    ci_level: float = 0.95,
) -> OrdinalResult:
    """Fit a cumulative-link mixed model to a table of ratings.

    Parameters
    ----------
    ratings : DataFrame
        One row per answer, with the columns the formula names.
    formula : str, optional
        lme4's syntax; `DEFAULT_FORMULA` if not given, without the by-image slopes where every
        image was rated under one method, and without the rater's term where every rater answered
        once.
    reference, contrasts
        See `build_design`.

    Raises
    ------
    FormulaError
        If the formula cannot be read or names no column.
    TableError
        If a column that is needed has missing values, or the response holds text.
    InvalidInputError
        If the level is not between 0 and 1.
    StatisticsError
        If the data do not determine the model.
    """
    if not 0.0 < ci_level < 1.0:
        raise InvalidInputError(f"A confidence level lies between 0 and 1, not at {ci_level:g}.")
    text = formula if formula is not None else default_formula(ratings)
    model = parse_formula(text)
    check_columns(model, ratings)
    answers = ratings[model.response]
    if answers.nunique(dropna=False) == 1:
        raise StatisticsError(
            f"Every {model.response} is {as_name(answers.iloc[0])}: there is no variation to "
            "model. Report that."
        )
    design = build_design(model, ratings, reference=reference, contrasts=contrasts)
    return fit_ordinal_model(design, link=link, ci_level=ci_level)


def default_formula(ratings: pd.DataFrame) -> str:
    """`DEFAULT_FORMULA`, with the terms these data can carry.

    Raises
    ------
    FormulaError
        If the table lacks a column of the model.
    StatisticsError
        If there is one image or one rater.
    """
    check_columns(parse_formula(DEFAULT_FORMULA), ratings)
    for column, alternative in (
        ("image", "rating ~ method + (1 | rater)"),
        ("rater", "rating ~ method + (1 + method | image)"),
    ):
        if ratings[column].nunique() < 2:
            raise StatisticsError(
                f"There is one {column}: a model over {column}s needs at least two. To compare "
                f"the methods for this {column} alone use --formula '{alternative}', or --model "
                "mos."
            )
    methods = ratings.groupby("image", observed=True)["method"].nunique()
    terms = ["(1 + method | image)" if (methods > 1).any() else "(1 | image)"]
    if ratings["rater"].nunique() < len(ratings):
        terms.append("(1 | rater)")
    return " + ".join(["rating ~ method", *terms])


def fit_ordinal_model(
    design: Design, *, link: Link = "logit", ci_level: float = 0.95
) -> OrdinalResult:
    """Fit a cumulative-link mixed model to a design.

    Parameters
    ----------
    design : Design
        With an intercept in the fixed part, whose place the thresholds take.
    link : {"logit", "probit"}
        See `fit_ordinal`.
    ci_level : float
        Of all intervals; normal ones.

    Raises
    ------
    StatisticsError
        If the formula leaves the intercept out, or the data do not determine the model.
    """
    if _INTERCEPT not in design.terms:
        raise StatisticsError(
            f"{design.formula}: an ordinal model has thresholds for an intercept, so its fixed "
            "part cannot leave it out. Write the formula without 0 +."
        )
    kept = [place for place, term in enumerate(design.terms) if term != _INTERCEPT]
    fixed, names = design.fixed[:, kept], [design.terms[place] for place in kept]
    fit = fit_ordinal(design.response, fixed, design.blocks, link=link, names=names)
    means, predictions = _by_method(design, fit, kept, ci_level)
    slope_check = _slope_check(design, fit, ci_level)
    return OrdinalResult(
        formula=str(design.formula),
        contrasts=design.contrasts,
        fit=fit,
        fixed_effects=wald_tests(fit, ci_level=ci_level),
        method_means=means,
        predictions=predictions,
        slope_check=slope_check,
        ci_level=ci_level,
        warnings=(*fit.warnings, *_warnings(design), *_slope_warnings(slope_check)),
        notes=_notes(design, predictions),
    )


def _by_method(
    design: Design, fit: OrdinalFit, kept: list[int], ci_level: float
) -> tuple[MarginalMeans | None, tuple[MethodPrediction, ...]]:
    """Means of the methods on the latent scale, and the answers they get."""
    used = design.fixed_columns.variables
    levels = {name: levels for name, levels in design.levels.items() if name in used}
    if "method" not in levels:
        return None, ()
    covariates = {
        name: float(values.mean())
        for name, values in design.columns.covariates.items()
        if name in used
    }
    grid = reference_grid(levels, covariates)
    rows = design.fixed_columns.rows_for(grid)[:, kept]
    labels = [str(label) for label in grid["method"]]
    means = marginal_means(
        "method",
        levels["method"],
        averaged_rows(rows, labels, levels["method"]),
        estimates=fit.coefficients,
        covariance=fit.covariance[len(fit.thresholds) :, len(fit.thresholds) :],
        degrees_of_freedom=lambda matrix: np.full(len(matrix), np.inf),
        n_observations=fit.n_observations,
        generalises_to=tuple(dict.fromkeys(unit_name(group) for group in design.groups)),
        ci_level=ci_level,
    )
    return means, _predictions(design, fit, rows, grid, ci_level)


def _predictions(
    design: Design, fit: OrdinalFit, rows: NDArray[np.float64], grid: Grid, ci_level: float
) -> tuple[MethodPrediction, ...]:
    methods = design.levels["method"]
    belongs = np.array([[label == method for label in grid["method"]] for method in methods])
    expected = expected_answers(
        fit,
        rows,
        random_variance=_random_variance(design, fit, grid),
        average=belongs / belongs.sum(axis=1, keepdims=True),
    )
    half = float(stats.norm.ppf(0.5 + ci_level / 2)) * expected.mean_std_error
    marginal, marginal_mean = expected.marginal_probabilities, expected.marginal_mean
    return tuple(
        MethodPrediction(
            method=method,
            probabilities=tuple(expected.probabilities[m].tolist()),
            mean=float(expected.mean[m]),
            mean_std_error=float(expected.mean_std_error[m]),
            ci_low=float(expected.mean[m] - half[m]),
            ci_high=float(expected.mean[m] + half[m]),
            marginal_probabilities=None if marginal is None else tuple(marginal[m].tolist()),
            marginal_mean=None if marginal_mean is None else float(marginal_mean[m]),
        )
        for m, method in enumerate(methods)
    )


def _random_variance(design: Design, fit: OrdinalFit, grid: Grid) -> NDArray[np.float64] | None:
    """At the grid's settings; None where a random term has a variable the grid has not."""
    size = len(grid["method"])
    columns = []
    for term in design.formula.random:
        variables = columns_in(term.expression)
        if not variables <= grid.keys():
            return None
        if not variables:
            columns.append(np.ones((size, 1)))
            continue
        laid_out = term_columns(term.expression, design.columns, design.contrasts)
        columns.append(laid_out.rows_for({name: grid[name] for name in variables}))
    return random_variance_at(fit, columns) if columns else np.zeros(size)


def _slope_check(design: Design, fit: OrdinalFit, ci_level: float) -> tuple[OrdinalSlopeCheck, ...]:
    """The same model with by-image slopes of the method, where these could have been fitted."""
    if not lacks_image_slope(design.formula) or "method" not in design.columns.factors:
        return ()
    fuller = with_image_slope(design.formula)
    blocks = tuple(
        block if term == asked else _with_expression(block, term, design)
        for block, term, asked in zip(
            design.blocks, fuller.random, design.formula.random, strict=True
        )
    )
    if not all(has_replicates(block) for block in blocks if block.group == "image"):
        return ()
    try:
        other = fit_ordinal(fit.response, fit.fixed, blocks, link=fit.link, names=fit.names)
    except StatisticsError:
        return ()  # the data cannot carry the slopes, so there is nothing to compare with
    slopes = term_columns("1 + method", design.columns, design.contrasts).names
    gain = 2 * (other.log_likelihood - fit.log_likelihood)
    pairs = zip(
        wald_tests(fit, ci_level=ci_level), wald_tests(other, ci_level=ci_level), strict=True
    )
    return tuple(
        OrdinalSlopeCheck(
            term=without.term,
            without=without,
            with_slopes=with_slopes,
            formula=str(fuller),
            deviance_gain=gain,
        )
        for without, with_slopes in pairs
        if without.term in slopes
    )


def _with_expression(block: RandomBlock, term: RandomTerm, design: Design) -> RandomBlock:
    laid_out = term_columns(term.expression, design.columns, design.contrasts)
    return replace(
        block, terms=laid_out.names, columns=laid_out.values, correlated=not term.independent
    )


def _slope_warnings(checks: tuple[OrdinalSlopeCheck, ...]) -> list[str]:
    if not checks:
        return []
    compared = "; ".join(
        f"{check.term} z = {check.without.z:.2f} without slopes, {check.with_slopes.z:.2f} with"
        for check in checks
    )
    return [
        "There is no by-image slope of the method: its standard error ignores that methods do "
        "better on some images than on others, and p is too small for a claim about other images "
        f"({compared}; -2 log likelihood lower by {checks[0].deviance_gain:.1f}). Write "
        "(1 + method | image)."
    ]


def _warnings(design: Design) -> list[str]:
    few = [f"{n} {unit_name(name)}" for name, n in design.groups.items() if n < _FEW_LEVELS]
    return [f"A variance over {' and '.join(few)} is known only roughly."] if few else []


def _notes(design: Design, predictions: tuple[MethodPrediction, ...]) -> tuple[str, ...]:
    notes = [
        "Estimates are on the latent scale of the link; a positive one makes higher ratings more "
        "likely."
    ]
    if design.groups.get("image", _FEW_IMAGES) < _FEW_IMAGES:
        notes.append(
            "An ordinal model has no degrees of freedom: tests and intervals are normal, which is "
            f"too sure of itself with {design.groups['image']} images. Report --model mixed "
            "beside it."
        )
    if predictions:
        notes.append(
            "Predicted means and probabilities are those of an average rater and image (random "
            "effects 0); marginal ones are averaged over raters and images."
        )
    return tuple(notes)
