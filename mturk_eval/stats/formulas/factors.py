"""A table's columns as a formula needs them: text as factors with ordered levels, numbers kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError, TableError
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
    TableError
        If a value is missing, or a number is not finite.
    StatisticsError
        If a factor of the fixed part has one level.
    """
    check_columns(formula, table)
    factors: dict[str, Factor] = {}
    covariates: dict[str, NDArray[np.float64]] = {}
    for name in sorted(formula.term_variables):
        column = table[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            covariates[name] = finite_numbers(column)
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


def check_columns(formula: ModelFormula, table: pd.DataFrame) -> None:
    """Refuse a formula that names what the table lacks.

    Raises
    ------
    FormulaError
        If a column is not there.
    TableError
        If a column is there twice.
    """
    absent = sorted((formula.variables | {formula.response}) - set(table.columns))
    if absent:
        raise FormulaError(
            f"The table has no column {', '.join(absent)} (formula: {formula}). "
            f"It has {', '.join(map(str, table.columns))}."
        )
    twice = sorted(set(table.columns[table.columns.duplicated()]) & formula.variables)
    if twice:
        raise TableError(f"The table has two columns {twice[0]}. Rename one of them.")


def as_factor(column: pd.Series[str]) -> Factor:
    """A column's values as names in alphabetical order; whole numbers in their own order.

    Examples
    --------
    >>> factor = as_factor(pd.Series(["webp", "jxl", "webp"]))
    >>> factor.levels, factor.codes.tolist()
    (('jxl', 'webp'), [1, 0, 1])

    Raises
    ------
    TableError
        If a value is missing.
    """
    codes, values = pd.factorize(column, sort=True)
    if codes.min(initial=0) < 0:
        raise _missing(column, int(np.argmin(codes)), "no value")
    names = [as_name(value) for value in values]
    order = np.arange(len(names))
    if not pd.api.types.is_numeric_dtype(column):
        order = np.argsort(np.array(names, dtype=object), kind="stable")
    place = np.empty(len(names), dtype=np.int32)
    place[order] = np.arange(len(names), dtype=np.int32)
    return Factor(levels=tuple(names[code] for code in order), codes=place[codes])


def finite_numbers(column: pd.Series[float]) -> NDArray[np.float64]:
    """A column's numbers.

    Raises
    ------
    TableError
        If it holds text, a missing value, or an infinite one.
    """
    try:
        values = np.asarray(column.to_numpy(np.float64, na_value=np.nan), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TableError(
            f"Column {column.name} holds text where numbers are needed, e.g. "
            f"'{next(value for value in column if isinstance(value, str))}'. Correct the column, "
            "or name another one in --formula."
            if any(isinstance(value, str) for value in column)
            else f"Column {column.name} holds no numbers. Name another one in --formula."
        ) from error
    wrong = ~np.isfinite(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise _missing(column, row, "no value" if np.isnan(values[row]) else "no finite number")
    return values


def _missing(column: pd.Series[Any], row: int, what: str) -> TableError:
    return TableError(
        f"Column {column.name} has {what} in row {row + 1} of the answers. Correct the row or "
        "leave it out (--drop-missing)."
    )


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


def as_name(value: object) -> str:
    """A table's value as a name: whole numbers without a decimal point."""
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
