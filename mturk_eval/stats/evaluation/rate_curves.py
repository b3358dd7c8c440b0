"""Rate-quality curves, many at once: made monotone, interpolated and integrated.

A curve is log10 rate as a function of quality. Batches are needed because a bootstrap has one curve
per resample, image and method.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Interpolation = Literal["cubic", "pchip", "akima"]
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)

_SAME_QUALITY = 1e-6  # rating points: closer ones are one point of the curve


def rising(quality: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least-squares non-decreasing quality (isotonic regression) along the last axis.

    By the max-min formula [1]_, which needs no loop over curves.

    Parameters
    ----------
    quality, weights : ndarray, shape (curves, points)
        In order of rising rate; weight 0 marks a missing point, whose value means nothing.

    References
    ----------
    .. [1] Barlow, Bartholomew, Bremner & Brunk (1972), Statistical inference under order
       restrictions, ch. 1.

    Examples
    --------
    >>> rising(np.array([[1.0, 4, 2, 5]]), np.ones((1, 4)))
    array([[1., 3., 3., 5.]])
    """
    points = quality.shape[1]
    weight = np.cumsum(weights, axis=1)
    total = np.cumsum(np.where(weights > 0, quality, 0.0) * weights, axis=1)
    # mean[:, j, k] is that of points j … k
    before_weight = np.concatenate([np.zeros_like(weight[:, :1]), weight[:, :-1]], axis=1)
    before_total = np.concatenate([np.zeros_like(total[:, :1]), total[:, :-1]], axis=1)
    span = weight[:, None, :] - before_weight[:, :, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (total[:, None, :] - before_total[:, :, None]) / span
    mean = np.where(span > 0, mean, np.inf)
    lowest = np.minimum.accumulate(mean[:, :, ::-1], axis=2)[:, :, ::-1]
    starts, ends = np.tril_indices(points, -1)
    lowest[:, starts, ends] = -np.inf  # a span cannot start after the point
    return np.asarray(lowest.max(axis=1))


def distinct_points(
    quality: NDArray[np.float64], log_rate: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Points of equal quality merged into one, at the mean of their log rates.

    Returns
    -------
    tuple of ndarray
        Quality and log rate, shape (curves, points), the distinct points first, and how many there
        are of each curve, shape (curves,).
    """
    curves, points = quality.shape
    present = weights > 0
    reached = np.maximum.accumulate(np.where(present, quality, -np.inf), axis=1)
    previous = np.concatenate([np.full((curves, 1), -np.inf), reached[:, :-1]], axis=1)
    with np.errstate(invalid="ignore"):
        starts = present & ~(quality - previous <= _SAME_QUALITY)
    place = np.cumsum(starts, axis=1) - 1
    slot = (np.arange(curves)[:, None] * points + place)[present]
    size = curves * points
    members = np.maximum(np.bincount(slot, minlength=size), 1)
    rate = np.broadcast_to(log_rate, quality.shape)[present]
    return (
        (np.bincount(slot, quality[present], size) / members).reshape(curves, points),
        (np.bincount(slot, rate, size) / members).reshape(curves, points),
        starts.sum(axis=1),
    )


def integral(
    quality: NDArray[np.float64],
    log_rate: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    interpolation: Interpolation,
) -> NDArray[np.float64]:
    """Integral of log rate over quality from ``low`` to ``high``, for every curve.

    Parameters
    ----------
    quality, log_rate : ndarray, shape (curves, points)
        Quality strictly rising; at least two points.
    low, high : ndarray, shape (curves,)
        Within the curve's qualities.
    interpolation : {"cubic", "pchip", "akima"}
        ``cubic``: one polynomial of degree 3 by least squares [1]_ (less where points are fewer);
        ``pchip``: monotone pieces [2]_; ``akima``: pieces with Akima's slopes [3]_.

    References
    ----------
    .. [1] Bjontegaard (2001), Calculation of average PSNR differences between RD-curves,
       VCEG-M33.
    .. [2] Fritsch & Butland (1984), A method for constructing local monotone piecewise cubic
       interpolants, SIAM J. Sci. Stat. Comput. 5(2).
    .. [3] Akima (1970), A new method of interpolation and smooth curve fitting based on local
       procedures, J. ACM 17(4).
    """
    if interpolation == "cubic":
        return _polynomial_integral(quality, log_rate, low, high)
    slopes = (_pchip_slopes if interpolation == "pchip" else _akima_slopes)(quality, log_rate)
    width = np.diff(quality, axis=1)
    left, right = log_rate[:, :-1], log_rate[:, 1:]
    rise_left, rise_right = width * slopes[:, :-1], width * slopes[:, 1:]

    def up_to(end: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of every Hermite piece, the integral of its part below ``end``."""
        t = np.clip((end[:, None] - quality[:, :-1]) / width, 0.0, 1.0)
        t2, t3, t4 = t**2, t**3, t**4
        value = left * (t4 / 2 - t3 + t) + right * (t3 - t4 / 2)
        value += rise_left * (t4 / 4 - 2 * t3 / 3 + t2 / 2) + rise_right * (t4 / 4 - t3 / 3)
        return np.asarray((width * value).sum(axis=1))

    return up_to(high) - up_to(low)


def _polynomial_integral(
    quality: NDArray[np.float64],
    log_rate: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> NDArray[np.float64]:
    # on [-1, 1], where the powers are far from collinear
    middle = (quality[:, 0] + quality[:, -1]) / 2
    half = (quality[:, -1] - quality[:, 0]) / 2
    powers = np.arange(min(4, quality.shape[1]))
    scaled = (quality - middle[:, None]) / half[:, None]
    inverse = np.linalg.pinv(scaled[:, :, None] ** powers)
    coefficients = (inverse @ log_rate[:, :, None])[:, :, 0]

    def up_to(end: NDArray[np.float64]) -> NDArray[np.float64]:
        at = ((end - middle) / half)[:, None] ** (powers + 1) / (powers + 1)
        return np.asarray((coefficients * at).sum(axis=1))

    return half * (up_to(high) - up_to(low))


def _pchip_slopes(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    h = np.diff(x, axis=1)
    secant = np.diff(y, axis=1) / h
    if x.shape[1] == 2:
        return np.repeat(secant, 2, axis=1)
    before, after = secant[:, :-1], secant[:, 1:]
    weight_before, weight_after = 2 * h[:, 1:] + h[:, :-1], h[:, 1:] + 2 * h[:, :-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        harmonic = (weight_before + weight_after) / (weight_before / before + weight_after / after)
    inner = np.where(before * after > 0, harmonic, 0.0)
    first = _pchip_end(h[:, 0], h[:, 1], secant[:, 0], secant[:, 1])
    last = _pchip_end(h[:, -1], h[:, -2], secant[:, -1], secant[:, -2])
    return np.column_stack([first, inner, last])


def _pchip_end(
    near: NDArray[np.float64],
    far: NDArray[np.float64],
    near_secant: NDArray[np.float64],
    far_secant: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Three-point slope at an end, held to the sign and three times the size of its secant."""
    slope = ((2 * near + far) * near_secant - near * far_secant) / (near + far)
    turns = (np.sign(near_secant) != np.sign(far_secant)) & (
        np.abs(slope) > 3 * np.abs(near_secant)
    )
    slope = np.where(turns, 3 * near_secant, slope)
    return np.where(np.sign(slope) == np.sign(near_secant), slope, 0.0)


def _akima_slopes(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    secant = np.diff(y, axis=1) / np.diff(x, axis=1)
    if x.shape[1] == 2:
        return np.repeat(secant, 2, axis=1)
    first = 2 * secant[:, 0] - secant[:, 1]
    last = 2 * secant[:, -1] - secant[:, -2]
    extended = np.column_stack(
        [2 * first - secant[:, 0], first, secant, last, 2 * last - secant[:, -1]]
    )
    change = np.abs(np.diff(extended, axis=1))
    after, before = change[:, 2:], change[:, :-2]
    total = after + before
    even = total <= 1e-9 * total.max(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        weighted = (after * extended[:, 1:-2] + before * extended[:, 2:-1]) / total
    return np.where(even, (extended[:, 3:] + extended[:, :-3]) / 2, weighted)
