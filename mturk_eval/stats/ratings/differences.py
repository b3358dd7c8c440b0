"""How much better one method is rated than another: the difference of means over images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.ratings.mean_warnings import few_warnings, undefined_warnings
from mturk_eval.stats.resampling.cells import Cells, Items, difference_items
from mturk_eval.stats.resampling.estimates import Estimates, IntervalChoice, estimate
from mturk_eval.stats.resampling.intervals import INTERVAL_NAMES, IntervalKind
from mturk_eval.stats.resampling.weights import GENERALISES_TO, ResamplingUnit

_FEW_IMAGES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDifference:
    """Mean rating of the method less that of the reference, at one image (and rate)."""

    image: str
    bpp: float | None
    n: int
    difference: float
    std_error: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodDifference:
    """The mean over images of the difference ``method`` - ``reference``, with its interval.

    ``rows`` has every image; ``paired`` tells whether only raters who rated both methods of an
    image were used. Limits and errors are None where nothing varies that could be resampled.
    """

    method: str
    reference: str
    difference: float
    std_error: float | None
    ci_low: float | None
    ci_high: float | None
    rows: tuple[ImageDifference, ...]
    n_observations: int
    n_images: int
    n_raters: int
    paired: bool
    unit: ResamplingUnit
    interval: IntervalKind
    ci_level: float
    resamples: int
    seed: int
    warnings: tuple[str, ...]

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """What the interval speaks about."""
        return GENERALISES_TO[self.unit]

    @property
    def ci_method(self) -> str:
        """The kind of interval in words."""
        return INTERVAL_NAMES[self.interval]

    def document(self) -> Document:
        """The JSON object of the difference, its rows per image under ``rows``."""
        return {
            "model": "difference",
            "n_observations": self.n_observations,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "method": self.method,
            "reference": self.reference,
            "difference": self.difference,
            "std_error": number(self.std_error),
            "ci_low": number(self.ci_low),
            "ci_high": number(self.ci_high),
            "ci_method": self.ci_method,
            "ci_level": self.ci_level,
            "resamples": self.resamples,
            "seed": self.seed,
            "unit": self.unit,
            "paired": self.paired,
            "n_images": self.n_images,
            "n_raters": self.n_raters,
            "rows": [
                {
                    "image": row.image,
                    **({} if row.bpp is None else {"bpp": row.bpp}),
                    "n": row.n,
                    "difference": row.difference,
                    "std_error": number(row.std_error),
                    "ci_low": number(row.ci_low),
                    "ci_high": number(row.ci_high),
                }
                for row in self.rows
            ],
        }


def method_difference(
    ratings: pd.DataFrame,
    method: str,
    reference: str,
    *,
    unit: ResamplingUnit = "both",
    interval: IntervalKind = "percentile",
    paired: bool = False,
    resamples: int = 2_000,
    seed: int = 0,
    ci_level: float = 0.95,
) -> MethodDifference:
    """Mean rating of a method less that of another, averaged over the images that have both.

    Every image (and rate) counts the same. A rater who is drawn brings along their ratings of both
    methods, so that what raters have in common cancels.

    Parameters
    ----------
    ratings : DataFrame
        Columns ``rater``, ``image``, ``method``, ``rating`` and, where there are rates, ``bpp``.
    method, reference : str
        Two values of the column ``method``; positive differences favour ``method``.
    unit : {"both", "rater", "rating", "image"}
        What is drawn with replacement; for a claim about the methods raters and images together
        [1]_. See `mturk_eval.stats.ratings.mos.mean_opinion_scores`.
    interval : {"percentile", "bca", "t"}
        With ``t`` over images it is the interval of the paired t test of image means. ``t`` has no
        meaning with ``both``, and ``bounded`` none for a difference.
    paired : bool
        Use only raters who rated both methods of an image, each of their images with their own
        difference. Otherwise all ratings count in their method's mean.
    resamples, seed, ci_level
        As for `mturk_eval.stats.ratings.mos.mean_opinion_scores`.

    Raises
    ------
    InvalidInputError
        If the methods are the same or not in the data, or the choices do not go together.
    StatisticsError
        If no image was rated under both methods (with ``paired``, by the same rater).

    References
    ----------
    .. [1] Owen (2007), The pigeonhole bootstrap, Ann. Appl. Statist. 1(2).

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {
    ...         "rater": ["ann", "bob"] * 4,
    ...         "image": ["sky"] * 4 + ["sea"] * 4,
    ...         "method": ["jxl", "jxl", "webp", "webp"] * 2,
    ...         "rating": [7.0, 9.0, 5.0, 6.0, 6.0, 8.0, 6.0, 7.0],
    ...     }
    ... )
    >>> found = method_difference(table, "jxl", "webp", unit="image", interval="t")
    >>> found.difference, found.std_error, [row.difference for row in found.rows]
    (1.5, 1.0, [0.5, 2.5])
    """
    if interval == "bounded":
        raise InvalidInputError(
            "A bounded interval is of a mean on a scale, and a difference has none. Take interval "
            "percentile, bca or t."
        )
    choice = IntervalChoice(
        unit=unit, kind=interval, ci_level=ci_level, resamples=resamples, seed=seed
    )
    cells = Cells.of(_two_methods(ratings, str(method), str(reference), paired=paired))
    items = difference_items(cells, str(method), str(reference))
    if not items.n_items:
        raise StatisticsError(
            f"No image was rated under both {method} and {reference}: there is no difference to "
            "average. Collect ratings of both methods for the same images."
        )
    of_images, overall = estimate(cells, items, choice)
    return MethodDifference(
        method=str(method),
        reference=str(reference),
        difference=float(overall.values[0]),
        std_error=number(float(overall.std_errors[0])),
        ci_low=number(float(overall.low[0])),
        ci_high=number(float(overall.high[0])),
        rows=_rows(cells, items, of_images),
        n_observations=len(cells.value),
        n_images=len(np.unique(items.image)),
        n_raters=cells.n_raters,
        paired=paired,
        unit=unit,
        interval=interval,
        ci_level=ci_level,
        resamples=resamples if choice.resampled else 0,
        seed=seed,
        warnings=_warnings(cells, items, choice, of_images, overall),
    )


def _two_methods(
    ratings: pd.DataFrame, method: str, reference: str, *, paired: bool
) -> pd.DataFrame:
    if method == reference:
        raise InvalidInputError(f"{method} minus {reference}: give two different methods.")
    if "method" not in ratings:
        return ratings  # Cells says which columns are needed
    names = ratings["method"].astype(str)
    for name in (method, reference):
        if not (names == name).any():
            raise InvalidInputError(
                f"No rating is of the method {name}; the methods are "
                f"{', '.join(sorted(names.unique()))}."
            )
    table = ratings[names.isin([method, reference])].assign(method=names)
    if not paired:
        return table
    keys = ["rater", "image", *(["bpp"] if "bpp" in table else [])]
    own = table.groupby([*keys, "method"], dropna=False)["rating"].mean().reset_index()
    table = own[own.groupby(keys, dropna=False)["method"].transform("size") == 2]
    if table.empty:
        raise StatisticsError(
            f"No rater rated both {method} and {reference} of an image, so nothing is paired. "
            "Leave paired off, or show raters both methods of their images."
        )
    return table


def _rows(cells: Cells, items: Items, estimates: Estimates) -> tuple[ImageDifference, ...]:
    assert items.minus is not None  # noqa: S101 - difference_items always has it
    n = cells.counts[items.plus] + cells.counts[items.minus]
    rows = []
    for code in range(items.n_items):
        image, _, bpp = cells.names(int(items.plus[code]))
        rows.append(
            ImageDifference(
                image=image,
                bpp=number(bpp),
                n=int(n[code]),
                difference=float(estimates.values[code]),
                std_error=number(float(estimates.std_errors[code])),
                ci_low=number(float(estimates.low[code])),
                ci_high=number(float(estimates.high[code])),
            )
        )
    return tuple(rows)


def _warnings(
    cells: Cells, items: Items, choice: IntervalChoice, of_images: Estimates, overall: Estimates
) -> tuple[str, ...]:
    found = []
    n_images = len(np.unique(items.image))
    if not overall.known[0]:
        found.append(
            f"The difference has no interval: over {' and '.join(GENERALISES_TO[choice.unit])} "
            "there is nothing to resample. Take another unit, or collect more."
        )
    found += few_warnings(cells, choice)
    dropped = cells.n_images - n_images
    if dropped:
        found.append(
            f"{dropped} of {cells.n_images} images were rated under one of the methods only and "
            "are left out."
        )
    if choice.unit in {"rater", "rating"} and n_images > 1:
        found.append(
            "The interval speaks about these images. For a claim about the methods resample "
            "images too (unit both), or use the mixed model."
        )
    if choice.unit == "both" and 2 <= n_images < _FEW_IMAGES:
        found.append(
            f"With {n_images} images prefer the mixed model's t interval: bootstrap intervals over "
            f"fewer than {_FEW_IMAGES} images tend to be too narrow."
        )
    return (*found, *undefined_warnings(of_images.undefined + overall.undefined, choice))
