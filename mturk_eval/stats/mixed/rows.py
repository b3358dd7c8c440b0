"""From a fitted mixed model to the rows of its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.stats.formulas.design import Design
from mturk_eval.stats.formulas.matrices import term_columns
from mturk_eval.stats.linear.conditional_modes import conditional_modes
from mturk_eval.stats.linear.fitting import LinearFit
from mturk_eval.stats.mixed.inference import Inference, two_sided_p
from mturk_eval.stats.mixed.marginal_means import (
    MarginalMeans,
    averaged_rows,
    marginal_means,
    reference_grid,
)
from mturk_eval.stats.mixed.results import (
    Component,
    FixedEffect,
    PredictedEffect,
    TermTest,
    unit_names,
)
from mturk_eval.stats.mixed.term_tests import (
    single_term_contrasts,
    term_tests,
    type_three_contrasts,
)

Adjustment = Literal["holm", "tukey", "none"]
_MOST_LEVELS = 20  # of a factor: 190 pairs


def fixed_effects(
    design: Design, fit: LinearFit, inference: Inference, ci_level: float
) -> tuple[FixedEffect, ...]:
    """The coefficients with their tests and Wald intervals."""
    rows = np.eye(len(fit.estimates))
    errors = inference.std_errors(rows)
    freedom = inference.degrees_of_freedom(rows)
    t = fit.estimates / errors
    p = two_sided_p(t, freedom)
    half = stats.t.ppf(0.5 + ci_level / 2, freedom) * errors
    return tuple(
        FixedEffect(
            term=term,
            estimate=float(fit.estimates[i]),
            std_error=float(errors[i]),
            df=None if np.isinf(freedom[i]) else float(freedom[i]),
            t=float(t[i]),
            p=float(p[i]),
            ci_low=float(fit.estimates[i] - half[i]),
            ci_high=float(fit.estimates[i] + half[i]),
        )
        for i, term in enumerate(design.terms)
    )


def variance_components(fit: LinearFit) -> tuple[Component, ...]:
    """The variances of every random term, then its covariances, block by block."""
    found: list[Component] = []
    for block, covariance in zip(fit.blocks, fit.covariances, strict=True):
        deviations = np.sqrt(np.diag(covariance))
        for i, term in enumerate(block.terms):
            found.append(Component(group=block.group, term=term, variance=float(covariance[i, i])))
        if not block.correlated:
            continue
        for j in range(block.n_terms):
            for i in range(j + 1, block.n_terms):
                both = deviations[i] * deviations[j]
                found.append(
                    Component(
                        group=block.group,
                        term=block.terms[j],
                        with_term=block.terms[i],
                        variance=float(covariance[i, j]),
                        correlation=float(covariance[i, j] / both) if both > 0 else None,
                    )
                )
    return tuple(found)


def predicted_effects(fit: LinearFit, ci_level: float) -> tuple[PredictedEffect, ...]:
    """Every level's conditional modes, with normal intervals."""
    quantile = float(stats.norm.ppf(0.5 + ci_level / 2))
    return tuple(
        PredictedEffect(
            group=effects.group,
            level=level,
            term=term,
            value=float(value),
            std_error=float(error),
            ci_low=float(value - quantile * error),
            ci_high=float(value + quantile * error),
        )
        for effects in conditional_modes(fit)
        for level, values, errors in zip(
            effects.levels, effects.modes, effects.std_errors, strict=True
        )
        for term, value, error in zip(effects.terms, values, errors, strict=True)
    )


def means_of_factors(
    design: Design,
    fit: LinearFit,
    inference: Inference,
    *,
    adjustment: Adjustment,
    ci_level: float,
) -> tuple[MarginalMeans, ...]:
    """Marginal means and pairwise contrasts of every factor in the fixed part.

    The other factors' levels count the same, and covariates are at their mean. A factor with more
    than 20 levels is left out.
    """
    used = design.fixed_columns.variables
    levels = {name: names for name, names in design.levels.items() if name in used}
    if not levels:
        return ()
    covariates = {
        name: float(values.mean())
        for name, values in design.columns.covariates.items()
        if name in used
    }
    grid = reference_grid(levels, covariates)
    rows = design.fixed_columns.rows_for(grid)
    return tuple(
        marginal_means(
            name,
            names,
            averaged_rows(rows, [str(label) for label in grid[name]], names),
            estimates=fit.estimates,
            covariance=inference.covariance,
            degrees_of_freedom=inference.degrees_of_freedom,
            n_observations=fit.n_observations,
            generalises_to=unit_names(design.groups),
            adjustment=adjustment,
            ci_level=ci_level,
        )
        for name, names in levels.items()
        if len(names) <= _MOST_LEVELS
    )


def tests_of_terms(design: Design, fit: LinearFit, inference: Inference) -> tuple[TermTest, ...]:
    """Type III F tests of the terms of the fixed part."""
    terms = set(design.fixed_columns.term_of) - {"(Intercept)"}
    contrasts: Mapping[str, NDArray[np.float64]] = {}
    if len(terms) == 1:
        contrasts = single_term_contrasts(design.fixed, design.fixed_columns.term_of)
    elif terms:
        contrasts = _type_three(design)
    return term_tests(fit, contrasts, df=inference.method)


def _type_three(design: Design) -> dict[str, NDArray[np.float64]]:
    sums = term_columns(design.formula.fixed, design.columns, "sum")
    if design.contrasts == "treatment":
        return type_three_contrasts(design.fixed, sums.values, sums.term_of)
    # written by treatment contrasts, whatever the coding of the fit, as lmerTest writes them
    treatment = term_columns(design.formula.fixed, design.columns, "treatment").values
    sizes = np.linalg.norm(treatment, axis=0)
    translation = np.linalg.lstsq(treatment / sizes, design.fixed)[0] / sizes[:, None]
    return {
        term: rows @ translation
        for term, rows in type_three_contrasts(treatment, sums.values, sums.term_of).items()
    }
