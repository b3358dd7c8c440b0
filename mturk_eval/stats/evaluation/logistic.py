"""Logistic mappings from a metric to mean opinion scores, fitted to many resamples at once.

Both curves are linear in all parameters but the centre and the width of one sigmoid. The linear
ones are solved exactly at every step (variable projection), which leaves a search in two
dimensions that finds the least squares from a coarse grid of starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Mapping = Literal["logistic-4", "logistic-5", "linear"]

N_PARAMETERS: dict[Mapping, int] = {"logistic-4": 4, "logistic-5": 5, "linear": 2}

_WIDTHS = (
    0.02,
    50.0,
)  # of the sigmoid, in standard deviations of the metric: step to straight line
_REACH = 3.0  # how far beyond the data its centre may lie, in standard deviations
_STEPS = 100
_GAIN = 1e-10  # a relative fall of the sum of squares that ends the search
_CHUNK_ENTRIES = 400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingFit:
    """A fitted mapping.

    Attributes
    ----------
    mapping : str
        What was fitted, which may be simpler than what was asked for.
    predicted : ndarray, shape (n,)
        The mean opinion score that the metric predicts for every stimulus.
    centre, log_width : float
        Of the sigmoid, in standard deviations of the metric.
    fallback : str or None
        Why the mapping is simpler than asked for.
    """

    mapping: Mapping
    predicted: NDArray[np.float64]
    centre: float
    log_width: float
    fallback: str | None


def fit_mapping(
    metric: NDArray[np.float64], mos: NDArray[np.float64], mapping: Mapping
) -> MappingFit:
    """Least-squares mapping of a metric to mean opinion scores.

    ``logistic-4`` is b2 + (b1 - b2) / (1 + exp(-(x - b3) / b4)), monotone by form [1]_;
    ``logistic-5`` is b1 (1/2 - 1 / (1 + exp(b2 (x - b3)))) + b4 x + b5 [2]_, which need not be
    monotone. The metric is standardised first.

    Parameters
    ----------
    metric, mos : ndarray, shape (n,)
        Finite; neither constant.
    mapping : {"logistic-4", "logistic-5", "linear"}
        Where stimuli are no more than parameters the straight line is fitted, and where the best
        five-parameter curve is not monotone over the data the four-parameter one; ``fallback`` says
        so. A straight line is the limit of both and cannot flatter a metric as a step curve can.

    References
    ----------
    .. [1] VQEG (2000), Final report on the validation of objective models of video quality
       assessment.
    .. [2] Sheikh, Sabir & Bovik (2006), A statistical evaluation of recent full reference image
       quality assessment algorithms, IEEE Trans. Image Process. 15(11).

    Examples
    --------
    >>> x = np.linspace(0, 1, 9)
    >>> fit = fit_mapping(x, 1 + 8 / (1 + np.exp(-(x - 0.4) / 0.1)), "logistic-4")
    >>> fit.predicted[[0, -1]].round(4)
    array([1.1439, 8.9802])
    """
    if len(metric) <= N_PARAMETERS[mapping]:
        reason = f"{len(metric)} stimuli cannot determine the {N_PARAMETERS[mapping]} of {mapping}"
        return _linear(metric, mos, reason if mapping != "linear" else None)
    if mapping == "linear":
        return _linear(metric, mos, None)
    x = (metric - metric.mean()) / metric.std()
    starts = _starts(x)
    weights = np.ones((1, len(x)))
    found = _search(x, mos, np.repeat(weights, len(starts), axis=0), starts, mapping)
    best = int(np.argmin(found.squares))
    centre, log_width = found.shape[best]
    if mapping == "logistic-5" and not _is_monotone(
        x, found.coefficients[best], *found.shape[best]
    ):
        simpler = fit_mapping(metric, mos, "logistic-4")
        return MappingFit(
            mapping=simpler.mapping,
            predicted=simpler.predicted,
            centre=simpler.centre,
            log_width=simpler.log_width,
            fallback="the best five-parameter curve is not monotone",
        )
    return MappingFit(
        mapping=mapping,
        predicted=found.predicted[best],
        centre=float(centre),
        log_width=float(log_width),
        fallback=None,
    )


def mapped_resamples(
    fit: MappingFit,
    metric: NDArray[np.float64],
    mos: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The same mapping fitted again to every resample, started from the fit to the data.

    Parameters
    ----------
    weights : ndarray, shape (m, n)
        How often each stimulus is in each resample.

    Returns
    -------
    ndarray, shape (m, n)
        Predicted mean opinion scores.
    """
    x = (metric - metric.mean()) / metric.std()
    if fit.mapping == "linear":
        basis = np.broadcast_to(np.stack([np.ones_like(x), x], axis=-1), (len(weights), len(x), 2))
        return _projected(basis, mos, weights)[1]
    chunk = max(1, _CHUNK_ENTRIES // len(x))
    start = np.array([[fit.centre, fit.log_width]])
    return np.concatenate(
        [
            _search(x, mos, part, np.repeat(start, len(part), axis=0), fit.mapping).predicted
            for part in (weights[s : s + chunk] for s in range(0, len(weights), chunk))
        ]
    )


def _linear(
    metric: NDArray[np.float64], mos: NDArray[np.float64], fallback: str | None
) -> MappingFit:
    dx = metric - metric.mean()
    predicted = mos.mean() + dx * float(dx @ mos) / float(dx @ dx)
    return MappingFit(
        mapping="linear",
        predicted=np.asarray(predicted),
        centre=0.0,
        log_width=float(np.log(_WIDTHS[1])),
        fallback=fallback,
    )


def _starts(x: NDArray[np.float64]) -> NDArray[np.float64]:
    centres = np.quantile(x, [0.1, 0.3, 0.5, 0.7, 0.9])
    log_widths = np.log([0.08, 0.25, 0.8, 2.5])
    return np.array([(centre, log_width) for centre in centres for log_width in log_widths])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Per resample: centre and log width (m, 2), linear coefficients, predictions, squares."""

    shape: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    predicted: NDArray[np.float64]
    squares: NDArray[np.float64]


def _basis(
    x: NDArray[np.float64], shape: NDArray[np.float64], mapping: Mapping
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns of the linear part, sigmoid last, and the sigmoid's slopes in centre and log width.

    The sigmoid is scaled to a range of order one even where it is nearly a straight line.
    """
    width = np.exp(shape[:, 1:2])
    t = (x - shape[:, :1]) / width
    scale = 1.0 + width
    sigmoid = expit(t)
    slope = sigmoid * (1.0 - sigmoid) * scale
    columns = [np.ones_like(t), (sigmoid - 0.5) * scale]
    if mapping == "logistic-5":
        columns.insert(1, np.broadcast_to(x, t.shape))
    slopes = np.stack([-slope / width, -slope * t], axis=-1)
    return np.stack(columns, axis=-1), slopes


def _projected(
    basis: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients and predictions of weighted least squares on a basis (m, n, l)."""
    weighted = (basis * weights[:, :, None]).transpose(0, 2, 1)
    gram = weighted @ basis
    # a trace of ridge: a nearly straight sigmoid and the line itself are nearly collinear
    ridge = 1e-12 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(gram.shape[-1])
    coefficients = np.linalg.solve(gram + ridge, weighted @ y[:, None])
    return coefficients[:, :, 0], (basis @ coefficients)[:, :, 0]


def _search(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64],
    start: NDArray[np.float64],
    mapping: Mapping,
) -> _Found:
    """Levenberg-Marquardt in (centre, log width) for all resamples; each step lowers the squares.

    Kaufman's simplification of variable projection: the sigmoid's slopes, less what the linear
    part can follow, are the Jacobian.
    """
    limits = np.array(
        [[x.min() - _REACH, np.log(_WIDTHS[0])], [x.max() + _REACH, np.log(_WIDTHS[1])]]
    )
    shape = start.copy()
    basis, slopes = _basis(x, shape, mapping)
    coefficients, predicted = _projected(basis, y, weights)
    squares = (weights * (y - predicted) ** 2).sum(axis=1)
    floor = 1e-14 * (weights * (y - y.mean()) ** 2).sum(axis=1)
    damping = np.full(len(weights), 1e-2)
    active = np.arange(len(weights))
    for _ in range(_STEPS):
        w = weights[active]
        jacobian = slopes[active] * coefficients[active, -1][:, None, None]
        jacobian = jacobian - _onto(basis[active], jacobian, w)
        weighted = (jacobian * w[:, :, None]).transpose(0, 2, 1)
        gram = weighted @ jacobian
        gradient = (weighted @ (y - predicted[active])[:, :, None])[:, :, 0]
        diagonal = np.einsum("mii->mi", gram)
        damped = gram + (damping[active, None] * diagonal + 1e-12)[:, :, None] * np.eye(2)
        step = np.clip(np.linalg.solve(damped, gradient[:, :, None])[:, :, 0], -1.5, 1.5)
        tried = np.clip(shape[active] + step, *limits)
        new_basis, new_slopes = _basis(x, tried, mapping)
        new_coefficients, new_predicted = _projected(new_basis, y, w)
        new_squares = (w * (y - new_predicted) ** 2).sum(axis=1)
        better = new_squares < squares[active]
        taken = active[better]
        gain = squares[active] - new_squares
        small = better & (gain <= _GAIN * squares[active] + floor[active])
        shape[taken], basis[taken], slopes[taken] = (
            tried[better],
            new_basis[better],
            new_slopes[better],
        )
        coefficients[taken], predicted[taken] = new_coefficients[better], new_predicted[better]
        squares[taken] = new_squares[better]
        damping[active] = np.where(better, damping[active] / 5.0, damping[active] * 6.0)
        active = active[~small & (damping[active] < 1e8)]
        if len(active) == 0:
            break
    return _Found(shape=shape, coefficients=coefficients, predicted=predicted, squares=squares)


def _onto(
    basis: NDArray[np.float64], columns: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted projection of columns (m, n, c) onto the span of the basis (m, n, l)."""
    weighted = (basis * weights[:, :, None]).transpose(0, 2, 1)
    gram = weighted @ basis
    ridge = 1e-12 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(gram.shape[-1])
    return np.asarray(basis @ np.linalg.solve(gram + ridge, weighted @ columns))


def _is_monotone(
    x: NDArray[np.float64], coefficients: NDArray[np.float64], centre: float, log_width: float
) -> bool:
    """Whether the five-parameter curve rises, or falls, all over the data."""
    grid = np.linspace(x.min(), x.max(), 1_001)
    _, line, height = coefficients
    width = np.exp(log_width)
    sigmoid = expit((grid - centre) / width)
    slope = line + height * (1.0 + width) * sigmoid * (1.0 - sigmoid) / width
    return bool((slope >= 0).all() or (slope <= 0).all())
