"""Intraclass correlations from variance components, for tables with missing ratings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.linear.fitting import LinearFit, fit_linear
from mturk_eval.stats.reliability.intraclass import spearman_brown

_LARGEST = 0.9999  # where searches for a correlation or a share stop
_MANY_STIMULI = 400  # beyond it a profile costs seconds, and the normal approximation is close


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentCorrelation:
    """The reliability of a single rating and of a stimulus's mean, from a mixed model.

    Attributes
    ----------
    form : str
        ``ICC(A,.)``, absolute agreement with stimuli and raters crossed, or ``ICC(1,.)`` where
        every rater rated once and raters cannot be told from noise.
    ratings_per_stimulus : float
        k of the mean: the harmonic mean of the numbers of ratings.
    """

    form: str
    single: float
    single_limits: tuple[float, float]
    average: float
    average_limits: tuple[float, float]
    ratings_per_stimulus: float
    stimulus_variance: float
    rater_variance: float
    residual_variance: float
    ci_method: str
    converged: bool


def component_correlations(
    rating: NDArray[np.float64],
    stimulus: NDArray[np.int64],
    rater: NDArray[np.int64],
    *,
    ci_level: float = 0.95,
) -> ComponentCorrelation:
    """ICC(A,1) and ICC(A,k) by REML: stimulus variance over that of all three sources [1]_.

    With tau^2 of stimuli, omega^2 of raters and sigma^2 of the rest, a single rating's is
    tau^2 / (tau^2 + omega^2 + sigma^2) and that of a mean of k divides the last two by k. On a
    complete table with no negative estimate these are ICC(2,1) and ICC(2,k).

    Parameters
    ----------
    rating, stimulus, rater : ndarray, shape (n,)
        Every answer with the codes 0 … of its stimulus and rater.
    ci_level : float
        Limits are where the restricted likelihood, maximised over the raters' variance, has fallen
        by half a chi-squared quantile; with many stimuli, normal limits of log(ICC / (1 - ICC)).

    Raises
    ------
    StatisticsError
        If no stimulus was rated twice.

    References
    ----------
    .. [1] McGraw & Wong (1996), Forming inferences about some intraclass correlation coefficients,
       Psychol. Methods 1(1).
    """
    per_stimulus = np.bincount(stimulus)
    if per_stimulus.max() < 2:
        raise StatisticsError(
            "No stimulus was rated twice, and an intraclass correlation compares ratings of the "
            "same stimulus. Collect at least two ratings of each."
        )
    crossed = bool(np.bincount(rater).max() > 1)
    blocks = [_intercepts("stimulus", stimulus)]
    if crossed:
        blocks.append(_intercepts("rater", rater))
    fit = fit_linear(rating, np.ones((len(rating), 1)), blocks)
    variances = [float(factor[0, 0] ** 2) * fit.residual_variance for factor in fit.factors]
    of_stimuli, of_raters = variances[0], variances[1] if crossed else 0.0
    single = of_stimuli / (of_stimuli + of_raters + fit.residual_variance)
    k = len(per_stimulus) / float((1.0 / per_stimulus).sum())
    ci_method = "profile likelihood"
    if len(per_stimulus) > _MANY_STIMULI and 0.0 < single < _LARGEST:
        ci_method = "normal on the logit"
        limits = _normal_limits(fit, single, ci_level)
    else:
        limits = _profile_limits(_deviance(fit), single, crossed=crossed, ci_level=ci_level)
    return ComponentCorrelation(
        form="ICC(A,.)" if crossed else "ICC(1,.)",
        single=single,
        single_limits=limits,
        average=spearman_brown(single, k),
        average_limits=(spearman_brown(limits[0], k), spearman_brown(limits[1], k)),
        ratings_per_stimulus=k,
        stimulus_variance=of_stimuli,
        rater_variance=of_raters,
        residual_variance=fit.residual_variance,
        ci_method=ci_method,
        converged=fit.converged,
    )


def _intercepts(group: str, codes: NDArray[np.int64]) -> RandomBlock:
    return RandomBlock(
        group=group,
        terms=("(Intercept)",),
        levels=tuple(map(str, range(int(codes.max()) + 1))),
        codes=codes.astype(np.int32),
        columns=np.ones((len(codes), 1)),
    )


def _theta(correlation: float, rater_share: float, *, crossed: bool) -> NDArray[np.float64]:
    """Relative standard deviations for an ICC and the raters' share of the other variance."""
    of_raters = rater_share / (1.0 - rater_share)
    of_stimuli = correlation / (1.0 - correlation) * (1.0 + of_raters)
    return np.sqrt([of_stimuli, of_raters] if crossed else [of_stimuli])


def _deviance(fit: LinearFit) -> Callable[[NDArray[np.float64]], float]:
    return lambda theta: float(fit.deviance.evaluate(theta, gradient=False).value)


def _profile_limits(
    deviance: Callable[[NDArray[np.float64]], float],
    estimate: float,
    *,
    crossed: bool,
    ci_level: float,
) -> tuple[float, float]:
    def lowest(correlation: float) -> float:
        if not crossed:
            return deviance(_theta(correlation, 0.0, crossed=False))
        found = optimize.minimize_scalar(
            lambda share: deviance(_theta(correlation, float(share), crossed=True)),
            bounds=(0.0, _LARGEST),
            method="bounded",
            options={"xatol": 1e-4},
        )
        return float(found.fun)

    allowed = lowest(estimate) + float(stats.chi2.ppf(ci_level, 1))

    def beyond(correlation: float) -> float:
        return lowest(correlation) - allowed

    low = 0.0
    if estimate > 0.0 and beyond(0.0) > 0.0:
        low = float(optimize.brentq(beyond, 0.0, estimate, xtol=1e-5))
    high = 1.0
    if estimate < _LARGEST and beyond(_LARGEST) > 0.0:
        high = float(optimize.brentq(beyond, estimate, _LARGEST, xtol=1e-5))
    return low, high


def _normal_limits(fit: LinearFit, estimate: float, ci_level: float) -> tuple[float, float]:
    """Delta method on log(ICC / (1 - ICC)), with the deviance's curvature by its gradient.

    Parameters of the curvature are the logarithms of the relative standard deviations.
    """
    theta = np.array([max(float(factor[0, 0]), 1e-3) for factor in fit.factors])
    step, n = 1e-3, len(theta)

    def slopes(log_theta: NDArray[np.float64]) -> NDArray[np.float64]:
        at = np.exp(log_theta)
        return np.asarray(fit.deviance.evaluate(at).gradient) * at

    centre = np.log(theta)
    moves = step * np.eye(n)
    hessian = np.stack([slopes(centre + m) - slopes(centre - m) for m in moves]) / (2 * step)
    # logit(ICC) = 2 log theta_stimulus - log(1 + theta_rater^2)
    slope = np.array([2.0, *(-2.0 * t**2 / (1.0 + t**2) for t in theta[1:])])
    variance = float(slope @ np.linalg.solve((hessian + hessian.T) / 4.0, slope))
    if not np.isfinite(variance) or variance <= 0:
        return float("nan"), float("nan")
    half = float(stats.norm.ppf(0.5 + ci_level / 2)) * np.sqrt(variance)
    logit = np.log(estimate / (1.0 - estimate))
    low, high = 1.0 / (1.0 + np.exp(-np.array([logit - half, logit + half])))
    return float(low), float(high)
