"""Cluster-robust covariance of scores: votes of one rater, or about one image, go together.

A vote moves the estimates, to first order, by the covariance times its score (the gradient of its
log-likelihood). Scores are summed within clusters, one sparse row of (cluster x parameter) per
cluster, and the outer products of the rows replace the information in the middle of the sandwich.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk
from scipy.sparse import csr_array

from mturk_eval.stats.pairs.maximum_likelihood import PairFit
from mturk_eval.stats.pairs.vote_counts import CodedVotes
from mturk_eval.stats.threads import threads_for

_BLOCK = 128
_SPARSE_IS_SLOWER = 300  # per product of two numbers


def clustered_covariance(
    fit: PairFit, votes: CodedVotes, cluster: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Covariance of the parameters when votes of a cluster go together [1]_.

    Parameters
    ----------
    fit : PairFit
        A fit to ``votes.counts``.
    cluster : ndarray of int, shape (n,)
        Each vote's cluster.

    Returns
    -------
    ndarray, shape (P, P)
        The sandwich times G / (G - 1) for G clusters; NaN for fewer than two. Where the fit has a
        prior, its precision is added in the middle, so that votes without contradiction do not
        look like certainty; without clustering that would give ``fit.covariance``.

    References
    ----------
    .. [1] Liang & Zeger (1986), Longitudinal data analysis using generalized linear models,
       Biometrika 73(1).
    """
    with threads_for(len(fit.covariance)):
        scores = _Slopes.of(fit, votes).summed(cluster)
        n_clusters = scores.shape[0]
        if n_clusters < 2:
            return np.full_like(fit.covariance, np.nan)
        small_sample = n_clusters / (n_clusters - 1)
        if n_clusters >= len(fit.covariance):
            return _sandwich(fit, small_sample * _outer_products(scores))
        # a dense product is about ten times as fast per number as a sparse one
        crowded = scores.nnz * 10 > n_clusters * len(fit.covariance)
        moved = np.asarray((scores.toarray() if crowded else scores) @ fit.covariance)
        robust = _gram(moved) * small_sample
        if fit.prior_sd is not None:
            robust += fit.covariance @ fit.covariance / fit.prior_sd**2
    return robust


def two_way_covariance(fit: PairFit, votes: CodedVotes) -> NDArray[np.float64]:
    """Covariance when votes of a rater go together and so do votes about an image [1]_.

    That over raters, plus that over images, minus that over their crossings. Where this leaves a
    difference between scores without a positive variance, the larger of the first two.

    References
    ----------
    .. [1] Cameron, Gelbach & Miller (2011), Robust inference with multiway clustering, J. Bus.
       Econ. Statist. 29(2).
    """
    crossing = votes.rater * votes.n_images + votes.image
    if min(votes.n_raters, votes.n_images) < 2:
        return np.full_like(fit.covariance, np.nan)
    with threads_for(len(fit.covariance)):
        # the three sandwiches share their outside, which is most of the work
        slopes = _Slopes.of(fit, votes)
        middle = np.zeros_like(fit.covariance)
        for cluster, sign in ((votes.rater, 1), (votes.image, 1), (crossing, -1)):
            scores = slopes.summed(cluster)
            n_clusters = scores.shape[0]
            products = _outer_products(scores)
            products *= sign * n_clusters / (n_clusters - 1)
            middle += products
        total = _sandwich(fit, middle)
    k = len(fit.scores)
    between = difference_variances(total[:k, :k])
    between[np.arange(k), np.arange(k)] = np.inf
    if between.min() > 0 and np.diag(total).min() >= 0:
        return total
    by_one = [clustered_covariance(fit, votes, cluster) for cluster in (votes.rater, votes.image)]
    return max(by_one, key=np.trace)


def difference_variances(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of every difference of two parameters, shape (P, P), from their covariance."""
    own = np.diag(covariance)
    variances = -2.0 * covariance
    variances += own
    variances += own[:, None]
    return np.asarray(variances)


def _sandwich(fit: PairFit, middle: NDArray[np.float64]) -> NDArray[np.float64]:
    """The covariance times the middle times the covariance; a prior's precision in the middle."""
    if fit.prior_sd is not None:
        middle[np.diag_indices(len(middle))] += 1.0 / fit.prior_sd**2
    half = fit.covariance @ middle
    product = np.empty_like(half)
    for block in _blocks(len(half)):  # the product is symmetric: half of it is enough
        product[block.start :, block] = half[block.start :] @ fit.covariance[:, block]
        product[block, block.stop :] = product[block.stop :, block].T
    return product


def _outer_products(scores: csr_array[np.float64]) -> NDArray[np.float64]:
    """The sum of every row's outer product with itself, shape (P, P)."""
    per_row = np.diff(scores.indptr).astype(np.float64)
    if per_row @ per_row * _SPARSE_IS_SLOWER < scores.shape[0] * scores.shape[1] ** 2:
        return np.asarray((scores.T @ scores).toarray())
    return _gram(scores.toarray())


def _gram(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The transpose of a matrix times the matrix."""
    gram = dsyrk(1.0, rows.T, lower=1).T  # its upper triangle: transposed, rows are contiguous
    for block in _blocks(len(gram)):
        gram[block.stop :, block] = gram[block, block.stop :].T
        corner = gram[block, block]
        corner += np.triu(corner, 1).T
    return np.asarray(gram)


def _blocks(size: int) -> Iterator[slice]:
    for start in range(0, size, _BLOCK):
        yield slice(start, min(start + _BLOCK, size))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slopes:
    """The score of every single vote: its derivatives, and the parameters they are by."""

    values: tuple[NDArray[np.float64], ...]  # one array per parameter that a vote has, (n,) each
    parameters: tuple[NDArray[np.int64], ...]
    n_parameters: int

    @classmethod
    def of(cls, fit: PairFit, votes: CodedVotes) -> _Slopes:
        counts = votes.counts
        chances = fit.chances(counts)
        by_difference = chances.by_difference[votes.pair, votes.answer]
        values = [by_difference, -by_difference]
        parameters = [counts.left_item[votes.pair], counts.right_item[votes.pair]]
        if fit.left_bias is not None:
            values.append(by_difference)
            parameters.append(np.full(len(votes.pair), len(fit.scores)))
        if fit.tie is not None:
            values.append(chances.by_tie[votes.pair, votes.answer])
            parameters.append(np.full(len(votes.pair), len(fit.covariance) - 1))
        return cls(
            values=tuple(values), parameters=tuple(parameters), n_parameters=len(fit.covariance)
        )

    def summed(self, cluster: NDArray[np.int64]) -> csr_array[np.float64]:
        """Sums within clusters, shape (clusters, P)."""
        clusters, row = np.unique(cluster, return_inverse=True)
        places = (np.tile(row, len(self.values)), np.concatenate(self.parameters))
        return csr_array(  # which adds up what falls on the same place
            (np.concatenate(self.values), places), shape=(len(clusters), self.n_parameters)
        )
