"""From a formula and a table to a mixed model's data: response, fixed effects, random terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.formulas.factors import (
    Columns,
    finite_numbers,
    group_factor,
    read_columns,
)
from mturk_eval.stats.formulas.grammar import FormulaError, ModelFormula, RandomTerm
from mturk_eval.stats.formulas.matrices import Contrasts, TermColumns, term_columns

_SAME_COLUMN = 1e-9
_MOST_NAMES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A mixed model's data.

    Attributes
    ----------
    response : ndarray, shape (n,)
    fixed_columns : TermColumns
        The fixed effects; ``fixed`` and ``terms`` are its values, shape (n, p), and names.
    blocks : tuple of RandomBlock
        One per random term.
    columns : Columns
        The table's columns that the formula uses.
    """

    formula: ModelFormula
    contrasts: Contrasts
    response: NDArray[np.float64]
    fixed_columns: TermColumns
    blocks: tuple[RandomBlock, ...]
    columns: Columns

    @property
    def fixed(self) -> NDArray[np.float64]:
        """Values of the fixed effects' columns, shape (n, p)."""
        return self.fixed_columns.values

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the fixed effects' columns, as R names them."""
        return self.fixed_columns.names

    @property
    def groups(self) -> dict[str, int]:
        """How many levels each group has."""
        return {block.group: block.n_levels for block in self.blocks}

    @property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """Level names by factor, the reference first."""
        return self.columns.levels


def build_design(
    formula: ModelFormula,
    table: pd.DataFrame,
    *,
    reference: Mapping[str, str] | None = None,
    contrasts: Contrasts = "treatment",
) -> Design:
    """Lay out a mixed model.

    Parameters
    ----------
    table : DataFrame
        One row per answer, with the columns the formula names; no missing values in them.
    reference : mapping, optional
        The first level of a factor; the alphabetically first if not given.
    contrasts : {"treatment", "sum"}
        How factors are coded, in the fixed and in the random part.

    Raises
    ------
    FormulaError
        If the formula names no column of the table, or a random effect twice.
    TableError
        If a value is missing, or the response is no number.
    StatisticsError
        If the data cannot tell the effects apart: a factor or group with one level, fixed effects
        that are linear combinations, a random effect with a level for every answer.
    """
    columns = read_columns(formula, table, reference or {})
    fixed = term_columns(formula.fixed, columns, contrasts)
    _check_fixed(fixed)
    return Design(
        formula=formula,
        contrasts=contrasts,
        response=finite_numbers(table[formula.response]),
        fixed_columns=fixed,
        blocks=_blocks(formula, table, columns, fixed, contrasts),
        columns=columns,
    )


def _check_fixed(fixed: TermColumns) -> None:
    values = fixed.values
    if values.shape[1] == 0:
        raise FormulaError("The formula has no fixed effect; write at least RESPONSE ~ 1 + ….")
    if not np.isfinite(values).all():
        raise StatisticsError(
            "A fixed effect is not a finite number in every row. Correct the table, or leave the "
            "column out of --formula."
        )
    scaled = values / np.maximum(np.linalg.norm(values, axis=0), 1e-300)
    if np.linalg.eigvalsh(scaled.T @ scaled)[0] < 1e-14 * values.shape[1]:
        raise StatisticsError(
            f"The fixed effects cannot be told apart: one of {_listed(fixed.names)} is a "
            "combination of the others in these data. Leave it out of --formula."
        )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"


def _blocks(
    formula: ModelFormula,
    table: pd.DataFrame,
    columns: Columns,
    fixed: TermColumns,
    contrasts: Contrasts,
) -> tuple[RandomBlock, ...]:
    blocks: list[RandomBlock] = []
    for term in formula.random:
        group = group_factor(term.groups, columns, table)
        _check_group(term, len(group.levels), columns.n_rows)
        same = _without_intercept(term.expression) == _without_intercept(formula.fixed)
        design = fixed if same else term_columns(term.expression, columns, contrasts)
        if not np.isfinite(design.values).all():
            raise StatisticsError(
                f"{term}: a value is not a finite number in every row. Correct the table, or "
                "leave the column out of --formula."
            )
        if not design.names:
            raise FormulaError(f"{term} has no effect in it; write (1 | {term.group}).")
        for name in design.names:
            if any(block.group == term.group and name in block.terms for block in blocks):
                raise FormulaError(f"{term}: {name} by {term.group} occurs twice in the formula.")
        block = RandomBlock(
            group=term.group,
            terms=design.names,
            levels=group.levels,
            codes=group.codes,
            columns=design.values,
            correlated=not term.independent,
        )
        _check_replicates(term, block)
        _check_separate(term, block, fixed)
        for other in blocks:
            _check_different(block, other)
        blocks.append(block)
    return tuple(blocks)


def _without_intercept(expression: str) -> str:
    """``1 + method`` and ``method`` are the same columns."""
    return expression.removeprefix("1 + ")


def _check_group(term: RandomTerm, n_levels: int, n: int) -> None:
    if n_levels < 2:
        raise StatisticsError(
            f"There is one {term.group}: {term} needs at least two to estimate a variance. "
            f"Leave it out with --formula; the result then says nothing about other {term.group}s."
        )
    if n_levels >= n:
        raise StatisticsError(
            f"Every answer has its own {term.group}: the variance of {term} cannot be told from "
            "the residual's. Leave it out with --formula."
        )


def has_replicates(block: RandomBlock) -> bool:
    """Whether some level has more answers than its coefficients can follow exactly.

    Where none has, what differs by level is the residual, and its variance cannot be told from it.
    """
    if np.bincount(block.codes).max() > block.n_terms:
        return True
    seen = np.unique(np.column_stack([block.codes, np.round(block.columns, 12)]), axis=0)
    return len(seen) < len(block.codes)


def _check_replicates(term: RandomTerm, block: RandomBlock) -> None:
    """A slope needs more answers than it has coefficients, else it is the residual."""
    if block.n_terms > 1 and not has_replicates(block):
        raise StatisticsError(
            f"No {term.group} has more answers than {term} has coefficients for it "
            f"({block.n_terms}): their variance cannot be told from the residual's. Use a paired "
            f"test on these means, or leave the slopes out: (1 | {term.group})."
        )


def _check_separate(term: RandomTerm, block: RandomBlock, fixed: TermColumns) -> None:
    """A variance over levels that the fixed effects tell apart already has nothing to estimate it.

    So with one rater per method: the criterion is then the same for every variance by rater, and
    the method's standard error could be anything.
    """
    few = fixed.values.shape[1]
    if min(np.count_nonzero(np.bincount(block.codes[c != 0])) for c in block.columns.T) > few:
        return
    scaled = fixed.values / np.maximum(np.abs(fixed.values).max(axis=0), 1e-300)
    basis, sizes, _ = np.linalg.svd(
        scaled / np.maximum(np.linalg.norm(scaled, axis=0), 1e-300), full_matrices=False
    )
    basis = basis[:, sizes > _SAME_COLUMN * sizes[0]]
    for name, column in zip(block.terms, block.columns.T, strict=True):
        levels = np.unique(block.codes[column != 0])
        if not 0 < len(levels) <= few:
            continue
        by_level = (block.codes[:, None] == levels) * column[:, None]
        by_level /= np.linalg.norm(by_level, axis=0)
        if np.abs(by_level - basis @ (basis.T @ by_level)).max() < _SAME_COLUMN:
            raise StatisticsError(
                f"{term}: the fixed effects already tell every {term.group} apart, so the variance "
                f"of {name} by {term.group} cannot be estimated and a test of these effects would "
                f"be worthless. Leave the term or those effects out with --formula; to compare "
                f"methods, have more than one {term.group} per method."
            )


def _check_different(one: RandomBlock, two: RandomBlock) -> None:
    """The same levels by two names, and the same column, have one variance between them."""
    if one.group == two.group or one.n_levels != two.n_levels:
        return
    pairs = one.codes.astype(np.int64) * two.n_levels + two.codes
    if len(np.unique(pairs)) > one.n_levels:
        return
    for name, column in zip(one.terms, one.columns.T, strict=True):
        if any(np.array_equal(column, other) for other in two.columns.T):
            raise StatisticsError(
                f"Every {one.group} is one {two.group} in these data, so the variances of {name} "
                f"by {one.group} and by {two.group} cannot be told apart. Keep one of the terms."
            )
