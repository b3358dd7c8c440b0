"""How often each rater of pairs guesses, judged by the other votes and by golden trials.

A result for reading and for screening rules; it never decides about pay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.pairs.rater_model import (
    Priors,
    RaterFit,
    RaterVotes,
    fit_raters,
    guessing_limits,
)
from mturk_eval.stats.pairs.vote_counts import codes_of_answers

_FEW_VOTES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterRow:
    """A rater.

    Attributes
    ----------
    n_votes : int
        Votes between items, golden trials not counted.
    guessing : float
        Most probable share of coin flips, 0 to 1.
    ci_low, ci_high : float
        Posterior interval of the share, given the scores.
    agreement : float or None
        Share of the votes that chose the item with the higher score; not sure is a half. None
        without votes.
    golden : int
        Golden trials answered.
    golden_right : float
        Of these, answered rightly; not sure is a half.
    """

    rater: str
    n_votes: int
    guessing: float
    ci_low: float
    ci_high: float
    agreement: float | None
    golden: int
    golden_right: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterReliability:
    """Raters, those who guess most first; and the scores that the votes give when weighed so."""

    rows: tuple[RaterRow, ...]
    scores: tuple[tuple[str, float], ...]
    ci_level: float
    prior_score_sd: float
    prior_guessing: tuple[float, float]
    warnings: tuple[str, ...]

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """Nothing: a row is about one rater and the votes that were given."""
        return ()

    def document(self) -> Document:
        """The JSON object of ``analyze --model rater-reliability --json``."""
        return {
            "model": "rater-reliability",
            "n_observations": sum(row.n_votes + row.golden for row in self.rows),
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "ci_method": "highest posterior density, given the scores",
            "ci_level": self.ci_level,
            "prior_score_sd": self.prior_score_sd,
            "prior_guessing": list(self.prior_guessing),
            "rows": [
                {
                    "rater": row.rater,
                    "n_votes": row.n_votes,
                    "guessing": row.guessing,
                    "ci_low": row.ci_low,
                    "ci_high": row.ci_high,
                    "agreement": number(row.agreement),
                    "golden": row.golden,
                    "golden_right": row.golden_right,
                }
                for row in self.rows
            ],
            "scores": [{"item": item, "score": score} for item, score in self.scores],
        }


def rater_reliability(
    votes: pd.DataFrame,
    golden: pd.DataFrame | None = None,
    *,
    items_within: Sequence[str] = ("bpp",),
    ci_level: float = 0.95,
    prior_score_sd: float = 2.0,
    prior_guessing: tuple[float, float] = (1.0, 1.5),
) -> RaterReliability:
    """Estimate how often each rater guesses, together with the items' scores [1]_.

    Parameters
    ----------
    votes : DataFrame
        Columns ``rater``, ``method_left``, ``method_right``, ``choice`` (``left``, ``right`` or
        ``not_sure``, which is half a vote for each).
    golden : DataFrame, optional
        Trials with a known answer: columns ``rater``, ``choice``, ``expected``.
    items_within : sequence of str
        Columns, as far as present, within which a method is an item of its own: a rater who
        answers rightly that a method is better at one image or rate and worse at another should
        not look like one who guesses. ``("bpp", "image")`` needs several votes for each pair.
    prior_score_sd : float
        Standard deviation, in logits, of the normal prior on scores.
    prior_guessing : tuple of float
        Beta prior on guessing. In simulated studies of 40 raters with 60 votes each, of whom a
        third guess often, 95 % intervals with (1, 1.5) cover the truth in 94-96 %; steeper priors
        take guessers for better than they are.

    Returns
    -------
    RaterReliability

    Raises
    ------
    StatisticsError
        If there are neither votes between different items nor golden trials, or no convergence.
    InvalidInputError
        If a column is missing or an option is out of range.

    References
    ----------
    .. [1] The model of the Challenge on Learned Image Compression's rating of raters (google
       research, elo_rater_model).
    """
    _check(votes, golden, ci_level, prior_score_sd, prior_guessing)
    warnings: list[str] = []
    different = votes["method_left"].astype(str) != votes["method_right"].astype(str)
    votes = votes[different]
    gold = pd.DataFrame(columns=["rater", "choice", "expected"]) if golden is None else golden
    if votes.empty and gold.empty:
        raise StatisticsError(
            "There are no votes between different methods and no golden trials: nothing tells how "
            "reliable a rater is."
        )
    code, raters = pd.factorize(
        pd.concat([votes["rater"], gold["rater"]], ignore_index=True).astype(str), sort=True
    )
    of_votes = np.asarray(code[: len(votes)], dtype=np.int64)
    of_gold = np.asarray(code[len(votes) :], dtype=np.int64)
    items, left, right = _items(votes, _that_vary(votes, items_within))
    answer = codes_of_answers(votes["choice"])
    rightness = _rightness(gold)
    data = _rater_votes(left, right, answer, of_votes, len(items), len(raters), of_gold, rightness)
    priors = Priors(score_sd=prior_score_sd, a=prior_guessing[0], b=prior_guessing[1])
    fit = fit_raters(data, priors)
    limits = guessing_limits(data, fit.scores, priors, ci_level)
    if (answer == 1).any():
        warnings.append(
            f"{int(np.sum(answer == 1))} votes that were not sure count as half a vote for each."
        )
    n_votes = np.bincount(of_votes, minlength=len(raters))
    n_golden = np.bincount(of_gold, minlength=len(raters))
    if few := int(np.sum(n_votes + n_golden < _FEW_VOTES)):
        warnings.append(
            f"{few} raters gave fewer than {_FEW_VOTES} answers: their guessing is little more "
            "than the prior. Do not exclude anybody for it."
        )
    agreement = _agreement(data, fit, n_votes)
    order = np.argsort(-fit.guessing, kind="stable")
    return RaterReliability(
        rows=tuple(
            RaterRow(
                rater=str(raters[r]),
                n_votes=int(n_votes[r]),
                guessing=float(fit.guessing[r]),
                ci_low=float(limits[0][r]),
                ci_high=float(limits[1][r]),
                agreement=number(agreement[r]),
                golden=int(n_golden[r]),
                golden_right=float(data.golden_right[r]),
            )
            for r in map(int, order)
        ),
        scores=tuple((items[i], float(fit.scores[i])) for i in map(int, np.argsort(-fit.scores))),
        ci_level=ci_level,
        prior_score_sd=prior_score_sd,
        prior_guessing=prior_guessing,
        warnings=tuple(warnings),
    )


def _check(
    votes: pd.DataFrame,
    golden: pd.DataFrame | None,
    ci_level: float,
    prior_score_sd: float,
    prior_guessing: tuple[float, float],
) -> None:
    for table, name, columns in (
        (votes, "votes", ("rater", "method_left", "method_right", "choice")),
        (golden, "golden trials", ("rater", "choice", "expected")),
    ):
        missing = [] if table is None else [c for c in columns if c not in table]
        if missing:
            raise InvalidInputError(f"The {name} have no column {', '.join(missing)}.")
    if not (0 < ci_level < 1 and prior_score_sd > 0 and min(prior_guessing) >= 1):
        raise InvalidInputError(
            "A level is between 0 and 1, a prior's standard deviation above 0, and both numbers of "
            "the prior on guessing at least 1."
        )


def _that_vary(votes: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Those of the columns that tell items apart; a study without rates may have an empty one."""
    return [c for c in columns if c in votes and votes[c].nunique(dropna=False) > 1]


def _items(
    votes: pd.DataFrame, within: Sequence[str]
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    place = None
    if within:
        cells = votes[list(within)].astype(object)
        place = cells.where(cells.notna(), "none").astype(str).agg(" · ".join, axis=1)
    names = []
    for side in ("method_left", "method_right"):
        name = votes[side].astype(str)
        names.append(name if place is None else name + " · " + place)
    code, items = pd.factorize(pd.concat(names, ignore_index=True), sort=True)
    left, right = np.split(np.asarray(code, dtype=np.int64), 2)
    return list(map(str, items)), left, right


def _rightness(gold: pd.DataFrame) -> NDArray[np.float64]:
    """1 where a golden trial was answered rightly, 0 wrongly, a half where not sure."""
    given = gold["choice"].to_numpy(object)
    return np.where(given == "not_sure", 0.5, given == gold["expected"].to_numpy(object)).astype(
        np.float64
    )


def _rater_votes(
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    answer: NDArray[np.int64],
    rater: NDArray[np.int64],
    n_items: int,
    n_raters: int,
    golden_rater: NDArray[np.int64],
    rightness: NDArray[np.float64],
) -> RaterVotes:
    for_left = 1.0 - answer / 2.0
    weight = np.concatenate([for_left, 1.0 - for_left])
    given = weight > 0
    return RaterVotes(
        winner=np.concatenate([left, right])[given],
        loser=np.concatenate([right, left])[given],
        rater=np.tile(rater, 2)[given],
        weight=weight[given],
        n_items=n_items,
        n_raters=n_raters,
        golden_right=_totals(golden_rater, rightness, n_raters),
        golden_wrong=_totals(golden_rater, 1.0 - rightness, n_raters),
    )


def _totals(code: NDArray[np.int64], values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    # of no values at all, numpy's bincount makes integers
    return np.bincount(code, weights=values, minlength=size).astype(np.float64)


def _agreement(data: RaterVotes, fit: RaterFit, n_votes: NDArray[np.int64]) -> NDArray[np.float64]:
    margin = fit.scores[data.winner] - fit.scores[data.loser]
    agreed = np.where(np.abs(margin) < 1e-12, 0.5, expit(margin) > 0.5) * data.weight
    share = np.bincount(data.rater, weights=agreed, minlength=data.n_raters)
    return np.where(n_votes > 0, share / np.maximum(n_votes, 1), np.nan)
