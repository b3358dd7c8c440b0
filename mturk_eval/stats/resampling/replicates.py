"""Bootstrap replicates of cell means, differences and their averages over images, in parts.

Neither the weights of all resamples nor the replicates of all cells need fit into memory: weights
are made for some resamples at a time, and replicates for some cells at a time, each part of the
cells drawing the same weights again from the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.sparse import csr_array

from mturk_eval.stats.resampling.cells import Cells, Items
from mturk_eval.stats.resampling.weights import ResamplingUnit, resample_slices, weight_blocks

_Floats = NDArray[np.float64]
_REPLICATES_AT_ONCE = 2**24  # 128 MB
_OUTCOMES_PER_RESAMPLE = 16  # up to which the distribution of a sum is faster than its draws
_RATERS, _IMAGES, _RATINGS = 0, 1, 2  # streams of random numbers


def bootstrap(
    cells: Cells,
    items: Items,
    unit: ResamplingUnit,
    *,
    resamples: int,
    seed: int,
    each_part: Callable[[slice, _Floats], None],
) -> _Floats:
    """Resample, hand over the items' replicates part by part, and return those of the groups.

    Parameters
    ----------
    unit : {"rater", "rating", "image", "both"}
        What is drawn with replacement; ``both`` draws raters and images independently (the
        pigeonhole bootstrap) and ``rating`` draws single ratings within their cell.
    each_part : callable
        Called with a slice of the items and their replicates, shape (items, resamples); NaN where
        a cell has no rating in a resample.

    Returns
    -------
    ndarray, shape (n_groups, resamples)
        Means of the items over images; items that a resample lacks are left out of it.
    """
    totals = np.zeros((items.n_groups, resamples))
    weight = np.zeros((items.n_groups, resamples))
    values = items.values(cells.means)
    for part in _item_slices(items.n_items, resamples):
        some = _some(items, part)
        member = _membership(some)
        if unit == "image":
            replicates = np.broadcast_to(values[part, None], (some.n_items, resamples))
        elif unit == "rating":
            replicates = _resample_ratings(cells, some, resamples, seed)
        else:
            replicates = _resample_raters(cells, some, resamples, seed)
        each_part(part, replicates)
        for chosen, images in _image_weights(items.n_images, resamples, seed, unit):
            drawn = replicates[:, chosen]
            there = np.isfinite(drawn)
            counted = np.where(there, 1.0 if images is None else images[:, some.image].T, 0.0)
            totals[:, chosen] += member @ (np.where(there, drawn, 0.0) * counted)
            weight[:, chosen] += member @ counted
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(totals / weight)


def _item_slices(n_items: int, resamples: int) -> Iterator[slice]:
    step = max(1, _REPLICATES_AT_ONCE // resamples)
    for start in range(0, n_items, step):
        yield slice(start, min(start + step, n_items))


def _some(items: Items, part: slice) -> Items:
    return Items(
        plus=items.plus[part],
        minus=None if items.minus is None else items.minus[part],
        image=items.image[part],
        group=items.group[part],
        n_images=items.n_images,
        n_groups=items.n_groups,
    )


def _membership(items: Items) -> csr_array[np.float64]:
    """Shape (n_groups, n_items): 1 where an item counts in a group's mean."""
    return csr_array(
        (np.ones(items.n_items), (items.group, np.arange(items.n_items))),
        shape=(items.n_groups, items.n_items),
    )


def _image_weights(
    n_images: int, resamples: int, seed: int, unit: ResamplingUnit
) -> Iterator[tuple[slice, _Floats | None]]:
    """Slices of the resamples with how often they drew each image; None where all count once."""
    if unit in {"image", "both"}:
        yield from weight_blocks(n_images, resamples, np.random.default_rng([seed, _IMAGES]))
        return
    for chosen in resample_slices(resamples, n_images):
        yield chosen, None


def _resample_raters(cells: Cells, items: Items, resamples: int, seed: int) -> _Floats:
    rng = np.random.default_rng([seed, _RATERS])
    if items.minus is None:
        return cells.by_rater.rows(items.plus).bootstrapped(resamples, rng)
    both = cells.by_rater.rows(np.concatenate([items.plus, items.minus]))
    plus, minus = np.split(both.bootstrapped(resamples, rng), 2)
    plus -= minus
    return plus


def _resample_ratings(cells: Cells, items: Items, resamples: int, seed: int) -> _Floats:
    order = np.argsort(cells.cell, kind="stable")
    ends = np.cumsum(cells.counts)

    def fill(out: _Floats, cell: np.int64) -> None:
        members = cells.value[order[ends[cell] - cells.counts[cell] : ends[cell]]]
        # A generator for each cell: its digits do not depend on which cells came before.
        rng = np.random.default_rng([seed, _RATINGS, int(cell)])
        out[:] = _resampled_mean(members, resamples, rng)

    drawn = np.empty((items.n_items, resamples))
    for item, cell in enumerate(items.plus):
        fill(drawn[item], cell)
    if items.minus is not None:
        other = np.empty(resamples)
        for item, cell in enumerate(items.minus):
            fill(other, cell)
            drawn[item] -= other
    return drawn


def _resampled_mean(
    values: NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> _Floats:
    """Means of draws with replacement from one sample, shape (resamples,)."""
    n = len(values)
    lowest, span = values.min(), np.ptp(values)
    if n * span <= _OUTCOMES_PER_RESAMPLE * resamples and np.array_equal(values, np.rint(values)):
        chance = np.bincount((values - lowest).astype(np.int64)) / n
        return np.asarray((n * lowest + _drawn_sums(chance, n, resamples, rng)) / n)
    distinct, counts = np.unique(values, return_counts=True)
    if 4 * len(distinct) <= n:  # a scale of few steps: draw how often each step occurs
        return np.asarray(rng.multinomial(n, counts / n, size=resamples) @ distinct / n)
    means = np.empty(resamples)
    for chosen in resample_slices(resamples, n):
        means[chosen] = values[rng.integers(0, n, size=(chosen.stop - chosen.start, n))].mean(1)
    return means


def _drawn_sums(
    chance: _Floats, n: int, resamples: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Sums of n independent draws of 0, 1, ... with these chances, shape (resamples,).

    The distribution of the sum is computed, as the n-th power of the characteristic function, and
    drawn from by inversion; rounding moves less than 1e-10 of its mass.
    """
    highest = n * (len(chance) - 1)
    size = fft.next_fast_len(highest + 1, real=True)
    of_sum = fft.irfft(fft.rfft(chance, size) ** n, size)[: highest + 1]
    reached = np.cumsum(np.maximum(of_sum, 0.0))
    drawn = np.searchsorted(reached[:-1], rng.random(resamples) * reached[-1], side="right")
    return np.asarray(drawn, dtype=np.int64)
