"""Means and differences with standard errors and intervals of a chosen kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.resampling.cells import Cells, Items
from mturk_eval.stats.resampling.intervals import (
    IntervalKind,
    bca_limits,
    bounded_limits,
    percentile_limits,
    t_limits,
)
from mturk_eval.stats.resampling.jackknife import Jackknife, jackknife
from mturk_eval.stats.resampling.replicates import bootstrap
from mturk_eval.stats.resampling.weights import ResamplingUnit

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalChoice:
    """Which interval, over which unit; what makes no sense together is refused at once.

    Raises
    ------
    InvalidInputError
        If the choices do not go together, or a number is out of its range.
    """

    unit: ResamplingUnit
    kind: IntervalKind
    ci_level: float
    resamples: int
    seed: int
    scale: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.unit not in {"rater", "rating", "image", "both"}:
            raise InvalidInputError(
                f"unit {self.unit!r} is none: choose rater, rating, image or both."
            )
        if self.kind not in {"percentile", "bca", "t", "bounded"}:
            raise InvalidInputError(
                f"interval {self.kind!r} is none: choose percentile, bca, t or bounded."
            )
        if not 0.0 < self.ci_level < 1.0:
            raise InvalidInputError(
                f"ci_level {self.ci_level:g} is no level: give a share between 0 and 1, e.g. 0.95."
            )
        if self.resampled and self.resamples < 1:
            raise InvalidInputError(f"{self.resamples} resamples: give at least 1.")
        if self.unit == "both" and not self.resampled:
            raise InvalidInputError(
                f"A {self.kind} interval over raters and images together has no degrees of "
                "freedom. Take interval percentile or bca, or the mixed model's t interval."
            )
        if self.kind == "bounded":
            if self.scale is None:
                raise InvalidInputError(
                    "A bounded interval needs the scale: its lowest and highest rating, e.g. 1 10."
                )
            if not self.scale[0] < self.scale[1]:
                raise InvalidInputError(
                    f"scale {self.scale[0]:g} {self.scale[1]:g}: the lowest rating must be below "
                    "the highest, e.g. 1 10."
                )

    @property
    def resampled(self) -> bool:
        """Whether the interval is of bootstrap replicates."""
        return self.kind in {"percentile", "bca"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """k estimates, arrays of shape (k,); errors and limits are NaN where there are none.

    ``known`` says where at least two units tell of a spread; a limit may still lack there, where
    a BCa interval is not defined.
    """

    values: _Floats
    std_errors: _Floats
    low: _Floats
    high: _Floats
    known: NDArray[np.bool_]

    @property
    def undefined(self) -> int:
        """How many have a spread and yet no interval."""
        return int((self.known & ~np.isfinite(self.low + self.high)).sum())


def estimate(cells: Cells, items: Items, choice: IntervalChoice) -> tuple[Estimates, Estimates]:
    """Estimate the items (per image) and the groups' means over images.

    Raises
    ------
    InvalidInputError
        If a bounded interval is asked for and a rating lies outside its scale.
    """
    if choice.scale is not None:
        _check_scale(cells, choice.scale)
    of_items, of_groups = jackknife(cells, items, choice.unit)
    values = items.values(cells.means)
    means = items.group_means(values)
    if not choice.resampled:
        return (
            _estimates(values, of_items, _formula_limits(values, of_items, choice)),
            _estimates(means, of_groups, _formula_limits(means, of_groups, choice)),
        )
    low, high = np.full(items.n_items, np.nan), np.full(items.n_items, np.nan)

    def each_part(part: slice, replicates: _Floats) -> None:
        if choice.unit == "image":  # the items do not vary over images
            return
        accelerations = of_items.acceleration[part]
        low[part], high[part] = _quantile_limits(replicates, values[part], accelerations, choice)

    replicates = bootstrap(
        cells, items, choice.unit, resamples=choice.resamples, seed=choice.seed, each_part=each_part
    )
    return (
        _estimates(values, of_items, (low, high)),
        _estimates(
            means, of_groups, _quantile_limits(replicates, means, of_groups.acceleration, choice)
        ),
    )


def _quantile_limits(
    replicates: _Floats, values: _Floats, acceleration: _Floats, choice: IntervalChoice
) -> tuple[_Floats, _Floats]:
    if choice.kind == "percentile":
        return percentile_limits(replicates, choice.ci_level)
    return bca_limits(replicates, choice.ci_level, estimates=values, acceleration=acceleration)


def _formula_limits(
    values: _Floats, spread: Jackknife, choice: IntervalChoice
) -> tuple[_Floats, _Floats]:
    if choice.kind == "t":
        return t_limits(values, spread.std_error, spread.df, choice.ci_level)
    assert choice.scale is not None  # noqa: S101 - IntervalChoice refuses it
    return bounded_limits(
        values, spread.std_error, spread.df, spread.n_units, choice.ci_level, scale=choice.scale
    )


def _estimates(values: _Floats, spread: Jackknife, limits: tuple[_Floats, _Floats]) -> Estimates:
    known = spread.known
    low, high = (np.where(known, limit, np.nan) for limit in limits)
    # An interval with one limit only says less than it seems to.
    whole = np.isfinite(low) & np.isfinite(high)
    return Estimates(
        values=values,
        std_errors=np.where(known, spread.std_error, np.nan),
        low=np.where(whole, low, np.nan),
        high=np.where(whole, high, np.nan),
        known=known,
    )


def _check_scale(cells: Cells, scale: tuple[float, float]) -> None:
    low, high = scale
    outside = np.flatnonzero((cells.value < low) | (cells.value > high))
    if len(outside):
        image, method, _ = cells.names(int(cells.cell[outside[0]]))
        raise InvalidInputError(
            f"{len(outside)} of {len(cells.value)} ratings are outside the scale {low:g} to "
            f"{high:g}, first {cells.value[outside[0]]:g} of image {image}, method {method}. "
            "Correct them, or give the scale they were made on."
        )
