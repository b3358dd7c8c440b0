"""Mean opinion scores with intervals, per image and method and per method over images.

What is resampled is what an interval speaks about. Raters: would other people say the same of this
image? Raters and images together: would the methods compare like this on other images too?
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.ratings.mean_warnings import DIFFERENT_IMAGES, mean_warnings
from mturk_eval.stats.resampling.cells import Cells, Items, method_items
from mturk_eval.stats.resampling.estimates import Estimates, IntervalChoice, estimate
from mturk_eval.stats.resampling.intervals import INTERVAL_NAMES, IntervalKind
from mturk_eval.stats.resampling.weights import GENERALISES_TO, ResamplingUnit


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
    """Means with intervals: ``rows`` per image, ``methods`` pooled with equal image weights.

    ``resamples`` is 0 where the interval is by a formula (``t``, ``bounded``).
    """

    rows: tuple[MosRow, ...]
    methods: tuple[MosRow, ...]
    n_observations: int
    unit: ResamplingUnit
    interval: IntervalKind
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
    def ci_method(self) -> str:
        """The kind of interval in words: ``percentile bootstrap``, ``BCa bootstrap``, ..."""
        return INTERVAL_NAMES[self.interval]

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
            "ci_method": self.ci_method,
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
    interval: IntervalKind = "percentile",
    scale: tuple[float, float] | None = None,
    resamples: int = 2_000,
    seed: int = 0,
    ci_level: float = 0.95,
) -> MosResult:
    """Mean rating of every image x method (x rate), and of every method, with intervals.

    Parameters
    ----------
    ratings : DataFrame
        Columns ``rater``, ``image``, ``method``, ``rating`` and, where there are rates, ``bpp``;
        one row per answer, no missing cells but in ``bpp``. Ratings may be any numbers.
    unit : {"rater", "rating", "image", "both"}
        What is drawn with replacement. ``rating`` draws single answers within their cell and takes
        the answers of a rater as independent. ``both`` draws raters and images independently (the
        pigeonhole bootstrap [1]_) and concerns the methods' rows; an image's own mean has no other
        images to draw, so its row resamples raters (``both``) or has no interval (``image``).
    interval : {"percentile", "bca", "t", "bounded"}
        Quantiles of bootstrap replicates; the same corrected for bias and skew [2]_, with the
        jackknife over ``unit``; mean +- t x standard error; or an interval that never leaves the
        ``scale`` and has a width where all ratings are equal
        (`mturk_eval.stats.resampling.intervals.bounded_limits`). The latter two have no meaning
        with ``both``, which has no degrees of freedom.
    scale : (low, high), optional
        The lowest and highest rating there can be; needed for ``bounded``, and checked if given.
    resamples : int
        How many bootstrap resamples.
    seed : int
        Of the random generator; the same seed gives the same digits.
    ci_level : float
        Share of studies whose interval should hold the truth, between 0 and 1.

    Returns
    -------
    MosResult
        ``std_error`` is the delete-one jackknife standard error of the row's mean over ``unit``, in
        the rows per image as in those per method: s / sqrt(n) where every rater rated the cell
        once. Bootstrap limits are quantiles of the replicates, and not mean +- 2 SE.

    Raises
    ------
    StatisticsError
        If there are no ratings, a column is missing, or a cell of a needed column is empty.
    InvalidInputError
        If unit, interval and scale do not go together, a rating lies outside the scale, or fewer
        than one resample is asked for.

    References
    ----------
    .. [1] Owen (2007), The pigeonhole bootstrap, Ann. Appl. Statist. 1(2).
    .. [2] Efron (1987), Better bootstrap confidence intervals, J. Am. Stat. Assoc. 82(397).

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"rater": list("abc"), "image": "sky", "method": "webp", "rating": [4.0, 5.0, 9.0]}
    ... )
    >>> row = mean_opinion_scores(table).rows[0]
    >>> row.mean, round(row.std_error, 4)
    (6.0, 1.5275)
    >>> row = mean_opinion_scores(table, interval="bounded", scale=(1, 10)).rows[0]
    >>> round(row.ci_low, 2), round(row.ci_high, 2)
    (1.95, 9.37)
    """
    choice = IntervalChoice(
        unit=unit, kind=interval, ci_level=ci_level, resamples=resamples, seed=seed, scale=scale
    )
    cells = Cells.of(ratings)
    items, groups = method_items(cells)
    of_cells, of_groups = estimate(cells, items, choice)
    return MosResult(
        rows=_rows(cells, of_cells),
        methods=_method_rows(cells, items, groups, of_groups),
        n_observations=len(ratings),
        unit=unit,
        interval=interval,
        ci_level=ci_level,
        resamples=resamples if choice.resampled else 0,
        seed=seed,
        has_rates=bool(np.isfinite(cells.rates).any()),
        warnings=mean_warnings(cells, choice, of_cells, of_groups),
    )


def _rows(cells: Cells, estimates: Estimates) -> tuple[MosRow, ...]:
    raters = cells.raters_per_cell
    rows = []
    for code in range(cells.n_cells):
        image, method, bpp = cells.names(code)
        rows.append(
            MosRow(
                image=image,
                method=method,
                bpp=number(bpp),
                n=int(cells.counts[code]),
                n_raters=int(raters[code]),
                n_images=1,
                mean=float(estimates.values[code]),
                std_error=number(float(estimates.std_errors[code])),
                ci_low=number(float(estimates.low[code])),
                ci_high=number(float(estimates.high[code])),
            )
        )
    return tuple(rows)


def _method_rows(
    cells: Cells, items: Items, groups: tuple[tuple[str, float], ...], estimates: Estimates
) -> tuple[MosRow, ...]:
    answers = np.bincount(items.group, weights=cells.counts, minlength=len(groups))
    images = np.bincount(items.group, minlength=len(groups))
    cell, rater, _, _ = cells.by_rater.entries()
    pairs = np.unique(items.group[cell] * cells.n_raters + rater)
    raters = np.bincount(pairs // cells.n_raters, minlength=len(groups))
    return tuple(
        MosRow(
            image=None,
            method=method,
            bpp=number(bpp),
            n=int(answers[code]),
            n_raters=int(raters[code]),
            n_images=int(images[code]),
            mean=float(estimates.values[code]),
            std_error=number(float(estimates.std_errors[code])),
            ci_low=number(float(estimates.low[code])),
            ci_high=number(float(estimates.high[code])),
        )
        for code, (method, bpp) in enumerate(groups)
    )
