"""Correlations under many sets of weights at once: one row of weights is one resample.

A weight is how often an observation was drawn, so with whole weights every value here is the
correlation of the sample in which each observation is repeated so often. Ties are handled exactly:
mid-ranks for Spearman, tau-b for Kendall.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

_CHUNK_ENTRIES = 2_000_000


def weighted_pearson(
    x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Linear correlation of x and y for every row of weights.

    Parameters
    ----------
    x, y : ndarray, shape (n,) or (m, n)
        The same values, or other values, for every row of weights.
    weights : ndarray, shape (m, n)
        Not negative.

    Returns
    -------
    ndarray, shape (m,)
        NaN where x or y is constant over what has weight.

    Examples
    --------
    >>> weighted_pearson(np.array([1.0, 2, 3]), np.array([2.0, 4, 9]), np.ones((1, 3))).round(4)
    array([0.9707])
    """
    total = weights.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        dx = x - (weights * x).sum(axis=1, keepdims=True) / total
        dy = y - (weights * y).sum(axis=1, keepdims=True) / total
        wx = weights * dx
        of_x, of_y = (wx * dx).sum(axis=1), (weights * dy * dy).sum(axis=1)
        # rounding leaves a constant with a variance of 1e-32 of its square, not 0
        floor = 1e-26 * total[:, 0]
        flat = of_x <= floor * np.max(np.abs(x), initial=0.0) ** 2
        flat |= of_y <= floor * np.max(np.abs(y), initial=0.0) ** 2
        value = (wx * dy).sum(axis=1) / np.sqrt(of_x * of_y)
    return np.where(flat, np.nan, np.clip(value, -1.0, 1.0))


def weighted_midranks(
    values: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Ranks of the values among their weighted selves, shape (m, n); ties share their mean rank.

    Ranks start at half the weight of the smallest, so that they differ from 1, 2, … by a constant.

    Examples
    --------
    >>> weighted_midranks(np.array([30.0, 10, 10]), np.array([[1.0, 1, 1], [2, 0, 1]]))
    array([[2.5, 1. , 1. ],
           [2. , 0.5, 0.5]])
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    group = np.cumsum(np.r_[False, ordered[1:] != ordered[:-1]])
    through = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = np.cumsum(through, axis=1) - through / 2.0
    ranks = np.empty_like(weights)
    ranks[:, order] = middle[:, group]
    return ranks


def weighted_spearman(
    x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Rank correlation (SROCC) of x and y, shapes (n,), for every row of weights (m, n).

    Examples
    --------
    >>> weighted_spearman(np.array([1.0, 2, 3]), np.array([2.0, 9, 4]), np.ones((1, 3)))
    array([0.5])
    """
    chunk = max(1, _CHUNK_ENTRIES // max(1, len(x)))
    return np.concatenate(
        [
            weighted_pearson(weighted_midranks(x, part), weighted_midranks(y, part), part)
            for part in (weights[s : s + chunk] for s in range(0, len(weights), chunk))
        ]
    )


def weighted_kendall(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    cluster: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Kendall's tau-b of x and y when whole clusters have weights.

    Pairs are summed by pair of clusters once; a resample is then a quadratic form in its weights.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    cluster : ndarray of int, shape (n,)
        Cluster of every observation, 0 … G - 1.
    weights : ndarray, shape (m, G)

    Returns
    -------
    ndarray, shape (m,)
        NaN where x or y is constant.

    Examples
    --------
    >>> one_each = np.arange(3)
    >>> weighted_kendall(np.array([1.0, 2, 3]), np.array([2.0, 9, 4]), one_each, np.ones((1, 3)))
    array([0.33333333])
    """
    n, n_clusters = len(x), weights.shape[1]
    member = csr_array((np.ones(n), (np.arange(n), cluster)), shape=(n, n_clusters))
    forms = np.zeros((3, n_clusters, n_clusters))
    chunk = max(1, _CHUNK_ENTRIES // max(1, n))
    for start in range(0, n, chunk):
        rows = slice(start, start + chunk)
        sx, sy = np.sign(x[rows, None] - x), np.sign(y[rows, None] - y)
        for form, signs in enumerate((sx * sy, np.abs(sx), np.abs(sy))):
            forms[form] += member[rows].T @ (signs @ member)
    concordance, of_x, of_y = (((weights @ form) * weights).sum(axis=1) for form in forms)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(concordance / np.sqrt(of_x * of_y))
