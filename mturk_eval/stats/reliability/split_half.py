"""Split halves: how well the mean ratings of one half of the raters follow those of the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mturk_eval.stats.evaluation.correlations import weighted_pearson, weighted_spearman


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """Mean ratings by two random halves of the raters.

    Attributes
    ----------
    means : ndarray, shape (splits, 2, stimuli)
        0 where a half holds no rating of the stimulus.
    shared : ndarray of bool, shape (splits, stimuli)
        Whether both halves rated the stimulus.
    """

    means: NDArray[np.float64]
    shared: NDArray[np.bool_]


def split_raters(
    rating: NDArray[np.float64],
    stimulus: NDArray[np.int64],
    rater: NDArray[np.int64],
    *,
    splits: int,
    rng: np.random.Generator,
) -> Halves:
    """Split the raters in two at random, ``splits`` times, and average each half's ratings.

    Parameters
    ----------
    rating, stimulus, rater : ndarray, shape (n,)
        Every answer with the codes 0 … of its stimulus and rater. Of an odd number of raters the
        second half has one more.
    """
    n_raters, n_stimuli = int(rater.max()) + 1, int(stimulus.max()) + 1
    first = np.tile(np.arange(n_raters) < n_raters // 2, (splits, 1))
    first = rng.permuted(first, axis=1).astype(np.float64)
    shape = (n_raters, n_stimuli)
    sums = csr_array((rating, (rater, stimulus)), shape=shape)
    counts = csr_array((np.ones(len(rating)), (rater, stimulus)), shape=shape)
    of_halves = np.stack([first, 1.0 - first], axis=1).reshape(-1, n_raters)
    answers = (of_halves @ counts).reshape(splits, 2, n_stimuli)
    means = (of_halves @ sums).reshape(splits, 2, n_stimuli) / np.maximum(answers, 1.0)
    return Halves(means=means, shared=(answers > 0).all(axis=1))


def half_correlations(
    halves: Halves, weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """SROCC and PLCC between the halves, averaged over the splits, for every row of weights.

    Parameters
    ----------
    weights : ndarray, shape (m, stimuli)
        How often each stimulus counts; one resample per row.

    Returns
    -------
    tuple of ndarray, each of shape (m,)
        NaN where no split has a correlation.
    """
    totals, found = np.zeros((2, len(weights))), np.zeros((2, len(weights)))
    for (first, second), shared in zip(halves.means, halves.shared, strict=True):
        drawn = weights * shared
        for row, correlate in enumerate((weighted_spearman, weighted_pearson)):
            value = correlate(first, second, drawn)
            totals[row] += np.nan_to_num(value)
            found[row] += np.isfinite(value)
    with np.errstate(invalid="ignore"):
        srocc, plcc = totals / found
    return srocc, plcc
