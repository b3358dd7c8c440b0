"""Mean opinion scores with percentile bootstrap intervals, per image and method and per method.

What is resampled is what an interval speaks about. Raters: would other people say the same of this
image? Raters and images together: would the methods compare like this on other images too?
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.resampling import (
    GENERALISES_TO,
    ResamplingUnit,
    cluster_weights,
    percentile_interval,
)

_CHUNK = 500  # resamples drawn at once: bounds memory at 500 x raters weights


@dataclass(frozen=True, slots=True, kw_only=True)
class MosRow:
    """The mean of one image x method (x rate) cell, or of one method (x rate) over its images.

    ``image`` is None for a method's row, and ``bpp`` where the study has no target rates.
    ``std_error`` and the limits are None where nothing can be resampled.
    """

    image: str | None
    method: str
    bpp: float | None
    n: int
    n_raters: int
    n_images: int
    mean: float
    std_error: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MosResult:
    """Means with intervals: ``rows`` per image, ``methods`` pooled with equal image weights."""

    rows: tuple[MosRow, ...]
    methods: tuple[MosRow, ...]
    n_observations: int
    unit: ResamplingUnit
    ci_level: float
    resamples: int
    seed: int
    has_rates: bool
    warnings: tuple[str, ...]

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """What the intervals speak about."""
        return GENERALISES_TO[self.unit]

    def document(self) -> Document:
        """The JSON object of ``analyze --model mos --json``."""
        return {
            "model": "mos",
            "n_observations": self.n_observations,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "ci_method": "percentile bootstrap",
            "ci_level": self.ci_level,
            "resamples": self.resamples,
            "seed": self.seed,
            "unit": self.unit,
            "rows": [self._cell_document(row) for row in self.rows],
            "methods": [
                {k: v for k, v in self._cell_document(row).items() if k != "image"}
                | {"n_images": row.n_images}
                for row in self.methods
            ],
        }

    def _cell_document(self, row: MosRow) -> Document:
        rate = {"bpp": row.bpp} if self.has_rates else {}
        return {
            "image": row.image,
            "method": row.method,
            **rate,
            "n": row.n,
            "mean": row.mean,
            "std_error": number(row.std_error),
            "ci_low": number(row.ci_low),
            "ci_high": number(row.ci_high),
        }


def mean_opinion_scores(
    ratings: pd.DataFrame,
    *,
    unit: ResamplingUnit = "rater",
    resamples: int = 2_000,
    seed: int = 0,
    ci_level: float = 0.95,
) -> MosResult:
    """Mean rating of every image x method (x rate), and of every method, with intervals.

    Parameters
    ----------
    ratings : DataFrame
        Columns ``rater``, ``image``, ``method``, ``rating`` and, where there are rates, ``bpp``;
        one row per answer, no missing cells but in ``bpp``.
    unit : {"rater", "rating", "image", "both"}
        What is drawn with replacement. ``rating`` draws single answers within their cell and takes
        the answers of a rater as independent. ``both`` draws raters and images independently (the
        pigeonhole bootstrap [1]_) and concerns the methods' rows; an image's own mean has no other
        images to draw, so its row resamples raters (``both``) or has no interval (``image``).
    resamples : int
        How many bootstrap resamples.
    seed : int
        Of the random generator; the same seed gives the same digits.

    Returns
    -------
    MosResult
        ``std_error`` of an image's row is the standard error of the mean with raters as clusters,
        which is s / sqrt(n) where every rater rated it once. That of a method's row is the standard
        deviation of its bootstrap replicates.

    Raises
    ------
    StatisticsError
        If there are no ratings, or fewer than one resample is asked for.

    References
    ----------
    .. [1] Owen (2007), The pigeonhole bootstrap, Ann. Appl. Statist. 1(2).

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"rater": list("abc"), "image": "sky", "method": "webp", "rating": [4.0, 5.0, 9.0]}
    ... )
    >>> row = mean_opinion_scores(table).rows[0]
    >>> row.mean, round(row.std_error, 4)
    (6.0, 1.5275)
    """
    if ratings.empty:
        raise StatisticsError("There are no ratings to average.")
    if resamples < 1:
        raise StatisticsError(f"{resamples} resamples: give at least 1.")
    has_rates = "bpp" in ratings and bool(ratings["bpp"].notna().any())
    cells = _Cells.of(ratings)
    rng = np.random.default_rng(seed)
    cell_replicates, method_replicates = _replicate(cells, unit, resamples, rng)
    return MosResult(
        rows=_rows(cells, cell_replicates, unit, ci_level),
        methods=_method_rows(cells, method_replicates, unit, ci_level),
        n_observations=len(ratings),
        unit=unit,
        ci_level=ci_level,
        resamples=resamples,
        seed=seed,
        has_rates=has_rates,
        warnings=_warnings(cells, unit),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cells:
    """Ratings as codes: which cell, rater, image and method (x rate) every answer belongs to."""

    frame: pd.DataFrame  # one row per cell: image, method, bpp, image_code, group
    groups: pd.DataFrame  # one row per method x rate: method, bpp
    cell: NDArray[np.int64]
    rater: NDArray[np.int64]
    value: NDArray[np.float64]
    n_raters: int
    n_images: int

    @classmethod
    def of(cls, ratings: pd.DataFrame) -> _Cells:
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

    def std_errors(self, *, by_rater: bool) -> NDArray[np.float64]:
        """Standard errors of the cell means with raters (or single ratings) as clusters."""
        residual = self.value - self.means[self.cell]
        if by_rater:
            pair, inverse = np.unique(self.cell * self.n_raters + self.rater, return_inverse=True)
            totals = np.bincount(inverse, weights=residual)
            squares = np.bincount(pair // self.n_raters, weights=totals**2, minlength=self.n_cells)
            clusters = self.raters_per_cell
        else:
            squares = np.bincount(self.cell, weights=residual**2, minlength=self.n_cells)
            clusters = self.counts
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.sqrt(squares * clusters / (clusters - 1)) / self.counts
        return np.where(clusters > 1, error, np.nan)

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


def _replicate(
    cells: _Cells, unit: ResamplingUnit, resamples: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bootstrap replicates of the cell means and of the method means, one row per resample."""
    if unit == "rating":
        cell_means = _resample_ratings(cells, resamples, rng)
        return cell_means, cells.pooled(cell_means, None)
    if unit == "image":
        cell_means = np.broadcast_to(cells.means, (resamples, cells.n_cells)).copy()
    else:
        cell_means = _resample_raters(cells, resamples, rng)
    weights = cluster_weights(cells.n_images, resamples, rng) if unit in {"image", "both"} else None
    return cell_means, cells.pooled(cell_means, weights)


def _resample_raters(
    cells: _Cells, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Cell means when whole raters are drawn; NaN where none of a cell's raters was drawn."""
    shape = (cells.n_cells, cells.n_raters)
    sums = csr_array((cells.value, (cells.cell, cells.rater)), shape=shape)
    counts = csr_array((np.ones(len(cells.value)), (cells.cell, cells.rater)), shape=shape)
    means = np.empty((resamples, cells.n_cells))
    for start in range(0, resamples, _CHUNK):
        stop = min(start + _CHUNK, resamples)
        weights = cluster_weights(cells.n_raters, stop - start, rng).T
        with np.errstate(divide="ignore", invalid="ignore"):
            means[start:stop] = np.asarray((sums @ weights) / (counts @ weights)).T
    return means


def _resample_ratings(
    cells: _Cells, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Cell means when single ratings are drawn within their cell."""
    means = np.empty((resamples, cells.n_cells))
    order = np.argsort(cells.cell, kind="stable")
    for code, members in enumerate(np.split(cells.value[order], np.cumsum(cells.counts)[:-1])):
        drawn = rng.integers(0, len(members), size=(resamples, len(members)))
        means[:, code] = members[drawn].mean(axis=1)
    return means


def _too_few(cells: _Cells, unit: ResamplingUnit) -> NDArray[np.bool_]:
    """Which cells have nothing to resample."""
    if unit == "image":
        return np.ones(cells.n_cells, dtype=bool)
    return (cells.counts if unit == "rating" else cells.raters_per_cell) < 2


def _rows(
    cells: _Cells,
    replicates: NDArray[np.float64],
    unit: ResamplingUnit,
    ci_level: float,
) -> tuple[MosRow, ...]:
    few = _too_few(cells, unit)
    low, high = percentile_interval(replicates, ci_level)
    errors = cells.std_errors(by_rater=unit != "rating")
    counts, raters, means = cells.counts, cells.raters_per_cell, cells.means
    return tuple(
        MosRow(
            image=str(image),
            method=str(method),
            bpp=number(bpp),
            n=int(counts[code]),
            n_raters=int(raters[code]),
            n_images=1,
            mean=float(means[code]),
            std_error=number(errors[code]),
            ci_low=None if few[code] else number(low[code]),
            ci_high=None if few[code] else number(high[code]),
        )
        for code, (image, method, bpp) in enumerate(
            cells.frame[["image", "method", "bpp"]].itertuples(index=False)
        )
    )


def _method_rows(
    cells: _Cells, replicates: NDArray[np.float64], unit: ResamplingUnit, ci_level: float
) -> tuple[MosRow, ...]:
    low, high = percentile_interval(replicates, ci_level)
    with np.errstate(invalid="ignore"):
        errors = np.nanstd(replicates, axis=0, ddof=1) if len(replicates) > 1 else low * np.nan
    means = cells.pooled(cells.means[None, :], None)[0]
    group_of_answer = cells.frame["group"].to_numpy()[cells.cell]
    rows = []
    for code, (method, bpp) in enumerate(cells.groups.itertuples(index=False)):
        answers = group_of_answer == code
        n_raters = len(np.unique(cells.rater[answers]))
        n_images = int((cells.frame["group"] == code).sum())
        drawn = {
            "rater": n_raters,
            "rating": int(answers.sum()),
            "image": n_images,
            "both": min(n_raters, n_images),
        }[unit]
        rows.append(
            MosRow(
                image=None,
                method=str(method),
                bpp=number(bpp),
                n=int(answers.sum()),
                n_raters=n_raters,
                n_images=n_images,
                mean=float(means[code]),
                std_error=None if drawn < 2 else number(errors[code]),
                ci_low=None if drawn < 2 else number(low[code]),
                ci_high=None if drawn < 2 else number(high[code]),
            )
        )
    return tuple(rows)


def _warnings(cells: _Cells, unit: ResamplingUnit) -> tuple[str, ...]:
    found = []
    few = int(_too_few(cells, unit).sum())
    if unit == "image":
        found.append(
            "One image's mean has no other images to draw, so the rows per image have no interval; "
            "those of the methods do."
        )
    elif few:
        what = "rating" if unit == "rating" else "rater"
        found.append(
            f"{few} of {cells.n_cells} image x method cells hold one {what} only and have no "
            "interval."
        )
    if unit in {"image", "both"} and cells.n_images < 2:
        found.append("There is one image: nothing is said about other images.")
    if unit == "rating" and len(cells.value) > cells.n_raters:
        found.append(
            "Single ratings were resampled although raters rated more than once: the intervals "
            "take answers of one rater as independent and may be too narrow."
        )
    spread = pd.Series(cells.value).groupby(cells.cell).agg(["min", "max", "size"])
    constant = int(((spread["min"] == spread["max"]) & (spread["size"] > 1)).sum())
    if constant:
        found.append(
            f"All ratings are equal in {constant} of {cells.n_cells} cells: their intervals have "
            "no width, which is not certainty."
        )
    missing = cells.n_images * len(cells.groups) - cells.n_cells
    if missing:
        found.append(
            f"{missing} of {cells.n_images * len(cells.groups)} image x method cells have no "
            "ratings: the methods' means are over different images."
        )
    if unit == "rater" and cells.n_images > 1 and len(cells.groups) > 1:
        found.append(
            "Intervals speak about these images. To compare methods in general, resample images "
            "too (--unit both) or use --model mixed."
        )
    return tuple(found)
