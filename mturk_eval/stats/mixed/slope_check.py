"""The test of the method with and without by-image slopes, where the model asked for has none."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.formulas.design import Design, build_design
from mturk_eval.stats.linear.fitting import LinearFit, fit_linear
from mturk_eval.stats.mixed.advice import lacks_image_slope, with_image_slope
from mturk_eval.stats.mixed.inference import DegreesOfFreedom, infer
from mturk_eval.stats.mixed.results import FixedEffect, SlopeCheck
from mturk_eval.stats.mixed.rows import fixed_effects


def slope_check(
    ratings: pd.DataFrame,
    design: Design,
    fit: LinearFit,
    effects: tuple[FixedEffect, ...],
    df: DegreesOfFreedom,
    reference: Mapping[str, str] | None,
    ci_level: float,
) -> tuple[SlopeCheck, ...]:
    """The coefficients of the method with by-image slopes, where the model asked for has none."""
    if not lacks_image_slope(design.formula) or "method" not in design.levels:
        return ()
    fuller = with_image_slope(design.formula)
    try:
        other = build_design(fuller, ratings, reference=reference, contrasts=design.contrasts)
        refit = fit_linear(other.response, other.fixed, other.blocks, reml=fit.reml)
        slopes = fixed_effects(other, refit, infer(refit, df), ci_level)
    except StatisticsError:
        return ()  # one answer per image and method: no slope can be seen
    return tuple(
        SlopeCheck(
            term=without.term,
            without=without,
            with_slopes=with_slopes,
            formula=str(fuller),
            criterion_gain=fit.criterion - refit.criterion,
        )
        for without, with_slopes in zip(effects, slopes, strict=True)
        if "method" in design.fixed_columns.term_of[design.terms.index(without.term)].split(":")
    )


def slope_warnings(design: Design, checks: tuple[SlopeCheck, ...]) -> list[str]:
    """Say that there are no slopes, with both t values."""
    if not lacks_image_slope(design.formula):
        return []
    warning = (
        "There is no by-image slope of the method: its standard error ignores that methods do "
        "better on some images than on others, so the test speaks about these images only."
    )
    if not checks:
        return [warning]
    shown = "; ".join(
        f"{c.term} t {c.without.t:.2f} (p {_p(c.without.p)}) without, "
        f"{c.with_slopes.t:.2f} (p {_p(c.with_slopes.p)}) with slopes"
        for c in checks
    )
    return [f"{warning} {shown}. For a claim about other images use {checks[0].formula}."]


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"
