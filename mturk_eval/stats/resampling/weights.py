"""What is drawn with replacement, and how often each unit is drawn: the weights of a resample.

A resample of clusters is one row of weights, how often each was drawn, so a statistic of weighted
sums is computed for all resamples at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mturk_eval.stats.resampling.equal_draws import draw_counts

ResamplingUnit = Literal["rater", "rating", "image", "both"]

GENERALISES_TO: dict[ResamplingUnit, tuple[str, ...]] = {
    "rater": ("raters",),
    "rating": ("ratings",),
    "image": ("images",),
    "both": ("raters", "images"),
}
"""What an interval speaks about, by what was resampled: others of the same kind."""

_WEIGHTS_AT_ONCE = 2**20  # 8 MB
_WEIGHTS_IN_CACHE = 2**18  # 2 MB: about what a processor core keeps close by
_FEW_CLUSTERS = 64  # up to which counting single draws is as fast as any other way


def cluster_weights(
    n_clusters: int, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """How often each cluster occurs in each bootstrap resample, shape (resamples, n_clusters).

    Every row is a draw of ``n_clusters`` clusters with replacement: a multinomial with equal
    probabilities, many times as fast as numpy's.

    Examples
    --------
    >>> cluster_weights(5, 3, np.random.default_rng(1)).sum(axis=1)
    array([5., 5., 5.])
    """
    weights = np.empty((resamples, n_clusters))
    _fill(weights, rng)
    return weights


def weight_blocks(
    n_clusters: int, resamples: int, rng: np.random.Generator, *, cache_sizes: int = 1
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """The rows of `cluster_weights`, some at a time, with the slice of the resamples they are.

    Parameters
    ----------
    cache_sizes : int
        How many weights a block holds, in units of what stays in a processor's cache; changes
        nothing but the time of what is done with them.

    Yields
    ------
    slice, ndarray
        The array is overwritten when the next one is asked for: fresh memory for every block would
        take longer than the draws.

    Examples
    --------
    >>> [part for part, _ in weight_blocks(100_000, 5, np.random.default_rng(1))]
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = cache_sizes * _rows_in_cache(n_clusters)
    buffer = np.empty((min(step, resamples), n_clusters))
    for start in range(0, resamples, step):
        weights = buffer[: min(step, resamples - start)]
        _fill(weights, rng)
        yield slice(start, start + len(weights)), weights


def _fill(weights: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Draw all rows, always in the same steps, so that the digits do not depend on the blocks."""
    n_clusters = weights.shape[1]
    step = _rows_in_cache(n_clusters)
    for start in range(0, len(weights), step):
        rows = weights[start : start + step]
        if n_clusters > _FEW_CLUSTERS:
            draw_counts(rows, rng)
            continue
        drawn = rng.integers(0, n_clusters, size=rows.shape)
        drawn += np.arange(0, rows.size, n_clusters)[:, None]
        rows[...] = np.bincount(drawn.ravel(), minlength=rows.size).reshape(rows.shape)


def _rows_in_cache(n_clusters: int) -> int:
    return max(1, _WEIGHTS_IN_CACHE // max(n_clusters, 1))


def resample_slices(resamples: int, n_clusters: int) -> Iterator[slice]:
    """Slices of the resamples whose weights fit into memory together."""
    step = max(1, _WEIGHTS_AT_ONCE // max(n_clusters, 1))
    for start in range(0, resamples, step):
        yield slice(start, min(start + step, resamples))
