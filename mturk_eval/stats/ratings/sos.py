"""SOS: how the spread of ratings depends on their mean, as one number per study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.resampling.cells import Cells
from mturk_eval.stats.resampling.cluster_sums import ClusterSums
from mturk_eval.stats.resampling.intervals import (
    INTERVAL_NAMES,
    IntervalKind,
    bca_limits,
    percentile_limits,
    t_limits,
)
from mturk_eval.stats.resampling.jackknife import from_left_out

_FEW_IMAGES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SosCell:
    """Mean and standard deviation of the ratings of one image x method (x rate)."""

    image: str
    method: str
    bpp: float | None
    n: int
    mean: float
    std_dev: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SosResult:
    """The parameter ``a`` of the SOS hypothesis, 0 (all agree) to 1 (only the ends are used).

    Limits are None where there are fewer than two images. ``rows`` holds the cells it is fitted to.
    """

    a: float
    std_error: float | None
    ci_low: float | None
    ci_high: float | None
    scale: tuple[float, float]
    rows: tuple[SosCell, ...]
    n_observations: int
    n_images: int
    interval: IntervalKind
    ci_level: float
    resamples: int
    seed: int
    warnings: tuple[str, ...]

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """Images are what is resampled."""
        return ("images",)

    def document(self) -> Document:
        """The JSON object of the fit, its cells under ``rows``."""
        return {
            "model": "sos",
            "n_observations": self.n_observations,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "a": self.a,
            "std_error": number(self.std_error),
            "ci_low": number(self.ci_low),
            "ci_high": number(self.ci_high),
            "ci_method": INTERVAL_NAMES[self.interval],
            "ci_level": self.ci_level,
            "resamples": self.resamples,
            "seed": self.seed,
            "unit": "image",
            "scale": list(self.scale),
            "rows": [
                {
                    "image": row.image,
                    "method": row.method,
                    **({} if row.bpp is None else {"bpp": row.bpp}),
                    "n": row.n,
                    "mean": row.mean,
                    "std_dev": row.std_dev,
                }
                for row in self.rows
            ],
        }


def sos(
    ratings: pd.DataFrame,
    *,
    scale: tuple[float, float],
    interval: IntervalKind = "percentile",
    resamples: int = 2_000,
    seed: int = 0,
    ci_level: float = 0.95,
) -> SosResult:
    """Fit the SOS hypothesis: variance = a (mean - L) (H - mean), by least squares [1]_.

    Parameters
    ----------
    ratings : DataFrame
        Columns ``rater``, ``image``, ``method``, ``rating`` and, where there are rates, ``bpp``.
    scale : (low, high)
        L and H, the lowest and the highest rating.
    interval : {"percentile", "bca", "t"}
        Over images: an image is drawn with all its cells.
    resamples, seed, ci_level
        As for `mturk_eval.stats.ratings.mos.mean_opinion_scores`.

    Returns
    -------
    SosResult
        The line of variances (divided by n - 1) against (mean - L) (H - mean) has no intercept.

    Raises
    ------
    InvalidInputError
        If a rating lies outside the scale, or the interval is ``bounded``.
    StatisticsError
        If no cell has two ratings and a mean between the ends of the scale.

    References
    ----------
    .. [1] Hossfeld, Schatz & Egger (2011), SOS: the MOS is not enough!, QoMEX, eq. 5.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"rater": list("abab"), "image": list("xxyy"), "method": "jxl", "rating": [3, 5, 6, 8]}
    ... )
    >>> round(sos(table, scale=(1, 10)).a, 4)  # (2 * 18 + 2 * 18) / (18^2 + 18^2)
    0.1111
    """
    _check_choices(interval, scale, resamples, ci_level)
    low, high = scale
    cells = Cells.of(ratings)
    outside = cells.value[(cells.value < low) | (cells.value > high)]
    if len(outside):
        raise InvalidInputError(
            f"{len(outside)} of {len(cells.value)} ratings are outside the scale {low:g} to "
            f"{high:g}, first {outside[0]:g}. Correct them, or give the scale they were made on."
        )
    residual = cells.value - cells.means[cells.cell]
    squares = np.zeros(cells.n_cells)
    np.add.at(squares, cells.cell, residual**2)
    used = cells.counts > 1
    variance = squares[used] / (cells.counts[used] - 1)
    widest = (cells.means[used] - low) * (high - cells.means[used])
    if not (widest > 0).any():
        raise StatisticsError(
            "No image x method cell has two ratings and a mean between the ends of the scale, so "
            "there is no spread to describe. Collect more ratings per cell."
        )
    image, found = np.unique(cells.image[used], return_inverse=True)
    above, below = np.zeros(len(image)), np.zeros(len(image))
    np.add.at(above, found, variance * widest)
    np.add.at(below, found, widest**2)
    a = float(above.sum() / below.sum())
    std_error, ci_low, ci_high = _interval(above, below, a, interval, resamples, seed, ci_level)
    return SosResult(
        a=a,
        std_error=number(std_error),
        ci_low=number(ci_low),
        ci_high=number(ci_high),
        scale=(float(low), float(high)),
        rows=_rows(cells, squares),
        n_observations=len(cells.value),
        n_images=len(image),
        interval=interval,
        ci_level=ci_level,
        resamples=0 if interval == "t" else resamples,
        seed=seed,
        warnings=_warnings(
            a, len(image), cells, (low, high), has_interval=number(ci_low) is not None
        ),
    )


def _check_choices(
    interval: IntervalKind, scale: tuple[float, float], resamples: int, ci_level: float
) -> None:
    if interval not in {"percentile", "bca", "t"}:
        raise InvalidInputError(
            f"interval {interval!r} is none of the SOS parameter's: choose percentile, bca or t."
        )
    if not scale[0] < scale[1]:
        raise InvalidInputError(
            f"scale {scale[0]:g} {scale[1]:g}: the lowest rating must be below the highest, e.g. "
            "1 10."
        )
    if resamples < 1 or not 0.0 < ci_level < 1.0:
        raise InvalidInputError("Give at least 1 resample, and a ci_level between 0 and 1.")


def _interval(
    above: NDArray[np.float64],
    below: NDArray[np.float64],
    a: float,
    interval: IntervalKind,
    resamples: int,
    seed: int,
    ci_level: float,
) -> tuple[float, float, float]:
    """Standard error and limits of a ratio of sums over images."""
    n = len(above)
    left = below.sum() - below
    if n < 2 or not (left > 0).all():
        return np.nan, np.nan, np.nan
    spread = from_left_out((above.sum() - above) / left - a, np.zeros(n, dtype=np.int64), 1)
    estimates = np.array([a])
    if interval == "t":
        low, high = t_limits(estimates, spread.std_error, spread.df, ci_level)
        return float(spread.std_error[0]), float(low[0]), float(high[0])
    sums = ClusterSums(sums=above[None, :], counts=below[None, :])
    replicates = sums.bootstrapped(resamples, np.random.default_rng(seed))
    if interval == "percentile":
        low, high = percentile_limits(replicates, ci_level)
    else:
        low, high = bca_limits(
            replicates, ci_level, estimates=estimates, acceleration=spread.acceleration
        )
    return float(spread.std_error[0]), float(low[0]), float(high[0])


def _rows(cells: Cells, squares: NDArray[np.float64]) -> tuple[SosCell, ...]:
    rows = []
    for code in np.flatnonzero(cells.counts > 1):
        image, method, bpp = cells.names(int(code))
        n = int(cells.counts[code])
        rows.append(
            SosCell(
                image=image,
                method=method,
                bpp=number(bpp),
                n=n,
                mean=float(cells.means[code]),
                std_dev=float(np.sqrt(squares[code] / (n - 1))),
            )
        )
    return tuple(rows)


def _warnings(
    a: float, n_images: int, cells: Cells, scale: tuple[float, float], *, has_interval: bool
) -> tuple[str, ...]:
    found = []
    single = int((cells.counts < 2).sum())
    if single:
        found.append(
            f"{single} of {cells.n_cells} image x method cells hold one rating only and tell "
            "nothing of spread; they are left out."
        )
    if n_images < 2:
        found.append("There is one image, so the parameter has no interval.")
    elif n_images < _FEW_IMAGES:
        found.append(f"With {n_images} images the interval is rough, and rather too narrow.")
    steps = scale[1] - scale[0]
    at_random = ((steps + 1) ** 2 - 1) / 12 / (steps / 2) ** 2
    if a >= at_random:
        found.append(
            f"a = {a:.2f}: answers at random from the whole numbers of the scale would give "
            f"{at_random:.2f}. Screen the raters before reading the means."
        )
    if not has_interval and n_images > 1:
        found.append(
            "The interval is not defined for these images. Take more resamples, or interval t."
        )
    return tuple(found)
