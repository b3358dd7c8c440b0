"""The search for the covariance factors of smallest criterion.

Newton steps with the average-information matrix, five to ten where a derivative-free search takes
thirty to a hundred and fifty. The search is free of bounds: the criterion depends on F F' alone,
so a factor may cross zero and stand for its mirror image, and a variance that is zero at the
optimum is a smooth minimum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.linear.deviance import Point, ProfiledDeviance
from mturk_eval.stats.linear.equations import NotPositiveDefiniteError
from mturk_eval.stats.linear.parametrisation import Parametrisation, lower_factor

Array = NDArray[np.float64]

_MOST_STEPS = 60
_MOST_HALVINGS = 25
_ENOUGH = 1e-11
"""A step that would take less off the criterion is not taken."""
_HIDDEN = 1e-11
"""Where rounding leaves no step downhill, a promise of less than this share is none."""
_NEAR = 0.05
"""Steps that promise less than this are near the optimum."""
_LARGEST = 1e6
"""A standard deviation this many times the residual's: the data fix no residual."""
_SMALL_COLUMN = 0.03
_SAME_CRITERION = 5e-7
_FEW_ROWS = 10_000
"""Second minima were seen in studies of up to some dozens of answers."""


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
        except (NotPositiveDefiniteError, np.linalg.LinAlgError):
            return None

    def slopes(self, theta: Array, point: Point, live: NDArray[np.bool_]) -> tuple[Array, Array]:
        """The gradient and the (approximate) second derivatives of the live parameters."""
        by_block = point.slopes
        gradient = self.units.gradient(theta, by_block)[live]
        directions = [
            d for d, alive in zip(self.units.directions(theta), live, strict=True) if alive
        ]
        curvature = point.average_information(directions)
        return gradient, curvature + self.units.bend(by_block)[np.ix_(live, live)]


def _newton_step(gradient: Array, curvature: Array) -> tuple[Array, float]:
    """A step, and the decrease it promises.

    It is downhill even where the curvature is negative, and bounded where it is flat.
    """
    values, vectors = np.linalg.eigh(curvature)
    sizes = np.abs(values)
    sizes = np.maximum(sizes, max(1e-6 * sizes.max(initial=0.0), 1e-300))
    turned = vectors.T @ gradient
    return np.asarray(-(vectors / sizes) @ turned), 0.5 * float((turned**2 / sizes).sum())


def _with_secant(curvature: Array, step: Array, change: Array) -> Array:
    """The curvature corrected to explain the gradient's last change (symmetric rank one).

    The average information may be off by a tenth in a direction; corrected so, steps converge
    superlinearly.
    """
    missing = change - curvature @ step
    along = float(missing @ step)
    if abs(along) <= 1e-8 * float(np.linalg.norm(missing) * np.linalg.norm(step)):
        return curvature
    return curvature + np.outer(missing, missing) / along


def minimise(deviance: ProfiledDeviance, units: Parametrisation, start: Array) -> Optimum:
    """Search from given parameters, then set vanishing variances to zero where that costs nothing.

    Where a variance vanishes and answers are few, the criterion may have a second minimum away
    from zero, so the search is then made once more, from random effects as large as the residual,
    and the lower one taken.

    Raises
    ------
    StatisticsError
        If the random effects explain every answer, so that no residual variance is left.
    """
    search = _Search(deviance, units)
    found, live = _local_minimum(search, start)
    if not live.all() and deviance.sums.n_rows <= _FEW_ROWS:
        large = units.theta([np.eye(len(transform)) for transform in units.transforms])
        try:
            other, _ = _local_minimum(search, large)
        except StatisticsError:
            return found
        if other.point.value < found.point.value - _SAME_CRITERION:
            found = other
    return replace(found, n_evaluations=search.n_evaluations)


def _local_minimum(search: _Search, start: Array) -> tuple[Optimum, NDArray[np.bool_]]:
    """A minimum, and which parameters are not zero there."""
    found = _descend(search, start, np.ones(len(start), dtype=bool))
    theta, live = _snapped(search, found)
    if not live.all():
        found = _descend(search, theta, live)
    return found, live


def _descend(search: _Search, start: Array, live: NDArray[np.bool_]) -> Optimum:
    theta, point = start, search.at(start)
    if point is None:
        raise StatisticsError(
            "The variances cannot be estimated: the equations have no solution at the start of "
            "the search. A column of a random term is extreme; centre it, or leave it out."
        )
    gradient, curvature = search.slopes(theta, point, live)
    last: _Step | None = None
    for _ in range(_MOST_STEPS):
        step = np.zeros_like(theta)
        step[live], decrease = _newton_step(gradient, curvature)
        if decrease < _ENOUGH:
            return _optimum(search, theta, point, gradient, decrease, converged=True)
        if last is not None and last.is_slow(decrease):
            curvature = _with_secant(curvature, last.step, gradient - last.gradient)
            step[live], decrease = _newton_step(gradient, curvature)
        moved = _line_search(search, theta, point, step, -2.0 * decrease)
        if moved is None or moved[1].value >= point.value:  # rounding hides what is left to gain
            small = decrease < _HIDDEN * max(abs(point.value), 1e3)
            return _optimum(search, theta, point, gradient, decrease, converged=small)
        last = _Step((moved[0] - theta)[live], gradient, decrease)
        theta, point = moved
        if np.abs(theta).max() > _LARGEST:
            raise StatisticsError(
                "A random term explains every answer but for rounding: its variance grows without "
                "bound. Leave the term out, or report the means (--model mos)."
            )
        gradient, curvature = search.slopes(theta, point, live)
    return _optimum(search, theta, point, gradient, decrease, converged=False)


class _Step(NamedTuple):
    """A step that was taken, the gradient before it, and what it promised."""

    step: Array
    gradient: Array
    decrease: float

    def is_slow(self, next_decrease: float) -> bool:
        """Whether the step after this one, near the optimum, still promises much."""
        return self.decrease < _NEAR and next_decrease > 3e-4 * self.decrease


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
    search: _Search, theta: Array, point: Point, step: Array, slope: float
) -> tuple[Array, Point] | None:
    longest = max(1.0, 2.0 * float(np.abs(theta).max()))
    share = min(1.0, longest / float(np.abs(step).max()))
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
    for block in range(len(factors)):
        terms = range(len(factors[block]))
        reductions: list[Callable[[Array], Array | None]] = [
            *(partial(_without_column, column=term) for term in terms),
            _without_direction,
        ]
        for reduction in reductions:
            reduced = reduction(factors[block])
            if reduced is None:
                continue
            trial = [*factors[:block], reduced, *factors[block + 1 :]]
            point = search.at(units.theta(trial))
            if point is not None and point.value <= value + _SAME_CRITERION:
                factors, value = trial, point.value
    theta = units.theta(factors)
    live = np.array(
        [bool(np.any(factors[block][:, column] != 0)) for block, _, column in units.entries],
        dtype=bool,
    )
    return theta, live


def _without_column(factor: Array, column: int) -> Array | None:
    """The factor without one of its columns, if that is small."""
    if not 0 < np.abs(factor[:, column]).max() < _SMALL_COLUMN:
        return None
    reduced = factor.copy()
    reduced[:, column] = 0.0
    return reduced


def _without_direction(factor: Array) -> Array | None:
    """The factor without the direction of least variance, if that is small.

    It need not be a column: where a diagonal entry nearly vanishes, the columns after it can be
    rotated into its own at hardly any cost, a valley along which the search would creep.
    """
    left, sizes, _ = np.linalg.svd(factor)
    sizes = sizes[sizes > 1e-12 * sizes[0]]
    if len(sizes) < 2 or sizes[-1] >= _SMALL_COLUMN:
        return None
    kept = len(sizes) - 1
    root = np.zeros_like(factor)
    root[:, :kept] = left[:, :kept] * sizes[:kept]
    return lower_factor(root)
