"""One variance per item from which the variance of any difference follows, nearly.

The covariance of K scores has K (K + 1) / 2 numbers; a table or a figure has room for K. Quasi
standard errors q are such that the error of a - b is about sqrt(q_a^2 + q_b^2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mturk_eval.stats.pairs.clustered import difference_variances

_MAX_ITERATIONS = 100


def quasi_variances(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quasi-variances of K estimates [1]_.

    They minimise the sum over pairs of the squared log ratio of q_a + q_b to the variance of the
    difference; with three estimates they are exact.

    Parameters
    ----------
    covariance : ndarray, shape (K, K)
        Of the estimates; only variances of differences matter, so any reference level will do.

    Returns
    -------
    ndarray, shape (K,)
        One of them can be negative where a difference is surer than the others allow; NaN for
        fewer than three estimates, a difference without a positive variance, or no convergence.

    References
    ----------
    .. [1] Firth & de Menezes (2004), Quasi-variances, Biometrika 91(1).

    Examples
    --------
    >>> quasi_variances(np.diag([1.0, 2.0, 3.0])).round(6)
    array([1., 2., 3.])
    """
    k = len(covariance)
    nothing = np.full(k, np.nan)
    if k < 3 or not np.isfinite(covariance).all():
        return nothing
    off = ~np.eye(k, dtype=bool)
    target = difference_variances(covariance)
    if target[off].min() <= 0:
        return nothing
    target[~off] = 1.0
    quasi = np.full(k, 0.5 * float(np.exp(np.mean(np.log(target[off])))))
    loss = _loss(quasi, target, off)
    for _ in range(_MAX_ITERATIONS):
        total = quasi[:, None] + quasi[None, :]
        slope = np.where(off, 1.0 / total, 0.0)
        residual = np.where(off, np.log(np.where(off, total, 1.0) / target), 0.0)
        normal = slope**2
        normal[np.arange(k), np.arange(k)] = normal.sum(axis=1)
        step = -np.linalg.solve(normal, np.sum(slope * residual, axis=1))
        while not (trial := _loss(quasi + step, target, off)) <= loss:
            step = step / 2
            if np.abs(step).max() < 1e-14 * np.abs(quasi).max():
                return quasi
        quasi, loss = quasi + step, trial
        if np.abs(step).max() < 1e-10 * np.abs(quasi).max():
            return quasi
    return nothing


def _loss(quasi: NDArray[np.float64], target: NDArray[np.float64], off: NDArray[np.bool_]) -> float:
    total = (quasi[:, None] + quasi[None, :])[off]
    return float(np.sum(np.log(total / target[off]) ** 2)) if total.min() > 0 else np.inf
