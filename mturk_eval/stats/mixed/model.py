"""Linear mixed models of ratings, with images and raters as crossed random effects.

Without a formula the model is that of `default_rule`. A test of the method from a model without
by-image slopes of the method speaks about these images only, and rejects a true null in a quarter
to three quarters of studies; where such a model is asked for, the one with slopes is fitted beside
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.documents import Document
from mturk_eval.stats.formulas.design import Design, build_design
from mturk_eval.stats.formulas.factors import as_name
from mturk_eval.stats.formulas.grammar import parse_formula
from mturk_eval.stats.formulas.matrices import Contrasts
from mturk_eval.stats.linear.fitting import LinearFit, fit_linear
from mturk_eval.stats.mixed.advice import (
    coding_warnings,
    fit_warnings,
    notes_on,
    unbalanced_warnings,
)
from mturk_eval.stats.mixed.comparison import LikelihoodRatio, compare_fits
from mturk_eval.stats.mixed.default_rule import fit_default
from mturk_eval.stats.mixed.inference import DegreesOfFreedom, infer
from mturk_eval.stats.mixed.marginal_means import MarginalMeans
from mturk_eval.stats.mixed.paired import PairedTest, paired_tests
from mturk_eval.stats.mixed.profile_intervals import ProfileIntervals, profile_intervals
from mturk_eval.stats.mixed.results import (
    Component,
    Estimation,
    FixedEffect,
    IntervalKind,
    PredictedEffect,
    SlopeCheck,
    TermTest,
    unit_names,
)
from mturk_eval.stats.mixed.rows import (
    Adjustment,
    fixed_effects,
    means_of_factors,
    predicted_effects,
    tests_of_terms,
    variance_components,
)
from mturk_eval.stats.mixed.slope_check import slope_check, slope_warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedResult:
    """A fitted mixed model; ``criterion`` is the REML criterion, or the deviance for ML."""

    formula: str
    estimation: Estimation
    contrasts: Contrasts
    df_method: DegreesOfFreedom
    n_observations: int
    groups: dict[str, int]
    fixed_effects: tuple[FixedEffect, ...]
    components: tuple[Component, ...]
    residual_variance: float
    criterion: float
    aic: float
    bic: float
    converged: bool
    singular: bool
    term_tests: tuple[TermTest, ...]
    marginal_means: tuple[MarginalMeans, ...]
    predicted_effects: tuple[PredictedEffect, ...]
    profile: ProfileIntervals | None
    comparison: LikelihoodRatio | None
    balanced_check: tuple[PairedTest, ...]
    slope_check: tuple[SlopeCheck, ...]
    steps: tuple[str, ...]
    ci_level: float
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """The random units: other images, other raters."""
        return unit_names(self.groups)

    def document(self) -> Document:
        """The JSON object of ``analyze --model mixed --json``."""
        return {
            "model": "mixed",
            "n_observations": self.n_observations,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "formula": self.formula,
            "steps": list(self.steps),
            "estimation": self.estimation,
            "contrasts": self.contrasts,
            "df_method": self.df_method,
            "ci_level": self.ci_level,
            "groups": self.groups,
            "fixed_effects": [effect.document() for effect in self.fixed_effects],
            "variance_components": [component.document() for component in self.components],
            "residual_variance": self.residual_variance,
            "criterion": self.criterion,
            "log_likelihood": -self.criterion / 2,
            "converged": self.converged,
            "singular": self.singular,
            "aic": self.aic,
            "bic": self.bic,
            "ci_method": "Wald, t" if self.profile is None else "profile likelihood",
            "term_tests": [test.document() for test in self.term_tests],
            "marginal_means": [means.document() for means in self.marginal_means],
            "comparison": None if self.comparison is None else self.comparison.document(),
            "profile": None if self.profile is None else self.profile.document()["rows"],
            "slope_check": [check.document() for check in self.slope_check],
            "balanced_check": {
                "test": "paired t over image means, every pair of methods",
                "p_adjustment": "Holm",
                "rows": [test.document() for test in self.balanced_check],
            },
            "predicted_effects": [effect.document() for effect in self.predicted_effects],
        }


def fit_mixed(
    ratings: pd.DataFrame,
    formula: str | None = None,
    *,
    estimation: Estimation = "reml",
    df: DegreesOfFreedom = "satterthwaite",
    interval: IntervalKind = "wald",
    adjustment: Adjustment = "holm",
    compare: str | None = None,
    reference: Mapping[str, str] | None = None,
    contrasts: Contrasts = "treatment",
    ci_level: float = 0.95,
) -> MixedResult:
    """Fit a linear mixed model with crossed or nested random effects.

    Parameters
    ----------
    ratings : DataFrame
        One row per answer, with the columns the formula names; the response in rating points.
    formula : str, optional
        lme4's syntax; the model that `fit_default` chooses if not given.
    estimation : {"reml", "ml"}
        Restricted or full maximum likelihood.
    df : {"satterthwaite", "kenward-roger", "none"}
        Degrees of freedom of the t tests; ``none`` gives z tests.
    interval : {"wald", "profile"}
        Limits from standard errors and df, or from the likelihood's profile (of ML).
    adjustment : {"holm", "tukey", "none"}
        Of the p values of all pairwise differences between a factor's levels.
    compare : str, optional
        A second formula, to be compared by likelihood ratio; one must contain the other.
    reference : mapping, optional
        The reference level of a factor: ``{"method": "webp"}``; the alphabetically first if not
        given.
    contrasts : {"treatment", "sum"}
        How factors are coded, in the fixed and in the random part.

    Returns
    -------
    MixedResult

    Raises
    ------
    FormulaError
        If the formula cannot be read, or names a column that is not there.
    TableError
        If a column that is needed has missing values, or the response holds text.
    InvalidInputError
        If the level is not between 0 and 1.
    StatisticsError
        If the data do not determine the model; the message names the reason.

    References
    ----------
    .. [1] Bates, Maechler, Bolker & Walker (2015), Fitting linear mixed-effects models using lme4,
       J. Stat. Softw. 67(1).
    .. [2] Kuznetsova, Brockhoff & Christensen (2017), lmerTest package, J. Stat. Softw. 82(13).
    """
    if not 0.0 < ci_level < 1.0:
        raise InvalidInputError(f"A confidence level lies between 0 and 1, not at {ci_level:g}.")
    asked = None if formula is None else parse_formula(formula)
    _check_response(ratings, "rating" if asked is None else asked.response)
    reml = estimation == "reml"
    if asked is None:
        chosen = fit_default(ratings, reml=reml, reference=reference, contrasts=contrasts)
        design, fit, steps = chosen.design, chosen.fit, tuple(map(str, chosen.steps))
    else:
        design = build_design(asked, ratings, reference=reference, contrasts=contrasts)
        fit = fit_linear(design.response, design.fixed, design.blocks, reml=reml)
        steps = ()
    inference = infer(fit, df)
    effects = fixed_effects(design, fit, inference, ci_level)
    profile = None
    if interval == "profile":
        profile = profile_intervals(fit, design.terms, ci_level=ci_level)
        effects = _with_profile(effects, profile)
    components = variance_components(fit)
    # The default rule leaves slopes out only where they have no variance: then there is no doubt.
    checks = () if asked is None else slope_check(
        ratings, design, fit, effects, df, reference, ci_level
    )  # fmt: skip
    comparison = None
    if compare is not None:
        comparison = _compared(ratings, design, fit, compare, reference)
    return MixedResult(
        formula=str(design.formula),
        estimation=estimation,
        contrasts=contrasts,
        df_method=df,
        n_observations=len(ratings),
        groups=design.groups,
        fixed_effects=effects,
        components=components,
        residual_variance=fit.residual_variance,
        criterion=fit.criterion,
        aic=fit.aic,
        bic=fit.bic,
        converged=fit.converged,
        singular=fit.singular,
        term_tests=tests_of_terms(design, fit, inference),
        marginal_means=means_of_factors(
            design, fit, inference, adjustment=adjustment, ci_level=ci_level
        ),
        predicted_effects=predicted_effects(fit, ci_level),
        profile=profile,
        comparison=comparison,
        balanced_check=_balanced_check(ratings, design, ci_level),
        slope_check=checks,
        steps=steps,
        ci_level=ci_level,
        warnings=(
            *fit_warnings(design, fit, components, df),
            *inference.warnings,
            *(() if asked is None else slope_warnings(design, checks)),
            *coding_warnings(design),
            *unbalanced_warnings(ratings, design.formula),
            *(() if profile is None else profile.warnings),
            *(() if comparison is None else comparison.warnings),
        ),
        notes=tuple(notes_on(design, df)),
    )


def _check_response(ratings: pd.DataFrame, name: str) -> None:
    response = ratings[name] if name in ratings else pd.Series(dtype=float)
    if len(response) and response.nunique(dropna=False) == 1:
        raise StatisticsError(
            f"Every {name} is {as_name(response.iloc[0])}: there is no variation to model. "
            "Report the mean."
        )


def _balanced_check(
    ratings: pd.DataFrame, design: Design, ci_level: float
) -> tuple[PairedTest, ...]:
    model = design.formula
    if "method" not in model.fixed_variables or not {"image", "method"} <= set(ratings.columns):
        return ()
    first = design.levels.get("method", (None,))[0]
    return paired_tests(ratings, response=model.response, reference=first, ci_level=ci_level)


def _with_profile(
    effects: tuple[FixedEffect, ...], profile: ProfileIntervals
) -> tuple[FixedEffect, ...]:
    return tuple(
        replace(effect, ci_low=limits.ci_low, ci_high=limits.ci_high)
        for effect, limits in zip(effects, profile.of_kind("fixed"), strict=True)
    )


def _compared(
    ratings: pd.DataFrame,
    design: Design,
    fit: LinearFit,
    formula: str,
    reference: Mapping[str, str] | None,
) -> LikelihoodRatio:
    """The likelihood ratio with a second model; the one with fewer parameters is the smaller."""
    parsed = parse_formula(formula)
    there = {
        name: level for name, level in (reference or {}).items() if name in parsed.term_variables
    }
    other = build_design(parsed, ratings, reference=there, contrasts=design.contrasts)
    refit = fit_linear(other.response, other.fixed, other.blocks, reml=fit.reml)
    pair = [(fit, str(design.formula)), (refit, str(other.formula))]
    pair.sort(key=lambda one: one[0].n_fixed + one[0].n_variance_parameters)
    (smaller, small_name), (larger, large_name) = pair
    return compare_fits(
        smaller,
        larger,
        names=(small_name, large_name),
        generalises_to=unit_names([*design.groups, *other.groups]),
    )
