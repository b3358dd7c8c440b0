"""Estimated marginal means of a factor and all their differences.

A marginal mean is the model's prediction at one level of a factor, averaged over the levels of the
other factors with equal weights and with covariates at their means [1]_. It is a linear function of
the fixed effects, so everything here works on rows of coefficients.

References
----------
.. [1] Searle, Speed & Milliken (1980), Population marginal means in the linear model: an
   alternative to least squares means, Am. Stat. 34(4).
.. [2] Kramer (1956), Extension of multiple range tests to group means with unequal numbers of
   replications, Biometrics 12(3).
.. [3] Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6(2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.mixed.contrasts import checked_contrasts
from mturk_eval.stats.mixed.paired import holm

DegreesOfFreedomFunction = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From rows of coefficients, shape (m, p), to degrees of freedom, shape (m,); inf is normal."""

Adjustment = Literal["holm", "tukey", "none"]

_INTERVAL_METHODS = {"holm": "Bonferroni", "tukey": "Tukey", "none": "none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginalMean:
    """The mean at one level, with its t interval; ``df`` is None where the interval is normal."""

    level: str
    estimate: float
    std_error: float
    df: float | None
    ci_low: float
    ci_high: float

    def document(self) -> Document:
        """One row of ``rows``."""
        return {
            "level": self.level,
            "estimate": self.estimate,
            "std_error": number(self.std_error),
            "df": number(self.df),
            "ci_low": number(self.ci_low),
            "ci_high": number(self.ci_high),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PairwiseContrast:
    """The mean at ``level`` minus that at ``reference``.

    ``t`` is estimate / std_error, a z value where ``df`` is None. ``p`` is of this test alone,
    ``p_adjusted`` for all pairs; the interval is as `MarginalMeans` says.
    """

    level: str
    reference: str
    estimate: float
    std_error: float
    df: float | None
    t: float
    p: float
    p_adjusted: float
    ci_low: float
    ci_high: float

    def document(self) -> Document:
        """One row of ``contrasts``."""
        return {
            "level": self.level,
            "reference": self.reference,
            "estimate": self.estimate,
            "std_error": number(self.std_error),
            "df": number(self.df),
            "t": number(self.t),
            "p": number(self.p),
            "p_adjusted": number(self.p_adjusted),
            "ci_low": number(self.ci_low),
            "ci_high": number(self.ci_high),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginalMeans:
    """Marginal means of a factor and the differences of all pairs of levels.

    Attributes
    ----------
    adjustment : {"holm", "tukey", "none"}
        How ``p_adjusted`` allows for the number of pairs.
    simultaneous : bool
        Whether the contrasts' intervals hold together at ``ci_level``: Tukey's where p values are
        his, else Bonferroni's, since Holm's procedure has no intervals of its own. The means'
        intervals are always single ones.
    """

    factor: str
    means: tuple[MarginalMean, ...]
    contrasts: tuple[PairwiseContrast, ...]
    adjustment: Adjustment
    ci_level: float
    simultaneous: bool
    n_observations: int
    generalises_to: tuple[str, ...]
    warnings: tuple[str, ...]

    def document(self) -> Document:
        """The JSON object: the means under ``rows``, their differences under ``contrasts``."""
        return {
            "model": "marginal-means",
            "n_observations": self.n_observations,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "factor": self.factor,
            "ci_level": self.ci_level,
            "p_adjustment": self.adjustment,
            "contrast_intervals": _INTERVAL_METHODS[self.adjustment] if self.simultaneous else
            "single",
            "rows": [mean.document() for mean in self.means],
            "contrasts": [contrast.document() for contrast in self.contrasts],
        }  # fmt: skip


def reference_grid(
    levels: Mapping[str, Sequence[str]], covariates: Mapping[str, float]
) -> dict[str, list[str] | list[float]]:
    """Every combination of the factors' levels, with each covariate at one value.

    Parameters
    ----------
    levels : mapping
        Level names by factor.
    covariates : mapping
        A value by covariate: usually its mean over the answers.

    Returns
    -------
    dict
        By variable its m values, one per combination.

    Examples
    --------
    >>> reference_grid({"method": ["jxl", "webp"], "rate": ["low"]}, {"size": 2.5})
    {'method': ['jxl', 'webp'], 'rate': ['low', 'low'], 'size': [2.5, 2.5]}
    """
    cells = list(product(*levels.values()))
    grid: dict[str, list[str] | list[float]] = {
        factor: [cell[place] for cell in cells] for place, factor in enumerate(levels)
    }
    return grid | {name: [float(value)] * len(cells) for name, value in covariates.items()}


def averaged_rows(
    rows: ArrayLike, labels: Sequence[str], levels: Sequence[str]
) -> NDArray[np.float64]:
    """Average a reference grid's rows over all but one factor.

    Parameters
    ----------
    rows : array_like, shape (m, p)
        The fixed effects' columns at every combination of the grid.
    labels : sequence of str, length m
        The combination's level of the factor that is kept.
    levels : sequence of str, length k

    Returns
    -------
    ndarray, shape (k, p)

    Examples
    --------
    >>> averaged_rows([[1, 0], [1, 1], [1, 4]], ["jxl", "webp", "webp"], ["jxl", "webp"])
    array([[1. , 0. ],
           [1. , 2.5]])
    """
    values, names = np.asarray(rows, dtype=np.float64), np.asarray(labels)
    return np.array([values[names == level].mean(axis=0) for level in levels])


def marginal_means(
    factor: str,
    levels: Sequence[str],
    rows: ArrayLike,
    *,
    estimates: NDArray[np.float64],
    covariance: NDArray[np.float64],
    degrees_of_freedom: DegreesOfFreedomFunction,
    n_observations: int,
    generalises_to: Sequence[str],
    adjustment: Adjustment = "holm",
    simultaneous: bool = False,
    ci_level: float = 0.95,
    warnings: Sequence[str] = (),
) -> MarginalMeans:
    """Marginal means and all pairwise contrasts, tests adjusted for their number.

    Parameters
    ----------
    levels : sequence of str, length k
        The factor's levels, the reference first; a contrast is a later level minus an earlier one.
    rows : array_like, shape (k, p)
        Each level's mean as a linear function of the fixed effects; see `averaged_rows`.
    estimates, covariance : ndarray, shapes (p,) and (p, p)
        Of the fixed effects; Kenward and Roger's covariance goes with their degrees of freedom.
    degrees_of_freedom : callable
        From rows of coefficients to df; infinite for normal tests.
    adjustment : {"holm", "tukey", "none"}
        Of the p values: Holm's [3]_, or Tukey's with Kramer's standard errors [2]_.
    simultaneous : bool
        Whether all intervals of contrasts are to hold together.

    Raises
    ------
    InvalidInputError
        If there are fewer than two levels, or rows that do not fit.
    """
    matrix = checked_contrasts(rows, len(estimates))
    if len(levels) < 2 or len(matrix) != len(levels):
        raise InvalidInputError(
            f"{factor} has {len(levels)} levels and {len(matrix)} rows of coefficients: marginal "
            "means need a row per level, and two levels or more to compare."
        )
    means = _estimated(matrix, estimates, covariance, degrees_of_freedom)
    pairs = list(combinations(range(len(levels)), 2))
    differences = np.array([matrix[later] - matrix[earlier] for earlier, later in pairs])
    contrasts = _estimated(differences, estimates, covariance, degrees_of_freedom)
    family = _Family(n_means=len(levels), n_pairs=len(pairs), adjustment=adjustment)
    p_adjusted = family.adjusted(contrasts)
    single_half = means.std_errors * stats.t.ppf(0.5 + ci_level / 2, means.df)
    half = contrasts.std_errors * family.quantiles(contrasts.df, ci_level, simultaneous)
    return MarginalMeans(
        factor=factor,
        means=tuple(
            MarginalMean(
                level=level,
                estimate=float(means.values[i]),
                std_error=float(means.std_errors[i]),
                df=_finite(means.df[i]),
                ci_low=float(means.values[i] - single_half[i]),
                ci_high=float(means.values[i] + single_half[i]),
            )
            for i, level in enumerate(levels)
        ),
        contrasts=tuple(
            PairwiseContrast(
                level=levels[later],
                reference=levels[earlier],
                estimate=float(contrasts.values[i]),
                std_error=float(contrasts.std_errors[i]),
                df=_finite(contrasts.df[i]),
                t=float(contrasts.t[i]),
                p=float(contrasts.p[i]),
                p_adjusted=float(p_adjusted[i]),
                ci_low=float(contrasts.values[i] - half[i]),
                ci_high=float(contrasts.values[i] + half[i]),
            )
            for i, (earlier, later) in enumerate(pairs)
        ),
        adjustment=adjustment,
        ci_level=ci_level,
        simultaneous=simultaneous,
        n_observations=n_observations,
        generalises_to=tuple(generalises_to),
        warnings=tuple(warnings),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Estimated:
    """Linear functions of the fixed effects: values, standard errors, df; shape (m,) each."""

    values: NDArray[np.float64]
    std_errors: NDArray[np.float64]
    df: NDArray[np.float64]

    @property
    def t(self) -> NDArray[np.float64]:
        return self.values / self.std_errors

    @property
    def p(self) -> NDArray[np.float64]:
        return np.asarray(2.0 * stats.t.sf(np.abs(self.t), self.df))


def _estimated(
    rows: NDArray[np.float64],
    estimates: NDArray[np.float64],
    covariance: NDArray[np.float64],
    degrees_of_freedom: DegreesOfFreedomFunction,
) -> _Estimated:
    return _Estimated(
        values=rows @ estimates,
        std_errors=np.sqrt(np.einsum("mi,ij,mj->m", rows, covariance, rows)),
        df=np.asarray(degrees_of_freedom(rows), dtype=np.float64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """All pairs of some means, as one family of tests."""

    n_means: int
    n_pairs: int
    adjustment: Adjustment

    def adjusted(self, contrasts: _Estimated) -> NDArray[np.float64]:
        match self.adjustment:
            case "holm":
                return np.array(holm(list(contrasts.p)))
            case "tukey":
                span = np.sqrt(2.0) * np.abs(contrasts.t)
                adjusted = stats.studentized_range.sf(span, self.n_means, contrasts.df)
                # Its integration is good to about 1e-10; no adjusted p lies below the single one.
                return np.asarray(np.clip(adjusted, contrasts.p, 1.0))
            case "none":
                return contrasts.p

    def quantiles(
        self, df: NDArray[np.float64], ci_level: float, simultaneous: bool
    ) -> NDArray[np.float64]:
        """Half the width of an interval in standard errors, shape (m,)."""
        if not simultaneous or self.adjustment == "none":
            return np.asarray(stats.t.ppf(0.5 + ci_level / 2, df))
        if self.adjustment == "holm":
            return np.asarray(stats.t.ppf(1.0 - (1.0 - ci_level) / (2 * self.n_pairs), df))
        kinds, place = np.unique(df, return_inverse=True)  # a quantile takes a tenth of a second
        spans = [stats.studentized_range.ppf(ci_level, self.n_means, kind) for kind in kinds]
        return np.asarray(np.array(spans)[place] / np.sqrt(2.0))


def _finite(df: float) -> float | None:
    return float(df) if np.isfinite(df) else None
