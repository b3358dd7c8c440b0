"""How sure scores are: by the model, clustered, or by bootstrap, each with what it speaks about."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from mturk_eval.stats.pairs.clustered import clustered_covariance, two_way_covariance
from mturk_eval.stats.pairs.maximum_likelihood import PairFit
from mturk_eval.stats.pairs.score_bootstrap import bootstrap_scores
from mturk_eval.stats.pairs.vote_counts import CodedVotes
from mturk_eval.stats.resampling.intervals import percentile_limits
from mturk_eval.stats.resampling.weights import ResamplingUnit

IntervalMethod = Literal["robust", "bootstrap"]

_FEW_CLUSTERS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Standard errors and limits of parameters and of their differences.

    Attributes
    ----------
    parameters : ndarray, shape (P,)
        Scores, then left bias, then tie, as far as present.
    covariance : ndarray, shape (P, P)
        Of the parameters; NaN where nothing can be said.
    degrees_of_freedom : float
        Of the t intervals; infinite for normal ones.
    replicates : ndarray, shape (resamples, P), or None
        Bootstrap replicates, whose percentiles are the limits; None for t intervals.
    """

    parameters: NDArray[np.float64]
    covariance: NDArray[np.float64]
    degrees_of_freedom: float
    replicates: NDArray[np.float64] | None
    unit: ResamplingUnit
    ci_method: str

    def limits(self, parameter: int, level: float, *, minus: int | None = None) -> Limits:
        """Of a parameter, or of its difference to another one."""
        v = self.covariance
        estimate, variance = float(self.parameters[parameter]), float(v[parameter, parameter])
        if minus is not None:
            estimate -= float(self.parameters[minus])
            variance += float(v[minus, minus]) - 2 * float(v[parameter, minus])
        error = sqrt(max(variance, 0.0)) if isfinite(variance) else nan
        if self.replicates is not None:
            drawn = self.replicates[:, parameter]
            if minus is not None:
                drawn = drawn - self.replicates[:, minus]
            low, high = percentile_limits(drawn[None, :], level)
            return Limits(
                estimate=estimate, std_error=error, low=float(low[0]), high=float(high[0])
            )
        reach = float(stdtrit(self.degrees_of_freedom, 0.5 + level / 2)) * error
        return Limits(
            estimate=estimate, std_error=error, low=estimate - reach, high=estimate + reach
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """An estimate with its standard error and limits, NaN where nothing can be said."""

    estimate: float
    std_error: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapPlan:
    """How many resamples, from which seed, computed where."""

    resamples: int
    seed: int
    rescue_sd: float
    workers: int
    dask: str | None


def spread_of(
    fit: PairFit,
    votes: CodedVotes,
    unit: ResamplingUnit,
    plan: BootstrapPlan | None,
    warnings: list[str],
) -> Spread:
    """Spread of the parameters when ``unit`` varies; by bootstrap where there is a plan."""
    sizes = _cluster_sizes(votes, unit)
    if single := [name for name, size in sizes.items() if size < 2]:
        warnings.append(
            f"There is one {single[0]}: no interval can be given with --unit {unit}. Collect "
            f"votes with more {single[0]}s, or let another unit vary."
        )
        return Spread(
            parameters=fit.parameters,
            covariance=np.full_like(fit.covariance, np.nan),
            degrees_of_freedom=np.inf,
            replicates=None,
            unit=unit,
            ci_method="none",
        )
    if few := [f"{size} {name}s" for name, size in sizes.items() if size < _FEW_CLUSTERS]:
        warnings.append(
            f"With {' and '.join(few)} the intervals are rough, and rather too narrow. Collect "
            "more for a claim that rests on them."
        )
    if plan is not None:
        return _bootstrapped(fit, votes, unit, plan, warnings)
    held = "" if fit.prior_sd is None else " with a normal prior"
    if unit == "rating":
        return Spread(
            parameters=fit.parameters,
            covariance=fit.covariance,
            degrees_of_freedom=np.inf,
            replicates=None,
            unit=unit,
            ci_method=f"model-based{held}, normal",
        )
    if unit == "both":
        covariance = two_way_covariance(fit, votes)
    else:
        covariance = clustered_covariance(fit, votes, getattr(votes, unit))
    return Spread(
        parameters=fit.parameters,
        covariance=covariance,
        degrees_of_freedom=min(sizes.values()) - 1.0,
        replicates=None,
        unit=unit,
        ci_method=f"cluster-robust over {_PLURAL[unit]}{held}, t",
    )


_PLURAL: dict[ResamplingUnit, str] = {
    "rater": "raters",
    "image": "images",
    "both": "raters and images",
    "rating": "votes",
}


def _cluster_sizes(votes: CodedVotes, unit: ResamplingUnit) -> dict[str, int]:
    sizes = {"rater": votes.n_raters, "image": votes.n_images}
    if unit == "rating":
        return {}
    return sizes if unit == "both" else {unit: sizes[unit]}


def _bootstrapped(
    fit: PairFit,
    votes: CodedVotes,
    unit: ResamplingUnit,
    plan: BootstrapPlan,
    warnings: list[str],
) -> Spread:
    drawn = bootstrap_scores(
        fit,
        votes,
        unit=unit,
        resamples=plan.resamples,
        seed=plan.seed,
        rescue_sd=plan.rescue_sd,
        workers=plan.workers,
        dask=plan.dask,
    )
    if drawn.held_by_prior:
        warnings.append(
            f"{drawn.held_by_prior} of {plan.resamples} resamples have no finite scores (some "
            f"choices are unanimous there); a normal prior with standard deviation "
            f"{plan.rescue_sd:g} holds them, so the outer limits depend on it. Collect more votes."
        )
    # the tie parameter is missing in resamples without ties; scores never are
    typical = np.nanmean(drawn.parameters, axis=0)
    complete = np.where(np.isnan(drawn.parameters), typical, drawn.parameters)
    return Spread(
        parameters=fit.parameters,
        covariance=np.atleast_2d(np.cov(complete, rowvar=False)),
        degrees_of_freedom=np.inf,
        replicates=drawn.parameters,
        unit=unit,
        ci_method=f"percentile bootstrap over {_PLURAL[unit]}",
    )
