"""Likelihood-ratio comparison of two nested mixed models of the same data.

A variance cannot be negative, so under the null hypothesis that it is zero the likelihood ratio is
no chi-square but a mixture of several, and the plain p value is too large [1]_, [2]_.

References
----------
.. [1] Self & Liang (1987), Asymptotic properties of maximum likelihood estimators and likelihood
   ratio tests under nonstandard conditions, J. Am. Stat. Assoc. 82(398).
.. [2] Stram & Lee (1994), Variance components testing in the longitudinal mixed effects model,
   Biometrics 50(4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.linear.fitting import LinearFit, fit_linear

_SAME = 1e-8  # relative: columns this close to a space lie in it
_WORSE = 1e-4  # of the criterion: a larger model that fits worse than this was not fitted


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSummary:
    """How well one of the models fits; ``criterion`` is -2 log (restricted) likelihood."""

    name: str
    n_parameters: int
    criterion: float
    aic: float
    bic: float

    def document(self) -> Document:
        """One row of ``rows``."""
        return {
            "name": self.name,
            "n_parameters": self.n_parameters,
            "criterion": self.criterion,
            "log_likelihood": -self.criterion / 2,
            "aic": self.aic,
            "bic": self.bic,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ChiSquareMixture:
    """A mixture of chi-squares; zero degrees of freedom are a point mass at zero.

    Examples
    --------
    >>> one_variance = ChiSquareMixture(weights=(0.5, 0.5), df=(0, 1))
    >>> round(one_variance.p(2.71), 3)  # half the plain p value
    0.05
    """

    weights: tuple[float, ...]
    df: tuple[int, ...]

    def p(self, chi_square: float) -> float:
        """Probability of at least this value."""
        tails = (
            float(stats.chi2.sf(chi_square, df)) if df else float(chi_square <= 0.0)
            for df in self.df
        )
        return float(sum(w * tail for w, tail in zip(self.weights, tails, strict=True)))

    def plus(self, other: ChiSquareMixture) -> ChiSquareMixture:
        """The distribution of the sum of two independent ones."""
        total: dict[int, float] = {}
        for weight, df in zip(self.weights, self.df, strict=True):
            for other_weight, other_df in zip(other.weights, other.df, strict=True):
                total[df + other_df] = total.get(df + other_df, 0.0) + weight * other_weight
        df_sorted = tuple(sorted(total))
        return ChiSquareMixture(weights=tuple(total[df] for df in df_sorted), df=df_sorted)


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelihoodRatio:
    """Comparison of a model with a larger one that contains it.

    Attributes
    ----------
    estimation : {"reml", "ml"}
        REML where both fits are and the fixed effects are the same; else both were fitted by ML.
    chi_square : float
        Twice the gain in log likelihood.
    df : int
        How many parameters the larger model has more.
    p : float
        By the plain chi-square; too large where the larger model adds a variance.
    mixture : ChiSquareMixture
        The null distribution with the variances' boundary at zero.
    p_boundary : float or None
        By ``mixture``; None where no variance was added. Exact for large samples if one variance
        was added, with any number of its covariances; for more at a time it is still too large,
        but less so than ``p``.
    """

    smaller: FitSummary
    larger: FitSummary
    estimation: Literal["reml", "ml"]
    chi_square: float
    df: int
    p: float
    mixture: ChiSquareMixture
    p_boundary: float | None
    n_observations: int
    generalises_to: tuple[str, ...]
    warnings: tuple[str, ...]

    def document(self) -> Document:
        """The JSON object: the models under ``rows``, and the test."""
        return {
            "model": "comparison",
            "n_observations": self.n_observations,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "estimation": self.estimation,
            "rows": [self.smaller.document(), self.larger.document()],
            "chi_square": number(self.chi_square),
            "df": self.df,
            "p": number(self.p),
            "p_boundary": number(self.p_boundary),
            "boundary_mixture": [
                {"weight": weight, "df": df}
                for weight, df in zip(self.mixture.weights, self.mixture.df, strict=True)
            ],
        }


def compare_fits(
    smaller: LinearFit,
    larger: LinearFit,
    *,
    names: tuple[str, str] = ("smaller", "larger"),
    generalises_to: Sequence[str] = (),
) -> LikelihoodRatio:
    """Test whether a larger model fits better than one it contains.

    REML criteria are compared where only the random part differs; fits with other fixed effects are
    refitted by maximum likelihood first, since their REML criteria are of different data.

    Parameters
    ----------
    smaller, larger : LinearFit
        Of the same answers in the same order.
    names : tuple of str
        What the models are called in the result, e.g. their formulas.

    Raises
    ------
    InvalidInputError
        If the responses differ, or the first model is not contained in the second.
    """
    _check_same_data(smaller, larger)
    _check_fixed_nested(smaller.fixed, larger.fixed)
    added = boundary_mixture(smaller.blocks, larger.blocks)
    more_fixed = larger.fixed.shape[1] - smaller.fixed.shape[1]
    mixture = added.plus(ChiSquareMixture(weights=(1.0,), df=(more_fixed,)))
    df = mixture.df[-1]
    if df == 0:
        raise InvalidInputError(
            "The two models are the same: they have as many parameters and the same columns. "
            "Compare models of which one has a further effect."
        )
    reml = smaller.reml and larger.reml and np.array_equal(smaller.fixed, larger.fixed)
    smaller, larger = (_fitted_by(fit, reml=reml) for fit in (smaller, larger))
    gain = smaller.criterion - larger.criterion
    chi_square = max(gain, 0.0)
    return LikelihoodRatio(
        smaller=_summary(smaller, names[0]),
        larger=_summary(larger, names[1]),
        estimation="reml" if reml else "ml",
        chi_square=chi_square,
        df=df,
        p=float(stats.chi2.sf(chi_square, df)),
        mixture=mixture,
        p_boundary=mixture.p(chi_square) if len(mixture.df) > 1 else None,
        n_observations=len(larger.response),
        generalises_to=tuple(generalises_to),
        warnings=_warnings(smaller, larger, gain, names),
    )


def boundary_mixture(
    smaller: Sequence[RandomBlock], larger: Sequence[RandomBlock]
) -> ChiSquareMixture:
    """Null distribution of the likelihood ratio for the variances and covariances that are added.

    For one variance added to a term it is half chi-square with the added covariances' number of
    degrees of freedom and half with one more [2]_, case 3. For more in one term the number of
    variances above zero is taken as binomial, beside all covariances, which is conservative;
    different terms are taken as independent.

    Raises
    ------
    InvalidInputError
        If a random term of the smaller model has no place in the larger one.

    Examples
    --------
    A slope added to an intercept, with their correlation:

    >>> codes, ones = np.repeat(np.arange(3, dtype=np.int32), 4), np.ones((12, 1))
    >>> x = np.tile([[0.0], [1.0]], (6, 1))
    >>> image = RandomBlock(group="image", terms=("1",), levels=("a", "b", "c"), codes=codes,
    ...                     columns=ones)
    >>> slopes = replace(image, terms=("1", "x"), columns=np.hstack([ones, x]))
    >>> boundary_mixture([image], [slopes])
    ChiSquareMixture(weights=(0.5, 0.5), df=(1, 2))
    """
    pieces = _independent_pieces(larger)
    inside: list[list[RandomBlock]] = [[] for _ in pieces]
    for small in _independent_pieces(smaller):
        homes = [place for place, piece in enumerate(pieces) if _contains(piece, small)]
        if not homes:
            raise InvalidInputError(
                f"The first model is not contained in the second, which has no place for its "
                f"random term ({' + '.join(small.terms)} | {small.group}). Name the smaller model "
                "first, or compare models that are not nested by their AIC."
            )
        inside[min(homes, key=lambda place: pieces[place].n_terms)].append(small)
    mixture = ChiSquareMixture(weights=(1.0,), df=(0,))
    for piece, contents in zip(pieces, inside, strict=True):
        mixture = mixture.plus(_added_to(piece, contents))
    return mixture


def _added_to(piece: RandomBlock, contents: Sequence[RandomBlock]) -> ChiSquareMixture:
    """What a term of the larger model adds to the terms it contains."""
    spanned = _rank(np.hstack([c.columns for c in contents])) if contents else 0
    variances = piece.n_terms - spanned
    parameters = len(piece.factor_index[0]) - sum(len(c.factor_index[0]) for c in contents)
    above_zero = range(variances + 1)
    return ChiSquareMixture(
        weights=tuple(comb(variances, count) / 2**variances for count in above_zero),
        df=tuple(parameters - variances + count for count in above_zero),
    )


def _independent_pieces(blocks: Sequence[RandomBlock]) -> list[RandomBlock]:
    """The blocks, those without correlations taken apart into their columns."""
    pieces = []
    for block in blocks:
        if block.correlated:
            pieces.append(block)
            continue
        pieces.extend(
            replace(block, terms=(term,), columns=block.columns[:, [k]], correlated=True)
            for k, term in enumerate(block.terms)
        )
    return pieces


def _contains(large: RandomBlock, small: RandomBlock) -> bool:
    """Whether every covariance the small term can give the answers, the large one can too."""
    if large.n_levels != small.n_levels:
        return False
    pairs = np.unique(large.codes.astype(np.int64) * small.n_levels + small.codes)
    return len(pairs) == small.n_levels and _spans(large.columns, small.columns)


def _spans(columns: NDArray[np.float64], others: NDArray[np.float64]) -> bool:
    scaled = columns / np.maximum(np.linalg.norm(columns, axis=0), 1e-300)
    units = others / np.maximum(np.linalg.norm(others, axis=0), 1e-300)
    basis, sizes, _ = np.linalg.svd(scaled, full_matrices=False)
    basis = basis[:, sizes > _SAME * sizes[0]]
    left = units - basis @ (basis.T @ units)
    return bool(np.linalg.norm(left, axis=0).max(initial=0.0) < _SAME)


def _rank(columns: NDArray[np.float64]) -> int:
    norms = np.maximum(np.linalg.norm(columns, axis=0), 1e-300)
    return int(np.linalg.matrix_rank(columns / norms, tol=_SAME))


def _check_same_data(smaller: LinearFit, larger: LinearFit) -> None:
    if len(smaller.response) != len(larger.response):
        raise InvalidInputError(
            f"The models were fitted to different data: {len(smaller.response):,} and "
            f"{len(larger.response):,} answers. Fit both to the answers that are complete for both."
        )
    if not np.array_equal(smaller.response, larger.response):
        raise InvalidInputError(
            "The models were fitted to different data: their responses are not the same numbers "
            "in the same order. Fit both to one table."
        )


def _check_fixed_nested(smaller: NDArray[np.float64], larger: NDArray[np.float64]) -> None:
    if not _spans(larger, smaller):
        raise InvalidInputError(
            "The first model is not contained in the second, whose fixed effects cannot give the "
            "same means. Name the smaller model first, or compare models that are not nested by "
            "their AIC."
        )


def _fitted_by(fit: LinearFit, *, reml: bool) -> LinearFit:
    if fit.reml == reml:
        return fit
    return fit_linear(fit.response, fit.fixed, fit.blocks, reml=reml)


def _summary(fit: LinearFit, name: str) -> FitSummary:
    return FitSummary(
        name=name,
        n_parameters=fit.fixed.shape[1] + fit.n_variance_parameters,
        criterion=fit.criterion,
        aic=fit.aic,
        bic=fit.bic,
    )


def _warnings(
    smaller: LinearFit, larger: LinearFit, gain: float, names: tuple[str, str]
) -> tuple[str, ...]:
    found = [
        f"The fit of {name} did not converge: do not report this comparison. Simplify the model."
        for fit, name in ((smaller, names[0]), (larger, names[1]))
        if not fit.converged
    ]
    if gain < -_WORSE:
        found.append(
            f"The larger model fits worse by {-gain:.2g}, which its true optimum cannot: the "
            "optimizer missed it. Simplify the model."
        )
    if smaller.singular:
        found.append(
            "The smaller model's fit is singular: a variance that the test takes as positive is "
            "estimated as zero, and p is too large. Leave that term out of both models."
        )
    return tuple(found)
