"""From the terms of an expression to columns of numbers, named as R names them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

import numpy as np
import pandas as pd
from formulaic import Formula, model_matrix  # type: ignore[import-untyped]
from formulaic.errors import FormulaicError  # type: ignore[import-untyped]
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.formulas.factors import Columns, combinations_of
from mturk_eval.stats.formulas.grammar import NAME, FormulaError, columns_in

Contrasts = Literal["treatment", "sum"]

_MOST_COLUMNS = 2_000
_MOST_NUMBERS = 250_000_000
"""Of a design matrix: 2 GB."""
_CODED = re.compile(r"(?:C\()?column_(\d+)_(?:, contr\.sum\))?(?:\[([TS]\.)?level_(\d+)_\])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TermColumns:
    """An expression's columns.

    Attributes
    ----------
    values : ndarray, shape (n, k)
    names : tuple of str
        As R names them: ``(Intercept)``, ``methodwebp``, ``methodwebp:bpp``.
    term_of : tuple of str
        Per column the term it belongs to, as written: ``method``, ``method:bpp``.
    """

    values: NDArray[np.float64]
    names: tuple[str, ...]
    term_of: tuple[str, ...]
    _spec: Any = field(repr=False, compare=False)
    _columns: tuple[str, ...] = field(repr=False, compare=False)
    _levels: Mapping[str, tuple[str, ...]] = field(repr=False, compare=False)

    @property
    def variables(self) -> frozenset[str]:
        """Names of the table's columns in its terms, those that ``-`` took out not among them."""
        terms = (term for term in self.term_of if term != "(Intercept)")
        return frozenset().union(*map(columns_in, terms))

    def rows_for(self, settings: Mapping[str, Sequence[str] | Sequence[float]]) -> NDArray[Any]:
        """The expression's columns at other settings of its variables, shape (m, k).

        Parameters
        ----------
        settings : mapping
            Per variable of its terms m values: level names of a factor, or numbers.
        """
        if self._spec is None:
            m = len(next(iter(settings.values()))) if settings else 1
            return np.ones((m, 1))
        frame = {
            f"column_{number}_": _categorical(
                [self._levels[name].index(str(value)) for value in settings[name]],
                self._levels[name],
            )
            if name in self._levels
            else np.asarray(settings[name], dtype=np.float64)
            for number, name in enumerate(self._columns)
            if name in settings
        }
        return np.asarray(self._spec.get_model_matrix(pd.DataFrame(frame)), dtype=np.float64)


def term_columns(expression: str, columns: Columns, contrasts: Contrasts) -> TermColumns:
    """Lay out an expression, e.g. ``1 + method * bpp``.

    Factors are coded by their levels' combinations, so the work does not grow with the rows.
    formulaic sees our own names only: what a column or a level is called is never taken for code.

    Raises
    ------
    FormulaError
        If the expression cannot be read or names no column.
    StatisticsError
        If it has too many columns to hold.
    """
    if expression.strip() == "1":
        return _intercept(columns.n_rows)
    used = tuple(sorted(columns_in(expression)))
    levels = {name: columns.factors[name].levels for name in used if name in columns.factors}
    numbers = {name: number for number, name in enumerate(used)}

    def safe(match: re.Match[str]) -> str:
        return f"column_{numbers[match[0]]}_"

    def coded(match: re.Match[str]) -> str:
        is_sum = contrasts == "sum" and match[0] in levels
        return f"C({safe(match)}, contr.sum)" if is_sum else safe(match)

    try:
        sizes = {f"column_{numbers[name]}_": len(levels[name]) for name in levels}
        _check_size(expression, Formula(NAME.sub(safe, expression)), sizes, columns.n_rows)
        frame, row_of = _settings(used, columns)
        matrix = model_matrix(NAME.sub(coded, expression), frame, context={}, na_action="raise")
    except (FormulaicError, ValueError, NameError, SyntaxError) as error:
        raise FormulaError(
            f"The terms '{expression}' cannot be read: every + - : * needs a term on both sides."
        ) from error
    spec = matrix.model_spec
    values = np.asarray(matrix, dtype=np.float64)
    if len(values) != len(frame):
        raise FormulaError(f"The terms '{expression}' name no column; write 1 for an intercept.")
    term_of = [""] * values.shape[1]
    for term, place in spec.term_slices.items():
        for column in range(*place.indices(len(term_of))):
            term_of[column] = _term_as_written(str(term), used)
    return TermColumns(
        values=values if row_of is None else values[row_of],
        names=tuple(_name_as_in_r(str(name), used, levels) for name in matrix.columns),
        term_of=tuple(term_of),
        _spec=spec,
        _columns=used,
        _levels=levels,
    )


def _check_size(
    expression: str, terms: Iterable[Any], sizes: Mapping[str, int], n_rows: int
) -> None:
    width = sum(prod(sizes.get(str(factor), 1) for factor in term.factors) for term in terms)
    if width > _MOST_COLUMNS or width * n_rows > _MOST_NUMBERS:
        raise StatisticsError(
            f"The terms '{expression}' have about {width:,} columns for {n_rows:,} answers, more "
            "than fit in memory. Make a column with so many levels a random term, (1 | COLUMN), "
            "or leave it out of --formula."
        )


def _intercept(n_rows: int) -> TermColumns:
    return TermColumns(
        values=np.ones((n_rows, 1)),
        names=("(Intercept)",),
        term_of=("(Intercept)",),
        _spec=None,
        _columns=(),
        _levels={},
    )


def _settings(
    used: Sequence[str], columns: Columns
) -> tuple[pd.DataFrame, NDArray[np.int64] | None]:
    """The settings to lay out, and which of them each row has (None: one setting per row)."""
    factors = [columns.factors[name] for name in used if name in columns.factors]
    if not used or len(factors) < len(used):
        data = {
            f"column_{number}_": _categorical(
                columns.factors[name].codes, columns.factors[name].levels
            )
            if name in columns.factors
            else columns.covariates[name]
            for number, name in enumerate(used)
        }
        return pd.DataFrame(data, index=pd.RangeIndex(columns.n_rows)), None
    kept, row_of = combinations_of(factors)
    data = {
        f"column_{number}_": _categorical(code, factor.levels)
        for number, (code, factor) in enumerate(zip(kept, factors, strict=True))
    }
    return pd.DataFrame(data), row_of


def _categorical(
    codes: NDArray[np.int32] | Sequence[int], levels: Sequence[str]
) -> pd.Categorical[str]:
    names = [f"level_{place}_" for place in range(len(levels))]
    return pd.Categorical.from_codes(np.asarray(codes), categories=pd.Index(names))


def _term_as_written(term: str, columns: Sequence[str]) -> str:
    return "(Intercept)" if term == "1" else _CODED.sub(lambda m: columns[int(m[1])], term)


def _name_as_in_r(name: str, columns: Sequence[str], levels: Mapping[str, tuple[str, ...]]) -> str:
    def renamed(match: re.Match[str]) -> str:
        column, coding, level = columns[int(match[1])], match[2], match[3]
        if level is None:
            return column
        if coding == "S.":  # R numbers the columns of contr.sum
            return f"{column}{int(level) + 1}"
        return f"{column}{levels[column][int(level)]}"

    return "(Intercept)" if name == "Intercept" else _CODED.sub(renamed, name)
