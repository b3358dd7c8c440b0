"""Likelihood-ratio comparison of two nested cumulative models of the same answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.mixed.comparison import (
    ChiSquareMixture,
    FitSummary,
    LikelihoodRatio,
    boundary_mixture,
)
from mturk_eval.stats.ordinal.fit import OrdinalFit

_WORSE = 1e-4
"""Of twice the log-likelihood: a larger model that is worse by more was not fitted."""


def compare_ordinal(
    smaller: OrdinalFit,
    larger: OrdinalFit,
    *,
    names: tuple[str, str] = ("smaller", "larger"),
    generalises_to: Sequence[str] = (),
) -> LikelihoodRatio:
    """Test whether a larger model fits better than one it contains.

    Parameters
    ----------
    smaller, larger : OrdinalFit
        Of the same answers in the same order, with the same link.
    names : tuple of str
        What the models are called in the result, e.g. their formulas.

    Returns
    -------
    LikelihoodRatio
        With the boundary mixture where a variance was added; see `boundary_mixture`.

    Raises
    ------
    InvalidInputError
        If the data or links differ, or the first model is not contained in the second.
    """
    if not np.array_equal(smaller.response, larger.response):
        raise InvalidInputError(
            "The models were fitted to different data: their responses are not the same values in "
            "the same order. Fit both to one table."
        )
    if smaller.link != larger.link:
        raise InvalidInputError(
            f"The models have different links ({smaller.link} and {larger.link}), and neither "
            "contains the other. Compare them by their AIC."
        )
    _check_fixed(smaller, larger)
    added = boundary_mixture(smaller.blocks, larger.blocks)
    more_fixed = len(larger.names) - len(smaller.names)
    mixture = added.plus(ChiSquareMixture(weights=(1.0,), df=(more_fixed,)))
    df = mixture.df[-1]
    if df == 0:
        raise InvalidInputError("The two models are the same. Compare models that differ.")
    gain = 2 * (larger.log_likelihood - smaller.log_likelihood)
    chi_square = max(gain, 0.0)
    return LikelihoodRatio(
        smaller=_summary(smaller, names[0]),
        larger=_summary(larger, names[1]),
        estimation="ml",
        chi_square=chi_square,
        df=df,
        p=float(stats.chi2.sf(chi_square, df)),
        mixture=mixture,
        p_boundary=mixture.p(chi_square) if len(mixture.df) > 1 else None,
        n_observations=larger.n_observations,
        generalises_to=tuple(generalises_to),
        warnings=_warnings(smaller, larger, gain, names),
    )


def _check_fixed(smaller: OrdinalFit, larger: OrdinalFit) -> None:
    """Whether the larger model's columns and thresholds can give the smaller one's effects."""
    ones = np.ones((len(larger.response), 1))
    basis, _ = np.linalg.qr(np.hstack([ones, larger.fixed]))
    left = smaller.fixed - basis @ (basis.T @ smaller.fixed)
    sizes = np.maximum(np.linalg.norm(smaller.fixed, axis=0), 1e-300)
    if np.any(np.linalg.norm(left, axis=0) > 1e-8 * sizes):
        raise InvalidInputError(
            "The first model is not contained in the second, whose fixed effects cannot give the "
            "same predictions. Name the smaller model first, or compare models that are not "
            "nested by their AIC."
        )


def _summary(fit: OrdinalFit, name: str) -> FitSummary:
    return FitSummary(
        name=name,
        n_parameters=fit.n_parameters,
        criterion=-2 * fit.log_likelihood,
        aic=fit.aic,
        bic=fit.bic,
    )


def _warnings(
    smaller: OrdinalFit, larger: OrdinalFit, gain: float, names: tuple[str, str]
) -> tuple[str, ...]:
    found = [
        f"The fit of {name} did not converge: do not report this comparison. Simplify the model."
        for fit, name in ((smaller, names[0]), (larger, names[1]))
        if not fit.converged
    ]
    if gain < -_WORSE:
        found.append(
            f"The larger model fits worse by {-gain:.2g}, which its true maximum cannot: the "
            "search missed it. Simplify the model."
        )
    if smaller.singular:
        found.append(
            "The smaller model's fit is singular: a variance that the test takes as positive is "
            "estimated as zero, and p is too large. Leave that term out of both models."
        )
    return tuple(found)
