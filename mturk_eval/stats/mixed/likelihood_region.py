"""The parameters that a likelihood-ratio test does not reject, and how far they reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.linear.curvature import curvature
from mturk_eval.stats.linear.deviance import Point
from mturk_eval.stats.linear.equations import NotPositiveDefiniteError
from mturk_eval.stats.linear.fitting import LinearFit
from mturk_eval.stats.mixed.constrained_maximum import Value, are_opposed, constrained_maximum

Array = NDArray[np.float64]
Target = Callable[[tuple[Array, ...], float], tuple[float, list[Array], float]]
"""From factors and log s to a number and its derivatives in either."""

_ON_THE_BORDER = 1e-3  # of the deviance
_FLATTEST = 1e-6  # of the largest curvature
_NO_VARIANCE = 1e-3  # of the estimate: a standard deviation this small is zero
_NOTABLE_SD = 0.3  # of an effect on the answers, in residual standard deviations
_FULL_CORRELATION = 1.0 - 1e-5
_OUTSIDE = 1e10
_MOST_STEPS = 50
_LARGEST_EXPONENT = 250.0
_NO_VALUE = (NotPositiveDefiniteError, StatisticsError, np.linalg.LinAlgError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How far a parameter reaches, or None and the reason why that was not found."""

    value: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelihoodRegion:
    """Where a model's ML deviance is within ``rise`` of its minimum.

    Coordinates are lme4's theta (the free entries of the relative covariance factors) and the log
    residual standard deviation, whitened by the deviance's curvature at the minimum.

    Attributes
    ----------
    fit : LinearFit
        By maximum likelihood.
    rise : float
        The chi-square quantile.
    """

    fit: LinearFit
    rise: float
    _minimum: Point = field(repr=False)
    _curvature: Array = field(repr=False)  # of the deviance in theta and log s

    @classmethod
    def around(cls, fit: LinearFit, rise: float) -> LikelihoodRegion:
        """The region of a fit by maximum likelihood."""
        minimum = fit.deviance.point(fit.theta)
        return cls(fit=fit, rise=rise, _minimum=minimum, _curvature=_curvature(fit, minimum))

    # --- limits ---------------------------------------------------------------------------------

    def fixed_limits(self, coefficient: int) -> tuple[Limit, Limit]:
        """Of a fixed effect.

        At given theta the other fixed effects and the residual variance can be profiled in closed
        form, and so can the furthest value of this one: what is left has no constraint.
        """
        row = np.zeros((1, len(self.fit.estimates)))
        row[0, coefficient] = 1.0
        rotation = self.fit.deviance.profiled.rotation
        weights = rotation.contrasts(row)[0]
        origin, scale = float(rotation.start[coefficient]), rotation.scale
        low = self._furthest_fixed(weights, -1.0)
        high = self._furthest_fixed(weights, 1.0)
        return _scaled(low, origin, scale), _scaled(high, origin, scale)

    def std_dev_limits(self, block: int, term: int) -> tuple[Limit, Limit]:
        """Of a random effect's standard deviation; 0 where the region reaches it."""
        size = float(np.linalg.norm(self.fit.factors[block][term]))
        notable = _NOTABLE_SD / _root_mean_square(self.fit.blocks[block].columns[:, term])
        residual = float(np.sqrt(self.fit.residual_variance))
        low = Limit(value=0.0)
        if size > 0:
            low = self._extreme(
                self._variance_ratio(block, term, size), -1.0, ends_at=_NO_VARIANCE**2
            )
        # in units of a tiny estimate the search for the upper limit would run away
        unit = max(size, notable)
        high = self._extreme(self._variance_ratio(block, term, unit), 1.0, first=(block, term))
        return _as_std_dev(low, size * residual), _as_std_dev(high, unit * residual)

    def _variance_ratio(self, block: int, term: int, unit: float) -> Target:
        """The variance over ``unit`` squared, with its derivatives in the factors and log s."""

        def ratio(factors: tuple[Array, ...], log_sd: float) -> tuple[float, list[Array], float]:
            row = factors[block][term]
            exponent = min(2.0 * (log_sd - self._log_sd), _LARGEST_EXPONENT)
            times = float(np.exp(exponent) / unit**2)
            slopes = [np.zeros_like(each) for each in factors]
            slopes[block][term] = 2.0 * times * row
            value = times * float(row @ row)
            return value, slopes, 2.0 * value

        return ratio

    def correlation_limits(self, block: int, one: int, two: int) -> tuple[Limit, Limit]:
        """Of two random effects, neither of which may be zero within the region."""

        def correlation(factors: tuple[Array, ...], _: float) -> tuple[float, list[Array], float]:
            a, b = factors[block][one], factors[block][two]
            size_a, size_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
            slopes = [np.zeros_like(each) for each in factors]
            if size_a * size_b == 0.0:
                return 0.0, slopes, 0.0
            value = float(a @ b) / (size_a * size_b)
            slopes[block][one] = (b / size_b - value * a / size_a) / size_a
            slopes[block][two] = (a / size_a - value * b / size_b) / size_b
            return value, slopes, 0.0

        limits = []
        for sign in (-1.0, 1.0):
            found = self._extreme(correlation, sign, ends_at=sign * _FULL_CORRELATION)
            at_end = found.value is not None and abs(found.value) >= _FULL_CORRELATION
            limits.append(Limit(value=sign) if at_end else found)
        return limits[0], limits[1]

    def residual_limits(self) -> tuple[Limit, Limit]:
        """Of the residual standard deviation."""

        def log_ratio(
            factors: tuple[Array, ...], log_sd: float
        ) -> tuple[float, list[Array], float]:
            return log_sd - self._log_sd, [np.zeros_like(each) for each in factors], 1.0

        estimate = float(np.sqrt(self.fit.residual_variance))
        low, high = (self._extreme(log_ratio, sign) for sign in (-1.0, 1.0))
        return tuple(
            each if each.value is None else Limit(value=estimate * float(np.exp(each.value)))
            for each in (low, high)
        )  # type: ignore[return-value]

    # --- the deviance ---------------------------------------------------------------------------

    @property
    def _n(self) -> int:
        return self.fit.n_observations

    @property
    def _log_sd(self) -> float:
        """The estimated log residual standard deviation, of the rotated response."""
        return 0.5 * float(np.log(self._minimum.residual_variance))

    def _at(self, theta: Array) -> tuple[Point, Value, Value]:
        """The log determinant of V / s² and the residual sum of squares, with gradients."""
        point = self.fit.deviance.point(theta)
        n = self._n
        squares = point.response_slopes()
        determinant = [
            both - n / point.residual * own for both, own in zip(point.slopes, squares, strict=True)
        ]
        log_det = point.equations.log_determinant
        return (
            point,
            (log_det, self.fit.deviance.units.gradient(theta, determinant)),
            (point.residual, self.fit.deviance.units.gradient(theta, squares)),
        )

    def _rise_at(self, position: Array) -> Value:
        """The deviance above its minimum, at theta and log s."""
        theta, log_sd = position[:-1], float(position[-1])
        _, (log_det, log_det_slope), (residual, residual_slope) = self._at(theta)
        n, weight = self._n, float(np.exp(min(-2.0 * log_sd, _LARGEST_EXPONENT)))
        value = log_det + n * float(np.log(2.0 * np.pi)) + 2.0 * n * log_sd + residual * weight
        slope = np.append(
            log_det_slope + weight * residual_slope, 2.0 * n - 2.0 * residual * weight
        )
        return value - self._minimum.value, slope

    # --- searches -------------------------------------------------------------------------------

    def _furthest_fixed(self, weights: Array, sign: float) -> Limit:
        """The largest or smallest value of a linear function of the rotated fixed effects."""
        n = self._n
        border = self._minimum.value + self.rise
        curvature = self._curvature
        conditional = (
            curvature[:-1, :-1]
            - np.outer(curvature[:-1, -1], curvature[-1, :-1]) / (curvature[-1, -1])
        )
        turn = _whitening(conditional)

        def reach(position: Array) -> Value:
            theta = self.fit.theta + turn @ position
            point, (log_det, log_det_slope), (residual, residual_slope) = self._at(theta)
            inverse_root = np.linalg.cholesky(np.linalg.inv(point.fixed_covariance))
            standard = np.linalg.solve(inverse_root, weights)
            total = n / (2.0 * np.pi) * float(np.exp((border - log_det) / n - 1.0))
            room = total - residual
            if room <= 0.0:
                return _OUTSIDE, np.zeros_like(position)
            unscaled = float(standard @ standard)
            half = float(np.sqrt(unscaled * room))
            mean_slopes, unscaled_slopes = [], []
            for scores in point.block_scores():
                of_fixed, of_rest = scores[:, :, :-1] @ standard, scores[:, :, -1]
                crossed = of_fixed.T @ of_rest
                mean_slopes.append(-0.5 * (crossed + crossed.T))
                unscaled_slopes.append(of_fixed.T @ of_fixed)
            gradient = self.fit.deviance.units.gradient
            room_slope = -total / n * log_det_slope - residual_slope
            half_slope = (gradient(theta, unscaled_slopes) * room + unscaled * room_slope) / (
                2.0 * half
            )
            value = sign * float(weights @ point.coefficients) + half
            slope = sign * gradient(theta, mean_slopes) + half_slope
            return -value / unit, -(turn.T @ slope) / unit

        unit = 1.0
        start: Array = np.linalg.solve(turn, self._nudge()).astype(np.float64)
        try:
            unit = abs(reach(start)[0]) or 1.0
            if not len(start):
                return Limit(value=sign * -reach(start)[0] * unit)
            found = optimize.minimize(
                reach,
                start,
                jac=True,
                method="BFGS",
                options={"gtol": 1e-6, "maxiter": _MOST_STEPS},
            )
        except _NO_VALUE:
            return Limit(value=None, reason=_failure("the likelihood has no value on the way"))
        if not np.isfinite(found.fun) or np.abs(found.jac).max(initial=0.0) > 1e-3:
            return Limit(value=None, reason=_failure(str(found.message)))
        return Limit(value=sign * -float(found.fun) * unit)

    def _extreme(
        self,
        target: Target,
        sign: float,
        *,
        ends_at: float | None = None,
        first: tuple[int, int] | None = None,
    ) -> Limit:
        """The largest (or smallest) value of a function of the covariance factors and log s.

        Parameters
        ----------
        target : callable
            Its value and derivatives: in the factors, per block, and in log s.
        sign : float
            1 for the largest value, -1 for the smallest.
        ends_at : float, optional
            A value at which the parameter ends: beyond it no border of the region is needed.
        first : (block, term), optional
            Where to move first if the function is flat at the minimum, as a zero variance is.
        """
        turn = _whitening(self._curvature)
        origin = np.append(self.fit.theta, self._log_sd)
        units = self.fit.deviance.units

        def value_at(whitened: Array) -> Value:
            position = origin + turn @ whitened
            value, slopes, log_sd_slope = target(units.factors(position[:-1]), float(position[-1]))
            free = [slope[place] for slope, place in zip(slopes, units.places, strict=True)]
            return sign * value, sign * (turn.T @ np.concatenate([*free, [log_sd_slope]]))

        def room_at(whitened: Array) -> Value:
            rise, slope = self._rise_at(origin + turn @ whitened)
            return self.rise - rise, -(turn.T @ slope)

        reasons = []
        for start in self._starts(value_at, room_at, turn, first):
            try:
                place, trouble = constrained_maximum(value_at, room_at, start)
                value, slope = value_at(place)
                room, room_slope = room_at(place)
            except _NO_VALUE:
                reasons.append("the likelihood has no value on the way")
                continue
            ended = ends_at is not None and value >= sign * ends_at and room > -_ON_THE_BORDER
            reached = not trouble or are_opposed(slope, room_slope)
            if ended or (reached and abs(room) < _ON_THE_BORDER):
                return Limit(value=sign * value)
            reasons.append(trouble or "it stopped short of the limit")
        return Limit(value=None, reason=_failure(reasons[-1]))

    def _starts(
        self,
        value_at: Callable[[Array], Value],
        room_at: Callable[[Array], Value],
        turn: Array,
        first: tuple[int, int] | None,
    ) -> Iterator[Array]:
        """Where to start a search: Wald's limit, then closer to the minimum."""
        inside: Array = np.linalg.solve(turn, np.append(self._nudge(), 0.0)).astype(np.float64)
        slope = value_at(np.zeros(len(turn)))[1]
        steepness = float(np.linalg.norm(slope))
        if steepness > 1e-8:
            furthest = slope / steepness * np.sqrt(self.rise)
            yield from (inside + furthest, inside + 0.3 * furthest)
        if first is not None:
            entries = list(self.fit.deviance.units.entries)
            direction = np.zeros(len(turn))
            direction[entries.index((*first, first[1]))] = 1.0
            whitened: Array = np.linalg.solve(turn, direction).astype(np.float64)
            far = 1.0
            try:
                while room_at(far * whitened)[0] > 0.0:
                    far *= 2.0
                border = optimize.brentq(lambda t: room_at(t * whitened)[0], 0.0, far)
            except _NO_VALUE:
                border = 0.5 * far  # inside, as far as the likelihood has a value
            yield border * whitened
        yield inside

    def _nudge(self) -> Array:
        """A small step in theta out of every zero on a factor's diagonal.

        The likelihood is even in such an entry: from zero no search would ever leave it.
        """
        step = np.zeros(len(self.fit.theta))
        for i, (block, row, column) in enumerate(self.fit.deviance.units.entries):
            if row != column or self.fit.theta[i] != 0.0:
                continue
            curvature = max(float(self._curvature[i, i]), 1e-300)
            size = _root_mean_square(self.fit.blocks[block].columns[:, row])
            step[i] = min(0.5 * np.sqrt(2.0 / curvature), 0.3 / size)
        return step


def _curvature(fit: LinearFit, minimum: Point) -> Array:
    """Second derivatives of the deviance at its minimum, in theta and log s."""
    found = curvature(minimum, fit.deviance.units, fit.theta)
    m = len(fit.theta)
    result = np.empty((m + 1, m + 1))
    result[:m, :m] = found.theta
    result[:m, m] = result[m, :m] = -2.0 * found.residual / minimum.residual_variance
    result[m, m] = 4.0 * fit.n_observations
    return result


def _whitening(curvature: Array) -> Array:
    """From coordinates in which the deviance rises by the squared length."""
    if not len(curvature):
        return curvature
    units = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(curvature)), 1e-300))
    sizes, vectors = linalg.eigh(curvature * np.outer(units, units))
    sizes = np.maximum(sizes, _FLATTEST * sizes.max(initial=0.0))
    return np.asarray(units[:, None] * vectors * np.sqrt(2.0 / sizes))


def _root_mean_square(column: Array) -> float:
    return float(np.sqrt(np.mean(column**2)))


def _scaled(limit: Limit, origin: float, scale: float) -> Limit:
    return limit if limit.value is None else Limit(value=origin + scale * limit.value)


def _as_std_dev(limit: Limit, estimate: float) -> Limit:
    if limit.value is None:
        return limit
    ratio = float(np.sqrt(max(limit.value, 0.0)))
    return Limit(value=0.0 if ratio < _NO_VARIANCE else ratio * estimate)


def _failure(why: str) -> str:
    return f"the search for a limit did not end: {why[:1].lower()}{why[1:].rstrip('.')}"
