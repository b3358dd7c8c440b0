"""Scores of methods from a table of votes: Bradley-Terry with intervals that say what they cover.

Votes of one rater are alike, and so are votes about one image. Standard errors are the
cluster-robust sandwich over raters, over images, or over both; the model's own, which takes every
vote as independent, is too small by a factor of two to three in a typical study.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.pairs.bradley_terry import BradleyTerryFit, fit_bradley_terry
from mturk_eval.stats.pairs.vote_counts import VoteCounts, count_votes
from mturk_eval.stats.resampling.weights import GENERALISES_TO, ResamplingUnit

RIDGE_SD_LOGITS = 3.0
_FEW_CLUSTERS = 10
_ANSWERS = {"left": 0, "not_sure": 1, "right": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """An item's score in logits, the items' mean being 0; limits None where none can be had."""

    item: str
    score: float
    std_error: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How much higher ``item`` scores than ``over``, and how often it would be chosen over it."""

    item: str
    over: str
    difference: float
    std_error: float | None
    ci_low: float | None
    ci_high: float | None
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteScores:
    """Bradley-Terry scores of methods, best first, with their differences and the counts."""

    rows: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    counts: VoteCounts
    left_bias: float | None
    left_bias_std_error: float | None
    tie_parameter: float | None
    connected: bool
    unit: ResamplingUnit
    ci_method: str
    ci_level: float
    log_likelihood: float
    warnings: tuple[str, ...]

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """What the intervals speak about."""
        return GENERALISES_TO[self.unit] if self.unit != "rating" else ("votes",)

    def document(self) -> Document:
        """The JSON object of ``analyze --model bradley-terry --json``."""
        return {
            "model": "bradley-terry",
            "n_observations": self.counts.n_votes,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "unit": "logit",
            "ci_method": self.ci_method,
            "ci_level": self.ci_level,
            "cluster": self.unit,
            "n_votes": self.counts.n_votes,
            "ties": int(self.counts.tie.sum()),
            "tie_parameter": number(self.tie_parameter),
            "left_bias": number(self.left_bias),
            "left_bias_std_error": number(self.left_bias_std_error),
            "connected": self.connected,
            "log_likelihood": self.log_likelihood,
            "rows": [
                {
                    "item": row.item,
                    "score": row.score,
                    "std_error": number(row.std_error),
                    "ci_low": number(row.ci_low),
                    "ci_high": number(row.ci_high),
                }
                for row in self.rows
            ],
            "comparisons": [
                {
                    "item": pair.item,
                    "over": pair.over,
                    "difference": pair.difference,
                    "std_error": number(pair.std_error),
                    "ci_low": number(pair.ci_low),
                    "ci_high": number(pair.ci_high),
                    "probability": pair.probability,
                }
                for pair in self.comparisons
            ],
            "wins": {
                "items": list(self.counts.items),
                "matrix": self.counts.wins.astype(int).tolist(),
            },
        }


def score_methods(
    votes: pd.DataFrame, *, unit: ResamplingUnit = "rater", ci_level: float = 0.95
) -> VoteScores:
    """Scale the methods of a 2AFC study.

    Parameters
    ----------
    votes : DataFrame
        Columns ``rater``, ``image``, ``method_left``, ``method_right``, ``choice``; one row per
        answer, ``choice`` being ``left``, ``right`` or ``not_sure``.
    unit : {"rater", "rating", "image", "both"}
        Which votes belong together: those of a rater, none (``rating``), those about an image, or
        both (two-way [1]_). Decides what the intervals speak about.

    Returns
    -------
    VoteScores
        Where some choices are unanimous or unconnected, so that no finite maximum exists, the fit
        has a normal prior with a standard deviation of `RIDGE_SD_LOGITS`, and a warning says so.

    Raises
    ------
    StatisticsError
        If fewer than two methods were compared.

    References
    ----------
    .. [1] Cameron, Gelbach & Miller (2011), Robust inference with multiway clustering, J. Bus.
       Econ. Statist. 29(2).
    """
    warnings: list[str] = []
    same = votes["method_left"] == votes["method_right"]
    if same.any():
        votes = votes[~same]
        warnings.append(
            f"{int(same.sum())} votes between a method and itself are not in the model."
        )
    if votes.empty:
        raise StatisticsError(
            "There are no votes between two different methods, and scores compare methods. Give "
            "votes in which method_left and method_right differ."
        )
    counts = count_votes(votes)
    fit = _fit(counts, warnings)
    spread = _spread(votes, counts, fit, unit, warnings)
    if fit.left_bias is None:
        warnings.append(
            "Every pair was shown on the same sides, or sides and scores go together: a pull of "
            "the left side cannot be told from the scores."
        )
    if unit == "rater" and votes["image"].nunique() > 1:
        warnings.append(
            "Intervals speak about these images. To compare methods in general, let images vary "
            "too: --unit both."
        )
    if "bpp" in votes and votes["bpp"].nunique(dropna=False) > 1:
        warnings.append(
            f"Votes at {votes['bpp'].nunique(dropna=False)} rates are pooled. For scores at each "
            "rate use --by bpp."
        )
    return _result(counts, fit, spread, ci_level=ci_level, warnings=tuple(warnings))


def _fit(counts: VoteCounts, warnings: list[str]) -> BradleyTerryFit:
    if counts.connected:
        try:
            return fit_bradley_terry(counts)
        except StatisticsError:
            reason = "Some choices are unanimous"
    else:
        reason = "Some methods never lost to (or never met) the others"
    warnings.append(
        f"{reason}, so that plain maximum likelihood is infinite: a ridge (normal prior, mean 0, "
        f"standard deviation {RIDGE_SD_LOGITS:g} logits) holds the scores. Their order is the "
        "data's; their size depends on the ridge."
    )
    return fit_bradley_terry(counts, ridge_sd=RIDGE_SD_LOGITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spread:
    """How sure the parameters are: NaN in ``covariance`` where nothing can be said."""

    covariance: NDArray[np.float64]
    degrees_of_freedom: float
    unit: ResamplingUnit
    ci_method: str


def _spread(
    votes: pd.DataFrame,
    counts: VoteCounts,
    fit: BradleyTerryFit,
    unit: ResamplingUnit,
    warnings: list[str],
) -> _Spread:
    if fit.ridge_sd is not None:
        warnings.append("Intervals are model-based, including the ridge: votes are independent.")
        return _Spread(
            covariance=fit.covariance,
            degrees_of_freedom=np.inf,
            unit="rating",
            ci_method="model-based with ridge, normal",
        )
    if unit == "rating":
        return _Spread(
            covariance=fit.covariance,
            degrees_of_freedom=np.inf,
            unit=unit,
            ci_method="model-based, normal",
        )
    index = {item: code for code, item in enumerate(counts.items)}
    influence = fit.influence[
        votes["method_left"].astype(str).map(index).to_numpy(np.int64),
        votes["method_right"].astype(str).map(index).to_numpy(np.int64),
        votes["choice"].map(_ANSWERS).to_numpy(np.int64),
    ]
    columns = ["rater", "image"] if unit == "both" else [unit]
    sizes = {column: votes[column].nunique() for column in columns}
    single = [column for column, size in sizes.items() if size < 2]
    if single:
        warnings.append(f"There is one {single[0]}: no interval can be given with --unit {unit}.")
        return _Spread(
            covariance=np.full_like(fit.covariance, np.nan),
            degrees_of_freedom=np.inf,
            unit=unit,
            ci_method="none",
        )
    few = [f"{size} {column}s" for column, size in sizes.items() if size < _FEW_CLUSTERS]
    if few:
        warnings.append(f"With {' and '.join(few)} the intervals are rough, and rather too narrow.")
    one_way = [_clustered(influence, votes.groupby(column).ngroup()) for column in columns]
    name = "raters and images" if unit == "both" else f"{unit}s"
    return _Spread(
        covariance=_two_way(influence, votes, one_way) if unit == "both" else one_way[0],
        degrees_of_freedom=min(sizes.values()) - 1.0,
        unit=unit,
        ci_method=f"cluster-robust over {name}, t",
    )


def _clustered(influence: NDArray[np.float64], cluster: pd.Series[int]) -> NDArray[np.float64]:
    """Covariance when votes of a cluster go together: outer products of their summed influence."""
    codes = cluster.to_numpy(np.int64)
    n = int(codes.max()) + 1
    totals = np.column_stack([np.bincount(codes, weights=column) for column in influence.T])
    return np.asarray(totals.T @ totals * n / (n - 1))


def _two_way(
    influence: NDArray[np.float64], votes: pd.DataFrame, one_way: list[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Raters plus images minus their crossing; where that falls below one of them, the larger."""
    crossed = _clustered(influence, votes.groupby(["rater", "image"]).ngroup())
    total = one_way[0] + one_way[1] - crossed
    larger = max(one_way, key=np.trace)
    smallest = float(np.linalg.eigvalsh(total).min())
    return larger if smallest < -1e-9 * float(np.trace(larger)) else total


def _result(
    counts: VoteCounts,
    fit: BradleyTerryFit,
    spread: _Spread,
    *,
    ci_level: float,
    warnings: tuple[str, ...],
) -> VoteScores:
    k = len(counts.items)
    covariance = spread.covariance
    quantile = float(stats.t.ppf(0.5 + ci_level / 2, spread.degrees_of_freedom))
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    best_first = sorted(range(k), key=lambda code: -fit.scores[code])
    rows = tuple(
        Score(
            item=counts.items[code],
            score=float(fit.scores[code]),
            std_error=number(errors[code]),
            ci_low=number(fit.scores[code] - quantile * errors[code]),
            ci_high=number(fit.scores[code] + quantile * errors[code]),
        )
        for code in best_first
    )
    comparisons = []
    for place, a in enumerate(best_first):
        for b in best_first[place + 1 :]:
            difference = float(fit.scores[a] - fit.scores[b])
            variance = covariance[a, a] + covariance[b, b] - 2 * covariance[a, b]
            error = float(np.sqrt(max(variance, 0.0))) if np.isfinite(variance) else np.nan
            comparisons.append(
                Comparison(
                    item=counts.items[a],
                    over=counts.items[b],
                    difference=difference,
                    std_error=number(error),
                    ci_low=number(difference - quantile * error),
                    ci_high=number(difference + quantile * error),
                    probability=float(1 / (1 + np.exp(-difference))),
                )
            )
    return VoteScores(
        rows=rows,
        comparisons=tuple(comparisons),
        counts=counts,
        left_bias=fit.left_bias,
        left_bias_std_error=None if fit.left_bias is None else number(errors[k]),
        tie_parameter=None if fit.log_tie is None else float(np.exp(fit.log_tie)),
        connected=counts.connected,
        unit=spread.unit,
        ci_method=spread.ci_method,
        ci_level=ci_level,
        log_likelihood=fit.log_likelihood,
        warnings=warnings,
    )
