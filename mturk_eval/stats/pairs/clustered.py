"""Cluster-robust covariance of scores: votes of one rater, or about one image, go together.

A vote moves the estimates, to first order, by the covariance times its score (the gradient of its
log-likelihood). Scores are summed within clusters, one sparse row of (cluster x parameter) per
cluster, and the outer products of the rows replace the information in the middle of the sandwich.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk
from scipy.sparse import csr_array

from mturk_eval.stats.pairs.maximum_likelihood import PairFit
from mturk_eval.stats.pairs.vote_counts import CodedVotes


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
    clusters, codes = np.unique(cluster, return_inverse=True)
    n_clusters = len(clusters)
    if n_clusters < 2:
        return np.full_like(fit.covariance, np.nan)
    scores = _score_sums(fit, votes, codes, n_clusters)
    small_sample = n_clusters / (n_clusters - 1)
    if n_clusters < len(fit.covariance):
        # a dense product is about ten times as fast per number as a sparse one
        crowded = scores.nnz * 10 > n_clusters * len(fit.covariance)
        moved = (scores.toarray() if crowded else scores) @ fit.covariance
        triangle = dsyrk(small_sample, moved.T, lower=1)
        robust = np.tril(triangle) + np.tril(triangle, -1).T
    else:
        middle = (scores.T @ scores).tocsr() * small_sample
        robust = (middle @ fit.covariance).T @ fit.covariance
    if fit.prior_sd is not None:
        robust = robust + fit.covariance @ fit.covariance / fit.prior_sd**2
    return np.asarray(robust)


def two_way_covariance(fit: PairFit, votes: CodedVotes) -> NDArray[np.float64]:
    """Covariance when votes of a rater go together and so do votes about an image [1]_.

    That over raters, plus that over images, minus that over their crossings. Where this leaves a
    difference between scores without a positive variance, the larger of the first two.

    References
    ----------
    .. [1] Cameron, Gelbach & Miller (2011), Robust inference with multiway clustering, J. Bus.
       Econ. Statist. 29(2).
    """
    by_rater = clustered_covariance(fit, votes, votes.rater)
    by_image = clustered_covariance(fit, votes, votes.image)
    crossed = clustered_covariance(fit, votes, votes.rater * votes.n_images + votes.image)
    total = by_rater + by_image - crossed
    larger = max(by_rater, by_image, key=np.trace)
    k = len(fit.scores)
    between = difference_variances(total[:k, :k])
    between[np.arange(k), np.arange(k)] = np.inf
    parameters = np.diag(total)
    return larger if between.min() <= 0 or parameters.min() < 0 else total


def difference_variances(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of every difference of two parameters, shape (P, P), from their covariance."""
    own = np.diag(covariance)
    return np.asarray(own[:, None] + own[None, :] - 2 * covariance)


def _score_sums(
    fit: PairFit, votes: CodedVotes, cluster: NDArray[np.int64], n_clusters: int
) -> csr_array:
    """Scores summed within clusters, shape (n_clusters, P)."""
    k = len(fit.scores)
    counts = votes.counts
    # votes of one cluster, pair and answer count together: fewer rows where few items were compared
    cells, times = np.unique(
        (cluster * len(counts.left_item) + votes.pair) * 3 + votes.answer, return_counts=True
    )
    answer, rest = cells % 3, cells // 3
    pair, row = rest % len(counts.left_item), rest // len(counts.left_item)
    chances = fit.chances(counts)
    by_difference = chances.by_difference[pair, answer] * times
    rows, columns = [row, row], [counts.left_item[pair], counts.right_item[pair]]
    values = [by_difference, -by_difference]
    if fit.left_bias is not None:
        rows.append(row)
        columns.append(np.full(len(row), k))
        values.append(by_difference)
    if fit.tie is not None:
        rows.append(row)
        columns.append(np.full(len(row), len(fit.covariance) - 1))
        values.append(chances.by_tie[pair, answer] * times)
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return csr_array(entries, shape=(n_clusters, len(fit.covariance)))
