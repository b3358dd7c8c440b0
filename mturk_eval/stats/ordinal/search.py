"""The search for the maximum: a quasi-Newton method, then Newton with the exact curvature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mturk_eval.stats.ordinal.laplace import LaplaceCriterion, location_curvature
from mturk_eval.stats.ordinal.layout import Layout
from mturk_eval.stats.ordinal.links import LinkFunction

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Criterion = Callable[[Vector], tuple[float, Vector]]

_STARTING_SD = 0.5  # of the latent noise's
_EM_STEPS = 2
_BFGS_STEPS = 200
_SEARCHED = 1e-7  # decrement at which BFGS hands over
_POLISHED = 1e-12
_EXACT_CURVATURES = 3
_FAR_BELOW_AN_ERROR = 1e-6  # of the squared distance in standard errors
_DIFFERENCE = 2e-3  # of a standard error
_DEFINITE = 1e-13
_SUFFICIENT = 1e-4
_MAX_HALVINGS = 40
_FIXED_PART_STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where a search stands.

    ``value`` is minus the log-likelihood, ``decrement`` is g'B⁻¹g, twice what a quadratic model
    still promises to gain, and ``condition`` the condition number of B with a unit diagonal.
    """

    parameters: Vector
    value: float
    gradient: Vector
    inverse_hessian: Matrix
    decrement: float
    condition: float = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPartFit:
    """A model without random terms."""

    point: Point
    converged: bool
    evaluations: int


def quasi_newton(
    criterion: Criterion, start: Vector, hessian_guess: Callable[[Vector], Matrix]
) -> Point:
    """Minimise by BFGS from a guess of the Hessian, with backtracking.

    Parameters
    ----------
    criterion : callable
        Value and gradient; an infinite value is a step too far.
    hessian_guess : callable
        Called once, right after the criterion at ``start``.
    """
    value, gradient = criterion(start)
    point = Point(
        parameters=start,
        value=value,
        gradient=gradient,
        inverse_hessian=_inverse_of_guess(hessian_guess(start)),
        decrement=np.inf,
    )
    return _bfgs(criterion, point)


def _bfgs(criterion: Criterion, point: Point, *, tolerance: float = _SEARCHED) -> Point:
    x, value, gradient = point.parameters, point.value, point.gradient
    inverse, decrement = point.inverse_hessian, np.inf
    for _ in range(_BFGS_STEPS):
        step = -inverse @ gradient
        decrement = float(-gradient @ step)
        if decrement < tolerance:
            break
        found = _backtrack(criterion, x, value, gradient, step)
        if found is None:
            break
        new_x, new_value, new_gradient = found
        inverse = _updated(inverse, new_x - x, new_gradient - gradient)
        x, value, gradient = new_x, new_value, new_gradient
    return Point(
        parameters=x,
        value=value,
        gradient=gradient,
        inverse_hessian=inverse,
        decrement=decrement,
    )


def maximise(criterion: LaplaceCriterion, location: Vector) -> Point:
    """From the fixed part's estimates to the maximum of the Laplace likelihood.

    Two steps of an EM kind bring the variances near; from there BFGS takes few.
    """
    layout = criterion.layout
    parameters = np.concatenate([location, np.zeros(layout.n_parameters - len(location))])
    start = _STARTING_SD * np.sqrt(criterion.link.latent_variance)
    for term in layout.terms:
        parameters[term.start : term.start + len(term.rows)] = start * (term.rows == term.cols)
    cut = len(location)
    for _ in range(_EM_STEPS):
        value, gradient = criterion.value_and_gradient(parameters)
        hessian = criterion.curvature_guess(parameters)[:cut, :cut]
        proposal = criterion.expected_factors(parameters)
        proposal[:cut] -= np.linalg.solve(hessian, gradient[:cut])
        if not criterion.value_and_gradient(proposal)[0] < value:
            break
        parameters = proposal
    return quasi_newton(criterion.value_and_gradient, parameters, criterion.curvature_guess)


def continue_from(
    criterion: LaplaceCriterion, point: Point, parameters: Vector, value: float, gradient: Vector
) -> Point:
    """Go on with BFGS near the point where it stopped, without flat directions."""
    flat = criterion.flat_directions(parameters)
    inverse = point.inverse_hessian.copy()
    inverse[flat, :] = inverse[:, flat] = 0.0
    moved = replace(
        point, parameters=parameters, value=value, gradient=gradient, inverse_hessian=inverse
    )
    return _bfgs(criterion.value_and_gradient, moved)


def polish(criterion: LaplaceCriterion, point: Point) -> Point:
    """Go on with the exact curvature, which is that of the standard errors.

    It is taken anew only after steps that are not far below a standard error.
    """
    live = np.setdiff1d(
        np.arange(len(point.parameters)), criterion.flat_directions(point.parameters)
    )
    sizes = np.sqrt(np.maximum(np.diag(point.inverse_hessian)[live], 0.0))
    for _ in range(_EXACT_CURVATURES):
        hessian = curvature_by_differences(
            criterion.value_and_gradient,
            point.parameters,
            live,
            np.clip(_DIFFERENCE * sizes, 1e-6, 1e-2),
        )
        inverse_live, condition = _inverse(hessian)
        inverse = np.zeros_like(point.inverse_hessian)
        inverse[np.ix_(live, live)] = inverse_live
        value, gradient = criterion.value_and_gradient(point.parameters)
        start = replace(point, value=value, gradient=gradient, inverse_hessian=inverse)
        if not np.isfinite(condition):
            return replace(start, decrement=np.inf, condition=condition)
        point = _bfgs(criterion.value_and_gradient, start, tolerance=_POLISHED)
        point = replace(point, inverse_hessian=inverse, condition=condition)
        moved = (point.parameters - start.parameters)[live]
        if float(moved @ hessian @ moved) < _FAR_BELOW_AN_ERROR:
            break
    return point


def _inverse(hessian: Matrix) -> tuple[Matrix, float]:
    """Inverse and condition number, of the unit-diagonal form; NaN and inf if not definite."""
    diagonal = np.diag(hessian)
    if np.all(diagonal > 0):
        sizes = np.sqrt(diagonal)
        values, vectors = np.linalg.eigh(hessian / np.outer(sizes, sizes))
        if values[0] > _DEFINITE:
            inverse = (vectors / values) @ vectors.T / np.outer(sizes, sizes)
            return inverse, float(values[-1] / values[0])
    return np.full_like(hessian, np.nan), np.inf


def _backtrack(
    criterion: Criterion, x: Vector, value: float, gradient: Vector, step: Vector
) -> tuple[Vector, float, Vector] | None:
    slope, part = float(gradient @ step), 1.0
    for _ in range(_MAX_HALVINGS):
        new_x = x + part * step
        new_value, new_gradient = criterion(new_x)
        if new_value <= value + _SUFFICIENT * part * slope + 1e-11 * abs(value):
            return new_x, new_value, new_gradient
        if np.isfinite(new_value):
            # The minimum of the parabola through both values and the slope.
            ideal = -slope * part / (2 * (new_value - value - slope * part)) * part
            part = float(np.clip(ideal, 0.1 * part, 0.5 * part))
        else:
            part *= 0.5
    return None


def _updated(inverse: Matrix, moved: Vector, turned: Vector) -> Matrix:
    """BFGS, left out where the curvature along the step is not positive."""
    curvature = float(moved @ turned)
    along = inverse @ turned
    if curvature <= 1e-10 * float(np.linalg.norm(moved) * np.linalg.norm(turned)):
        return inverse
    outer = np.outer(moved, along)
    return np.asarray(
        inverse
        + (1 + float(turned @ along) / curvature) * np.outer(moved, moved) / curvature
        - (outer + outer.T) / curvature
    )


def _inverse_of_guess(hessian: Matrix) -> Matrix:
    """Inverse of a guess, its small or negative eigenvalues raised."""
    sizes = np.sqrt(np.maximum(np.diag(hessian), 1e-4))
    values, vectors = np.linalg.eigh(hessian / np.outer(sizes, sizes))
    scaled = (vectors / np.maximum(values, 1e-2)) @ vectors.T
    return np.asarray(scaled / np.outer(sizes, sizes))


def curvature_by_differences(
    criterion: Criterion, x: Vector, live: NDArray[np.intp], steps: Vector
) -> Matrix:
    """Hessian in the ``live`` parameters, by central differences of the exact gradient."""
    hessian = np.empty((len(live), len(live)))
    for row, (place, size) in enumerate(zip(live, steps, strict=True)):
        shift = np.zeros_like(x)
        shift[place] = size
        ahead, behind = criterion(x + shift)[1], criterion(x - shift)[1]
        hessian[row] = ((ahead - behind) / (2 * size))[live]
    return np.asarray((hessian + hessian.T) / 2)


def fit_fixed_part(layout: Layout, link: LinkFunction) -> FixedPartFit:
    """Newton's method for a model without random terms; its log-likelihood is concave."""
    cut = layout.n_thresholds

    def log_likelihood(at: Vector) -> float:
        if np.any(np.diff(at[:cut]) <= 0):
            return -np.inf
        log_p, _, _ = link.slopes(*layout.limits(at[:cut], at[cut:] @ layout.x))
        return float(layout.weighted(log_p).sum())

    parameters = _cumulative_shares(layout, link)
    value, decrement, evaluations = log_likelihood(parameters), np.inf, 1
    gradient, information = _fixed_part_slopes(layout, link, parameters)
    while evaluations < _FIXED_PART_STEPS:
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            break
        decrement = float(gradient @ step)
        if decrement < 1e-18 * (1 + abs(value)):
            break
        part = 1.0
        new_value = log_likelihood(parameters + step)
        while not new_value >= value - 1e-11 * abs(value) and part > 1e-8:
            part *= 0.5
            new_value = log_likelihood(parameters + part * step)
        parameters, value = parameters + part * step, new_value
        gradient, information = _fixed_part_slopes(layout, link, parameters)
        evaluations += 1
    inverse, condition = _inverse(information)
    point = Point(
        parameters=parameters,
        value=-value,
        gradient=-gradient,
        inverse_hessian=inverse,
        decrement=decrement,
        condition=condition,
    )
    converged = bool(decrement < 1e-12 * (1 + abs(value)))
    return FixedPartFit(point=point, converged=converged, evaluations=evaluations)


def _cumulative_shares(layout: Layout, link: LinkFunction) -> Vector:
    """Thresholds where no column has an effect."""
    counts = np.bincount(layout.y, layout.weights, layout.n_categories)
    shares = np.cumsum(counts)[:-1] / counts.sum()
    parameters = np.zeros(layout.n_location)
    logits = np.log(shares / (1 - shares))
    parameters[: layout.n_thresholds] = logits * np.sqrt(link.latent_variance * 3) / np.pi
    return parameters


def _fixed_part_slopes(
    layout: Layout, link: LinkFunction, parameters: Vector
) -> tuple[Vector, Matrix]:
    """Gradient of the log-likelihood and observed information."""
    cut = layout.n_thresholds
    limits = layout.limits(parameters[:cut], parameters[cut:] @ layout.x)
    by_upper, by_lower, _ = link.limits(*limits)
    by_upper, by_lower = layout.weighted(by_upper), layout.weighted(by_lower)
    gradient = np.concatenate(
        [layout.threshold_sums(by_upper, by_lower), -layout.x @ (by_upper + by_lower)]
    )
    information, _ = location_curvature(layout, link, *limits)
    return gradient, information
