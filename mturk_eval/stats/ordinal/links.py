"""Links of a cumulative model: the log-probability of an interval of the latent scale.

A response in category j means that the latent value fell between two thresholds,
``p = F(upper) - F(lower)`` with both limits already less the linear predictor eta. Everything is
computed without a difference of two nearly equal probabilities, so answers far from what the
model expects keep their exact derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, expit, ndtr

Link = Literal["logit", "probit"]
Vector = NDArray[np.float64]

_SQRT_HALF_PI = float(np.sqrt(np.pi / 2))
_HALF_LOG_2PI = 0.5 * float(np.log(2 * np.pi))
_FURTHEST = 37.0  # exp(x²/2) stays finite


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalTerms:
    """Derivatives of log p per row.

    ``eta1``, ``eta2``, ``eta3``: first to third derivative by the linear predictor, and ``upper``,
    ``lower`` those by the limits: ``(d, d d/d eta, d d²/d eta²)``. Where the third order was not
    asked for, ``eta3`` is empty and so are the last two.
    """

    log_p: Vector
    eta1: Vector
    eta2: Vector
    eta3: Vector
    upper: tuple[Vector, Vector, Vector]
    lower: tuple[Vector, Vector, Vector]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitCurvature:
    """Second derivatives of log p by the two limits, and their mixed one."""

    upper: Vector
    lower: Vector
    mixed: Vector


class LinkFunction(Protocol):
    """What the fit needs of a link."""

    latent_variance: float
    """Variance of the latent noise: pi²/3 for the logit, 1 for the probit."""

    def cdf(self, x: Vector) -> Vector:
        """F."""

    def pdf(self, x: Vector) -> Vector:
        """The derivative of F."""

    def slopes(self, upper: Vector, lower: Vector) -> tuple[Vector, Vector, Vector]:
        """log p with its first two derivatives by eta."""

    def terms(self, upper: Vector, lower: Vector) -> IntervalTerms:
        """log p with all derivatives the Laplace gradient takes."""

    def limits(self, upper: Vector, lower: Vector) -> tuple[Vector, Vector, LimitCurvature]:
        """First derivatives of log p by the upper and the lower limit, and the second ones."""


class Logit:
    """The logistic distribution: proportional odds.

    ``p = F(u) F(-l) (1 - e^(l - u))``, and the last factor does not depend on eta: every
    derivative of log p by eta is a polynomial in F(u) and F(-l).
    """

    latent_variance = float(np.pi**2 / 3)

    def cdf(self, x: Vector) -> Vector:
        """F."""
        return np.asarray(expit(x))

    def pdf(self, x: Vector) -> Vector:
        """The derivative of F."""
        return np.asarray(expit(x) * expit(-x))

    def slopes(self, upper: Vector, lower: Vector) -> tuple[Vector, Vector, Vector]:
        """log p with its first two derivatives by eta."""
        below, above = expit(upper), expit(-lower)
        log_p = _log(below * above * -np.expm1(lower - upper))
        return log_p, below - above, -_density(below) - _density(above)

    def terms(self, upper: Vector, lower: Vector) -> IntervalTerms:
        """log p with all derivatives the Laplace gradient takes."""
        below, above = expit(upper), expit(-lower)
        density_upper, density_lower = _density(below), _density(above)
        slope_upper = density_upper * (1 - 2 * below)
        slope_lower = density_lower * (2 * above - 1)
        spacing = _spacing_slope(upper, lower)
        return IntervalTerms(
            log_p=_log(below * above * -np.expm1(lower - upper)),
            eta1=below - above,
            eta2=-density_upper - density_lower,
            eta3=slope_upper + slope_lower,
            upper=(1 - below + spacing, density_upper, -slope_upper),
            lower=(above - 1 - spacing, density_lower, -slope_lower),
        )

    def limits(self, upper: Vector, lower: Vector) -> tuple[Vector, Vector, LimitCurvature]:
        """First derivatives of log p by the upper and the lower limit, and the second ones."""
        below, above = expit(upper), expit(-lower)
        spacing = _spacing_slope(upper, lower)
        mixed = spacing * (1 + spacing)
        curvature = LimitCurvature(
            upper=-_density(below) - mixed, lower=-_density(above) - mixed, mixed=mixed
        )
        return 1 - below + spacing, above - 1 - spacing, curvature


class Probit:
    """The normal distribution.

    Intervals are reflected to the upper tail and divided by the density at their near end, which
    leaves Mills ratios: no probability underflows.
    """

    latent_variance = 1.0

    def cdf(self, x: Vector) -> Vector:
        """F."""
        return np.asarray(ndtr(x))

    def pdf(self, x: Vector) -> Vector:
        """The derivative of F."""
        return np.asarray(np.exp(-0.5 * x * x - _HALF_LOG_2PI))

    def slopes(self, upper: Vector, lower: Vector) -> tuple[Vector, Vector, Vector]:
        """log p with its first two derivatives by eta."""
        log_p, hazard_upper, hazard_lower, upper, lower = _normal_interval(upper, lower)
        with np.errstate(invalid="ignore"):  # where log p is -inf
            first = hazard_upper - hazard_lower
            return log_p, -first, lower * hazard_lower - upper * hazard_upper - first * first

    def terms(self, upper: Vector, lower: Vector) -> IntervalTerms:
        """log p with all derivatives the Laplace gradient takes."""
        log_p, hazard_upper, hazard_lower, upper, lower = _normal_interval(upper, lower)
        first = hazard_upper - hazard_lower
        second = lower * hazard_lower - upper * hazard_upper
        upper_curve = (upper * upper - 1) * hazard_upper
        lower_curve = (lower * lower - 1) * hazard_lower
        third = upper_curve - lower_curve
        upper_mixed = upper * hazard_upper + first * hazard_upper
        lower_mixed = -lower * hazard_lower - first * hazard_lower
        return IntervalTerms(
            log_p=log_p,
            eta1=-first,
            eta2=second - first * first,
            eta3=-(third - 3 * first * second + 2 * first**3),
            upper=(
                hazard_upper,
                upper_mixed,
                upper_curve - second * hazard_upper + 2 * first * upper_mixed,
            ),
            lower=(
                -hazard_lower,
                lower_mixed,
                -lower_curve + second * hazard_lower + 2 * first * lower_mixed,
            ),
        )

    def limits(self, upper: Vector, lower: Vector) -> tuple[Vector, Vector, LimitCurvature]:
        """First derivatives of log p by the upper and the lower limit, and the second ones."""
        _, hazard_upper, hazard_lower, upper, lower = _normal_interval(upper, lower)
        curvature = LimitCurvature(
            upper=-hazard_upper * (upper + hazard_upper),
            lower=hazard_lower * (lower - hazard_lower),
            mixed=hazard_upper * hazard_lower,
        )
        return hazard_upper, -hazard_lower, curvature


LINKS: dict[Link, LinkFunction] = {"logit": Logit(), "probit": Probit()}


def _density(f: Vector) -> Vector:
    return f * (1 - f)


def _log(p: Vector) -> Vector:
    """log p; -inf where p underflows, which a search takes as a step too far."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(p))


def _spacing_slope(upper: Vector, lower: Vector) -> Vector:
    """d log(1 - e^(l - u)) / du."""
    with np.errstate(over="ignore", divide="ignore"):
        return np.asarray(1 / np.expm1(upper - lower))


def _normal_interval(upper: Vector, lower: Vector) -> tuple[Vector, Vector, Vector, Vector, Vector]:
    """log p, density over p at both limits, and the limits, kept within finite bounds."""
    upper, lower = np.clip(upper, -1e3, 1e3), np.clip(lower, -1e3, 1e3)
    reflected = upper + lower < 0
    near = np.where(reflected, -upper, lower)
    far = np.where(reflected, -lower, upper)
    near_mills = _mills(np.maximum(near, -_FURTHEST))
    shrinkage = np.exp(0.5 * (near - far) * (near + far))
    scaled = near_mills - _mills(far) * shrinkage
    bounded = np.maximum(near, -_FURTHEST)
    with np.errstate(divide="ignore", invalid="ignore"):  # limits that rounding made equal
        log_p = np.log(scaled) - 0.5 * bounded * bounded - _HALF_LOG_2PI
        near_hazard, far_hazard = 1 / scaled, shrinkage / scaled
    hazard_upper = np.where(reflected, near_hazard, far_hazard)
    hazard_lower = np.where(reflected, far_hazard, near_hazard)
    return log_p, hazard_upper, hazard_lower, upper, lower


def _mills(x: Vector) -> Vector:
    """(1 - F(x)) / f(x)."""
    return np.asarray(_SQRT_HALF_PI * erfcx(x * np.sqrt(0.5)))
