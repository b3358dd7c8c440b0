"""Linear functions of the fixed effects, as rows of coefficients."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from mturk_eval.errors import InvalidInputError


def checked_contrasts(contrasts: ArrayLike, n_fixed: int) -> NDArray[np.float64]:
    """Rows of finite coefficients, shape (m, n_fixed); a single row may be given flat.

    Raises
    ------
    InvalidInputError
        If the rows do not have one coefficient per fixed effect.
    """
    rows = np.atleast_2d(np.asarray(contrasts, dtype=np.float64))
    if rows.ndim != 2 or rows.shape[1] != n_fixed or not np.isfinite(rows).all():
        raise InvalidInputError(
            f"Contrasts of shape {rows.shape} do not fit the model: each row needs {n_fixed} "
            "finite numbers, one per fixed effect."
        )
    return rows


def independent_contrasts(contrasts: ArrayLike, n_fixed: int) -> NDArray[np.float64]:
    """As many rows as the contrasts have rank, that span the same space.

    Raises
    ------
    InvalidInputError
        Also if all coefficients are zero.

    Examples
    --------
    >>> len(independent_contrasts([[0, 1, 0], [0, 0, 1], [0, 1, -1]], 3))
    2
    """
    rows = checked_contrasts(contrasts, n_fixed)
    lengths = np.linalg.norm(rows, axis=1)
    if not lengths.any():
        raise InvalidInputError("There is nothing to test: every coefficient of a contrast is 0.")
    rows = rows[lengths > 0] / lengths[lengths > 0, None]
    _, triangle, order = linalg.qr(rows.T, mode="economic", pivoting=True)
    sizes = np.abs(np.diagonal(triangle))
    return np.asarray(rows[np.sort(order[: len(sizes)][sizes > 1e-9 * sizes[0]])])
