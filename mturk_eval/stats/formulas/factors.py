"""A table's columns as a formula needs them: text as factors with ordered levels, numbers kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.formulas.grammar import FormulaError, ModelFormula


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A column of names: ``levels[codes[i]]`` is row i's."""

    levels: tuple[str, ...]
    codes: NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of one table that a formula uses: ``factors`` and ``covariates`` by name."""

    n_rows: int
    factors: dict[str, Factor]
    covariates: dict[str, NDArray[np.float64]]

    @property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """Level names by factor, the reference first."""
        return {name: factor.levels for name, factor in self.factors.items()}


def read_columns(
    formula: ModelFormula, table: pd.DataFrame, reference: Mapping[str, str]
) -> Columns:
    """Take the columns that a formula's terms name; text becomes a factor.

    Levels are in alphabetical order, a chosen reference first.

    Raises
    ------
    FormulaError
        If the table lacks a column, or a reference is no level of a factor.
    StatisticsError
        If a factor of the fixed part has one level.
    """
    absent = sorted((formula.variables | {formula.response}) - set(table.columns))
    if absent:
        raise FormulaError(
            f"The table has no column {', '.join(absent)} (formula: {formula}). "
            f"It has {', '.join(map(str, table.columns))}."
        )
    factors: dict[str, Factor] = {}
    covariates: dict[str, NDArray[np.float64]] = {}
    for name in sorted(formula.term_variables):
        column = table[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            covariates[name] = column.to_numpy(np.float64)
        else:
            factors[name] = _referenced(name, as_factor(column), reference)
    for name in sorted(formula.fixed_variables & factors.keys()):
        if len(factors[name].levels) == 1:
            raise StatisticsError(
                f"Every answer is about {name} '{factors[name].levels[0]}': its effect needs at "
                f"least two levels. Leave {name} out with --formula, or use --model mos."
            )
    unknown = sorted(set(reference) - set(factors))
    if unknown:
        raise FormulaError(
            f"--reference {unknown[0]}={reference[unknown[0]]}: {unknown[0]} is not a factor of "
            f"{formula}."
        )
    return Columns(n_rows=len(table), factors=factors, covariates=covariates)


def as_factor(column: pd.Series[str]) -> Factor:
    """A column's values as names in alphabetical order; whole numbers in their own order.

    Examples
    --------
    >>> factor = as_factor(pd.Series(["webp", "jxl", "webp"]))
    >>> factor.levels, factor.codes.tolist()
    (('jxl', 'webp'), [1, 0, 1])
    """
    codes, values = pd.factorize(column, sort=True)
    names = [_name(value) for value in values]
    order = np.arange(len(names))
    if not pd.api.types.is_numeric_dtype(column):
        order = np.argsort(np.array(names, dtype=object), kind="stable")
    place = np.empty(len(names), dtype=np.int32)
    place[order] = np.arange(len(names), dtype=np.int32)
    return Factor(levels=tuple(names[code] for code in order), codes=place[codes])


def combinations_of(
    factors: Sequence[Factor],
) -> tuple[list[NDArray[np.int32]], NDArray[np.int64]]:
    """The combinations of levels that occur: their codes per factor, and which one each row has.

    Examples
    --------
    >>> a, b = as_factor(pd.Series(["x", "x", "y"])), as_factor(pd.Series(["p", "p", "q"]))
    >>> codes, row_of = combinations_of([a, b])
    >>> [code.tolist() for code in codes], row_of.tolist()
    ([[0, 1], [0, 1]], [0, 0, 1])
    """
    combined = np.zeros(len(factors[0].codes), dtype=np.int64)
    for factor in factors:
        combined = combined * len(factor.levels) + factor.codes
    kept, row_of = np.unique(combined, return_inverse=True)
    codes: list[NDArray[np.int32]] = []
    for factor in reversed(factors):
        kept, code = np.divmod(kept, len(factor.levels))
        codes.insert(0, code.astype(np.int32))
    return codes, row_of


def crossed(factors: Sequence[Factor]) -> Factor:
    """The combinations of factors that occur, named ``a:b``, in the order of their levels."""
    if len(factors) == 1:
        return factors[0]
    codes, row_of = combinations_of(factors)
    names = [[factor.levels[c] for c in code] for factor, code in zip(factors, codes, strict=True)]
    joined = tuple(":".join(parts) for parts in zip(*names, strict=True))
    return Factor(levels=joined, codes=row_of.astype(np.int32))


def group_factor(names: Iterable[str], columns: Columns, table: pd.DataFrame) -> Factor:
    """The levels of a group, ``a`` or ``a:b``; a numeric column is taken as names here."""
    return crossed(
        [columns.factors[name] if name in columns.factors else as_factor(table[name])
         for name in names]
    )  # fmt: skip


def _name(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) and float(value).is_integer() else str(value)


def _referenced(name: str, factor: Factor, reference: Mapping[str, str]) -> Factor:
    """The factor with a chosen reference as its first level."""
    if name not in reference:
        return factor
    if reference[name] not in factor.levels:
        raise FormulaError(
            f"--reference {name}={reference[name]}: {name} has no such level; it has "
            f"{', '.join(factor.levels)}."
        )
    first = factor.levels.index(reference[name])
    order = [first, *(code for code in range(len(factor.levels)) if code != first)]
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return Factor(levels=tuple(factor.levels[c] for c in order), codes=place[factor.codes])
