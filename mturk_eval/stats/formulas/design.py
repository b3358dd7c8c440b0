"""From a formula and a table to matrices: fixed effects with R's names, one block per component."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from formulaic import model_matrix  # type: ignore[import-untyped]
from formulaic.errors import FormulaicError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.formulas.grammar import FormulaError, ModelFormula, RandomTerm

Contrasts = Literal["treatment", "sum"]

_NAME = re.compile(r"[^\W\d][\w.]*")
_CODED = re.compile(r"(?:C\()?column_(\d+)_(?:, contr\.sum\))?(?:\[([TS]\.)?([^\]]*)\])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceComponent:
    """One independent random effect: a coefficient per level of its group, all of one variance.

    ``matrix``, shape (n, levels), holds the term's column (1 for an intercept) at the level of
    each row, divided by ``scale``, so that its entries are around 1 whatever the unit.
    """

    group: str
    term: str
    matrix: csr_array
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedDesign:
    """A mixed model's data: ``response`` (n,), ``fixed`` (n, p) with ``terms``, and components."""

    response: NDArray[np.float64]
    fixed: NDArray[np.float64]
    terms: tuple[str, ...]
    components: tuple[VarianceComponent, ...]
    groups: dict[str, int]
    levels: dict[str, tuple[str, ...]]


def build_design(
    formula: ModelFormula,
    table: pd.DataFrame,
    *,
    reference: Mapping[str, str],
    contrasts: Contrasts,
) -> MixedDesign:
    """Lay out a mixed model.

    Raises
    ------
    FormulaError
        If the formula names no column, or needs correlated components.
    StatisticsError
        If the data cannot tell the effects apart: a factor or group with one level, fixed effects
        that are linear combinations, a random effect with a level for every answer.
    """
    absent = sorted((formula.variables | {formula.response}) - set(table.columns))
    if absent:
        raise FormulaError(
            f"The table has no column {', '.join(absent)} (formula: {formula}). "
            f"It has {', '.join(map(str, table.columns))}."
        )
    frame, levels = _factors(formula, table, reference)
    fixed = _matrix(formula.fixed, frame, levels, contrasts)
    _check_fixed(fixed)
    components, groups = _random(formula, frame, levels, contrasts)
    return MixedDesign(
        response=table[formula.response].to_numpy(np.float64),
        fixed=fixed.to_numpy(np.float64),
        terms=tuple(fixed.columns),
        components=components,
        groups=groups,
        levels=levels,
    )


def _factors(
    formula: ModelFormula, table: pd.DataFrame, reference: Mapping[str, str]
) -> tuple[pd.DataFrame, dict[str, tuple[str, ...]]]:
    """Text columns as factors: levels in alphabetical order, a chosen reference first."""
    frame = table[sorted(formula.variables)].reset_index(drop=True)
    in_bars = {name for term in formula.random for name in term.groups}
    levels: dict[str, tuple[str, ...]] = {}
    for name in frame.columns:
        if pd.api.types.is_numeric_dtype(frame[name]):
            continue
        frame[name] = frame[name].astype(str)
        order = sorted(frame[name].unique())
        if name in reference:
            if reference[name] not in order:
                raise FormulaError(
                    f"--reference {name}={reference[name]}: {name} has no such level; it has "
                    f"{', '.join(order)}."
                )
            order.sort(key=lambda level, first=reference[name]: level != first)  # type: ignore[misc]
        if len(order) == 1 and name not in in_bars:
            raise StatisticsError(
                f"Every answer is about {name} '{order[0]}': its effect needs at least two levels. "
                f"Leave {name} out with --formula, or use --model mos."
            )
        frame[name] = pd.Categorical(frame[name], categories=order)
        levels[name] = tuple(order)
    unknown = sorted(set(reference) - set(levels))
    if unknown:
        raise FormulaError(
            f"--reference {unknown[0]}={reference[unknown[0]]}: {unknown[0]} is not a factor of "
            f"{formula}."
        )
    return frame, levels


def _matrix(
    expression: str,
    frame: pd.DataFrame,
    levels: Mapping[str, tuple[str, ...]],
    contrasts: Contrasts,
) -> pd.DataFrame:
    """The columns of an expression, named as R names them.

    formulaic sees our own names only: what a column is called is never taken for code.
    """
    names = [str(name) for name in frame.columns]
    numbers = {name: number for number, name in enumerate(names)}

    def coded(match: re.Match[str]) -> str:
        safe = f"column_{numbers[match[0]]}_"
        return f"C({safe}, contr.sum)" if contrasts == "sum" and match[0] in levels else safe

    safe_frame = frame.set_axis([f"column_{number}_" for number in range(len(names))], axis=1)
    try:
        columns = model_matrix(
            _NAME.sub(coded, expression), safe_frame, context={}, na_action="raise"
        )
    except (FormulaicError, ValueError, NameError, SyntaxError) as error:
        raise FormulaError(
            f"The terms '{expression}' cannot be read: every + - : * needs a term on both sides."
        ) from error
    matrix = pd.DataFrame(columns)
    if len(matrix) != len(frame):
        raise FormulaError(f"The terms '{expression}' name no column; write 1 for an intercept.")
    matrix.columns = pd.Index([_name_as_in_r(str(name), names, levels) for name in matrix.columns])
    return matrix


def _name_as_in_r(name: str, columns: Sequence[str], levels: Mapping[str, tuple[str, ...]]) -> str:
    def renamed(match: re.Match[str]) -> str:
        column, coding, level = columns[int(match[1])], match[2], match[3]
        if coding == "S.":  # R numbers the columns of contr.sum
            return f"{column}{levels[column].index(level) + 1}"
        return column if level is None else f"{column}{level}"

    return "(Intercept)" if name == "Intercept" else _CODED.sub(renamed, name)


def _check_fixed(fixed: pd.DataFrame) -> None:
    if fixed.shape[1] == 0:
        raise FormulaError("The formula has no fixed effect; write at least RESPONSE ~ 1 + ….")
    values = fixed.to_numpy(np.float64)
    if not np.isfinite(values).all():
        raise StatisticsError(
            "A fixed effect is not a finite number in every row. Correct the table, or leave the "
            "column out of --formula."
        )
    scaled = values / np.maximum(np.linalg.norm(values, axis=0), 1e-300)
    if np.linalg.matrix_rank(scaled, tol=1e-9) < fixed.shape[1]:
        raise StatisticsError(
            "The fixed effects cannot be told apart: one of "
            f"{', '.join(fixed.columns)} is a combination of the others in these data. "
            "Leave it out of --formula."
        )


def _random(
    formula: ModelFormula,
    frame: pd.DataFrame,
    levels: Mapping[str, tuple[str, ...]],
    contrasts: Contrasts,
) -> tuple[tuple[VarianceComponent, ...], dict[str, int]]:
    components: list[VarianceComponent] = []
    groups: dict[str, int] = {}
    for term in formula.random:
        labels = frame[list(term.groups)].astype(str).agg("\x1f".join, axis=1)
        codes, names = pd.factorize(labels)
        groups[term.group] = len(names)
        _check_group(term, len(names), len(frame))
        columns = _matrix(term.expression, frame, levels, contrasts)
        if columns.shape[1] > 1 and not term.independent:
            raise FormulaError(
                f"{term} asks for a correlation between {' and '.join(columns.columns)}. This "
                "version fits independent components only: write "
                f"({term.expression} || {term.group})."
            )
        for name in columns.columns:
            if any(c.group == term.group and c.term == name for c in components):
                raise FormulaError(f"{term}: {name} by {term.group} occurs twice in the formula.")
            components.append(_component(term, str(name), columns[name], codes, len(names)))
        _check_replicates(term, columns, codes, len(frame))
    return tuple(components), groups


def _component(
    term: RandomTerm,
    name: str,
    column: pd.Series[float],
    codes: NDArray[np.int64],
    n_levels: int,
) -> VarianceComponent:
    values = column.to_numpy(np.float64)
    scale = float(np.sqrt(np.mean(values[values != 0] ** 2))) if values.any() else 1.0
    n = len(values)
    indicator = csr_array((np.ones(n), (np.arange(n), codes)), shape=(n, n_levels))
    matrix = csr_array(diags_array(values / scale) @ indicator)
    used = np.unique(matrix.nonzero()[1])
    return VarianceComponent(
        group=term.group, term=name, matrix=csr_array(matrix[:, used]), scale=scale
    )


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


def _check_replicates(
    term: RandomTerm, columns: pd.DataFrame, codes: NDArray[np.int64], n: int
) -> None:
    """A slope needs more answers than it has coefficients, else it is the residual."""
    if columns.shape[1] < 2:
        return
    settings = columns.round(12).groupby(list(columns.columns)).ngroup().to_numpy()
    cells = len(np.unique(codes * (settings.max() + 1) + settings))
    if cells >= n:
        raise StatisticsError(
            f"Each {term.group} has one answer per setting of {term.expression}: the variance of "
            f"the slopes in {term} cannot be told from the residual's. Use a paired test on these "
            f"means, or leave the slopes out: (1 | {term.group})."
        )
