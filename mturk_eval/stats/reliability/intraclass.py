"""The six intraclass correlations of Shrout and Fleiss, from a complete table of ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.errors import StatisticsError


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSquares:
    """Analysis of variance of a stimuli x raters table, one rating a cell."""

    n_stimuli: int
    n_raters: int
    stimuli: float
    raters: float
    error: float
    within: float  # raters and error together

    @classmethod
    def of(cls, table: NDArray[np.float64]) -> MeanSquares:
        """From ratings of shape (stimuli, raters)."""
        n, k = table.shape
        centred = table - table.mean()
        by_stimulus, by_rater = centred.mean(axis=1), centred.mean(axis=0)
        interaction = centred - by_stimulus[:, None] - by_rater
        of_raters, of_error = n * float(by_rater @ by_rater), float((interaction**2).sum())
        nothing = 1e-26 * float((table**2).sum())  # what rounding leaves of a perfect agreement
        of_raters, of_error = (0.0 if part <= nothing else part for part in (of_raters, of_error))
        return cls(
            n_stimuli=n,
            n_raters=k,
            stimuli=k * float(by_stimulus @ by_stimulus) / (n - 1),
            raters=of_raters / (k - 1),
            error=of_error / ((n - 1) * (k - 1)),
            within=(of_raters + of_error) / (n * (k - 1)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IntraclassCorrelation:
    """One intraclass correlation with its F test of zero and its limits.

    ``form`` is Shrout and Fleiss's name, ``ICC(2,1)``; the limits are NaN where the ratings leave
    no error to measure them by.
    """

    form: str
    value: float
    f: float
    df_numerator: float
    df_denominator: float
    p: float
    ci_low: float
    ci_high: float


def intraclass_correlations(
    table: NDArray[np.float64], *, ci_level: float = 0.95
) -> tuple[IntraclassCorrelation, ...]:
    """ICC(1,1), (2,1), (3,1) of single ratings, then (1,k), (2,k), (3,k) of means of k raters.

    (1, .): raters differ from stimulus to stimulus. (2, .): the same raters, drawn from many;
    absolute agreement. (3, .): just these raters; consistency.

    Parameters
    ----------
    table : ndarray, shape (stimuli, raters)
        Complete: one rating in every cell.
    ci_level : float
        Of the limits, which are those of [1]_ with the df of [2]_ for ICC(2, .).

    Returns
    -------
    tuple of IntraclassCorrelation
        Six, in the order above. A value below 0 says that raters agree less than by chance.

    Raises
    ------
    StatisticsError
        If a cell is missing, there are fewer than two stimuli or raters, or all ratings are equal.

    References
    ----------
    .. [1] Shrout & Fleiss (1979), Intraclass correlations, Psychol. Bull. 86(2).
    .. [2] McGraw & Wong (1996), Forming inferences about some intraclass correlation coefficients,
       Psychol. Methods 1(1).

    Examples
    --------
    >>> table = np.array([[9.0, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8],
    ...                   [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    >>> [round(icc.value, 2) for icc in intraclass_correlations(table)]
    [0.17, 0.29, 0.71, 0.44, 0.62, 0.91]
    """
    _check(table)
    squares = MeanSquares.of(table)
    single = (
        _one_way(squares, ci_level),
        _absolute_agreement(squares, ci_level),
        _consistency(squares, ci_level),
    )
    return single + tuple(_of_means(icc, squares.n_raters) for icc in single)


def spearman_brown(reliability: float, times: float) -> float:
    """Reliability when there are ``times`` as many raters; NaN where that is not defined.

    Examples
    --------
    >>> round(spearman_brown(0.5, 2), 3)
    0.667
    """
    divisor = 1.0 + (times - 1.0) * reliability
    return times * reliability / divisor if divisor > 0 else float("nan")


def _check(table: NDArray[np.float64]) -> None:
    n, k = table.shape
    if n < 2 or k < 2:
        raise StatisticsError(
            f"{n} stimuli x {k} raters: an intraclass correlation needs at least two of each."
        )
    missing = np.argwhere(~np.isfinite(table))
    if len(missing):
        row, column = missing[0]
        raise StatisticsError(
            f"{len(missing)} of {n * k} cells are missing (the first: stimulus {row}, rater "
            f"{column}): mean squares need a complete table. Use the variance components instead."
        )
    if float(np.ptp(table)) == 0.0:
        raise StatisticsError(
            "All ratings are equal: an intraclass correlation compares variances, and there is "
            "none. Report the common rating."
        )


def _ratio(a: float, b: float) -> float:
    if b == 0.0:
        return float("inf") if a > 0 else float("nan")
    return a / b


def _correlation(
    form: str, value: float, f: float, df: tuple[float, float], limits: tuple[float, float]
) -> IntraclassCorrelation:
    return IntraclassCorrelation(
        form=form,
        value=value,
        f=f,
        df_numerator=df[0],
        df_denominator=df[1],
        p=float(stats.f.sf(f, *df)),
        ci_low=limits[0],
        ci_high=limits[1],
    )


def _limits_from_f(f: float, df: tuple[float, float], k: int, ci_level: float) -> tuple[float, ...]:
    """Shrout & Fleiss's limits where the correlation is (F - 1) / (F + k - 1)."""
    upper_tail = 0.5 + ci_level / 2
    low = f / float(stats.f.ppf(upper_tail, *df))
    high = f * float(stats.f.ppf(upper_tail, df[1], df[0]))
    if not np.isfinite(f):
        return float("nan"), float("nan")
    return (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)


def _one_way(squares: MeanSquares, ci_level: float) -> IntraclassCorrelation:
    n, k = squares.n_stimuli, squares.n_raters
    f, df = _ratio(squares.stimuli, squares.within), (n - 1.0, n * (k - 1.0))
    value = (squares.stimuli - squares.within) / (squares.stimuli + (k - 1) * squares.within)
    low, high = _limits_from_f(f, df, k, ci_level)
    return _correlation("ICC(1,1)", value, f, df, (low, high))


def _consistency(squares: MeanSquares, ci_level: float) -> IntraclassCorrelation:
    n, k = squares.n_stimuli, squares.n_raters
    f, df = _ratio(squares.stimuli, squares.error), (n - 1.0, (n - 1.0) * (k - 1.0))
    total = squares.stimuli + (k - 1) * squares.error
    value = (squares.stimuli - squares.error) / total if total > 0 else float("nan")
    low, high = _limits_from_f(f, df, k, ci_level)
    return _correlation("ICC(3,1)", value, f, df, (low, high))


def _absolute_agreement(squares: MeanSquares, ci_level: float) -> IntraclassCorrelation:
    n, k = squares.n_stimuli, squares.n_raters
    stimuli, raters, error = squares.stimuli, squares.raters, squares.error
    f, df = _ratio(stimuli, error), (n - 1.0, (n - 1.0) * (k - 1.0))
    value = (stimuli - error) / (stimuli + (k - 1) * error + k * (raters - error) / n)
    if error == 0.0:
        return _correlation("ICC(2,1)", value, f, df, (float("nan"), float("nan")))
    # Satterthwaite's df of the denominator, a mixture of two mean squares
    f_raters = raters / error
    rest = n * (1 + (k - 1) * value) - k * value
    numerator = (k - 1) * (n - 1) * (k * value * f_raters + rest) ** 2
    df_mixture = numerator / ((n - 1) * (k * value * f_raters) ** 2 + rest**2)
    upper_tail = 0.5 + ci_level / 2
    for_low = float(stats.f.ppf(upper_tail, n - 1, df_mixture))
    for_high = float(stats.f.ppf(upper_tail, df_mixture, n - 1))
    mixture = k * raters + (k * n - k - n) * error
    low = n * (stimuli - for_low * error) / (for_low * mixture + n * stimuli)
    high = n * (for_high * stimuli - error) / (mixture + n * for_high * stimuli)
    return _correlation("ICC(2,1)", value, f, df, (low, high))


def _of_means(icc: IntraclassCorrelation, k: int) -> IntraclassCorrelation:
    """The same for means of k raters: Spearman and Brown's formula on value and limits."""
    return IntraclassCorrelation(
        form=icc.form.replace(",1)", ",k)"),
        value=spearman_brown(icc.value, k),
        f=icc.f,
        df_numerator=icc.df_numerator,
        df_denominator=icc.df_denominator,
        p=icc.p,
        ci_low=spearman_brown(icc.ci_low, k),
        ci_high=spearman_brown(icc.ci_high, k),
    )
