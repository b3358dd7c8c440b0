"""Rate differences of curves over the qualities they share, and when they are refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.evaluation.rate_curves import (
    Interpolation,
    distinct_points,
    integral,
    rising,
)

LEAST_POINTS = 4
LEAST_OVERLAP = 0.25
LARGEST_RATE_RATIO = 10.0

_FEW_POINTS, _FLAT, _LITTLE_OVERLAP, _FAR_RATES = 1, 2, 3, 4
REASONS = {
    _FEW_POINTS: f"fewer than {LEAST_POINTS} rates of a method were rated",
    _FLAT: "the mean rating of a method does not rise with the rate",
    _LITTLE_OVERLAP: f"the methods share less than {LEAST_OVERLAP:.0%} of a range of ratings",
    _FAR_RATES: f"the methods' rates differ by more than a factor of {LARGEST_RATE_RATIO:g}",
}
"""Why an image has no BD-rate, by code."""


def percent(log_difference: float) -> float:
    """A log10 rate difference in percent.

    Examples
    --------
    >>> round(percent(-1.0), 6)
    -90.0
    """
    return float(100.0 * np.expm1(np.log(10.0) * log_difference))


def bjontegaard_rate(
    anchor_rate: NDArray[np.float64],
    anchor_quality: NDArray[np.float64],
    test_rate: NDArray[np.float64],
    test_quality: NDArray[np.float64],
    *,
    interpolation: Interpolation = "pchip",
) -> float:
    """Average rate difference, in percent, of two curves over their shared range of quality [1]_.

    Parameters
    ----------
    anchor_rate, anchor_quality, test_rate, test_quality : ndarray, shape (points,)
        Rates above 0 in any unit and any order; quality rises with the rate, and where it does not
        is smoothed by isotonic regression.

    Raises
    ------
    StatisticsError
        If a curve has fewer than four points or does not rise, or the ranges of quality or the
        rates are too far apart.

    References
    ----------
    .. [1] Bjontegaard (2001), Calculation of average PSNR differences between RD-curves,
       VCEG-M33.

    Examples
    --------
    >>> rate, quality = np.array([1.0, 2, 4, 8]), np.array([30.0, 32, 34, 36])
    >>> round(bjontegaard_rate(rate, quality, 0.9 * rate, quality), 6)
    -10.0
    """
    points = max(len(anchor_rate), len(test_rate))
    quality, log_rate = np.zeros((2, 1, 2, points))
    weights = np.zeros((1, 2, points))
    curves = ((anchor_rate, anchor_quality), (test_rate, test_quality))
    for method, (rate, values) in enumerate(curves):
        if not (np.isfinite(rate).all() and (np.asarray(rate) > 0).all()):
            raise StatisticsError("A BD-rate needs rates above 0: it compares their logarithms.")
        order = np.argsort(rate, kind="stable")
        log_rate[0, method, : len(rate)] = np.log10(np.asarray(rate)[order])
        quality[0, method, : len(rate)] = np.asarray(values)[order]
        weights[0, method, : len(rate)] = 1.0
    found = log_differences(quality[None], weights[None], log_rate, 0, interpolation)
    reason = int(found.reason[0, 0, 1])
    if reason:
        raise StatisticsError(
            f"No BD-rate: {REASONS[reason].replace('rating', 'quality')}. Show the curves instead."
        )
    return percent(float(found.log_difference[0, 0, 1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDifferences:
    """log10(rate of the method / rate of the anchor), shape (m, images, methods); NaN if refused.

    ``reason`` holds the codes of `REASONS`, 0 where there is none; ``smoothed`` marks curves that
    were not monotone.
    """

    log_difference: NDArray[np.float64]
    overlap: NDArray[np.float64]
    reason: NDArray[np.int64]
    smoothed: NDArray[np.bool_]


def log_differences(
    means: NDArray[np.float64],
    answers: NDArray[np.float64],
    log_rate: NDArray[np.float64],
    anchor: int,
    interpolation: Interpolation,
    *,
    least_points: int = LEAST_POINTS,
) -> LogDifferences:
    """From mean ratings (m, images, methods, points) to log rate differences with the anchor."""
    shape = means.shape[:-1]
    flat = (-1, means.shape[-1])
    weights = answers.reshape(flat)
    monotone = rising(means.reshape(flat), weights)
    smoothed = (np.abs(monotone - means.reshape(flat)) > 1e-9) & (weights > 0)
    rates = np.broadcast_to(log_rate, means.shape).reshape(flat)
    quality, rate, n_points = distinct_points(monotone, rates, weights)
    curve = np.arange(len(quality)).reshape(shape)
    of_anchor = np.broadcast_to(curve[..., anchor : anchor + 1], shape)

    lowest = quality[:, 0]
    highest = quality[np.arange(len(quality)), np.maximum(n_points - 1, 0)]
    low = np.maximum(lowest[curve], lowest[of_anchor])
    high = np.minimum(highest[curve], highest[of_anchor])
    width = highest - lowest
    with np.errstate(divide="ignore", invalid="ignore"):
        overlap = np.maximum(high - low, 0.0) / np.maximum(width[curve], width[of_anchor])
    present = (weights > 0).sum(axis=1)
    level = (rates * (weights > 0)).sum(axis=1) / np.maximum(present, 1)
    # a cubic needs four distinct points; pieces need two
    needed = min(4 if interpolation == "cubic" else 2, least_points)
    reason = np.zeros(shape, dtype=np.int64)
    far = np.abs(level[curve] - level[of_anchor]) > np.log10(LARGEST_RATE_RATIO)
    reason[far] = _FAR_RATES
    reason[~(overlap >= LEAST_OVERLAP)] = _LITTLE_OVERLAP
    reason[np.minimum(n_points[curve], n_points[of_anchor]) < needed] = _FLAT
    reason[np.minimum(present[curve], present[of_anchor]) < least_points] = _FEW_POINTS

    fine = reason == 0
    log_difference = np.full(shape, np.nan)
    ends = (low[fine], high[fine])
    over_test = _integrals(quality, rate, n_points, curve[fine], *ends, interpolation)
    over_anchor = _integrals(quality, rate, n_points, of_anchor[fine], *ends, interpolation)
    log_difference[fine] = (over_test - over_anchor) / (ends[1] - ends[0])
    return LogDifferences(
        log_difference=log_difference,
        overlap=overlap,
        reason=reason,
        smoothed=np.asarray(smoothed.any(axis=1)).reshape(shape),
    )


def _integrals(
    quality: NDArray[np.float64],
    rate: NDArray[np.float64],
    n_points: NDArray[np.int64],
    curve: NDArray[np.int64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    interpolation: Interpolation,
) -> NDArray[np.float64]:
    """Integrals of the chosen curves, those with equally many points together."""
    found = np.empty(len(curve))
    for n in np.unique(n_points[curve]):
        now = n_points[curve] == n
        chosen = curve[now]
        found[now] = integral(
            quality[chosen, :n], rate[chosen, :n], low[now], high[now], interpolation
        )
    return found
