"""Response and fixed effects in units that cost no digits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError

Array = NDArray[np.float64]

_DEPENDENT = 1e-7
_NOTHING_LEFT = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """``fixed = Q @ root`` with Q'Q = n I, and ``response = fixed @ start + scale * residuals``.

    Attributes
    ----------
    root : ndarray, shape (p, p)
        Upper triangular.
    start : ndarray, shape (p,)
        The estimates of least squares.
    scale : float
        The root mean square of what least squares leaves.
    n_rows : int
    """

    root: Array
    start: Array
    scale: float
    n_rows: int

    @property
    def n_fixed(self) -> int:
        """p."""
        return len(self.start)

    def estimates(self, coefficients: Array) -> Array:
        """Fixed effects in the caller's units, from those of the rotated problem."""
        return self.start + self.scale * (self._inverse() @ coefficients)

    def covariance(self, rotated: Array) -> Array:
        """The covariance of fixed effects in the caller's units."""
        inverse = self._inverse() * self.scale
        return np.asarray(inverse @ rotated @ inverse.T)

    def contrasts(self, rows: Array) -> Array:
        """Linear functions of the fixed effects, shape (m, p), as functions of the rotated ones."""
        return np.asarray(rows @ self._inverse())

    def criterion(self, rotated: float, *, degrees: int, reml: bool) -> float:
        """The criterion in the caller's units."""
        shift = 2.0 * degrees * float(np.log(self.scale))
        if reml and self.n_fixed:
            shift += 2.0 * float(np.log(np.abs(np.diag(self.root))).sum())
        return rotated + shift

    def _inverse(self) -> Array:
        return np.asarray(np.linalg.inv(self.root), dtype=np.float64)


def rotated(response: Array, fixed: Array) -> tuple[Array, Rotation]:
    """Columns Q and residuals as one (n, p + 1) array in Fortran order, and how they came about.

    Raises
    ------
    StatisticsError
        If the fixed effects are linearly dependent, or explain every answer.
    """
    n, p = fixed.shape
    if n <= p:
        raise StatisticsError(
            f"{n} answers cannot determine {p} fixed effects. Collect more answers, or leave fixed "
            "effects out with --formula."
        )
    data = np.empty((n, p + 1), order="F")
    size = np.sqrt(np.einsum("ij,ij->j", fixed, fixed) / n)
    if not (size > 0).all():
        raise _dependent(int(np.argmin(size > 0)))
    columns = data[:, :p]
    np.divide(fixed, size, out=columns)
    root = np.diag(size)
    for _ in range(2):  # the second pass makes the columns orthogonal to the last digit
        triangle = _triangle(columns, n)
        _divide(columns, triangle)
        root = triangle @ root
    largest = float(np.abs(response).max())
    rest = data[:, p]
    rest[:] = response
    start = np.zeros(p)
    for _ in range(2):
        fitted = columns.T @ rest / n
        rest -= columns @ fitted
        start += fitted
    scale = float(np.sqrt(np.dot(rest, rest) / n))
    if scale <= _NOTHING_LEFT * largest or largest == 0.0:
        raise StatisticsError(
            "The fixed effects explain every answer exactly: no variance is left to model. Report "
            "the means (--model mos), or leave a fixed effect out with --formula."
        )
    rest /= scale
    solved = np.asarray(np.linalg.solve(root, start), dtype=np.float64)
    return data, Rotation(root=root, start=solved, scale=scale, n_rows=n)


def _triangle(columns: Array, n: int) -> Array:
    p = columns.shape[1]
    gram = np.empty((p, p))
    for i in range(p):
        for j in range(i + 1):
            gram[i, j] = gram[j, i] = np.dot(columns[:, i], columns[:, j]) / n
    triangle = np.zeros((p, p))
    for column in range(p):  # Cholesky by hand, to name the column where it ends
        pivot = gram[column, column] - triangle[:column, column] @ triangle[:column, column]
        if pivot <= _DEPENDENT**2:
            raise _dependent(column)
        triangle[column, column] = np.sqrt(pivot)
        rest = (
            gram[column, column + 1 :] - triangle[:column, column] @ triangle[:column, column + 1 :]
        )
        triangle[column, column + 1 :] = rest / triangle[column, column]
    return triangle


def _divide(columns: Array, triangle: Array) -> None:
    """``columns @ inv(triangle)``, in place, column by column."""
    for column in range(columns.shape[1]):
        for earlier in range(column):
            if triangle[earlier, column] != 0.0:
                columns[:, column] -= triangle[earlier, column] * columns[:, earlier]
        columns[:, column] /= triangle[column, column]


def _dependent(column: int) -> StatisticsError:
    return StatisticsError(
        f"Column {column + 1} of the fixed effects is zero or a sum of the columns before it, so "
        "its coefficient is not determined. Leave the term out of the formula, or collect answers "
        "for the combinations of levels that are missing."
    )
