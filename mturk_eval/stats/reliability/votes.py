"""How well the raters of a 2AFC study agree on the same pair of the same image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.reliability.result import ReliabilityResult, ReliabilityRow
from mturk_eval.stats.resampling.weights import cluster_weights

_ANSWERS = 3  # the first method, the second, not sure
_FEW_UNITS = 10


def vote_reliability(
    votes: pd.DataFrame, *, resamples: int = 1_000, seed: int = 0, ci_level: float = 0.95
) -> ReliabilityResult:
    """Mean pairwise agreement of votes, its chance level, and Krippendorff's nominal alpha [1]_.

    Two votes agree when they choose the same method, or are both ``not_sure``, about the same
    image and pair of methods (and rate), whichever side it stood on. Chance is the agreement of two
    votes about the same pair of methods on any images: alpha = (observed - chance) / (1 - chance)
    is then 0 for coins, and for raters who know which method is better but see nothing particular
    in an image. With one pair of methods it is the usual nominal alpha.

    Parameters
    ----------
    votes : DataFrame
        Columns ``rater``, ``image``, ``method_left``, ``method_right``, ``choice`` (``left``,
        ``right``, ``not_sure``) and, where the study has rates, ``bpp``.
    resamples, seed : int
        Of the bootstrap over units, an image x pair (x bpp) each.

    Returns
    -------
    ReliabilityResult
        Rows ``pairwise_agreement`` (``observed``, ``chance``) and ``krippendorff_alpha``
        (``nominal``), which is None where every pair's votes are unanimous over all images.

    Raises
    ------
    StatisticsError
        If no image x pair has two votes.

    References
    ----------
    .. [1] Krippendorff (2011), Computing Krippendorff's alpha-reliability.

    Examples
    --------
    >>> votes = pd.DataFrame({"rater": list("xyxy"), "image": list("ppqq"), "method_left": "jxl",
    ...                       "method_right": "webp", "choice": ["left", "left", "right", "left"]})
    >>> [round(row.value, 3) for row in vote_reliability(votes, resamples=5).rows]
    [0.5, 0.5, 0.0]
    """
    warnings: list[str] = []
    units = _Units.of(votes, warnings)
    rng = np.random.default_rng(seed)
    drawn = cluster_weights(units.n_units, resamples, rng)
    values = units.agreement(np.ones((1, units.n_units)))
    replicates = units.agreement(drawn)
    if units.n_units < _FEW_UNITS:
        warnings.append(
            f"With {units.n_units} image x pair units the bootstrap limits are rough, and rather "
            "too narrow: collect votes on more images."
        )
    if np.isnan(values[2][0]):
        warnings.append(
            "All votes on a pair went the same way on every image, for every pair: alpha is not "
            "defined without any variation. Report the observed agreement."
        )
    names = (
        ("pairwise_agreement", "observed"),
        ("pairwise_agreement", "chance"),
        ("krippendorff_alpha", "nominal"),
    )
    bootstrap = "percentile bootstrap over image x pair units"
    return ReliabilityResult(
        rows=tuple(
            ReliabilityRow.bootstrapped(*name, float(value[0]), of_resamples, ci_level)
            for name, value, of_resamples in zip(names, values, replicates, strict=True)
        ),
        n_observations=units.n_votes,
        n_raters=units.n_raters,
        n_units=units.n_units,
        unit_columns=units.columns,
        generalises_to=("image x pair units",),
        ci_methods={"pairwise_agreement": bootstrap, "krippendorff_alpha": bootstrap},
        ci_level=ci_level,
        resamples=resamples,
        seed=seed,
        warnings=tuple(warnings),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """Votes counted by unit (image x pair x rate) and by pair (x rate) of methods."""

    counts: csr_array  # (units, pairs * answers): a unit's votes stand in its pair's columns
    n_votes: int
    n_raters: int
    columns: tuple[str, ...]

    @classmethod
    def of(cls, votes: pd.DataFrame, warnings: list[str]) -> _Units:
        same = votes["method_left"] == votes["method_right"]
        if same.any():
            votes = votes[~same]
            warnings.append(
                f"{int(same.sum())} votes between a method and itself are left out: they compare "
                "nothing."
            )
        unknown = ~votes["choice"].isin(["left", "right", "not_sure"])
        if unknown.any():
            raise StatisticsError(
                f"{int(unknown.sum())} votes have a choice that is none of left, right, not_sure "
                f"(the first: {votes.loc[unknown, 'choice'].iloc[0]!r}). Correct those rows."
            )
        left, right = votes["method_left"].astype(str), votes["method_right"].astype(str)
        swapped = (left > right).to_numpy()
        chose_first = (votes["choice"] == "left").to_numpy() != swapped
        answer = np.where(votes["choice"] == "not_sure", 2, np.where(chose_first, 0, 1))
        keys = pd.DataFrame(
            {
                "image": votes["image"].astype(str),
                "first": left.where(~swapped, right),
                "second": right.where(~swapped, left),
            }
        )
        has_rates = "bpp" in votes and votes["bpp"].nunique(dropna=False) > 1
        if has_rates:
            keys["bpp"] = votes["bpp"]
        of_pair = ["first", "second", *(["bpp"] if has_rates else [])]
        unit = keys.groupby(["image", *of_pair], dropna=False).ngroup().to_numpy(np.int64)
        pair = keys.groupby(of_pair, dropna=False).ngroup().to_numpy(np.int64)
        pairable = np.bincount(unit)[unit] > 1 if len(unit) else np.zeros(0, dtype=bool)
        if not pairable.any():
            raise StatisticsError(
                "No pair of methods got two votes on the same image, and agreement compares votes "
                "on the same pair. Collect at least two votes for some of the pairs."
            )
        if not pairable.all():
            warnings.append(
                f"{int((~pairable).sum())} votes are the only one on their image and pair, and "
                "are left out: they say nothing of agreement."
            )
        repeated = int(
            pd.DataFrame({"unit": unit, "rater": votes["rater"].to_numpy()}).duplicated().sum()
        )
        if repeated:
            warnings.append(
                f"{repeated} votes repeat an image and pair that their rater had judged before: "
                "they count like another rater's. Keep first answers only, unless a rater's own "
                "consistency is the question."
            )
        kept = np.unique(unit[pairable], return_inverse=True)[1]
        columns = pair[pairable] * _ANSWERS + answer[pairable]
        shape = (int(kept.max()) + 1, (int(pair.max()) + 1) * _ANSWERS)
        counts = csr_array((np.ones(len(kept)), (kept, columns)), shape=shape)
        counts.sum_duplicates()
        return cls(
            counts=counts,
            n_votes=int(pairable.sum()),
            n_raters=int(votes["rater"][pairable].nunique()),
            columns=("image", "pair", *(["bpp"] if has_rates else [])),
        )

    @property
    def n_units(self) -> int:
        return int(self.counts.shape[0])

    def agreement(
        self, weights: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Observed agreement, chance and alpha with units counted ``weights`` (m, units) times."""
        answers = np.asarray(self.counts.sum(axis=1))
        squares = np.asarray(self.counts.power(2).sum(axis=1))
        disagreement = weights @ ((answers**2 - squares) / (answers - 1.0))
        total = weights @ answers
        by_pair = np.asarray(weights @ self.counts).reshape(len(weights), -1, _ANSWERS)
        of_pair = by_pair.sum(axis=2)
        # a pair's expected disagreement, over all votes on it but never a vote with itself
        by_chance = (of_pair**2 - (by_pair**2).sum(axis=2)) / np.maximum(of_pair - 1.0, 1.0)
        expected = by_chance.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            alpha = np.where(expected > 0, 1.0 - disagreement / expected, np.nan)
        return 1.0 - disagreement / total, 1.0 - expected / total, alpha
