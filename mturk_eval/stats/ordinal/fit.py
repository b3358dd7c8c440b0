"""A fitted cumulative-link mixed model."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.ordinal.factors import semidefinite_factor
from mturk_eval.stats.ordinal.links import Link

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomTermFit:
    """One random term.

    Attributes
    ----------
    group, terms, levels
        As in the `RandomBlock` it comes from; K terms, L levels.
    correlated : bool
        False for ``||``.
    covariance : ndarray, shape (K, K)
        Of the term's coefficients, on the latent scale per unit of each column.
    modes, mode_std_errors : ndarray, shape (L, K)
        Conditional modes of the coefficients and their standard errors, both given the estimates.
    """

    group: str
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    correlated: bool
    covariance: Matrix
    modes: Matrix
    mode_std_errors: Matrix

    @property
    def n_parameters(self) -> int:
        """Variances, and covariances where it has them."""
        size = len(self.terms)
        return size * (size + 1) // 2 if self.correlated else size

    @property
    def std_devs(self) -> Vector:
        """Square roots of the variances, shape (K,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def correlations(self) -> Matrix:
        """Shape (K, K); NaN beside a variance of zero."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.covariance / np.outer(self.std_devs, self.std_devs)

    @property
    def singular(self) -> bool:
        """Whether a variance is zero, or a linear combination of the coefficients is constant."""
        sizes = np.where(self.std_devs > 0, self.std_devs, 1.0)
        scaled = self.covariance / np.outer(sizes, sizes)
        return bool(np.any(np.diag(semidefinite_factor(scaled)) < 1e-5))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdinalFit:
    """A fitted cumulative model, ``P(y <= category j) = F(threshold j - eta)``.

    Attributes
    ----------
    link : {"logit", "probit"}
    categories : tuple of float
        The J values that occur, ascending.
    counts : tuple of int
        Answers in each category.
    names : tuple of str
        Of the p fixed columns.
    thresholds : ndarray, shape (J - 1,)
    coefficients : ndarray, shape (p,)
        Positive: higher categories become more likely.
    covariance : ndarray, shape (J - 1 + p, J - 1 + p)
        Of thresholds, then coefficients, from the observed information in all parameters; NaN
        where that is not positive definite.
    random : tuple of RandomTermFit
    log_likelihood : float
        By Laplace's approximation; exact without random terms.
    converged : bool
        Whether the exact gradient, in the metric of the exact curvature, promises no further gain.
    gradient : float
        Its largest absolute entry, columns standardised.
    evaluations : int
        Of the likelihood with its gradient, those for the standard errors among them.
    response, fixed, blocks
        What was fitted.
    """

    link: Link
    categories: tuple[float, ...]
    counts: tuple[int, ...]
    names: tuple[str, ...]
    thresholds: Vector
    coefficients: Vector
    covariance: Matrix
    random: tuple[RandomTermFit, ...]
    log_likelihood: float
    converged: bool
    gradient: float
    evaluations: int
    warnings: tuple[str, ...]
    response: Vector = field(repr=False)
    fixed: Matrix = field(repr=False)
    blocks: tuple[RandomBlock, ...] = field(repr=False)

    @property
    def n_observations(self) -> int:
        """Answers."""
        return sum(self.counts)

    @property
    def n_parameters(self) -> int:
        """Thresholds, coefficients, variances and covariances."""
        location = len(self.thresholds) + len(self.coefficients)
        return location + sum(term.n_parameters for term in self.random)

    @property
    def threshold_names(self) -> tuple[str, ...]:
        """``1|2`` …, by the categories that occur on either side."""
        labels = [f"{value:g}" for value in self.categories]
        return tuple(f"{low}|{high}" for low, high in pairwise(labels))

    @property
    def threshold_std_errors(self) -> Vector:
        """Shape (J - 1,)."""
        return np.sqrt(np.diag(self.covariance)[: len(self.thresholds)])

    @property
    def std_errors(self) -> Vector:
        """Of the coefficients, shape (p,)."""
        return np.sqrt(np.diag(self.covariance)[len(self.thresholds) :])

    @property
    def z(self) -> Vector:
        """Estimates over standard errors, shape (p,)."""
        return np.asarray(self.coefficients / self.std_errors)

    @property
    def singular(self) -> bool:
        """Whether a random term's covariance is singular."""
        return any(term.singular for term in self.random)

    @property
    def aic(self) -> float:
        """Akaike's criterion."""
        return -2 * self.log_likelihood + 2 * self.n_parameters

    @property
    def bic(self) -> float:
        """Schwarz's criterion, by the number of answers."""
        return -2 * self.log_likelihood + float(np.log(self.n_observations)) * self.n_parameters
