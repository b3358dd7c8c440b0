"""A random term as arrays: which level of its group every row belongs to, and with what columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomBlock:
    """One random term: a vector of K coefficients for each of the L levels of its group.

    The contribution to row i is ``columns[i] @ u[codes[i]]`` with ``u`` of shape (L, K), and every
    ``u[level]`` drawn from N(0, G), G being K x K.

    Attributes
    ----------
    group : str
        As lme4 writes it: ``image`` or ``image:method``.
    terms : tuple of str
        Names of the K columns, as R names them.
    levels : tuple of str
        Names of the L levels.
    codes : ndarray of int32, shape (n,)
        Level of every row; each of 0 … L - 1 occurs.
    columns : ndarray, shape (n, K)
    correlated : bool
        False for ``||``: G is then diagonal.
    """

    group: str
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    codes: NDArray[np.int32]
    columns: NDArray[np.float64]
    correlated: bool = True

    @property
    def n_levels(self) -> int:
        """L."""
        return len(self.levels)

    @property
    def n_terms(self) -> int:
        """K."""
        return len(self.terms)

    @property
    def n_coefficients(self) -> int:
        """L x K."""
        return self.n_levels * self.n_terms

    @property
    def factor_index(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns of the free entries of the K x K lower Cholesky factor of G.

        Column by column, as lme4 orders its theta.
        """
        if not self.correlated:
            diagonal = np.arange(self.n_terms)
            return diagonal, diagonal
        columns, rows = np.triu_indices(self.n_terms)
        return rows, columns
