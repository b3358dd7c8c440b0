"""F tests of the terms of the fixed part, each beside all others (type III)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, stats

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.linear.fitting import LinearFit
from mturk_eval.stats.mixed.contrasts import checked_contrasts, independent_contrasts
from mturk_eval.stats.mixed.inference import DegreesOfFreedom
from mturk_eval.stats.mixed.kenward_roger import kenward_roger
from mturk_eval.stats.mixed.results import TermTest
from mturk_eval.stats.mixed.satterthwaite import FTest, satterthwaite

_INTERCEPT = "(Intercept)"


def type_three_contrasts(
    fixed: NDArray[np.float64], sum_coded: NDArray[np.float64], term_of: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Per term the hypothesis that it has no effect, averaged over the terms that contain it.

    In columns coded by sums (1, 0, -1) each term's coefficients are deviations from averages with
    equal weights, so that they are zero is the type III hypothesis [1]_, whatever the coding of the
    fit: here it is translated to the fit's coefficients.

    Parameters
    ----------
    fixed : ndarray, shape (n, p)
        The fixed effects' columns as fitted, in any coding.
    sum_coded : ndarray, shape (n, p)
        The same effects with factors coded by sums.
    term_of : sequence of str, length p
        Per column of either its term; the intercept's is left out of the result.

    Returns
    -------
    dict
        By term its rows, shape (r, p).

    Raises
    ------
    InvalidInputError
        If the two sets of columns do not describe the same model.

    References
    ----------
    .. [1] Searle (1987), Linear Models for Unbalanced Data, Wiley, ch. 4 and 8.

    Examples
    --------
    Two methods under treatment coding: half of the interaction belongs to the average effect.

    >>> a, b = np.array([0.0, 0, 1, 1]), np.array([0.0, 1, 0, 1])
    >>> treatment = np.column_stack([np.ones(4), a, b, a * b])
    >>> a, b = 1 - 2 * a, 1 - 2 * b
    >>> sums = np.column_stack([np.ones(4), a, b, a * b])
    >>> rows = type_three_contrasts(treatment, sums, ["(Intercept)", "a", "b", "a:b"])
    >>> rows["a"].round(6) + 0
    array([[0. , 1. , 0. , 0.5]])
    """
    if sum_coded.shape != fixed.shape:
        raise _other_model()
    sizes = np.linalg.norm(fixed, axis=0)
    scaled = fixed / sizes  # so that no unit of a covariate makes its coefficient vanish
    sums = sum_coded / np.linalg.norm(sum_coded, axis=0)
    translation, _, rank, _ = linalg.lstsq(sums, scaled)
    if rank < len(sizes) or np.abs(sums @ translation - scaled).max(initial=0.0) > 1e-8:
        raise _other_model()
    translation[np.abs(translation) < 1e-12 * np.abs(translation).max()] = 0.0
    terms = np.asarray(term_of)
    return {
        term: _in_own_columns(translation[terms == term], terms == term, sizes)
        for term in dict.fromkeys(term_of)
        if term != _INTERCEPT
    }


def _other_model() -> InvalidInputError:
    return InvalidInputError(
        "The sum-coded columns do not span the model's fixed effects: both must come from the "
        "same formula and the same answers."
    )


def _in_own_columns(
    rows: NDArray[np.float64], own: NDArray[np.bool_], sizes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The same hypothesis, each row with weight 1 on one of the term's own columns.

    Satterthwaite's denominator df depends a little on how the rows are written: these are
    lmerTest's. The rows given are for columns of unit size.
    """
    square = rows[:, own]
    if np.linalg.matrix_rank(square) == len(square):
        rows = np.linalg.solve(square, rows) / sizes[own][:, None]
    return np.asarray(rows * sizes)


def single_term_contrasts(
    fixed: NDArray[np.float64], term_of: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """The hypothesis that the only term has no effect, its rows orthogonal over the answers.

    Any rows say the same and give the same F, but Satterthwaite's denominator df depends a little
    on them: these are lmerTest's for a model of one term.

    Parameters
    ----------
    fixed : ndarray, shape (n, p)
    term_of : sequence of str, length p

    Examples
    --------
    >>> x = np.array([[1.0, 0, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1]])
    >>> rows = single_term_contrasts(x, ["(Intercept)", "method", "method"])
    >>> rows["method"].round(4) + 0
    array([[ 0.    ,  1.    , -0.6667],
           [ 0.    ,  0.    ,  1.    ]])
    """
    triangle = np.linalg.qr(fixed, mode="r")
    terms = np.asarray(term_of)
    rows = triangle / np.diag(triangle)[:, None]
    return {term: rows[terms == term] for term in dict.fromkeys(term_of) if term != _INTERCEPT}


def term_tests(
    fit: LinearFit, contrasts: Mapping[str, ArrayLike], *, df: DegreesOfFreedom = "satterthwaite"
) -> tuple[TermTest, ...]:
    """Test each term's coefficients together.

    Parameters
    ----------
    contrasts : mapping
        By term the linear functions that are zero if it has no effect, shape (r, p): see
        `type_three_contrasts`.
    df : {"satterthwaite", "kenward-roger", "none"}
        Denominator degrees of freedom; without them F is Wald's chi-square over its df.

    Raises
    ------
    StatisticsError
        If Kenward and Roger's test cannot be had for this model.
    InvalidInputError
        If the rows do not fit the model.
    """
    rows = {term: checked_contrasts(own, len(fit.estimates)) for term, own in contrasts.items()}
    match df:
        case "kenward-roger":
            adjusted = kenward_roger(fit)
            tests = {term: adjusted.f_test(own) for term, own in rows.items()}
        case "satterthwaite":
            observed = satterthwaite(fit)
            tests = {term: observed.f_test(fit.estimates, own) for term, own in rows.items()}
        case "none":
            tests = {term: wald_f(fit, own) for term, own in rows.items()}
    return tuple(
        TermTest(
            term=term,
            f=test.f,
            numerator_df=test.numerator_df,
            denominator_df=test.denominator_df if np.isfinite(test.denominator_df) else None,
            p=test.p,
        )
        for term, test in tests.items()
    )


def wald_f(fit: LinearFit, contrasts: ArrayLike) -> FTest:
    """Wald's test that linear functions of the fixed effects are zero, variances taken as known."""
    rows = independent_contrasts(contrasts, len(fit.estimates))
    values = rows @ fit.estimates
    scaled = linalg.solve(rows @ fit.covariance @ rows.T, values, assume_a="pos")
    chi_square = float(values @ scaled)
    return FTest(
        f=chi_square / len(rows),
        numerator_df=len(rows),
        denominator_df=np.inf,
        p=float(stats.chi2.sf(chi_square, len(rows))),
    )
