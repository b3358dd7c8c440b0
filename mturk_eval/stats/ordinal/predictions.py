"""What a cumulative model expects answers to be: probabilities of categories, mean ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.ordinal.fit import OrdinalFit
from mturk_eval.stats.ordinal.links import LINKS

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_NODES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAnswers:
    """Expected answers at m settings of the fixed columns.

    Attributes
    ----------
    categories : ndarray, shape (J,)
    probabilities : ndarray, shape (m, J)
        Of an average rater's answers to an average image: random effects are 0.
    mean, mean_std_error : ndarray, shape (m,)
        Mean of the categories' values under ``probabilities``, and its standard error by the delta
        method.
    marginal_probabilities, marginal_mean : ndarray, shapes (m, J) and (m,), or None
        Averaged over the random effects' normal distribution, so over other raters and images:
        what a histogram of many answers looks like. None where the random variance was not given.
    """

    categories: Vector
    probabilities: Matrix
    mean: Vector
    mean_std_error: Vector
    marginal_probabilities: Matrix | None
    marginal_mean: Vector | None


def expected_answers(
    fit: OrdinalFit,
    rows: ArrayLike,
    *,
    random_variance: ArrayLike | None = None,
    average: ArrayLike | None = None,
) -> ExpectedAnswers:
    """Expected answers at settings of the fixed columns, or averages of them.

    Parameters
    ----------
    rows : array_like, shape (m, p)
        Values of the fixed columns.
    random_variance : array_like, shape (m,), optional
        Variance of the sum of all random effects there; see `random_variance_at`.
    average : array_like, shape (k, m), optional
        Weights, whose rows sum to 1: k averages over the settings are given instead.

    Raises
    ------
    InvalidInputError
        If the rows do not have the fit's columns.

    References
    ----------
    .. [1] Agresti (2010), Analysis of Ordinal Categorical Data, 2nd ed., sections 3.3 and 10.1.
    """
    settings = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    if settings.ndim != 2 or settings.shape[1] != len(fit.coefficients):
        raise InvalidInputError(
            f"Rows of shape {settings.shape} do not fit the model: each needs "
            f"{len(fit.coefficients)} values, of {', '.join(fit.names) or 'no column'}."
        )
    link, values = LINKS[fit.link], np.array(fit.categories)
    distance = fit.thresholds - (settings @ fit.coefficients)[:, None]
    weights = np.eye(len(settings)) if average is None else np.asarray(average, np.float64)
    by_threshold = -np.diff(values) * link.pdf(distance)
    by_column = -by_threshold.sum(axis=1, keepdims=True) * settings
    gradient = weights @ np.hstack([by_threshold, by_column])
    variance = np.einsum("mi,ij,mj->m", gradient, fit.covariance, gradient)
    cumulative = weights @ link.cdf(distance)
    marginal = None
    if random_variance is not None:
        spread = np.sqrt(np.broadcast_to(np.asarray(random_variance, np.float64), len(settings)))
        points, shares = np.polynomial.hermite_e.hermegauss(_NODES)
        shifted = distance[:, :, None] - spread[:, None, None] * points
        marginal = weights @ (link.cdf(shifted) @ (shares / shares.sum()))
    return ExpectedAnswers(
        categories=values,
        probabilities=_probabilities(cumulative),
        mean=_mean(values, cumulative),
        mean_std_error=np.sqrt(variance),
        marginal_probabilities=None if marginal is None else _probabilities(marginal),
        marginal_mean=None if marginal is None else _mean(values, marginal),
    )


def _probabilities(cumulative: Matrix) -> Matrix:
    return np.diff(cumulative, prepend=0.0, append=1.0, axis=1)


def _mean(values: Vector, cumulative: Matrix) -> Vector:
    return np.asarray(values[-1] - cumulative @ np.diff(values))


def random_variance_at(fit: OrdinalFit, columns: list[Matrix]) -> Vector:
    """Variance of the sum of the random effects, one value per setting.

    Parameters
    ----------
    columns : list of ndarray
        Per random term its columns at m settings, shape (m, K).
    """
    parts = [
        np.einsum("mi,ij,mj->m", values, term.covariance, values)
        for values, term in zip(columns, fit.random, strict=True)
    ]
    return np.asarray(np.sum(parts, axis=0))
