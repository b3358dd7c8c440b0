"""The balanced check beside a mixed model: paired t tests over images, of every pair of methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.stats.documents import Document, number

_FEWEST_IMAGES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """Differences of image means, method minus reference; ``df`` is images - 1.

    ``n_images`` counts the images that both methods have. Where the test cannot be computed,
    ``reason`` says why, and what it lacks is None. ``p_holm`` is ``p`` adjusted for the number of
    pairs that were tested.
    """

    reference: str
    method: str
    n_images: int
    mean_difference: float | None
    std_error: float | None = None
    df: int | None = None
    t: float | None = None
    p: float | None = None
    p_holm: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    reason: str | None = None

    def document(self) -> Document:
        """One row of ``balanced_check``."""
        return {
            "method": self.method,
            "reference": self.reference,
            "n_images": self.n_images,
            "mean_difference": number(self.mean_difference),
            "std_error": number(self.std_error),
            "df": self.df,
            "t": number(self.t),
            "p": number(self.p),
            "p_holm": number(self.p_holm),
            "ci_low": number(self.ci_low),
            "ci_high": number(self.ci_high),
            "reason": self.reason,
        }


def paired_tests(
    ratings: pd.DataFrame,
    *,
    response: str = "rating",
    reference: str | None = None,
    ci_level: float = 0.95,
) -> tuple[PairedTest, ...]:
    """Compare every pair of methods over the images that both have.

    With one value per image and method there are no assumptions on variance components and the
    degrees of freedom are exact. It equals the by-image slope model when the design is balanced.

    Parameters
    ----------
    ratings : DataFrame
        Columns ``image``, ``method`` and ``response``; one row per answer.
    reference : str, optional
        The method that comes first and is subtracted in all its pairs; the alphabetically first if
        not given. The other methods follow in alphabetical order.

    Returns
    -------
    tuple of PairedTest
        One per pair, first those with the reference; also the pairs that cannot be tested, with
        their reason. Intervals and ``p`` are of single tests, ``p_holm`` is Holm's [1]_.

    References
    ----------
    .. [1] Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Statist.
       6(2).

    Examples
    --------
    >>> table = pd.DataFrame({"image": list("aabbcc"), "method": ["jxl", "webp"] * 3,
    ...                       "rating": [1.0, 2, 3, 5, 2, 5]})
    >>> test = paired_tests(table)[0]
    >>> test.mean_difference, test.df, round(test.t, 4)
    (2.0, 2, 3.4641)
    """
    names = ratings.assign(method=ratings["method"].astype(str))
    means = names.groupby(["image", "method"])[response].mean().unstack("method")
    methods = sorted(means.columns, key=lambda method: (method != reference, method))
    tests = [
        _paired((means[b] - means[a]).dropna().to_numpy(np.float64), b, a, ci_level)
        for a, b in combinations(methods, 2)
    ]
    tested = [index for index, test in enumerate(tests) if test.p is not None]
    adjusted = holm([tests[index].p or 0.0 for index in tested])
    for index, p in zip(tested, adjusted, strict=True):
        tests[index] = replace(tests[index], p_holm=p)
    return tuple(tests)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    if len(p_values) < 2:
        return list(p_values)
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method="holm")[1]]


def _paired(
    difference: NDArray[np.float64], method: str, reference: str, ci_level: float
) -> PairedTest:
    n = len(difference)
    mean = float(difference.mean()) if n else None
    test = PairedTest(reference=reference, method=method, n_images=n, mean_difference=mean)
    if mean is None:
        return replace(test, reason="no image was rated under both methods")
    if n < _FEWEST_IMAGES:
        return replace(test, reason="only one image was rated under both methods; a test needs two")
    error = float(difference.std(ddof=1) / np.sqrt(n))
    if error <= 1e-12 * max(1.0, abs(mean)):
        return replace(test, df=n - 1, reason="the difference is the same on every image")
    t = mean / error
    half = float(stats.t.ppf(0.5 + ci_level / 2, n - 1)) * error
    return replace(
        test,
        std_error=error,
        df=n - 1,
        t=t,
        p=float(2 * stats.t.sf(abs(t), n - 1)),
        ci_low=mean - half,
        ci_high=mean + half,
    )
