"""The balanced check beside a mixed model: a paired t test over images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from mturk_eval.stats.documents import Document, number


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """Differences of image means, method minus reference; ``df`` is images - 1.

    ``std_error``, ``t``, ``p`` and the limits are None where the differences have no spread.
    """

    reference: str
    method: str
    n_images: int
    mean_difference: float
    std_error: float | None
    df: int
    t: float | None
    p: float | None
    ci_low: float | None
    ci_high: float | None

    def document(self) -> Document:
        """One row of ``balanced_check``."""
        return {
            "method": self.method,
            "reference": self.reference,
            "n_images": self.n_images,
            "mean_difference": self.mean_difference,
            "std_error": number(self.std_error),
            "df": self.df,
            "t": number(self.t),
            "p": number(self.p),
            "ci_low": number(self.ci_low),
            "ci_high": number(self.ci_high),
        }


def paired_tests(
    ratings: pd.DataFrame,
    *,
    response: str = "rating",
    reference: str | None = None,
    ci_level: float = 0.95,
) -> tuple[PairedTest, ...]:
    """Compare every method with the reference over the images that both have.

    With one value per image and method there are no assumptions on variance components and the
    degrees of freedom are exact. It equals the by-image slope model when the design is balanced.

    Parameters
    ----------
    ratings : DataFrame
        Columns ``image``, ``method`` and ``response``; one row per answer.
    reference : str, optional
        The method the others are compared with; the alphabetically first if not given.

    Returns
    -------
    tuple of PairedTest
        One per method but the reference, if they share at least two images.

    Examples
    --------
    >>> table = pd.DataFrame({"image": list("aabbcc"), "method": ["jxl", "webp"] * 3,
    ...                       "rating": [1.0, 2, 3, 5, 2, 5]})
    >>> test = paired_tests(table)[0]
    >>> test.mean_difference, test.df, round(test.t, 4)
    (2.0, 2, 3.4641)
    """
    means = ratings.groupby(["image", "method"])[response].mean().unstack("method")
    methods = sorted(map(str, means.columns))
    means.columns = pd.Index(list(map(str, means.columns)))
    first = methods[0] if reference is None else reference
    tests = []
    for method in methods:
        if method == first:
            continue
        difference = (means[method] - means[first]).dropna().to_numpy(np.float64)
        if len(difference) >= 2:
            tests.append(_paired(difference, method, first, ci_level))
    return tuple(tests)


def _paired(
    difference: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    method: str,
    reference: str,
    ci_level: float,
) -> PairedTest:
    n = len(difference)
    mean = float(difference.mean())
    error = float(difference.std(ddof=1) / np.sqrt(n))
    spread = error > 1e-12 * max(1.0, abs(mean))
    t = mean / error if spread else None
    half = float(stats.t.ppf(0.5 + ci_level / 2, n - 1)) * error
    return PairedTest(
        reference=reference,
        method=method,
        n_images=n,
        mean_difference=mean,
        std_error=error if spread else None,
        df=n - 1,
        t=t,
        p=float(2 * stats.t.sf(abs(t), n - 1)) if t is not None else None,
        ci_low=mean - half if spread else None,
        ci_high=mean + half if spread else None,
    )
