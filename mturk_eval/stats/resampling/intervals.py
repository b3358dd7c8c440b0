"""Limits of intervals, for k estimates at once: percentile, BCa, t, and bounded by a scale."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

IntervalKind = Literal["percentile", "bca", "t", "bounded"]

INTERVAL_NAMES: dict[IntervalKind, str] = {
    "percentile": "percentile bootstrap",
    "bca": "BCa bootstrap",
    "t": "t",
    "bounded": "bounded (Wilson, effective sample size)",
}
"""How documents and captions name the kinds."""

_Floats = NDArray[np.float64]
_Limits = tuple[_Floats, _Floats]
_SAME = 1e-10  # relative difference below which a replicate equals the estimate but for rounding


def percentile_limits(replicates: _Floats, ci_level: float) -> _Limits:
    """Quantiles of bootstrap replicates, shape (k, resamples), along their last axis.

    Replicates that are NaN, in which a cell was empty, are left out. Quantiles are interpolated
    linearly, as numpy's default.

    Examples
    --------
    >>> percentile_limits(np.arange(101.0)[None, :], 0.9)
    (array([5.]), array([95.]))
    """
    tail = (1.0 - ci_level) / 2.0
    ordered = np.sort(replicates, axis=1)
    everywhere = np.ones(len(replicates))
    return _quantiles(ordered, tail * everywhere), _quantiles(ordered, (1.0 - tail) * everywhere)


def bca_limits(
    replicates: _Floats, ci_level: float, *, estimates: _Floats, acceleration: _Floats
) -> _Limits:
    """Bias-corrected and accelerated limits [1]_, NaN where they are not defined.

    Parameters
    ----------
    replicates : ndarray, shape (k, resamples)
    estimates, acceleration : ndarray, shape (k,)
        Of the data, and from the jackknife over the unit that was resampled. A replicate that
        equals the estimate counts half as below it.

    Returns
    -------
    tuple of ndarray
        NaN where all replicates lie on one side of the estimate, or the correction diverges.

    References
    ----------
    .. [1] Efron (1987), Better bootstrap confidence intervals, J. Am. Stat. Assoc. 82(397).
    """
    ordered = np.sort(replicates, axis=1)
    n = np.isfinite(ordered).sum(axis=1)
    estimate = estimates[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        same = np.abs(ordered - estimate) <= _SAME * np.maximum(1.0, np.abs(estimate))
        below = (ordered < estimate) & ~same
        bias = special.ndtri((below.sum(axis=1) + 0.5 * same.sum(axis=1)) / n)
        limits = []
        for z in special.ndtri([(1.0 - ci_level) / 2.0, (1.0 + ci_level) / 2.0]):
            shifted = bias + z
            stretch = 1.0 - acceleration * shifted
            probability = special.ndtr(bias + shifted / stretch)
            defined = np.isfinite(bias) & (stretch > 0)
            limits.append(_quantiles(ordered, np.where(defined, probability, np.nan)))
    return limits[0], limits[1]


def t_limits(estimates: _Floats, std_errors: _Floats, df: _Floats, ci_level: float) -> _Limits:
    """Student's t limits; NaN where there are no degrees of freedom.

    Examples
    --------
    >>> low, high = t_limits(np.array([5.0]), np.array([1.0]), np.array([9.0]), 0.95)
    >>> low.round(4), high.round(4)
    (array([2.7378]), array([7.2622]))
    """
    half = _t_quantile(df, ci_level) * std_errors
    return estimates - half, estimates + half


def bounded_limits(
    means: _Floats,
    std_errors: _Floats,
    df: _Floats,
    n_units: NDArray[np.int64],
    ci_level: float,
    *,
    scale: tuple[float, float],
) -> _Limits:
    """Limits that never leave the scale: Wilson's [1]_, with an effective sample size [2]_.

    The mean, as a share p of the scale, has the standard error s; p (1 - p) / s^2 is the number of
    yes/no answers that would know as much, and Wilson's interval for that number is taken with a t
    quantile for the degrees of freedom of s. Where all ratings are equal, s is 0 and unknown
    rather than small: the number is then ``n_units``, since no variable on the scale varies more
    than a yes/no answer.

    Parameters
    ----------
    means, std_errors, df : ndarray, shape (k,)
        In units of the scale.
    n_units : ndarray of int, shape (k,)
        Raters (or ratings, or images) that each mean rests on.
    scale : (low, high)
        The lowest and the highest rating there can be.

    References
    ----------
    .. [1] Wilson (1927), Probable inference, the law of succession, and statistical inference, J.
       Am. Stat. Assoc. 22(158).
    .. [2] Korn & Graubard (1998), Confidence intervals for proportions with small expected number
       of positive counts estimated from survey data, Survey Methodology 24(2).

    Examples
    --------
    >>> ten = np.array([10])
    >>> low, high = bounded_limits(
    ...     np.array([10.0]), np.array([0.0]), ten - 1.0, ten, 0.95, scale=(1, 10)
    ... )
    >>> low.round(2), high
    (array([6.95]), array([10.]))
    """
    lowest, highest = scale
    share = np.clip((means - lowest) / (highest - lowest), 0.0, 1.0)
    error = std_errors / (highest - lowest)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = share * (1.0 - share) / error**2
        # An infinite or undefined number is that of equal ratings.
        n = np.where(error > _SAME, np.maximum(effective, 1.0), n_units)
        n = np.where(np.isnan(error), np.nan, n)
        squared = _t_quantile(df, ci_level) ** 2 / n
        centre = (share + squared / 2.0) / (1.0 + squared)
        half = np.sqrt(squared * (share * (1.0 - share) + squared / 4.0)) / (1.0 + squared)
        # At an end of the scale centre and half are equal but for rounding.
        low = np.where(share <= 0.0, 0.0, np.maximum(centre - half, 0.0))
        high = np.where(share >= 1.0, 1.0, np.minimum(centre + half, 1.0))
    low, high = np.where(np.isnan(half), np.nan, low), np.where(np.isnan(half), np.nan, high)
    return lowest + (highest - lowest) * low, lowest + (highest - lowest) * high


def _t_quantile(df: _Floats, ci_level: float) -> _Floats:
    return np.asarray(special.stdtrit(np.where(df > 0, df, np.nan), (1.0 + ci_level) / 2.0))


def _quantiles(ordered: _Floats, probability: _Floats) -> _Floats:
    """One quantile per row of sorted values, at the row's own probability; NaNs are sorted last."""
    n = np.isfinite(ordered).sum(axis=1)
    with np.errstate(invalid="ignore"):
        place = probability * (n - 1)
    usable = np.isfinite(place) & (n > 0)
    place = np.where(usable, place, 0.0)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(n - 1, 0))
    row = np.arange(len(ordered))
    lower, upper = ordered[row, below], ordered[row, above]
    return np.where(usable, lower + (place - below) * (upper - lower), np.nan)
