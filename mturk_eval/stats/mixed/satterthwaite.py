"""Satterthwaite's degrees of freedom for linear functions of the fixed effects.

A variance estimate v has about ``2 v^2 / var(v)`` degrees of freedom; var(v) follows by the delta
method from the curvature of the criterion at the estimated variances [1]_, here exact instead of
numerical. F tests combine the degrees of freedom of independent contrasts [2]_. Checked against
lmerTest.

References
----------
.. [1] Kuznetsova, Brockhoff & Christensen (2017), lmerTest package: Tests in linear mixed effects
   models, J. Stat. Softw. 82(13).
.. [2] Fai & Cornelius (1996), Approximate F-tests of multiple degree of freedom hypotheses in
   generalized least squares analyses of unbalanced split-plot experiments, J. Stat. Comput. Simul.
   54(4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.linear.curvature import curvature
from mturk_eval.stats.linear.fitting import LinearFit
from mturk_eval.stats.threads import threads_for

Array = NDArray[np.float64]

_FLAT = 1e-7
_NOTABLE = 1e-3  # change of a variance along a flat direction, of the variance
_OPEN = (
    "The data leave a combination of the random effects' variances open (the criterion is flat "
    "along it), and the standard errors of the fixed effects depend on it: these tests are "
    "arbitrary. Leave a random term out of the formula.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FTest:
    """A test that several linear functions of the fixed effects are zero.

    Attributes
    ----------
    f : float
    numerator_df : int
        The rank of the functions.
    denominator_df : float
    p : float
    """

    f: float
    numerator_df: int
    denominator_df: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Satterthwaite:
    """The uncertainty of the variances, for degrees of freedom of any contrast.

    Attributes
    ----------
    covariance : ndarray, shape (p, p)
        Of the fixed effects.
    slopes : ndarray, shape (r, p, p)
        Its derivatives in the variance parameters that are not zero, the residual's last.
    uncertainty : ndarray, shape (r, r)
        The variance parameters' covariance.
    warnings : tuple of str
        Where the data leave a combination of the variances open on which the tests depend.
    """

    covariance: Array
    slopes: Array
    uncertainty: Array
    warnings: tuple[str, ...] = ()

    def df(self, contrasts: Array) -> Array:
        """Degrees of freedom of rows of contrasts, shape (m, p) to (m,)."""
        rows = np.atleast_2d(np.asarray(contrasts, dtype=np.float64))
        variance = np.einsum("mp,pq,mq->m", rows, self.covariance, rows)
        if not (variance > 0).all():
            raise StatisticsError(
                "A contrast is zero for every fixed effect, so it has no degrees of freedom. "
                "Give at least one coefficient a weight."
            )
        slope = np.einsum("mp,rpq,mq->mr", rows, self.slopes, rows)
        spread = np.einsum("mr,rs,ms->m", slope, self.uncertainty, slope)
        with np.errstate(divide="ignore"):
            return np.asarray(2.0 * variance**2 / spread)

    def f_test(self, estimates: Array, contrasts: Array) -> FTest:
        """Test that all rows of contrasts are zero; dependent rows count once.

        Raises
        ------
        StatisticsError
            If every row is zero.
        """
        rows = np.atleast_2d(np.asarray(contrasts, dtype=np.float64))
        values, vectors = np.linalg.eigh(rows @ self.covariance @ rows.T)
        kept = values > 1e-10 * max(values.max(), 0.0)
        rank = int(kept.sum())
        if not rank:
            raise StatisticsError("Every contrast is zero: there is nothing to test.")
        independent = vectors[:, kept].T @ rows
        f = float(((independent @ estimates) ** 2 / values[kept]).sum() / rank)
        denominator = _denominator_df(self.df(independent))
        p = float(stats.f.sf(f, rank, denominator))
        return FTest(f=f, numerator_df=rank, denominator_df=denominator, p=p)


def satterthwaite(fit: LinearFit) -> Satterthwaite:
    """The parts of a fit that its degrees of freedom need.

    Variances that are estimated as zero are taken as known: the degrees of freedom are those of
    the model without them. Directions in which the criterion is flat are left out.
    """
    profiled = fit.deviance.profiled
    theta = fit.theta
    with threads_for(profiled.sums.n_rest):
        point = fit.deviance.point(theta)
        found = curvature(point, fit.deviance.units, theta)
    live = np.array(
        [
            bool(np.any(fit.factors[b][:, column] != 0))
            for b, _, column in fit.deviance.units.entries
        ],
        dtype=bool,
    )
    sigma = float(np.sqrt(point.residual_variance))
    r = int(live.sum())
    hessian = np.empty((r + 1, r + 1))
    hessian[:r, :r] = found.theta[np.ix_(live, live)]
    hessian[:r, r] = hessian[r, :r] = -2.0 * found.residual[live] / sigma**3
    hessian[r, r] = 4.0 * profiled.degrees_of_freedom / sigma**2
    covariance = point.fixed_covariance
    slopes = np.concatenate([found.fixed[live] * sigma**2, 2.0 * sigma * covariance[None]])
    rotation = profiled.rotation
    inverse, flat = _inverse_without_flat(hessian)
    along_flat = np.tensordot(flat, slopes, 1).diagonal(axis1=1, axis2=2) / covariance.diagonal()
    return Satterthwaite(
        covariance=fit.covariance,
        slopes=np.array([rotation.covariance(slope) for slope in slopes]),
        uncertainty=2.0 * inverse,
        warnings=_OPEN if np.abs(along_flat).max(initial=0.0) > _NOTABLE * sigma**2 else (),
    )


def satterthwaite_df(fit: LinearFit, contrasts: Array) -> Array:
    """Degrees of freedom of linear functions of the fixed effects.

    Parameters
    ----------
    fit : LinearFit
    contrasts : ndarray, shape (m, p)
        A row per function; the identity for the coefficients themselves.

    Returns
    -------
    ndarray, shape (m,)
    """
    return satterthwaite(fit).df(contrasts)


def satterthwaite_f(fit: LinearFit, contrasts: Array) -> FTest:
    """Test that all rows of contrasts, shape (m, p), are zero at once."""
    return satterthwaite(fit).f_test(fit.estimates, contrasts)


def _inverse_without_flat(hessian: Array) -> tuple[Array, Array]:
    """The inverse in the other directions, and the flat ones as rows of parameters.

    A flat direction is as long as the parameters in it are uncertain when the others are known.
    """
    size = np.sqrt(np.abs(np.diag(hessian)))
    size[size == 0] = 1.0
    values, vectors = np.linalg.eigh(hessian / np.outer(size, size))
    kept = values > _FLAT * values.max()
    inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return np.asarray(inverse / np.outer(size, size)), vectors[:, ~kept].T / size


def _denominator_df(each: Array) -> float:
    """One number of degrees of freedom for independent t values [2]_.

    Where the numbers are equal, so is theirs; 2 where a t has 2 or fewer degrees, and so no finite
    variance.
    """
    if np.ptp(each) < 1e-8 * each.mean():
        return float(each.mean())
    if (each <= 2).any():
        return 2.0
    expected = float((each / (each - 2)).sum())
    return 2.0 * expected / (expected - len(each))
