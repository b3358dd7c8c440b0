"""How often each of n cells is hit by n equal draws: exact counts, from Poisson ones.

Independent Poisson counts are, given their total, the counts of so many equal draws. A resample is
therefore drawn as Poisson counts of a mean a little below 1, two counts at a time by looking up 16
random bits in a table, and the draws that their total lacks are made one by one. Where the total
is too large, which is rare, as many draws are taken back, all with the same chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_MARGIN = 3.0  # standard deviations of the total below n: one total in a thousand is too large
_LARGEST_COUNT = 24  # a Poisson count of mean 1 or less exceeds it with chance 1e-25
_N_BITS = 2**16
_UNDECIDED = 2**16 - 1  # no pair of counts: both would be 255


def draw_counts(out: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Fill every row of ``out``, shape (resamples, n) and contiguous, with counts of n equal draws.

    The rows are multinomial with n draws and equal chances. Speed is best where ``out`` stays in
    the processor's cache.
    """
    resamples, n = out.shape
    out[...] = _poisson_counts(resamples * n, max(0.0, 1.0 - _MARGIN / n**0.5), rng).reshape(
        resamples, n
    )
    lacking = n - np.einsum("rc->r", out).astype(np.int64)
    for row in np.flatnonzero(lacking < 0):
        draws = np.repeat(np.arange(n), out[row].astype(np.int64))
        np.subtract.at(out[row], rng.choice(draws, -lacking[row], replace=False), 1.0)
    lacking = np.maximum(lacking, 0)
    cells = rng.integers(0, n, size=lacking.sum())
    cells += np.repeat(np.arange(0, resamples * n, n), lacking)
    np.add.at(out.reshape(-1), cells, 1.0)


def _poisson_counts(size: int, mean: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Independent Poisson counts, shape (size,)."""
    table = _PairTable.of(mean)
    words = -(-size // 8)  # of 64 bits, for four pairs
    bits = rng.integers(0, 2**64 - 1, size=words, dtype=np.uint64, endpoint=True).view(np.uint16)
    pairs = table.pair_of_bits.take(bits, mode="wrap")  # wrap saves a check: every index is inside
    undecided = np.flatnonzero(pairs == _UNDECIDED)
    place = bits[undecided] + rng.random(len(undecided))
    pairs[undecided] = table.pairs[np.searchsorted(table.ends[:-1], place, side="right")]
    return pairs.view(np.uint8)[:size]


@dataclass(frozen=True, slots=True, kw_only=True)
class _PairTable:
    """The pair of two Poisson counts at every place between 0 and 65,536, places being uniform.

    Attributes
    ----------
    pairs : ndarray of uint16
        Two counts of 8 bits each.
    ends : ndarray
        Where each pair's stretch of places ends; its length is 65,536 times the pair's chance.
    pair_of_bits : ndarray of uint16, shape (65536,)
        The pair of all places from one whole number to the next; ``_UNDECIDED`` where a stretch
        ends between them, so that the place's fraction matters.
    """

    pairs: NDArray[np.uint16]
    ends: NDArray[np.float64]
    pair_of_bits: NDArray[np.uint16]

    @staticmethod
    @lru_cache(maxsize=8)
    def of(mean: float) -> _PairTable:
        counts = np.arange(_LARGEST_COUNT + 1)
        chance = np.exp(-mean) * np.cumprod(np.append(1.0, mean / counts[1:]))
        one, other = np.divmod(np.arange(len(counts) ** 2), len(counts))
        pairs = np.column_stack([one, other]).astype(np.uint8).view(np.uint16)[:, 0]
        ends = np.cumsum(chance[one] * chance[other]) * _N_BITS
        whole = np.minimum(np.floor(ends), _N_BITS).astype(np.int64)
        pair_of_bits = np.full(_N_BITS, _UNDECIDED, dtype=np.uint16)
        decided = np.repeat(pairs, np.diff(whole, prepend=0))
        pair_of_bits[: len(decided)] = decided
        pair_of_bits[whole[whole < _N_BITS]] = _UNDECIDED
        return _PairTable(pairs=pairs, ends=ends, pair_of_bits=pair_of_bits)
