"""Scores of methods from a table of votes, with intervals that say what they cover.

Votes of one rater are alike, and so are votes about one image. Standard errors are the
cluster-robust sandwich over raters, over images, or over both, or a bootstrap of them; the model's
own, which takes every vote as independent, is too small by a factor of two to three in a typical
study.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.pairs.choice_models import ChoiceModel, chance_of_win
from mturk_eval.stats.pairs.maximum_likelihood import PairFit, fit_pairs
from mturk_eval.stats.pairs.quasi_variances import quasi_variances
from mturk_eval.stats.pairs.score_units import ScoreUnit, default_unit, unit_factor
from mturk_eval.stats.pairs.spread import BootstrapPlan, IntervalMethod, Limits, Spread, spread_of
from mturk_eval.stats.pairs.vote_counts import CodedVotes, VoteCounts
from mturk_eval.stats.resampling.weights import GENERALISES_TO, ResamplingUnit

PRIOR_SD: dict[ChoiceModel, float] = {"bradley-terry": 3.0, "thurstone": 1.75}
"""Standard deviation of the prior where plain maximum likelihood has no answer; wide: 3 logits,
and as much in standard deviations of a felt difference."""

_ALL_COMPARISONS_UP_TO = 40
_QUASI_ERRORS_UP_TO = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """An item's score, the items' mean being 0; limits None where none can be had."""

    item: str
    score: float
    std_error: float | None
    ci_low: float | None
    ci_high: float | None
    quasi_std_error: float | None
    """Of a difference a - b the error is about sqrt(q_a^2 + q_b^2); None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How much higher ``item`` scores than ``over``, and how often it would be chosen over it.

    ``probability`` is that among decided votes, were neither on a favoured side.
    """

    item: str
    over: str
    difference: float
    std_error: float | None
    ci_low: float | None
    ci_high: float | None
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteScores:
    """Scores of items, best first, with their differences and the counts.

    Attributes
    ----------
    comparisons : tuple of Comparison
        Every pair, the better first; beyond 40 items only neighbours in rank.
    left_bias : float or None
        In the scores' unit; None where sides cannot be told from scores.
    tie_parameter : float or None
        Bradley-Terry: Davidson's parameter, without a unit; Thurstone: the threshold of "not sure"
        in the scores' unit; None without ties.
    connected : bool
        Whether every item beats every other over a chain of others; if not, scores need a prior.
    unit : {"rater", "rating", "image", "both"}
        What the intervals let vary.
    prior_sd : float or None
        Standard deviation of the prior in the scores' unit; None for plain maximum likelihood.
    """

    model: ChoiceModel
    score_unit: ScoreUnit
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
    resamples: int | None
    seed: int | None
    prior_sd: float | None
    log_likelihood: float
    warnings: tuple[str, ...]

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """What the intervals speak about."""
        return GENERALISES_TO[self.unit] if self.unit != "rating" else ("votes",)

    def document(self) -> Document:
        """The JSON object of ``analyze --model bradley-terry`` or ``thurstone`` with ``--json``."""
        return {
            "model": self.model,
            "n_observations": self.counts.n_votes,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "unit": self.score_unit,
            "ci_method": self.ci_method,
            "ci_level": self.ci_level,
            "resamples": self.resamples,
            "seed": self.seed,
            "cluster": self.unit,
            "n_votes": self.counts.n_votes,
            "ties": self.counts.n_ties,
            "tie_parameter": number(self.tie_parameter),
            "left_bias": number(self.left_bias),
            "left_bias_std_error": number(self.left_bias_std_error),
            "connected": self.connected,
            "prior_sd": number(self.prior_sd),
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
            "quasi_std_errors": [
                {"item": row.item, "quasi_std_error": number(row.quasi_std_error)}
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
    votes: pd.DataFrame,
    *,
    model: ChoiceModel = "bradley-terry",
    unit: ResamplingUnit = "rater",
    interval: IntervalMethod = "robust",
    score_unit: ScoreUnit | None = None,
    left_bias: bool = True,
    prior_sd: float | None = None,
    ci_level: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
    workers: int = 1,
    dask: str | None = None,
) -> VoteScores:
    """Scale the methods of a 2AFC study.

    Parameters
    ----------
    votes : DataFrame
        Columns ``rater``, ``image``, ``method_left``, ``method_right``, ``choice``; one row per
        answer, ``choice`` being ``left``, ``right`` or ``not_sure``.
    model : {"bradley-terry", "thurstone"}
        Logistic differences with Davidson's ties, or normal ones with a threshold for ties.
    unit : {"rater", "rating", "image", "both"}
        Which votes belong together: those of a rater, none (``rating``), those about an image, or
        both (two-way). Decides what the intervals speak about.
    interval : {"robust", "bootstrap"}
        Cluster-robust standard errors with t limits, or percentiles of ``resamples`` resamples.
    score_unit : {"logit", "JOD", "Elo", "probit"}, optional
        Default logit for Bradley-Terry (Elo is 173.72 of a logit) and JOD for Thurstone; 1 JOD is
        being preferred 75 % of the time.
    left_bias : bool
        Whether to estimate a pull of the left side.
    prior_sd : float, optional
        Standard deviation of a normal prior on every parameter, in logits (Bradley-Terry) or
        standard deviations of a felt difference (Thurstone). Without it, plain maximum likelihood,
        and `PRIOR_SD` where that has no finite answer.
    ci_level : float
        Between 0 and 1.
    workers, dask
        As in `map_tasks`; for the bootstrap.

    Returns
    -------
    VoteScores
        Where some choices are unanimous or unconnected, so that no finite maximum exists, the fit
        has the prior, and a warning says so.

    Raises
    ------
    StatisticsError
        If fewer than two methods were compared.
    InvalidInputError
        If an option is out of range.
    """
    unit_of_scores = default_unit(model) if score_unit is None else score_unit
    factor = unit_factor(model, unit_of_scores)
    _check(ci_level=ci_level, prior_sd=prior_sd, resamples=resamples)
    warnings: list[str] = []
    votes = _between_different(votes, warnings)
    coded = CodedVotes.of(votes)
    fit = _fit(coded.counts, model, left_bias, prior_sd, warnings)
    plan = None
    if interval == "bootstrap":
        plan = BootstrapPlan(
            resamples=resamples,
            seed=seed,
            rescue_sd=PRIOR_SD[model] if prior_sd is None else prior_sd,
            workers=workers,
            dask=dask,
        )
    spread = spread_of(fit, coded, unit, plan, warnings)
    if left_bias and fit.left_bias is None:
        warnings.append(
            "Every pair was shown on the same sides, or sides and scores go together: a pull of "
            "the left side cannot be told from the scores."
        )
    warnings += _warnings_of_scope(votes, unit)
    k = len(fit.scores)
    bias = None if fit.left_bias is None else spread.limits(k, ci_level)
    return VoteScores(
        model=model,
        score_unit=unit_of_scores,
        rows=_rows(coded.counts.items, fit, spread, factor, ci_level),
        comparisons=_comparisons(coded.counts.items, fit, spread, factor, ci_level),
        counts=coded.counts,
        left_bias=None if bias is None else factor * bias.estimate,
        left_bias_std_error=None if bias is None else number(factor * bias.std_error),
        tie_parameter=_tie_parameter(fit, factor),
        connected=coded.counts.connected,
        unit=spread.unit,
        ci_method=spread.ci_method,
        ci_level=ci_level,
        resamples=None if plan is None else resamples,
        seed=None if plan is None else seed,
        prior_sd=None if fit.prior_sd is None else factor * fit.prior_sd,
        log_likelihood=fit.log_likelihood,
        warnings=tuple(warnings),
    )


def _check(*, ci_level: float, prior_sd: float | None, resamples: int) -> None:
    if not 0 < ci_level < 1:
        raise InvalidInputError(f"An interval's level is between 0 and 1, not {ci_level:g}.")
    if prior_sd is not None and not (np.isfinite(prior_sd) and prior_sd > 0):
        raise InvalidInputError(
            f"A prior's standard deviation is above 0, not {prior_sd:g}; leave it out for none."
        )
    if resamples < 2:
        raise InvalidInputError(f"A bootstrap takes at least 2 resamples, not {resamples}.")


def _between_different(votes: pd.DataFrame, warnings: list[str]) -> pd.DataFrame:
    same = votes["method_left"].astype(str) == votes["method_right"].astype(str)
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
    return votes


def _fit(
    counts: VoteCounts,
    model: ChoiceModel,
    left_bias: bool,
    prior_sd: float | None,
    warnings: list[str],
) -> PairFit:
    if prior_sd is not None:
        warnings.append(
            f"A normal prior (mean 0, standard deviation {prior_sd:g}) was asked for: it draws "
            "scores together, the more the fewer votes there are."
        )
        return fit_pairs(counts, model, left_bias=left_bias, prior_sd=prior_sd)
    if counts.connected:
        try:
            return fit_pairs(counts, model, left_bias=left_bias)
        except StatisticsError:
            reason = "Some choices are unanimous"
    else:
        reason = "Some methods never lost to (or never met) the others"
    held = PRIOR_SD[model]
    scale = "logits" if model == "bradley-terry" else "standard deviations of a felt difference"
    warnings.append(
        f"{reason}, so that plain maximum likelihood is infinite: a ridge (normal prior, mean 0, "
        f"standard deviation {held:g} {scale}) holds the scores. Their order is the data's; their "
        "size depends on the ridge. Collect more votes for a size."
    )
    return fit_pairs(counts, model, left_bias=left_bias, prior_sd=held)


def _warnings_of_scope(votes: pd.DataFrame, unit: ResamplingUnit) -> list[str]:
    warnings = []
    if unit == "rater" and "image" in votes and votes["image"].nunique() > 1:
        warnings.append(
            "Intervals speak about these images. To compare methods in general, let images vary "
            "too: --unit both."
        )
    if "bpp" in votes and votes["bpp"].nunique(dropna=False) > 1:
        warnings.append(
            f"Votes at {votes['bpp'].nunique(dropna=False)} rates are pooled. For scores at each "
            "rate use --by bpp."
        )
    return warnings


def _tie_parameter(fit: PairFit, factor: float) -> float | None:
    if fit.tie is None:
        return None
    return float(np.exp(fit.tie)) if fit.model == "bradley-terry" else factor * fit.tie


def _rows(
    items: tuple[str, ...], fit: PairFit, spread: Spread, factor: float, level: float
) -> tuple[Score, ...]:
    k = len(items)
    quasi = np.full(k, np.nan)
    if k <= _QUASI_ERRORS_UP_TO:
        variances = quasi_variances(spread.covariance[:k, :k])
        quasi = np.sqrt(np.where(variances >= 0, variances, np.nan))
    rows = []
    for code in _best_first(fit):
        limits = spread.limits(code, level)
        rows.append(
            Score(
                item=items[code],
                score=factor * limits.estimate,
                **_scaled(limits, factor),
                quasi_std_error=number(factor * quasi[code]),
            )
        )
    return tuple(rows)


def _comparisons(
    items: tuple[str, ...], fit: PairFit, spread: Spread, factor: float, level: float
) -> tuple[Comparison, ...]:
    order = _best_first(fit)
    reach = len(order) if len(order) <= _ALL_COMPARISONS_UP_TO else 1
    comparisons = []
    for place, a in enumerate(order):
        for b in order[place + 1 : place + 1 + reach]:
            limits = spread.limits(a, level, minus=b)
            comparisons.append(
                Comparison(
                    item=items[a],
                    over=items[b],
                    difference=factor * limits.estimate,
                    **_scaled(limits, factor),
                    probability=float(chance_of_win(fit.model, np.array(limits.estimate))),
                )
            )
    return tuple(comparisons)


def _best_first(fit: PairFit) -> list[int]:
    return [int(code) for code in np.argsort(-fit.scores, kind="stable")]


def _scaled(limits: Limits, factor: float) -> dict[str, float | None]:
    return {
        "std_error": number(factor * limits.std_error),
        "ci_low": number(factor * limits.low),
        "ci_high": number(factor * limits.high),
    }
