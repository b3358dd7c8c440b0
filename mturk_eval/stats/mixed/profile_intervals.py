"""Profile-likelihood intervals of a mixed model's parameters.

The limits of a parameter are its extremes over the region in which the ML deviance exceeds its
minimum by no more than the chi-square quantile: the same as where the profile deviance crosses it
[1]_, [2]_. Each limit is thus one constrained search, without tracing the profile. The search runs
in coordinates in which the region is a ball as far as the deviance is quadratic; its first step
is then Wald's limit, and only the curvature is left to find.

References
----------
.. [1] Venzon & Moolgavkar (1988), A method for computing profile-likelihood-based confidence
   intervals, Appl. Stat. 37(1).
.. [2] Bates et al. (2015), Fitting linear mixed-effects models using lme4, J. Stat. Softw. 67(1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.linear.fitting import LinearFit, fit_linear
from mturk_eval.stats.mixed.likelihood_region import LikelihoodRegion, Limit
from mturk_eval.stats.threads import threads_for

Array = NDArray[np.float64]
ParameterKind = Literal["fixed", "std_dev", "correlation", "residual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileInterval:
    """Limits of one parameter.

    Attributes
    ----------
    kind : {"fixed", "std_dev", "correlation", "residual"}
        ``residual`` is the residual's standard deviation.
    group : str or None
        Of a random effect.
    term : str or None
        The coefficient; None for the residual.
    with_term : str or None
        The other term of a correlation.
    estimate : float or None
        By maximum likelihood; None for a correlation with a term that does not vary.
    ci_low, ci_high : float or None
        None where the search failed; ``reason`` then says how. A standard deviation whose interval
        reaches its boundary has 0 as its lower limit.
    """

    kind: ParameterKind
    group: str | None
    term: str | None
    with_term: str | None
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    reason: str | None

    def document(self) -> Document:
        """One row of ``rows``."""
        return {
            "kind": self.kind,
            "group": self.group,
            "term": self.term,
            "with_term": self.with_term,
            "estimate": number(self.estimate),
            "ci_low": number(self.ci_low),
            "ci_high": number(self.ci_high),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileIntervals:
    """The intervals of a model: fixed effects, then random effects by block, then the residual."""

    intervals: tuple[ProfileInterval, ...]
    ci_level: float
    n_observations: int
    generalises_to: tuple[str, ...]
    warnings: tuple[str, ...]

    def of_kind(self, kind: ParameterKind) -> tuple[ProfileInterval, ...]:
        """Those of one kind."""
        return tuple(interval for interval in self.intervals if interval.kind == kind)

    def document(self) -> Document:
        """The JSON object, with an interval per row."""
        return {
            "model": "profile-intervals",
            "n_observations": self.n_observations,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "ci_level": self.ci_level,
            "ci_method": "profile likelihood (ML)",
            "rows": [interval.document() for interval in self.intervals],
        }


def profile_intervals(
    fit: LinearFit,
    terms: Sequence[str],
    *,
    random: bool = True,
    ci_level: float = 0.95,
    generalises_to: Sequence[str] = (),
) -> ProfileIntervals:
    """Find the profile-likelihood limits of every parameter.

    A fit by REML is refitted by maximum likelihood: the likelihood of the data is what has a
    profile in the fixed effects.

    Parameters
    ----------
    terms : sequence of str, length p
        Names of the fixed effects.
    random : bool
        Whether also for standard deviations and correlations, or for the fixed effects alone.
    ci_level : float
        Between 0 and 1.

    Raises
    ------
    InvalidInputError
        If the level is not between 0 and 1, or there is not a name per fixed effect.
    StatisticsError
        If the model cannot be refitted by maximum likelihood.
    """
    if not 0.0 < ci_level < 1.0:
        raise InvalidInputError(f"A confidence level lies between 0 and 1, not at {ci_level:g}.")
    if len(terms) != len(fit.estimates):
        raise InvalidInputError(f"{len(terms)} names for {len(fit.estimates)} fixed effects.")
    ml = fit_linear(fit.response, fit.fixed, fit.blocks, reml=False) if fit.reml else fit
    with threads_for(ml.deviance.profiled.sums.n_rest):
        region = LikelihoodRegion.around(ml, float(stats.chi2.ppf(ci_level, 1)))
        found = [
            _interval("fixed", float(ml.estimates[k]), region.fixed_limits(k), term=term)
            for k, term in enumerate(terms)
        ]
        if random:
            found.extend(_random_intervals(ml, region))
            residual = float(np.sqrt(ml.residual_variance))
            found.append(_interval("residual", residual, region.residual_limits()))
    return ProfileIntervals(
        intervals=tuple(found),
        ci_level=ci_level,
        n_observations=len(fit.response),
        generalises_to=tuple(generalises_to),
        warnings=_warnings(ml, found),
    )


def _random_intervals(ml: LinearFit, region: LikelihoodRegion) -> list[ProfileInterval]:
    found = []
    for place, (block, factor) in enumerate(zip(ml.blocks, ml.factors, strict=True)):
        covariance = ml.residual_variance * factor @ factor.T
        std_devs = np.sqrt(np.diag(covariance))
        limits = [region.std_dev_limits(place, a) for a in range(block.n_terms)]
        found += [
            _interval("std_dev", float(std_devs[a]), limits[a], group=block.group, term=term)
            for a, term in enumerate(block.terms)
        ]
        if not block.correlated:
            continue
        for a in range(block.n_terms):
            for b in range(a):
                product = std_devs[a] * std_devs[b]
                # Where a term may not vary at all, any correlation with it is as likely.
                free = limits[a][0].value == 0.0 or limits[b][0].value == 0.0
                pair = (
                    (Limit(value=-1.0), Limit(value=1.0))
                    if free
                    else region.correlation_limits(place, a, b)
                )
                estimate = float(covariance[a, b] / product) if product > 0 else None
                found.append(
                    _interval(
                        "correlation",
                        estimate,
                        pair,
                        group=block.group,
                        term=block.terms[a],
                        with_term=block.terms[b],
                    )
                )
    return found


def _interval(
    kind: ParameterKind,
    estimate: float | None,
    limits: tuple[Limit, Limit],
    *,
    group: str | None = None,
    term: str | None = None,
    with_term: str | None = None,
) -> ProfileInterval:
    low, high = limits
    return ProfileInterval(
        kind=kind,
        group=group,
        term=term,
        with_term=with_term,
        estimate=estimate,
        ci_low=low.value,
        ci_high=high.value,
        reason=low.reason or high.reason,
    )


def _warnings(ml: LinearFit, found: Sequence[ProfileInterval]) -> tuple[str, ...]:
    warnings = []
    if not ml.converged:
        warnings.append(
            "The maximum-likelihood fit did not converge: do not report these intervals. Simplify "
            "the random part."
        )
    failed = sum(interval.reason is not None for interval in found)
    if failed:
        warnings.append(
            f"{failed} of {len(found)} intervals have a limit that was not found; each says why. "
            "Use Wald intervals for these, or simplify the random part."
        )
    return tuple(warnings)
