"""The search for the covariance factors of smallest criterion.

Newton steps with the average-information matrix, five to ten where a derivative-free search takes
thirty to a hundred and fifty. The search is free of bounds: the criterion depends on F F' alone,
so a factor may cross zero and stand for its mirror image, and a variance that is zero at the
optimum is a smooth minimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.mixed.deviance import Point, ProfiledDeviance
from mturk_eval.stats.mixed.equations import NotPositiveDefinite
from mturk_eval.stats.mixed.parametrisation import Parametrisation, lower_factor

Array = NDArray[np.float64]

_MOST_STEPS = 60
_MOST_HALVINGS = 25
_ENOUGH = 1e-11
_LARGEST = 1e6
"""A standard deviation this many times the residual's: the data fix no residual."""
_SMALL_COLUMN = 0.03
_SAME_CRITERION = 5e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """Where the search ended.

    Attributes
    ----------
    theta : ndarray
        In the parametrisation that was searched.
    point : Point
    gradient : ndarray
    decrease : float
        What a further Newton step would take off the criterion, to second order.
    converged : bool
    n_evaluations : int
    """

    theta: Array
    point: Point
    gradient: Array
    decrease: float
    converged: bool
    n_evaluations: int


@dataclass(slots=True)
class _Search:
    deviance: ProfiledDeviance
    units: Parametrisation
    n_evaluations: int = 0

    def at(self, theta: Array) -> Point | None:
        """The point, or None where rounding leaves the equations without a solution."""
        self.n_evaluations += 1
        try:
            return self.deviance.at(self.units.coded(theta))
        except (NotPositiveDefinite, np.linalg.LinAlgError):
            return None

    def step(self, theta: Array, point: Point, live: NDArray[np.bool_]) -> tuple[Array, Array]:
        """The gradient and the Newton step, zero for parameters that are not live."""
        slopes = point.slopes
        gradient = np.where(live, self.units.gradient(theta, slopes), 0.0)
        step = np.zeros_like(theta)
        if not live.any():
            return gradient, step
        directions = [
            d for d, alive in zip(self.units.directions(theta), live, strict=True) if alive
        ]
        curvature = point.average_information(directions)
        curvature = curvature + self.units.bend(slopes)[np.ix_(live, live)]
        values, vectors = np.linalg.eigh(curvature)
        sizes = np.abs(values)
        sizes = np.maximum(sizes, 1e-6 * sizes.max())
        if sizes.max() > 0:
            step[live] = -(vectors / sizes) @ (vectors.T @ gradient[live])
        return gradient, step


def minimise(deviance: ProfiledDeviance, units: Parametrisation, start: Array) -> Optimum:
    """Search from given parameters, then set vanishing variances to zero where that costs nothing.

    Raises
    ------
    StatisticsError
        If the random effects explain every answer, so that no residual variance is left.
    """
    search = _Search(deviance, units)
    found = _descend(search, start, np.ones(len(start), dtype=bool))
    theta, live = _snapped(search, found)
    if not live.all():
        found = _descend(search, theta, live)
    return found


def _descend(search: _Search, start: Array, live: NDArray[np.bool_]) -> Optimum:
    theta, point = start, search.at(start)
    if point is None:
        raise StatisticsError(
            "The variances cannot be estimated: the equations have no solution at the start of "
            "the search. A column of a random term is extreme; centre it, or leave it out."
        )
    for _ in range(_MOST_STEPS):
        gradient, step = search.step(theta, point, live)
        decrease = -0.5 * float(gradient @ step)
        if decrease < _ENOUGH:
            return _optimum(search, theta, point, gradient, decrease, converged=True)
        moved = _line_search(search, theta, point, step, gradient)
        if moved is None:  # rounding hides any decrease that is left
            small = decrease < 1e-12 * max(abs(point.value), 1e3)
            return _optimum(search, theta, point, gradient, decrease, converged=small)
        theta, point = moved
        if np.abs(theta).max() > _LARGEST:
            raise StatisticsError(
                "A random term explains every answer but for rounding: its variance grows without "
                "bound. Leave the term out, or report the means (--model mos)."
            )
    return _optimum(search, theta, point, gradient, decrease, converged=False)


def _optimum(
    search: _Search,
    theta: Array,
    point: Point,
    gradient: Array,
    decrease: float,
    *,
    converged: bool,
) -> Optimum:
    return Optimum(
        theta=theta,
        point=point,
        gradient=gradient,
        decrease=decrease,
        converged=converged,
        n_evaluations=search.n_evaluations,
    )


def _line_search(
    search: _Search, theta: Array, point: Point, step: Array, gradient: Array
) -> tuple[Array, Point] | None:
    longest = max(1.0, 2.0 * float(np.abs(theta).max()))
    share = min(1.0, longest / float(np.abs(step).max()))
    slope = float(gradient @ step)
    rounding = 1e-14 * abs(point.value)
    for _ in range(_MOST_HALVINGS):
        next_theta = theta + share * step
        next_point = search.at(next_theta)
        if (
            next_point is not None
            and next_point.value <= point.value + 1e-4 * share * slope + rounding
        ):
            return next_theta, next_point
        share *= 0.35
    return None


def _snapped(search: _Search, found: Optimum) -> tuple[Array, NDArray[np.bool_]]:
    """Factors with vanishing columns set to zero, and which parameters are left."""
    units = search.units
    factors = [lower_factor(factor) for factor in units.factors(found.theta)]
    value = found.point.value
    for block, factor in enumerate(factors):
        for column in range(len(factor)):
            if not 0 < np.abs(factor[:, column]).max() < _SMALL_COLUMN:
                continue
            trial = [f.copy() for f in factors]
            trial[block][:, column] = 0.0
            point = search.at(units.theta(trial))
            if point is not None and point.value <= value + _SAME_CRITERION:
                factors, value = trial, point.value
    theta = units.theta(factors)
    live = np.array(
        [bool(np.any(factors[block][:, column] != 0)) for block, _, column in units.entries],
        dtype=bool,
    )
    return theta, live
