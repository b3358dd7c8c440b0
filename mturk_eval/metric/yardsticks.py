"""What metrics are measured by: agreement with raters, what humans reach, log-loss, intervals.

2AFC scores and human lines are means over triplets, each counted once whatever its votes, as in the
papers. Log-loss is per vote. Intervals resample whole originals, since the triplets of one picture
are alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.errors import MetricInputError
from mturk_eval.metric.triplets import Triplets
from mturk_eval.stats.resampling.intervals import percentile_limits
from mturk_eval.stats.resampling.weights import weight_blocks

_Floats = NDArray[np.float64]

HumanLine = Literal["plug_in", "unbiased", "majority"]

HUMAN_LINE_MEANINGS: Final[Mapping[HumanLine, str]] = {
    "plug_in": (
        "Published convention, p² + (1 − p)² with p the share of votes: comparable with papers, "
        "but too high with few votes (coin flips of 6 voters give .583, not .5)."
    ),
    "unbiased": (
        "How often two different raters of a triplet agree: what one fresh human reaches against "
        "the others, right on average for any number of votes from 2."
    ),
    "majority": (
        "Share of votes with their own majority: the most any metric can score on these votes, and "
        "above what it could score on new ones."
    ),
}
"""Which line is which; a metric may honestly exceed the first two, never the third."""


def agreement(difference: _Floats, share_second: _Floats) -> _Floats:
    """2AFC score of a metric on every triplet, shape (n,), ties at 1/2 [1]_.

    Parameters
    ----------
    difference : ndarray, shape (n,)
        Distance of the first from the original less that of the second: above 0 the metric
        chooses the second. NaN where the metric has no value, and so has the score.
    share_second : ndarray, shape (n,)
        Share of votes for the second.

    References
    ----------
    .. [1] Zhang, Isola, Efros, Shechtman & Wang (2018), The unreasonable effectiveness of deep
       features as a perceptual metric, CVPR; ``score_2afc_dataset`` of their code.

    Examples
    --------
    >>> agreement(np.array([0.3, -0.1, 0.0]), np.array([0.8, 0.8, 0.8])).round(2)
    array([0.8, 0.2, 0.5])
    """
    sign = np.sign(difference)
    return np.asarray(0.5 + sign * (share_second - 0.5))


def human_lines(
    votes_first: NDArray[np.int64],
    votes_second: NDArray[np.int64],
    votes_not_sure: NDArray[np.int64] | None = None,
) -> dict[HumanLine, _Floats]:
    """The three human lines on every triplet, each of shape (n,); for meanings see the constant.

    A voter who was not sure agrees by half with any other. The unbiased line is
    ``[S² − Q + F² − R] / (n (n − 1))`` with S and F the sums of votes for second and first and Q
    and R those of their squares: ``[k(k − 1) + (n − k)(n − k − 1)] / (n (n − 1))`` where all were
    sure. It is NaN where there is one vote.

    Examples
    --------
    >>> lines = human_lines(np.array([2]), np.array([4]))
    >>> {name: float(value.round(4)[0]) for name, value in lines.items()}
    {'plug_in': 0.5556, 'unbiased': 0.4667, 'majority': 0.6667}
    """
    unsure = np.zeros_like(votes_first) if votes_not_sure is None else votes_not_sure
    n = (votes_first + votes_second + unsure).astype(np.float64)
    second, first = votes_second + unsure / 2, votes_first + unsure / 2
    squares = votes_second + votes_first + unsure / 2
    pairs = n * (n - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = second / n
        unbiased = np.where(n > 1, (second**2 + first**2 - squares) / pairs, np.nan)
    return {
        "plug_in": np.asarray(share**2 + (1 - share) ** 2),
        "unbiased": unbiased,
        "majority": np.maximum(share, 1 - share),
    }


def human_lines_of(triplets: Triplets) -> dict[HumanLine, _Floats]:
    """`human_lines` of triplets."""
    return human_lines(triplets.votes_first, triplets.votes_second, triplets.votes_not_sure)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrappedColumns:
    """Weighted means of k columns, and their replicates over originals.

    Attributes
    ----------
    values : ndarray, shape (k,)
        NaN where a column has no rows.
    replicates : ndarray, shape (resamples, k)
        NaN where a resample drew no original of the column's rows.
    """

    values: _Floats
    replicates: _Floats

    def limits(self, ci_level: float) -> tuple[_Floats, _Floats]:
        """Percentile limits, each of shape (k,); NaN where nothing varies between originals."""
        return limits_of(self.replicates, ci_level)


def limits_of(replicates: _Floats, ci_level: float) -> tuple[_Floats, _Floats]:
    """Percentile limits of replicates, shape (resamples, k), by column."""
    k = replicates.shape[1]
    low, high = np.full(k, np.nan), np.full(k, np.nan)
    if len(replicates):
        some = np.isfinite(replicates).any(axis=0)
        low[some], high[some] = percentile_limits(replicates[:, some].T, ci_level)
    return low, high


def bootstrap_originals(
    columns: _Floats,
    originals: NDArray[np.int64],
    *,
    weights: _Floats | None = None,
    resamples: int = 2_000,
    seed: int = 0,
) -> BootstrappedColumns:
    """Means of columns with whole originals drawn with replacement; NaN entries do not count.

    All columns share their draws, so differences of replicates are paired.

    Parameters
    ----------
    columns : ndarray, shape (n, k)
    originals : ndarray of int, shape (n,)
        From 0: which triplets are drawn together.
    weights : ndarray, shape (n,), optional
        Of the rows, for instance votes; by default 1.
    resamples : int
        With one original there are none: nothing tells how originals vary.

    Raises
    ------
    MetricInputError
        If ``resamples`` is below 1.
    """
    if resamples < 1:
        raise MetricInputError(f"{resamples} resamples: give at least 1.")
    n_originals = int(originals.max()) + 1 if len(originals) else 0
    weight = np.ones(len(columns)) if weights is None else weights
    there = np.isfinite(columns)
    sums = _by_original(np.where(there, columns, 0.0) * weight[:, None], originals, n_originals)
    counts = _by_original(there * weight[:, None], originals, n_originals)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = sums.sum(axis=0) / counts.sum(axis=0)
        replicates = np.empty((resamples if n_originals > 1 else 0, columns.shape[1]))
        if n_originals > 1:
            rng = np.random.default_rng(seed)
            for part, drawn in weight_blocks(n_originals, resamples, rng):
                replicates[part] = (drawn @ sums) / (drawn @ counts)
    return BootstrappedColumns(values=values, replicates=replicates)


def _by_original(columns: _Floats, originals: NDArray[np.int64], n_originals: int) -> _Floats:
    """Column sums per original, shape (originals, k)."""
    sums = np.zeros((n_originals, columns.shape[1]))
    np.add.at(sums, originals, columns)
    return sums
