"""Models by formula, for tests of what is computed from a fit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.formulas.design import Design, build_design
from mturk_eval.stats.formulas.grammar import parse_formula
from mturk_eval.stats.formulas.matrices import Contrasts
from mturk_eval.stats.linear.fitting import LinearFit, fit_linear
from tests.stats.reference import reference_table

THREE_METHODS = "rating ~ method * rate + (1 + method | image) + (1 | rater)"
SLOPES = "rating ~ method + (1 + method | image) + (1 | rater)"


def designed(
    formula: str,
    table: pd.DataFrame,
    *,
    reference: dict[str, str] | None = None,
    contrasts: Contrasts = "treatment",
) -> Design:
    """A formula's design, with the reference level per factor."""
    return build_design(parse_formula(formula), table, reference=reference, contrasts=contrasts)


def fitted(
    formula: str,
    table: pd.DataFrame,
    *,
    reml: bool = True,
    reference: dict[str, str] | None = None,
) -> LinearFit:
    """A formula's fit."""
    design = designed(formula, table, reference=reference)
    return fit_linear(design.response, design.fixed, design.blocks, reml=reml)


def sleepstudy_fit(*, slopes: bool = True, correlated: bool = True, reml: bool = True) -> LinearFit:
    """Reaction times by days without sleep, 18 subjects: ``(Days | Subject)`` and simpler."""
    table = reference_table("sleepstudy")
    fixed = np.column_stack([np.ones(len(table)), table["Days"]])
    codes, levels = pd.factorize(table["Subject"], sort=True)
    terms = ("(Intercept)", "Days")
    block = RandomBlock(
        group="Subject",
        terms=terms if slopes else terms[:1],
        levels=tuple(str(level) for level in levels),
        codes=codes.astype(np.int32),
        columns=fixed if slopes else fixed[:, :1],
        correlated=correlated or not slopes,
    )
    return fit_linear(table["Reaction"].to_numpy(np.float64), fixed, [block], reml=reml)


def cake_fit(fixed: str) -> LinearFit:
    """Breaking angles of cakes by recipe and temperature (numeric), 45 batches."""
    table = reference_table("cake").astype({"replicate": str})
    return fitted(f"angle ~ {fixed} + (1 | recipe:replicate)", table)
