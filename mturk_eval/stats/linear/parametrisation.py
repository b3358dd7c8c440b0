"""From a flat vector of numbers to the blocks' covariance factors, and their derivatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Places = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parametrisation:
    """Which entries of lower-triangular factors are free, and in which units.

    Attributes
    ----------
    transforms : tuple of ndarray
        Per block the K x K matrix that takes a factor in these units to the engine's coding.
    places : tuple of (rows, columns)
        Per block the free entries of the factor, in the order of theta.
    """

    transforms: tuple[Array, ...]
    places: tuple[Places, ...]

    @property
    def sizes(self) -> list[int]:
        """Number of parameters of each block."""
        return [len(rows) for rows, _ in self.places]

    @property
    def entries(self) -> Iterator[tuple[int, int, int]]:
        """Block, row and column of every parameter."""
        for block, (rows, columns) in enumerate(self.places):
            for row, column in zip(rows, columns, strict=True):
                yield block, int(row), int(column)

    def factors(self, theta: Array) -> tuple[Array, ...]:
        """The blocks' K x K factors, lower triangular."""
        result = []
        start = 0
        for transform, (rows, columns) in zip(self.transforms, self.places, strict=True):
            factor = np.zeros(transform.shape)
            factor[rows, columns] = theta[start : start + len(rows)]
            start += len(rows)
            result.append(factor)
        return tuple(result)

    def theta(self, factors: Sequence[Array]) -> Array:
        """The free entries of given factors."""
        parts = [f[place] for f, place in zip(factors, self.places, strict=True)]
        return np.concatenate([np.zeros(0), *parts])

    def coded(self, theta: Array) -> tuple[Array, ...]:
        """Factors in the engine's coding; these need not be triangular."""
        factors = self.factors(theta)
        return tuple(t @ f for t, f in zip(self.transforms, factors, strict=True))

    def directions(self, theta: Array) -> list[tuple[int, Array]]:
        """Per parameter its block and the derivative of that block's coded G."""
        coded = self.coded(theta)
        result = []
        for block, row, column in self.entries:
            half = np.outer(self.transforms[block][:, row], coded[block][:, column])
            result.append((block, half + half.T))
        return result

    def gradient(self, theta: Array, slopes: Sequence[Array]) -> Array:
        """The derivative in theta, given the derivative in every coded G."""
        parts = [np.zeros(0)]
        for place, transform, coded, slope in zip(
            self.places, self.transforms, self.coded(theta), slopes, strict=True
        ):
            parts.append(2.0 * (transform.T @ slope @ coded)[place])
        return np.concatenate(parts)

    def bend(self, slopes: Sequence[Array]) -> Array:
        """What the curvature of G in theta adds to second derivatives."""
        entries = list(self.entries)
        result = np.zeros((len(entries), len(entries)))
        own = [t.T @ s @ t for t, s in zip(self.transforms, slopes, strict=True)]
        for i, (block, row, column) in enumerate(entries):
            for j, (other, other_row, other_column) in enumerate(entries):
                if block == other and column == other_column:
                    result[i, j] = 2.0 * own[block][row, other_row]
        return result


def lower_factor(root: Array, *, tolerance: float = 1e-12) -> Array:
    """Lower-triangular F with ``F F' = root root'`` and a diagonal of zeros and positive numbers.

    A column whose diagonal vanishes is zero throughout, which a QR decomposition does not grant.

    Examples
    --------
    >>> lower_factor(np.array([[1.0, 0.0], [-2.0, 0.0]]))
    array([[ 1.,  0.],
           [-2.,  0.]])
    """
    rest = np.array(root, dtype=np.float64)
    size = np.sqrt((rest**2).sum(axis=1))
    result = np.zeros((len(rest), len(rest)))
    for column in range(len(rest)):
        norm = float(np.sqrt((rest[column] ** 2).sum()))
        if norm <= tolerance * size[column]:
            continue
        direction = rest[column] / norm
        result[column:, column] = rest[column:] @ direction
        rest[column:] -= np.outer(result[column:, column], direction)
    return result
