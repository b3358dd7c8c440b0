"""Krippendorff's alpha from counts of values, and its bootstrap replicates over units.

A unit's disagreement needs only how often each value was given to it, never who gave it, so raters
may miss any units. All four levels are one formula: ordinal alpha is interval alpha of mid-ranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mturk_eval.errors import StatisticsError

Level = Literal["nominal", "ordinal", "interval", "ratio"]
LEVELS: tuple[Level, ...] = get_args(Level)

_MOST_VALUES_FOR_RATIO = 2_000  # a square matrix of values
_CHUNK_ENTRIES = 4_000_000  # of resamples x units at once: bounds memory


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCounts:
    """How often each value was given to each unit.

    Attributes
    ----------
    counts : csr_array, shape (units, values)
    values : ndarray of float, shape (values,)
        Ascending. For nominal data any codes.
    """

    counts: csr_array
    values: NDArray[np.float64]

    @property
    def n_units(self) -> int:
        """Units, also those with fewer than two values."""
        return int(self.counts.shape[0])

    @property
    def per_unit(self) -> NDArray[np.float64]:
        """How many values each unit was given."""
        return np.asarray(self.counts.sum(axis=1), dtype=np.float64)


def count_values(units: NDArray[np.int64], values: NDArray[np.float64]) -> ValueCounts:
    """Count values by unit.

    Parameters
    ----------
    units : ndarray of int, shape (n,)
        Unit of every answer, 0 … U - 1.
    values : ndarray of float, shape (n,)
        Its value; NaN is a missing answer and not counted.
    """
    given = np.isfinite(values)
    distinct, codes = np.unique(values[given], return_inverse=True)
    n_units = int(units.max()) + 1 if len(units) else 0
    counts = csr_array(
        (np.ones(int(given.sum())), (units[given], codes)), shape=(n_units, len(distinct))
    )
    counts.sum_duplicates()
    return ValueCounts(counts=counts, values=distinct.astype(np.float64))


def krippendorff_alpha(counts: ValueCounts, level: Level) -> float:
    """Agreement beyond chance: 1 is perfect, 0 chance, negative systematic disagreement [1]_.

    Parameters
    ----------
    counts : ValueCounts
        Units with fewer than two values say nothing of agreement and are left out.
    level : {"nominal", "ordinal", "interval", "ratio"}
        What a difference between two values means.

    Returns
    -------
    float
        At most 1.

    Raises
    ------
    StatisticsError
        If no unit has two values, all values are equal, or the ratio level meets negative values.

    References
    ----------
    .. [1] Krippendorff (2011), Computing Krippendorff's alpha-reliability.

    Examples
    --------
    >>> units, values = np.array([0, 0, 1, 1, 2, 2]), np.array([1.0, 1, 2, 2, 3, 4])
    >>> round(krippendorff_alpha(count_values(units, values), "interval"), 4)
    0.878
    """
    pairable = counts.per_unit >= 2
    if not pairable.any():
        raise StatisticsError(
            "No unit was answered by two raters, and agreement compares raters. Collect at least "
            "two answers for some of the images."
        )
    used = np.asarray(counts.counts[pairable].sum(axis=0))
    if int((used > 0).sum()) < 2:
        raise StatisticsError(
            "All answers to units with two or more answers are equal: agreement beyond chance is "
            "not defined without any variation. Report the common answer instead."
        )
    return float(alpha_replicates(counts, level, np.ones((1, counts.n_units)))[0])


def alpha_replicates(
    counts: ValueCounts, level: Level, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Alpha with every unit counted ``weights`` times.

    Parameters
    ----------
    weights : ndarray, shape (m, units)
        One resample of units per row.

    Returns
    -------
    ndarray, shape (m,)
        NaN where a resample holds one value only.
    """
    if level == "ratio":
        _check_ratio(counts)
    per_unit = counts.per_unit
    pairable = np.flatnonzero(per_unit >= 2)
    used = counts.counts[pairable]
    answers = per_unit[pairable]
    chunk = max(1, _CHUNK_ENTRIES // max(1, *used.shape))
    parts = []
    for start in range(0, len(weights), chunk):
        drawn = weights[start : start + chunk][:, pairable]
        totals = np.asarray(drawn @ used)
        observed, expected = _disagreement(used, answers, counts.values, level, drawn, totals)
        total = totals.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            part = 1.0 - (total - 1.0) * observed / expected
        parts.append(np.where((totals > 0).sum(axis=1) > 1, part, np.nan))
    return np.concatenate(parts)


def _disagreement(
    counts: csr_array,
    answers: NDArray[np.float64],
    values: NDArray[np.float64],
    level: Level,
    drawn: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per resample, squared differences summed within units and over all pairs of answers."""
    total = totals.sum(axis=1)
    if level == "nominal":
        squares = np.asarray(counts.power(2).sum(axis=1))
        within = (answers**2 - squares) / (answers - 1.0)
        return drawn @ within, total**2 - (totals**2).sum(axis=1)
    if level == "interval":
        score = values - float(values.mean())
        within = 2.0 * (answers * (counts @ score**2) - (counts @ score) ** 2) / (answers - 1.0)
        return drawn @ within, 2.0 * (total * (totals @ score**2) - (totals @ score) ** 2)
    if level == "ordinal":
        # mid-ranks of the resample itself, centred
        rank = np.cumsum(totals, axis=1) - totals / 2.0 - total[:, None] / 2.0
        sums, squares = rank @ counts.T, rank**2 @ counts.T
        within = 2.0 * (answers * squares - sums**2) / (answers - 1.0)
        over_all = total * (totals * rank**2).sum(axis=1) - (totals * rank).sum(axis=1) ** 2
        return (drawn * within).sum(axis=1), 2.0 * over_all
    sums_of_pairs = np.maximum(values[:, None] + values, np.finfo(float).tiny)
    difference = ((values[:, None] - values) / sums_of_pairs) ** 2
    within = np.asarray((counts * (counts @ difference)).sum(axis=1)) / (answers - 1.0)
    return drawn @ within, ((totals @ difference) * totals).sum(axis=1)


def _check_ratio(counts: ValueCounts) -> None:
    if len(counts.values) and counts.values[0] < 0:
        raise StatisticsError(
            f"The ratio level needs values of 0 and above; the smallest is {counts.values[0]:g}. "
            "Use the interval or the ordinal level."
        )
    if len(counts.values) > _MOST_VALUES_FOR_RATIO:
        raise StatisticsError(
            f"The ratio level compares every value with every other, and there are "
            f"{len(counts.values):,} distinct values. Use the interval level for continuous scales."
        )
