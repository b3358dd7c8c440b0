"""Jackknife of means by subtraction: every unit left out once, without a loop over units.

Over n units of which the mean without unit i is m_i and the mean of these m, the squared standard
error is (n - 1) / n times the sum of (m_i - m)^2. It is s^2 / n for a cell that every rater rated
once and, unlike the variance of bootstrap replicates, not too small by (n - 1) / n where units are
few. The third powers give the acceleration of the BCa interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mturk_eval.stats.resampling.cells import Cells, Items
from mturk_eval.stats.resampling.weights import ResamplingUnit

_Floats = NDArray[np.float64]
_Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Jackknife:
    """What leaving out single units says of k means; all arrays have shape (k,).

    Attributes
    ----------
    n_units : ndarray of int
        Units that a mean rests on. With both raters and images, or with the cells of single
        ratings, the smallest such number.
    variance : ndarray
        Squared standard errors; NaN where fewer than two units tell of a spread, or where a mean
        does not exist without some unit.
    df : ndarray
        Degrees of freedom of the variance: units - 1; over single ratings of several cells Welch
        and Satterthwaite's; NaN over raters and images together.
    second, third : ndarray
        Sums of the squared and cubed influences of the units.
    """

    n_units: NDArray[np.int64]
    variance: _Floats
    df: _Floats
    second: _Floats
    third: _Floats

    @property
    def std_error(self) -> _Floats:
        """Standard errors of the means."""
        return np.sqrt(self.variance)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where there is a spread to speak of."""
        return (self.n_units > 1) & np.isfinite(self.variance)

    @property
    def acceleration(self) -> _Floats:
        """The acceleration of the BCa interval, 0 where nothing varies."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.second > 0, self.third / (6 * self.second**1.5), 0.0)


def jackknife(cells: Cells, items: Items, unit: ResamplingUnit) -> tuple[Jackknife, Jackknife]:
    """Jackknife the items and the groups' means over raters, ratings, images, or both.

    An item has one image, so over images it has no spread, and over both that of its raters. With
    ``both`` the groups' squared errors over raters and over images are added, which like the
    bootstrap over both counts the noise of single ratings twice.
    """
    if unit == "rating":
        return _over_ratings(cells, items)
    values = items.values(cells.means)
    if unit == "image":
        return _unknown(items.n_items), _over_images(items, values)
    of_items, by_rater = _over_raters(cells, items, values)
    if unit == "rater":
        return of_items, by_rater
    return of_items, _added(by_rater, _over_images(items, values))


def from_left_out(
    changes: _Floats, target: _Codes, n_targets: int, *, broken: _Codes | None = None
) -> Jackknife:
    """Jackknife of k targets from the change that leaving out each of their units makes.

    Parameters
    ----------
    changes : ndarray, shape (m,)
        Mean without the unit less the mean, for every pair of a target and one of its units.
    target : ndarray of int, shape (m,)
        The target of every change, 0 ... ``n_targets`` - 1.
    broken : ndarray of int, optional
        Targets that do not exist without some unit.
    """
    n_units = np.bincount(target, minlength=n_targets)
    first, squares, cubes = (
        np.bincount(target, weights=changes**power, minlength=n_targets) for power in (1, 2, 3)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = first / n_units
        spread = np.maximum(squares - n_units * centre**2, 0.0)
        skew = cubes - 3 * centre * squares + 2 * n_units * centre**3
        share = (n_units - 1) / n_units
        variance = np.where(n_units > 1, share * spread, np.nan)
    if broken is not None:
        variance[broken] = np.nan
    # A unit's influence has the opposite sign of the change that its absence makes.
    return Jackknife(
        n_units=n_units,
        variance=variance,
        df=(n_units - 1).astype(np.float64),
        second=share**2 * spread,
        third=-(share**3) * skew,
    )


def _unknown(n: int) -> Jackknife:
    nothing = np.full(n, np.nan)
    return Jackknife(
        n_units=np.ones(n, dtype=np.int64), variance=nothing, df=nothing, second=nothing,
        third=nothing,
    )  # fmt: skip


def _added(one: Jackknife, other: Jackknife) -> Jackknife:
    return Jackknife(
        n_units=np.minimum(one.n_units, other.n_units),
        variance=one.variance + other.variance,
        df=np.full(len(one.df), np.nan),
        second=one.second + other.second,
        third=one.third + other.third,
    )


# --- over raters ---------------------------------------------------------------------------------


def _over_raters(cells: Cells, items: Items, values: _Floats) -> tuple[Jackknife, Jackknife]:
    item, rater, change, emptied = _changes_of_items(cells, items)
    of_items = from_left_out(
        np.where(emptied, 0.0, change), item, items.n_items, broken=np.unique(item[emptied])
    )
    pair = items.group[item] * cells.n_raters + rater
    return of_items, _of_groups(
        items, values, pair, cells.n_raters, np.where(emptied, -values[item], change), emptied
    )


def _changes_of_items(
    cells: Cells, items: Items
) -> tuple[_Codes, _Codes, _Floats, NDArray[np.bool_]]:
    """Item, rater, change of the item without the rater, and whether the item is then gone."""
    cell, rater, sums, counts = cells.by_rater.entries()
    totals = cells.means * cells.counts
    with np.errstate(divide="ignore", invalid="ignore"):
        change = (totals[cell] - sums) / (cells.counts[cell] - counts) - cells.means[cell]
    emptied = counts == cells.counts[cell]
    change[emptied] = 0.0
    item_of = np.full(cells.n_cells, -1)
    item_of[items.plus] = np.arange(items.n_items)
    if items.minus is not None:
        item_of[items.minus] = np.arange(items.n_items)
        sign = np.ones(cells.n_cells)
        sign[items.minus] = -1.0
        change *= sign[cell]
    item = item_of[cell]
    used = item >= 0
    item, rater, change, emptied = item[used], rater[used], change[used], emptied[used]
    if items.minus is None:
        return item, rater, change, emptied
    # A rater who rated both cells of a difference leaves both at once.
    pair, where = np.unique(item * cells.n_raters + rater, return_inverse=True)
    return (
        pair // cells.n_raters,
        pair % cells.n_raters,
        np.bincount(where, weights=change, minlength=len(pair)).astype(np.float64),
        np.bincount(where, weights=emptied, minlength=len(pair)) > 0,
    )


def _of_groups(
    items: Items,
    values: _Floats,
    pair: _Codes,
    n_units: int,
    changes: _Floats,
    gone: NDArray[np.bool_],
) -> Jackknife:
    """The groups' means without each unit; ``pair`` is group x unit of each change of a total."""
    totals = np.bincount(items.group, weights=values, minlength=items.n_groups)
    sizes = np.bincount(items.group, minlength=items.n_groups)
    size = items.n_groups * n_units
    occurs = np.flatnonzero(np.bincount(pair, minlength=size))
    group = occurs // n_units
    total = totals[group] + np.bincount(pair, weights=changes, minlength=size)[occurs]
    left = sizes[group] - np.bincount(pair, weights=gone, minlength=size)[occurs]
    nothing_left = left <= 0
    means = np.where(nothing_left, 0.0, total / np.where(nothing_left, 1.0, left))
    return from_left_out(
        np.where(nothing_left, 0.0, means - (totals / sizes)[group]),
        group,
        items.n_groups,
        broken=np.unique(group[nothing_left]),
    )


# --- over images and over ratings -----------------------------------------------------------------


def _over_images(items: Items, values: _Floats) -> Jackknife:
    pair = items.group * items.n_images + items.image
    gone = np.ones(items.n_items, dtype=bool)
    return _of_groups(items, values, pair, items.n_images, -values, gone)


def _over_ratings(cells: Cells, items: Items) -> tuple[Jackknife, Jackknife]:
    """Cells are independent samples: their variances add, by Welch and Satterthwaite's df."""
    residual = cells.value - cells.means[cells.cell]
    squares, cubes = (
        np.bincount(cells.cell, weights=residual**power, minlength=cells.n_cells)
        for power in (2, 3)
    )
    n = cells.counts
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(n > 1, squares / (n - 1) / n, np.nan)
        own = (variance, variance**2 / (n - 1), squares / n**2, cubes / n**3)
    signs = ((items.plus, 1.0),) if items.minus is None else ((items.plus, 1), (items.minus, -1))
    variance, over_df, second = (
        np.sum([moment[cell] for cell, _ in signs], axis=0) for moment in own[:3]
    )
    third = np.sum([sign * own[3][cell] for cell, sign in signs], axis=0)
    fewest = np.min([n[cell] for cell, _ in signs], axis=0)
    size = np.bincount(items.group, minlength=items.n_groups)
    fewest_of_group = np.full(items.n_groups, np.iinfo(np.int64).max)
    np.minimum.at(fewest_of_group, items.group, fewest)

    def pooled(moment: _Floats, power: int) -> _Floats:
        sums = np.bincount(items.group, weights=moment, minlength=items.n_groups)
        return np.asarray(sums / size**power)

    return (
        _with_df(fewest, variance, over_df, second, third),
        _with_df(
            fewest_of_group,
            pooled(variance, 2),
            pooled(over_df, 4),
            pooled(second, 2),
            pooled(third, 3),
        ),
    )


def _with_df(
    n_units: _Codes, variance: _Floats, over_df: _Floats, second: _Floats, third: _Floats
) -> Jackknife:
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.where(over_df > 0, variance**2 / over_df, n_units - 1.0)
    return Jackknife(n_units=n_units, variance=variance, df=df, second=second, third=third)
