"""Resampling of ratings: bootstrap replicates and jackknife errors of means.

A resample of clusters is one row of weights, how often each was drawn, and all rows are drawn at
once; a jackknife's rows have a 0 for the unit that is left out and 1 elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

ResamplingUnit = Literal["rater", "rating", "image", "both"]

GENERALISES_TO: dict[ResamplingUnit, tuple[str, ...]] = {
    "rater": ("raters",),
    "rating": ("ratings",),
    "image": ("images",),
    "both": ("raters", "images"),
}
"""What an interval speaks about, by what was resampled: others of the same kind."""

_CHUNK = 500  # rows of weights at once: bounds memory at 500 x raters


def cluster_weights(
    n_clusters: int, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """How often each cluster occurs in each bootstrap resample, shape (resamples, n_clusters)."""
    share = np.full(n_clusters, 1.0 / n_clusters)
    return rng.multinomial(n_clusters, share, size=resamples).astype(np.float64)


def percentile_interval(
    replicates: NDArray[np.float64], ci_level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentile limits over the first axis; replicates in which a cell was empty are left out."""
    tail = (1.0 - ci_level) / 2.0
    quantile = np.nanquantile if np.isnan(replicates).any() else np.quantile
    low, high = quantile(replicates, [tail, 1.0 - tail], axis=0)
    return np.asarray(low), np.asarray(high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Ratings as codes: which cell, rater, image and method (x rate) every answer belongs to."""

    frame: pd.DataFrame  # one row per cell: image, method, bpp, image_code, group
    groups: pd.DataFrame  # one row per method x rate: method, bpp
    cell: NDArray[np.int64]
    rater: NDArray[np.int64]
    value: NDArray[np.float64]
    n_raters: int
    n_images: int

    @classmethod
    def of(cls, ratings: pd.DataFrame) -> Cells:
        table = pd.DataFrame(
            {
                "image": ratings["image"].astype(str),
                "method": ratings["method"].astype(str),
                "bpp": ratings["bpp"].astype(float) if "bpp" in ratings else np.nan,
            }
        )
        keys = ["image", "method", "bpp"]
        cells = table.drop_duplicates().sort_values(keys, ignore_index=True)
        code = table.merge(cells.reset_index(names="cell"), on=keys, how="left")["cell"]
        groups = cells[["method", "bpp"]].drop_duplicates()
        groups = groups.sort_values(["bpp", "method"], ignore_index=True)
        numbered = groups.reset_index(names="group")
        cells["group"] = cells.merge(numbered, on=["method", "bpp"], how="left")["group"]
        cells["image_code"], images = pd.factorize(cells["image"])
        rater, raters = pd.factorize(ratings["rater"].astype(str))
        return cls(
            frame=cells,
            groups=groups,
            cell=code.to_numpy(np.int64),
            rater=np.asarray(rater, dtype=np.int64),
            value=ratings["rating"].to_numpy(np.float64),
            n_raters=len(raters),
            n_images=len(images),
        )

    @property
    def n_cells(self) -> int:
        return len(self.frame)

    @property
    def counts(self) -> NDArray[np.int64]:
        return np.bincount(self.cell, minlength=self.n_cells)

    @property
    def means(self) -> NDArray[np.float64]:
        return np.bincount(self.cell, weights=self.value, minlength=self.n_cells) / self.counts

    @property
    def raters_per_cell(self) -> NDArray[np.int64]:
        pairs = np.unique(self.cell * self.n_raters + self.rater)
        return np.bincount(pairs // self.n_raters, minlength=self.n_cells)

    @property
    def images_per_group(self) -> NDArray[np.int64]:
        return np.bincount(self.frame["group"].to_numpy(np.int64), minlength=len(self.groups))

    @property
    def raters_per_group(self) -> NDArray[np.int64]:
        group = self.frame["group"].to_numpy(np.int64)[self.cell]
        pairs = np.unique(group * self.n_raters + self.rater)
        return np.bincount(pairs // self.n_raters, minlength=len(self.groups))

    def group_sums(self, of_cells: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over the cells of each method (x rate)."""
        group = self.frame["group"].to_numpy(np.int64)
        return np.bincount(group, weights=of_cells, minlength=len(self.groups)).astype(np.float64)

    def means_with(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cell means with every rater counted ``weights`` (m, n_raters) times, shape (m, n_cells).

        NaN where all raters of a cell have weight 0.
        """
        shape = (self.n_cells, self.n_raters)
        sums = csr_array((self.value, (self.cell, self.rater)), shape=shape)
        counts = csr_array((np.ones(len(self.value)), (self.cell, self.rater)), shape=shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((sums @ weights.T) / (counts @ weights.T)).T

    def pooled(
        self, cell_means: NDArray[np.float64], image_weights: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        """Means of the methods over images, shape (resamples, groups).

        Every image counts the same however many ratings it has; ``image_weights``, shape
        (resamples, n_images), counts how often a resample drew it.
        """
        weight = np.ones_like(cell_means)
        if image_weights is not None:
            weight = image_weights[:, self.frame["image_code"].to_numpy()]
        weight = np.where(np.isnan(cell_means), 0.0, weight)
        filled = np.nan_to_num(cell_means)
        member = np.zeros((self.n_cells, len(self.groups)))
        member[np.arange(self.n_cells), self.frame["group"].to_numpy()] = 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(((filled * weight) @ member) / (weight @ member))


def bootstrap_means(
    cells: Cells, unit: ResamplingUnit, resamples: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bootstrap replicates of the cell means and of the groups' means, one row per resample."""
    if unit == "rating":
        cell_means = _resample_ratings(cells, resamples, rng)
        return cell_means, cells.pooled(cell_means, None)
    if unit == "image":
        cell_means = np.broadcast_to(cells.means, (resamples, cells.n_cells)).copy()
    else:
        cell_means = _resample_raters(cells, resamples, rng)
    weights = cluster_weights(cells.n_images, resamples, rng) if unit in {"image", "both"} else None
    return cell_means, cells.pooled(cell_means, weights)


def jackknife_errors(
    cells: Cells, unit: ResamplingUnit
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Delete-one jackknife standard errors of the cell means and of the groups' means.

    One unit after the other is left out and the mean computed again; over n units of which the
    mean without unit i is m_i, the squared error is (n - 1) / n times the sum of (m_i - m)^2. It is
    s / sqrt(n) for a cell that every rater rated once, and, unlike the standard deviation of
    bootstrap replicates, not too small by sqrt((n - 1) / n) where units are few.

    Returns
    -------
    tuple of ndarray
        Shapes (n_cells,) and (groups,); NaN where fewer than two units tell of a spread. With
        ``both`` the squared errors over raters and over images are added for the groups, which
        like the bootstrap over both counts the noise of single ratings twice; a cell has one
        image, and raters alone are left out.
    """
    if unit == "rating":
        within = _squared_errors_of_ratings(cells)
        return np.sqrt(within), np.sqrt(cells.group_sums(within)) / cells.images_per_group
    of_cells, of_groups = np.full(cells.n_cells, np.nan), np.zeros(len(cells.groups))
    if unit in {"rater", "both"}:
        of_cells, by_rater = _squared_errors_over_raters(cells)
        of_groups = of_groups + by_rater
    if unit in {"image", "both"}:
        everything_but_one = 1.0 - np.eye(cells.n_images)
        means = np.broadcast_to(cells.means, (cells.n_images, cells.n_cells))
        left_out = cells.pooled(means, everything_but_one)
        centre = cells.pooled(cells.means[None, :], None)[0]
        deviations = np.nansum((left_out - centre) ** 2, axis=0)
        of_groups = of_groups + _jackknifed(deviations, cells.images_per_group)
    return np.sqrt(of_cells), np.sqrt(of_groups)


def _squared_errors_over_raters(cells: Cells) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    of_cells, of_groups = np.zeros(cells.n_cells), np.zeros(len(cells.groups))
    centre = cells.pooled(cells.means[None, :], None)[0]
    for start in range(0, cells.n_raters, _CHUNK):
        stop = min(start + _CHUNK, cells.n_raters)
        everyone_but_one = np.ones((stop - start, cells.n_raters))
        everyone_but_one[np.arange(stop - start), np.arange(start, stop)] = 0.0
        means = cells.means_with(everyone_but_one)
        of_cells += np.nansum((means - cells.means) ** 2, axis=0)
        of_groups += np.nansum((cells.pooled(means, None) - centre) ** 2, axis=0)
    return (
        _jackknifed(of_cells, cells.raters_per_cell),
        _jackknifed(of_groups, cells.raters_per_group),
    )


def _squared_errors_of_ratings(cells: Cells) -> NDArray[np.float64]:
    residual = cells.value - cells.means[cells.cell]
    squares = np.bincount(cells.cell, weights=residual**2, minlength=cells.n_cells)
    n = cells.counts
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n > 1, squares / (n - 1) / n, np.nan)


def _jackknifed(deviations: NDArray[np.float64], n_units: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(n_units > 1, deviations * (n_units - 1) / np.maximum(n_units, 1), np.nan)


def _resample_raters(cells: Cells, resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Cell means when whole raters are drawn; NaN where none of a cell's raters was drawn."""
    means = np.empty((resamples, cells.n_cells))
    for start in range(0, resamples, _CHUNK):
        stop = min(start + _CHUNK, resamples)
        means[start:stop] = cells.means_with(cluster_weights(cells.n_raters, stop - start, rng))
    return means


def _resample_ratings(
    cells: Cells, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Cell means when single ratings are drawn within their cell."""
    means = np.empty((resamples, cells.n_cells))
    order = np.argsort(cells.cell, kind="stable")
    for code, members in enumerate(np.split(cells.value[order], np.cumsum(cells.counts)[:-1])):
        drawn = rng.integers(0, len(members), size=(resamples, len(members)))
        means[:, code] = members[drawn].mean(axis=1)
    return means
