"""Ratings as codes: cells of image x method (x rate), and what is averaged over images."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.resampling.cluster_sums import ClusterSums

_NEEDED = ("rater", "image", "method", "rating")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Which cell and rater every rating belongs to, and which image and method every cell.

    Cells are sorted by image, method and rate; ``rates`` holds NaN where there is none.
    """

    images: tuple[str, ...]
    methods: tuple[str, ...]
    rates: NDArray[np.float64]
    n_raters: int
    cell: NDArray[np.int64]  # of every rating
    rater: NDArray[np.int64]  # of every rating
    value: NDArray[np.float64]  # of every rating
    image: NDArray[np.int64]  # of every cell
    method: NDArray[np.int64]  # of every cell
    rate: NDArray[np.int64]  # of every cell
    counts: NDArray[np.int64] = field(init=False)
    means: NDArray[np.float64] = field(init=False)
    by_rater: ClusterSums = field(init=False)

    def __post_init__(self) -> None:
        n_cells = len(self.image)
        counts = np.bincount(self.cell, minlength=n_cells)
        sums = np.bincount(self.cell, weights=self.value, minlength=n_cells)
        by_rater = ClusterSums.of(
            self.value,
            cells=self.cell,
            clusters=self.rater,
            n_cells=n_cells,
            n_clusters=self.n_raters,
        )
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "means", sums / counts)
        object.__setattr__(self, "by_rater", by_rater)

    @classmethod
    def of(cls, ratings: pd.DataFrame) -> Cells:
        """Number the raters, images, methods and rates of a tidy table.

        Raises
        ------
        StatisticsError
            If there are no rows, a column is missing, or a cell of a needed column is empty.
        """
        _check_columns(ratings)
        image, images = sorted_codes(ratings["image"])
        method, methods = sorted_codes(ratings["method"])
        rater, raters = sorted_codes(ratings["rater"])
        rate, rates = np.zeros(len(ratings), dtype=np.int64), np.array([np.nan])
        if "bpp" in ratings:
            numbers = ratings["bpp"].to_numpy(np.float64, na_value=np.nan)
            rates, rate = np.unique(numbers, return_inverse=True)  # NaN is one value, the last
        key = (image * len(methods) + method) * len(rates) + rate
        cell, found = _numbered(key, len(images) * len(methods) * len(rates))
        return cls(
            images=images,
            methods=methods,
            rates=rates,
            n_raters=len(raters),
            cell=cell,
            rater=rater,
            value=ratings["rating"].to_numpy(np.float64),
            image=found // len(rates) // len(methods),
            method=found // len(rates) % len(methods),
            rate=found % len(rates),
        )

    @property
    def n_cells(self) -> int:
        return len(self.image)

    @property
    def n_images(self) -> int:
        return len(self.images)

    @property
    def raters_per_cell(self) -> NDArray[np.int64]:
        return np.bincount(self.by_rater.entries()[0], minlength=self.n_cells)

    def names(self, cell: int) -> tuple[str, str, float]:
        """Image, method and rate of a cell."""
        return (
            self.images[self.image[cell]],
            self.methods[self.method[cell]],
            float(self.rates[self.rate[cell]]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """What is averaged over images: cell means, or differences of two cells' means.

    Item k is the mean of cell ``plus[k]``, less that of ``minus[k]`` where ``minus`` is given. It
    belongs to image ``image[k]`` and counts in the mean of group ``group[k]``, in which all items
    count the same however many ratings they have.
    """

    plus: NDArray[np.int64]
    minus: NDArray[np.int64] | None
    image: NDArray[np.int64]
    group: NDArray[np.int64]
    n_images: int
    n_groups: int

    @property
    def n_items(self) -> int:
        return len(self.plus)

    def values(self, cell_means: NDArray[np.float64]) -> NDArray[np.float64]:
        """Items from cell means, of shape (n_cells,) or (n_cells, m)."""
        if self.minus is None:
            return np.asarray(cell_means[self.plus])
        return np.asarray(cell_means[self.plus] - cell_means[self.minus])

    def group_means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The groups' means of items without resampling, shape (n_groups,)."""
        totals = np.bincount(self.group, weights=values, minlength=self.n_groups)
        return np.asarray(totals / np.bincount(self.group, minlength=self.n_groups))


def method_items(cells: Cells) -> tuple[Items, tuple[tuple[str, float], ...]]:
    """Every cell's mean, averaged over images per method x rate; and the names of these groups."""
    key = cells.rate * len(cells.methods) + cells.method
    found, group = np.unique(key, return_inverse=True)
    items = Items(
        plus=np.arange(cells.n_cells),
        minus=None,
        image=cells.image,
        group=group,
        n_images=cells.n_images,
        n_groups=len(found),
    )
    names = tuple(
        (cells.methods[code % len(cells.methods)], float(cells.rates[code // len(cells.methods)]))
        for code in found
    )
    return items, names


def difference_items(cells: Cells, method: str, reference: str) -> Items:
    """Differences of two methods at every image (and rate) that has both; one group of all."""
    at = cells.image * len(cells.rates) + cells.rate
    one = np.flatnonzero(cells.method == cells.methods.index(method))
    other = np.flatnonzero(cells.method == cells.methods.index(reference))
    shared, from_one, from_other = np.intersect1d(at[one], at[other], return_indices=True)
    return Items(
        plus=one[from_one],
        minus=other[from_other],
        image=shared // len(cells.rates),
        group=np.zeros(len(shared), dtype=np.int64),
        n_images=cells.n_images,
        n_groups=1,
    )


def sorted_codes(labels: pd.Series) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Codes of labels, and their names as text, sorted."""
    first, unique = pd.factorize(labels)
    # Names are compared as text: a rater who is 7 in one file and "7" in another is one rater.
    second, names = pd.factorize(np.asarray([str(label) for label in unique], dtype=object))
    order = np.argsort(names.astype(str), kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[second][first], tuple(str(name) for name in names[order])


def _numbered(key: NDArray[np.int64], n_keys: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes 0, 1, ... of the keys that occur, and these keys, sorted."""
    if n_keys > 10 * len(key) + 1_000:
        found, code = np.unique(key, return_inverse=True)
        return code, found
    occurs = np.bincount(key, minlength=n_keys) > 0  # without sorting, where there are few keys
    return (np.cumsum(occurs) - 1)[key], np.flatnonzero(occurs)


def _check_columns(ratings: pd.DataFrame) -> None:
    missing = [name for name in _NEEDED if name not in ratings]
    if missing:
        raise StatisticsError(
            f"The ratings have no column {missing[0]}; they need {', '.join(_NEEDED)} and, where "
            "there are rates, bpp."
        )
    if ratings.empty:
        raise StatisticsError(
            "There are no ratings to average. Give a table with at least one rating of a main "
            "trial, or collect answers first."
        )
    for name in _NEEDED:
        empty = int(ratings[name].isna().sum())
        if empty:
            raise StatisticsError(
                f"{empty} of {len(ratings)} rows have nothing in column {name}. Correct them, or "
                "leave such rows out."
            )
    if not np.isfinite(ratings["rating"].to_numpy(np.float64)).all():
        raise StatisticsError("Some ratings are not finite numbers. Correct or leave them out.")
