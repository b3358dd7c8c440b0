"""BD-rate on mean opinion scores: how much less rate a method needs for the same rating.

Per image, log rate is integrated over the ratings that both methods reach; images are averaged in
log rate. The bootstrap draws raters and images and repeats every step: means, smoothing,
interpolation, overlap, average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.evaluation.rate_curves import INTERPOLATIONS, Interpolation
from mturk_eval.stats.evaluation.rate_differences import (
    REASONS,
    LogDifferences,
    log_differences,
    percent,
)
from mturk_eval.stats.evaluation.rated_curves import RatedCurves
from mturk_eval.stats.resampling.intervals import percentile_limits
from mturk_eval.stats.resampling.weights import cluster_weights

BdRateUnit = Literal["rater", "image", "both"]

_FEW_IMAGES = 10
_CHUNK_CURVES = 50_000  # at once: bounds memory


@dataclass(frozen=True, slots=True, kw_only=True)
class BdRateRow:
    """A method's BD-rate over the images, in percent: -10 is 10 % less rate at the same rating.

    Values are None where no image, or for the limits no resample, has one.
    """

    method: str
    bd_rate_percent: float | None
    ci_low: float | None
    ci_high: float | None
    n_images: int
    n_refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBdRate:
    """A method's BD-rate on one image, or the reason why it has none.

    ``overlap`` is the shared range of ratings as a share of the wider range.
    """

    image: str
    method: str
    bd_rate_percent: float | None
    overlap: float | None
    refused: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BdRateResult:
    """BD-rates of all methods against an anchor: ``rows`` over images, ``images`` one by one."""

    anchor: str
    interpolation: Interpolation
    rows: tuple[BdRateRow, ...]
    images: tuple[ImageBdRate, ...]
    n_observations: int
    unit: BdRateUnit
    ci_level: float
    resamples: int
    seed: int
    warnings: tuple[str, ...]

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """What the intervals speak about."""
        return {"rater": ("raters",), "image": ("images",), "both": ("raters", "images")}[self.unit]

    def document(self) -> Document:
        """The result as a JSON object."""
        return {
            "model": "bd-rate",
            "n_observations": self.n_observations,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "anchor": self.anchor,
            "interpolation": self.interpolation,
            "ci_method": "percentile bootstrap",
            "ci_level": self.ci_level,
            "resamples": self.resamples,
            "seed": self.seed,
            "unit": self.unit,
            "rows": [
                {
                    "method": row.method,
                    "bd_rate_percent": number(row.bd_rate_percent),
                    "ci_low": number(row.ci_low),
                    "ci_high": number(row.ci_high),
                    "n_images": row.n_images,
                    "n_refused": row.n_refused,
                }
                for row in self.rows
            ],
            "images": [
                {
                    "image": image.image,
                    "method": image.method,
                    "bd_rate_percent": number(image.bd_rate_percent),
                    "overlap": number(image.overlap),
                    "refused": image.refused,
                }
                for image in self.images
            ],
        }


def bd_rate(
    ratings: pd.DataFrame,
    *,
    anchor: str,
    interpolation: Interpolation = "pchip",
    unit: BdRateUnit = "both",
    resamples: int = 1_000,
    seed: int = 0,
    ci_level: float = 0.95,
) -> BdRateResult:
    """BD-rate on mean ratings of every method against ``anchor``, with bootstrap intervals.

    Parameters
    ----------
    ratings : DataFrame
        Columns ``rater``, ``image``, ``method``, ``bpp``, ``rating``, one row per answer; where
        there is a column ``actual_bpp``, it holds the rates, and ``bpp`` only tells cells apart.
    anchor : str
        The method that the others are compared with.
    interpolation : {"cubic", "pchip", "akima"}
        Of log rate as a function of the mean rating.
    unit : {"rater", "image", "both"}
        What is drawn with replacement; ``both`` draws raters and images independently.

    Returns
    -------
    BdRateResult
        An image is refused for a method, with its reason, where a curve has fewer than four rates,
        does not rise, shares less than 25 % of either range of ratings with the anchor's, or its
        rates are more than ten times as high or as low.

    Raises
    ------
    StatisticsError
        If there are no rates, the anchor was not rated, or there is no other method.
    """
    if interpolation not in INTERPOLATIONS:
        raise StatisticsError(
            f"{interpolation!r} is no interpolation: give {', '.join(INTERPOLATIONS)}."
        )
    curves = RatedCurves.of(ratings, anchor)
    point = log_differences(
        curves.means(np.ones((1, curves.n_raters))),
        curves.answers(np.ones((1, curves.n_raters))),
        curves.log_rate,
        curves.anchor,
        interpolation,
    )
    replicates = _replicates(curves, point.reason[0] == 0, interpolation, unit, resamples, seed)
    usable = point.reason[0] == 0
    rows = []
    for code, method in enumerate(curves.methods):
        if code == curves.anchor:
            continue
        logs = point.log_difference[0, usable[:, code], code]
        limits = percentile_limits(replicates[None, :, code], ci_level)
        drawn = {"rater": curves.n_raters, "image": len(logs), "both": len(logs)}[unit]
        low, high = (percent(float(limit[0])) if drawn > 1 else np.nan for limit in limits)
        rows.append(
            BdRateRow(
                method=method,
                bd_rate_percent=percent(float(logs.mean())) if len(logs) else None,
                ci_low=number(low),
                ci_high=number(high),
                n_images=len(logs),
                n_refused=len(curves.images) - len(logs),
            )
        )
    return BdRateResult(
        anchor=anchor,
        interpolation=interpolation,
        rows=tuple(rows),
        images=_images(curves, point),
        n_observations=len(curves.value),
        unit=unit,
        ci_level=ci_level,
        resamples=resamples,
        seed=seed,
        warnings=_warnings(curves, point, replicates, unit, interpolation),
    )


def _replicates(
    curves: RatedCurves,
    usable: NDArray[np.bool_],
    interpolation: Interpolation,
    unit: BdRateUnit,
    resamples: int,
    seed: int,
) -> NDArray[np.float64]:
    """Bootstrap replicates of every method's mean log difference, shape (resamples, methods)."""
    rng = np.random.default_rng(seed)
    n_images, n_methods, _ = curves.log_rate.shape
    images = np.ones((resamples, n_images))
    if unit != "rater":
        images = cluster_weights(n_images, resamples, rng)
    raters = np.ones((1, curves.n_raters))  # one set of means for all
    if unit != "image":
        raters = cluster_weights(curves.n_raters, resamples, rng)
    chunk = max(1, _CHUNK_CURVES // (n_images * n_methods))
    parts = []
    for start in range(0, len(raters), chunk):
        weights = raters[start : start + chunk]
        parts.append(
            log_differences(
                curves.means(weights),
                curves.answers(weights),
                curves.log_rate,
                curves.anchor,
                interpolation,
                least_points=2,
            ).log_difference
        )
    logs = np.concatenate(parts)
    counted = images[:, :, None] * (np.isfinite(logs) & usable)
    with np.errstate(invalid="ignore"):
        return np.asarray((counted * np.nan_to_num(logs)).sum(axis=1) / counted.sum(axis=1))


def _images(curves: RatedCurves, point: LogDifferences) -> tuple[ImageBdRate, ...]:
    found = []
    for i, image in enumerate(curves.images):
        for m, method in enumerate(curves.methods):
            if m == curves.anchor:
                continue
            reason = int(point.reason[0, i, m])
            found.append(
                ImageBdRate(
                    image=image,
                    method=method,
                    bd_rate_percent=None
                    if reason
                    else percent(float(point.log_difference[0, i, m])),
                    overlap=number(point.overlap[0, i, m]),
                    refused=REASONS.get(reason),
                )
            )
    return tuple(found)


def _warnings(
    curves: RatedCurves,
    point: LogDifferences,
    replicates: NDArray[np.float64],
    unit: BdRateUnit,
    interpolation: Interpolation,
) -> tuple[str, ...]:
    found = []
    if interpolation == "cubic":
        found.append(
            "One cubic through noisy mean ratings swings between them, which can make intervals "
            "many times as wide: prefer pchip, unless the original method is asked for."
        )
    others = [code for code in range(len(curves.methods)) if code != curves.anchor]
    reasons = point.reason[0][:, others]
    for code, text in REASONS.items():
        n = int((reasons == code).sum())
        if n:
            found.append(
                f"{n} of {reasons.size} image x method comparisons are left out because {text}: "
                "show these curves instead of a number."
            )
    smoothed = int(point.smoothed[0].sum())
    if smoothed:
        found.append(
            f"In {smoothed} of {point.smoothed[0].size} curves the mean rating falls somewhere "
            "although the rate rises: they were smoothed to rise (isotonic regression). Collect "
            "more ratings, or look at those images."
        )
    n_images = len(curves.images)
    if n_images < 2:
        found.append(
            "There is one image: nothing is said about other images, and only raters can be drawn "
            "(--unit rater)."
        )
    elif unit != "rater" and n_images < _FEW_IMAGES:
        found.append(
            f"With {n_images} images the intervals are rough, and rather too narrow: add images."
        )
    if unit == "rater" and n_images > 1:
        found.append(
            "Intervals speak about these images. To compare methods in general, let images vary "
            "too (--unit both)."
        )
    empty = float(np.isnan(replicates[:, others]).mean())
    if 0 < empty < 1:
        found.append(
            f"{empty:.1%} of the resamples had no image with a BD-rate and are left out of the "
            "intervals, which may be too narrow: collect more ratings per image and rate."
        )
    return tuple(found)
