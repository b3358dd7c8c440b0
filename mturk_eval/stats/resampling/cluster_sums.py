"""Sums of ratings per cluster and cell, from which means under any weights of clusters follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.resampling.weights import weight_blocks

_DENSE_ENTRIES_PER_RATING = 4  # a dense table up to this size is faster than a sparse one
_SPARSE_CACHE_SIZES = 4  # sparse products gain from many resamples at once
_USUAL_WEIGHTS = 12  # a cluster is drawn more often than this once in 10^11 times
_EXACT_BELOW: tuple[tuple[type[np.number], int], ...] = ((np.int16, 2**15), (np.float32, 2**24))
"""Types in which sums of whole numbers are exact up to a limit, the fastest in products first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSums:
    """Two tables of shape (n_cells, n_clusters): the sums of the ratings, and their numbers."""

    sums: NDArray[np.float64] | csr_array
    counts: NDArray[np.float64] | csr_array

    @classmethod
    def of(
        cls,
        values: NDArray[np.float64],
        *,
        cells: NDArray[np.int64],
        clusters: NDArray[np.int64],
        n_cells: int,
        n_clusters: int,
    ) -> ClusterSums:
        """Add up ``values``, shape (n,), by their codes of cell and cluster."""
        shape = (n_cells, n_clusters)
        size = n_cells * n_clusters
        if size <= _DENSE_ENTRIES_PER_RATING * len(values):
            code = cells * n_clusters + clusters
            sums = np.bincount(code, weights=values, minlength=size).astype(np.float64)
            counts = np.bincount(code, minlength=size).astype(np.float64)
            return cls(sums=sums.reshape(shape), counts=counts.reshape(shape))
        # The conversion to rows adds up repeated entries, in both tables alike.
        return cls(
            sums=csr_array((values, (cells, clusters)), shape=shape),
            counts=csr_array((np.ones(len(values)), (cells, clusters)), shape=shape),
        )

    def rows(self, cells: NDArray[np.int64]) -> ClusterSums:
        """The tables of some cells only."""
        return ClusterSums(sums=self.sums[cells], counts=self.counts[cells])

    def means(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cell means, shape (n_cells, m), with every cluster counted ``weights`` (m, n) times.

        NaN where all clusters of a cell have weight 0.
        """
        by_cluster = weights.T
        if not isinstance(self.sums, np.ndarray):
            by_cluster = np.ascontiguousarray(by_cluster, dtype=self.sums.dtype)
        with np.errstate(divide="ignore", invalid="ignore"):
            sums, counts = np.asarray(self.sums @ by_cluster), np.asarray(self.counts @ by_cluster)
            means: NDArray[np.float64] = np.divide(sums, counts, dtype=np.float64)
        return means

    def bootstrapped(self, resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Cell means, shape (n_cells, resamples), of clusters drawn with replacement.

        NaN where no cluster of a cell was drawn.
        """
        n_cells, n_clusters = self.sums.shape
        usual, cache_sizes = self, 1
        if not isinstance(self.sums, np.ndarray):
            usual, cache_sizes = self._in_the_fastest_exact_type(), _SPARSE_CACHE_SIZES
        means = np.empty((n_cells, resamples))
        for part, weights in weight_blocks(n_clusters, resamples, rng, cache_sizes=cache_sizes):
            table = self if usual is self or weights.max() > _USUAL_WEIGHTS else usual
            means[:, part] = table.means(weights)
        return means

    def _in_the_fastest_exact_type(self) -> ClusterSums:
        """Sparse tables with fewer bytes per number, where usual weights cannot exceed these.

        Whole ratings have whole sums, which lose nothing in such a type.
        """
        sums, counts = csr_array(self.sums), csr_array(self.counts)
        if not np.array_equal(sums.data, np.rint(sums.data)):
            return self
        largest = max(float(np.max(abs(table).sum(axis=1))) for table in (sums, counts))
        for kind, limit in _EXACT_BELOW:
            if largest * _USUAL_WEIGHTS < limit:
                return ClusterSums(
                    sums=csr_array(sums.astype(kind)), counts=csr_array(counts.astype(kind))
                )
        return self

    def entries(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Cell, cluster, sum and number of ratings, of every cell that a cluster has rated."""
        if isinstance(self.counts, np.ndarray):
            cell, cluster = np.nonzero(self.counts)
            return cell, cluster, np.asarray(self.sums)[cell, cluster], self.counts[cell, cluster]
        sizes = np.diff(self.counts.indptr)
        return (
            np.repeat(np.arange(len(sizes)), sizes),
            self.counts.indices.astype(np.int64),
            np.asarray(self.sums.data),
            np.asarray(self.counts.data),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrappedMeans:
    """Means of groups, shape (k,), and their replicates, shape (resamples, k).

    A replicate is NaN where no cluster of the group was drawn. ``groups`` are the labels, sorted.
    """

    groups: tuple[object, ...]
    means: NDArray[np.float64]
    replicates: NDArray[np.float64]


def cluster_bootstrap_means(
    values: ArrayLike,
    *,
    clusters: ArrayLike,
    groups: ArrayLike,
    resamples: int = 2_000,
    seed: int = 0,
) -> BootstrappedMeans:
    """Bootstrap the plain means of groups by drawing whole clusters with replacement [1]_.

    All ratings of a group count the same. For means over images that count the same see
    `mturk_eval.stats.ratings.mos.mean_opinion_scores`.

    Parameters
    ----------
    values : array of float, shape (n,)
        For example ratings.
    clusters : array, shape (n,)
        What is drawn: usually the rater of every value. Labels of any kind.
    groups : array, shape (n,)
        What is averaged: for example the method of every value. Labels of any kind.
    resamples : int
        How many; weights are drawn in parts, so memory does not grow with resamples x clusters.
    seed : int
        The same seed gives the same digits.

    Raises
    ------
    InvalidInputError
        If there are no values, the arrays differ in length, or a value or label is missing.

    References
    ----------
    .. [1] Davison & Hinkley (1997), Bootstrap Methods and their Application, section 3.8.

    Examples
    --------
    >>> result = cluster_bootstrap_means(
    ...     [4.0, 6.0, 5.0, 9.0], clusters=list("aabb"), groups=["jxl", "webp"] * 2, resamples=500
    ... )
    >>> result.groups, result.means, np.unique(result.replicates[:, 0])
    (('jxl', 'webp'), array([4.5, 7.5]), array([4. , 4.5, 5. ]))
    """
    numbers = np.asarray(values, dtype=np.float64)
    cluster, cluster_labels = _codes(clusters, sort=False)
    group, labels = _codes(groups, sort=True)
    if not len(numbers) or not len(numbers) == len(cluster) == len(group):
        raise InvalidInputError(
            f"{len(numbers)} values, {len(cluster)} clusters and {len(group)} groups: give one "
            "cluster and one group for every value, and at least one value."
        )
    if not np.isfinite(numbers).all() or min(cluster.min(), group.min()) < 0:
        raise InvalidInputError(
            "A value, cluster or group is missing. Leave such rows out before resampling."
        )
    if resamples < 1:
        raise InvalidInputError(f"{resamples} resamples: give at least 1.")
    n_clusters = len(cluster_labels)
    sums = ClusterSums.of(
        numbers, cells=group, clusters=cluster, n_cells=len(labels), n_clusters=n_clusters
    )
    return BootstrappedMeans(
        groups=tuple(labels.tolist()),
        means=sums.means(np.ones((1, n_clusters)))[:, 0],
        replicates=sums.bootstrapped(resamples, np.random.default_rng(seed)).T,
    )


def _codes(labels: ArrayLike, *, sort: bool) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Codes of labels, -1 where one is missing, and the labels; numbers always come sorted."""
    given = np.asarray(labels)
    if given.dtype.kind in "iu" and len(given):
        lowest, highest = int(given.min()), int(given.max())
        if highest - lowest < 2 * len(given):  # numbered already: no hashing, no sorting
            code = given.astype(np.int64) - lowest
            occurs = np.zeros(highest - lowest + 1, dtype=bool)
            occurs[code] = True
            if not occurs.all():
                code = (np.cumsum(occurs) - 1)[code]
            return code, (np.flatnonzero(occurs) + lowest).astype(given.dtype)
    code, unique = pd.factorize(given, sort=sort)
    return code, np.asarray(unique)
