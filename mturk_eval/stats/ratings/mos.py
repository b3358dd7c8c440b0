"""Mean opinion scores with percentile bootstrap intervals, per image and method and per method.

What is resampled is what an interval speaks about. Raters: would other people say the same of this
image? Raters and images together: would the methods compare like this on other images too?
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.resampling.weights import (
    GENERALISES_TO,
    Cells,
    ResamplingUnit,
    bootstrap_means,
    jackknife_errors,
    percentile_interval,
)

_FEW_CLUSTERS = 10
DIFFERENT_IMAGES = "the methods' means are over different images"
"""What the warning about cells without ratings says."""


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

    @property
    def jackknifed(self) -> str:
        """What is left out, one after the other, for the standard errors."""
        return {
            "rater": "raters",
            "rating": "ratings",
            "image": "images",
            "both": "raters and images",
        }[self.unit]

    @property
    def incomplete(self) -> str | None:
        """The warning that methods' means are over different images, where they are."""
        return next((warning for warning in self.warnings if DIFFERENT_IMAGES in warning), None)

    def document(self) -> Document:
        """The JSON object of ``analyze --model mos --json``."""
        return {
            "model": "mos",
            "n_observations": self.n_observations,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "std_error_method": f"jackknife over {self.jackknifed}",
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
        ``std_error`` is the delete-one jackknife standard error of the row's mean over ``unit``, in
        the rows per image as in those per method: s / sqrt(n) where every rater rated the cell
        once. The limits are quantiles of the bootstrap replicates, and not mean +- 2 SE.

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
        raise StatisticsError(
            "There are no ratings to average. Give a table with at least one rating of a main "
            "trial, or collect answers first."
        )
    if resamples < 1:
        raise StatisticsError(f"{resamples} resamples: give at least 1 (--resamples).")
    has_rates = "bpp" in ratings and bool(ratings["bpp"].notna().any())
    cells = Cells.of(ratings)
    rng = np.random.default_rng(seed)
    cell_replicates, method_replicates = bootstrap_means(cells, unit, resamples, rng)
    cell_errors, method_errors = jackknife_errors(cells, unit)
    return MosResult(
        rows=_rows(cells, cell_replicates, cell_errors, unit, ci_level),
        methods=_method_rows(cells, method_replicates, method_errors, unit, ci_level),
        n_observations=len(ratings),
        unit=unit,
        ci_level=ci_level,
        resamples=resamples,
        seed=seed,
        has_rates=has_rates,
        warnings=_warnings(cells, unit),
    )


def _too_few(cells: Cells, unit: ResamplingUnit) -> NDArray[np.bool_]:
    """Which cells have nothing to resample."""
    if unit == "image":
        return np.ones(cells.n_cells, dtype=bool)
    return (cells.counts if unit == "rating" else cells.raters_per_cell) < 2


def _rows(
    cells: Cells,
    replicates: NDArray[np.float64],
    errors: NDArray[np.float64],
    unit: ResamplingUnit,
    ci_level: float,
) -> tuple[MosRow, ...]:
    few = _too_few(cells, unit)
    low, high = percentile_interval(replicates, ci_level)
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
            std_error=None if few[code] else number(errors[code]),
            ci_low=None if few[code] else number(low[code]),
            ci_high=None if few[code] else number(high[code]),
        )
        for code, (image, method, bpp) in enumerate(
            cells.frame[["image", "method", "bpp"]].itertuples(index=False)
        )
    )


def _method_rows(
    cells: Cells,
    replicates: NDArray[np.float64],
    errors: NDArray[np.float64],
    unit: ResamplingUnit,
    ci_level: float,
) -> tuple[MosRow, ...]:
    low, high = percentile_interval(replicates, ci_level)
    means = cells.pooled(cells.means[None, :], None)[0]
    group_of_answer = cells.frame["group"].to_numpy()[cells.cell]
    rows = []
    for code, (method, bpp) in enumerate(cells.groups.itertuples(index=False)):
        answers = group_of_answer == code
        n_raters = len(np.unique(cells.rater[answers]))
        n_images = int((cells.frame["group"] == code).sum())
        drawn = {
            "rater": n_raters,
            "rating": int(cells.counts[cells.frame["group"].to_numpy() == code].min()),
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


def _warnings(cells: Cells, unit: ResamplingUnit) -> tuple[str, ...]:
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
    found += _few_warnings(cells, unit)
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
            f"ratings: {DIFFERENT_IMAGES}."
        )
    if unit == "rater" and cells.n_images > 1 and len(cells.groups) > 1:
        found.append(
            "Intervals speak about these images. To compare methods in general, resample images "
            "too (--unit both) or use --model mixed."
        )
    return tuple(found)


def _few_warnings(cells: Cells, unit: ResamplingUnit) -> list[str]:
    """Resampling few raters (or images, or ratings) sees too little of how they differ."""
    counts = {
        "rater": cells.n_raters if unit in {"rater", "both"} else 0,
        "image": cells.n_images if unit in {"image", "both"} else 0,
    }
    few = [f"{n} {name}s" for name, n in counts.items() if 2 <= n < _FEW_CLUSTERS]
    if few:
        found = [f"With {' and '.join(few)} the intervals are rough, and rather too narrow."]
        if counts["rater"] == 2:
            found.append(
                "Of two raters a resample holds one or both, so the limits are the two raters' own "
                "means: read them as a range, not as a confidence interval. Collect more raters."
            )
        return found
    if unit == "image":
        return []
    per_cell = cells.counts if unit == "rating" else cells.raters_per_cell
    small = per_cell[(per_cell > 1) & (per_cell < _FEW_CLUSTERS)]
    if not len(small):
        return []
    return [
        f"{len(small)} of {cells.n_cells} image x method cells have fewer than {_FEW_CLUSTERS} "
        f"{'ratings' if unit == 'rating' else 'raters'} (the fewest: {small.min()}): their "
        "intervals are rough, and rather too narrow."
    ]
