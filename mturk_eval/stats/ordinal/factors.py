"""Triangular factors of covariance matrices, those of lower rank among them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_NOTHING = 1e-12


def semidefinite_factor(covariance: Matrix) -> Matrix:
    """Lower triangular L with L L' = covariance; a zero pivot leaves its column zero.

    Examples
    --------
    >>> semidefinite_factor(np.array([[4.0, 2.0], [2.0, 1.0]]))
    array([[2., 0.],
           [1., 0.]])
    """
    size = len(covariance)
    factor = np.zeros_like(covariance)
    for j in range(size):
        left = covariance[j:, j] - factor[j:, :j] @ factor[j, :j]
        if left[0] > _NOTHING * max(1.0, float(covariance[j, j])):
            factor[j:, j] = left / np.sqrt(left[0])
    return factor


def without_pivot(factor: Matrix, place: int) -> Matrix:
    """The factor with one diagonal entry zero, in the form `semidefinite_factor` gives."""
    reduced = factor.copy()
    reduced[place, place] = 0.0
    return semidefinite_factor(reduced @ reduced.T)
