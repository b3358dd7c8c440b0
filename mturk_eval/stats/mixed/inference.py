"""Degrees of freedom for a fitted mixed model by the method asked for, behind one interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.stats.linear.fitting import LinearFit
from mturk_eval.stats.mixed.kenward_roger import kenward_roger
from mturk_eval.stats.mixed.satterthwaite import satterthwaite

DegreesOfFreedom = Literal["satterthwaite", "kenward-roger", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """Covariance of the fixed effects, and degrees of freedom of their linear functions.

    Attributes
    ----------
    covariance : ndarray, shape (p, p)
        Kenward and Roger's is adjusted for the variances being estimated.
    degrees_of_freedom : callable
        From rows of coefficients, shape (m, p), to df, shape (m,); infinite where none are used.
    warnings : tuple of str
        What limits the method for this fit.
    """

    method: DegreesOfFreedom
    covariance: NDArray[np.float64]
    degrees_of_freedom: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    warnings: tuple[str, ...] = ()

    def std_errors(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard errors of linear functions of the fixed effects, shape (m,)."""
        variance = np.einsum("mp,pq,mq->m", rows, self.covariance, rows)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def infer(fit: LinearFit, method: DegreesOfFreedom) -> Inference:
    """Degrees of freedom by Satterthwaite, by Kenward and Roger, or none (normal).

    Raises
    ------
    StatisticsError
        If Kenward and Roger's cannot be had for this model, e.g. one fitted by ML.
    """
    match method:
        case "kenward-roger":
            adjusted = kenward_roger(fit)
            return Inference(
                method=method,
                covariance=adjusted.covariance,
                degrees_of_freedom=adjusted.df,
                warnings=adjusted.warnings,
            )
        case "satterthwaite":
            observed = satterthwaite(fit)
            return Inference(
                method=method,
                covariance=fit.covariance,
                degrees_of_freedom=observed.df,
                warnings=observed.warnings,
            )
        case "none":
            return Inference(
                method=method,
                covariance=fit.covariance,
                degrees_of_freedom=lambda rows: np.full(len(rows), np.inf),
            )


def two_sided_p(t: NDArray[np.float64], df: NDArray[np.float64]) -> NDArray[np.float64]:
    """P values of t, or of z where df is infinite."""
    return np.asarray(2 * stats.t.sf(np.abs(t), df))
