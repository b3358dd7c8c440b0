"""Any metric as an evaluation sees it: by how much it calls the first farther than the second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mturk_eval.errors import TableError
from mturk_eval.metric.errors import MetricInputError
from mturk_eval.metric.logistic_fit import fit_slope
from mturk_eval.metric.triplets import PicturePairs, Triplets
from mturk_eval.stats.evaluation.metric_results import Direction

_Floats = NDArray[np.float64]
_KEYS = ("image", "method", "bpp")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMetric:
    """A metric's say on n triplets.

    Attributes
    ----------
    name : str
    difference : ndarray, shape (n,)
        Distance of the first from the original less that of the second, in the metric's unit:
        above 0 it chooses the second. NaN where the metric has no value.
    logit_slope : float or None
        Logit of choosing the second per unit of difference; None until it is fitted.
    note : str
        What the name does not say: colours, scales, how weights were found.
    """

    name: str
    difference: _Floats
    logit_slope: float | None = None
    note: str = ""

    @classmethod
    def of(
        cls, name: str, first: _Floats, second: _Floats, direction: Direction, *, note: str = ""
    ) -> ComparedMetric:
        """From values of the two sides, whichever ``direction`` is better.

        Where a value is infinite (the PSNR of equal pictures) the difference is the largest finite
        one of the metric; two infinite values are equal.

        Examples
        --------
        >>> first, second = np.array([30.0, np.inf, np.inf]), np.array([33.0, 40.0, np.inf])
        >>> ComparedMetric.of("PSNR", first, second, "higher").difference
        array([ 3., -3.,  0.])
        """
        with np.errstate(invalid="ignore"):
            gap = np.where(first == second, 0.0, first - second)
        finite = np.abs(gap[np.isfinite(gap)])
        bound = float(finite.max()) if len(finite) and finite.max() > 0 else 1.0
        gap = np.clip(gap, -bound, bound)
        return cls(name=name, difference=gap if direction == "lower" else 0.0 - gap, note=note)

    @property
    def n_missing(self) -> int:
        """Triplets on which the metric has no value."""
        return int(np.isnan(self.difference).sum())

    def take(self, rows: NDArray[np.int64]) -> ComparedMetric:
        """The metric on some of the triplets."""
        return replace(self, difference=self.difference[rows])

    def with_slope(self, triplets: Triplets, rows: NDArray[np.int64]) -> ComparedMetric:
        """Fit ``logit_slope`` on some rows (those to train on), if it is not known."""
        if self.logit_slope is not None or self.n_missing:
            return self
        return replace(self, logit_slope=fit_slope(self.difference[rows], triplets.take(rows)))


def metric_of_pairs(
    name: str, values: _Floats, pairs: PicturePairs, direction: Direction, *, note: str = ""
) -> ComparedMetric:
    """A metric from its value on every distinct (original, reconstruction) pair, shape (m,)."""
    return ComparedMetric.of(name, values[pairs.first], values[pairs.second], direction, note=note)


def metrics_from_table(
    table: pd.DataFrame, triplets: Triplets, directions: Mapping[str, Direction]
) -> tuple[ComparedMetric, ...]:
    """Metrics of the user's own, from a table of values per reconstruction.

    Parameters
    ----------
    table : DataFrame
        Columns ``image``, ``method``, where there are rates ``bpp``, and one per metric. Rows on
        other pictures are not used.
    directions : mapping of str to {"higher", "lower"}
        The metrics to take and which of their values are better. It is not guessed: a guess would
        flatter a metric of no worth.

    Raises
    ------
    TableError
        If a column is missing, a reconstruction that was voted on has no row or several, or a
        value is no number. The image and method, or the row, are named.
    MetricInputError
        If a direction is neither ``higher`` nor ``lower``.
    """
    for name, direction in directions.items():
        if direction not in ("higher", "lower"):
            raise MetricInputError(
                f"The direction of {name} is {direction!r}: give 'higher' or 'lower', whichever is "
                "better."
            )
    has_rates = "bpp" in table
    keys = _KEYS if has_rates else _KEYS[:2]
    missing = [name for name in (*keys, *directions) if name not in table]
    if missing:
        raise TableError(
            f"The table of metrics has no column {', '.join(missing)}; it has "
            f"{', '.join(map(str, table.columns))}."
        )
    values = {name: _numbers(table, name) for name in directions}
    index = pd.MultiIndex.from_arrays(
        [table["image"].astype(str), table["method"].astype(str)]
        + ([_numbers_or_none(table["bpp"])] if has_rates else [])
    )
    repeated = index.duplicated()
    if repeated.any():
        raise TableError(
            f"Row {table.index[repeated][0]} of the table of metrics: {_named(index[repeated][0])} "
            "has a row already. Keep one per reconstruction."
        )
    sides = [
        _rows_of(index, triplets, methods, has_rates)
        for methods in (triplets.method_first, triplets.method_second)
    ]
    return tuple(
        ComparedMetric.of(name, values[name][sides[0]], values[name][sides[1]], direction)
        for name, direction in directions.items()
    )


def refuse_same_names(metrics: Sequence[ComparedMetric]) -> None:
    """Refuse two metrics of one name, which no result could tell apart.

    Raises
    ------
    MetricInputError
        At the first name that occurs twice.
    """
    seen: set[str] = set()
    for metric in metrics:
        if metric.name in seen:
            raise MetricInputError(f"Two metrics are called {metric.name!r}. Rename one.")
        seen.add(metric.name)


def _numbers(table: pd.DataFrame, name: str) -> _Floats:
    values = pd.to_numeric(table[name], errors="coerce")
    wrong = (values.isna()).to_numpy()
    if wrong.any():
        raise TableError(
            f"Row {table.index[wrong][0]} of the table of metrics, column {name}: "
            f"{table[name][wrong].iloc[0]!r} is no number. Fill the cell, or leave the metric out."
        )
    return values.to_numpy(np.float64)


def _numbers_or_none(rates: pd.Series[float]) -> pd.Index:
    """Rates to nine digits, and -1 for none: NaN does not equal itself."""
    numbers = pd.to_numeric(rates, errors="coerce").to_numpy(np.float64)
    return pd.Index(np.where(np.isnan(numbers), -1.0, numbers.round(9)))


def _rows_of(
    index: pd.MultiIndex, triplets: Triplets, methods: NDArray[np.str_], has_rates: bool
) -> NDArray[np.int64]:
    columns: list[NDArray[np.str_] | _Floats] = [triplets.image, methods]
    if has_rates:
        columns.append(np.where(np.isnan(triplets.bpp), -1.0, triplets.bpp.round(9)))
    wanted = pd.MultiIndex.from_arrays(columns)
    place = index.get_indexer(wanted)
    absent = np.flatnonzero(place < 0)
    if len(absent):
        raise TableError(
            f"The table of metrics has no row for {_named(wanted[absent[0]])}, which was voted on "
            f"({len(absent)} of {len(place)} triplets lack one). Add the rows."
        )
    return np.asarray(place, dtype=np.int64)


def _named(key: object) -> str:
    image, method, *rate = key if isinstance(key, tuple) else (key, "")
    at = f" at {rate[0]:g} bpp" if rate and rate[0] >= 0 else ""
    return f"image {image}, method {method}{at}"
