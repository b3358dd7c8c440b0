"""Scores from votes, as text."""

from __future__ import annotations

import numpy as np

from mturk_eval.report.tables import decimal, interval, text_table, wrapped
from mturk_eval.report.text.result import first_rows, result_text
from mturk_eval.stats.pairs.choice_models import ChoiceModel, chance_of_win
from mturk_eval.stats.pairs.score_units import ScoreUnit, unit_factor
from mturk_eval.stats.pairs.vote_scores import VoteScores

MODEL_NAMES: dict[ChoiceModel, str] = {"bradley-terry": "Bradley–Terry", "thurstone": "Thurstone"}
_PLURALS: dict[ScoreUnit, str] = {
    "logit": "logits",
    "probit": "probits",
    "JOD": "JOD",
    "Elo": "Elo points",
}
_MATRIX_UP_TO = 8
"""Items whose matrix of wins fits a terminal; beyond, ``--json`` has it."""


def unit_plural(result: VoteScores) -> str:
    """The scores' unit, of several."""
    return _PLURALS[result.score_unit]


def describe_unit(result: VoteScores) -> str:
    """What a difference of one unit means, in a sentence."""
    step = 100.0 if result.score_unit == "Elo" else 1.0
    name = {"logit": "logit", "probit": "probit", "JOD": "JOD", "Elo": "Elo points"}
    difference = step / unit_factor(result.model, result.score_unit)
    chance = float(chance_of_win(result.model, np.array(difference)))
    votes = "votes that are sure" if result.counts.n_ties else "votes"
    return (
        f"A difference of {step:g} {name[result.score_unit]} means being chosen in {chance:.0%} of "
        f"{votes}."
    )


def describe_vote_interval(result: VoteScores) -> str:
    """What the intervals of scores are, in a sentence or two."""
    if result.ci_method == "none":
        return "There are no intervals: nothing varies that they could speak about."
    drawn = "" if result.resamples is None else f", {result.resamples:,} times (seed {result.seed})"
    speaks = {
        "rater": "They speak about other raters and these images.",
        "rating": "They take every vote as independent of every other.",
        "image": "They speak about other images and these raters.",
        "both": "They speak about other raters and other images.",
    }[result.unit]
    return f"{result.ci_level:.0%} intervals, {result.ci_method}{drawn}. {speaks}"


@result_text.register
def _votes_text(result: VoteScores) -> str:
    level = f"{result.ci_level:.0%} interval"
    digits = 1 if result.score_unit == "Elo" else 3
    scores = text_table(
        ["item", "score", "SE", level],
        [
            [r.item, r.score, r.std_error, interval(r.ci_low, r.ci_high, min(digits, 2))]
            for r in result.rows
        ],
        digits=digits,
    )
    pairs = first_rows(
        ["comparison", "difference", "SE", level, "chosen"],
        [
            [
                f"{pair.item} over {pair.over}",
                pair.difference,
                pair.std_error,
                interval(pair.ci_low, pair.ci_high, min(digits, 2)),
                f"{pair.probability:.1%}",
            ]
            for pair in result.comparisons
        ],
        "differences",
        digits=digits,
    )
    counts = result.counts
    votes = f"{counts.n_votes:,} votes, {counts.n_ties:,} not sure"
    return "\n".join(
        [
            f"\n{MODEL_NAMES[result.model]} scores in {unit_plural(result)}, mean 0 ({votes})\n",
            scores,
            "\nDifferences, and how often the first would be chosen\n",
            pairs,
            *_wins_text(result),
            "",
            _left_bias_text(result, digits),
            *_ties_text(result),
            wrapped(f"{describe_unit(result)} {describe_vote_interval(result)}"),
        ]
    )


def _wins_text(result: VoteScores) -> list[str]:
    items = result.counts.items
    if len(items) > _MATRIX_UP_TO:
        return []
    counted = result.counts.wins
    table = text_table(
        ["chosen over", *items],
        [
            [item, *(None if i == j else int(counted[i, j]) for j in range(len(items)))]
            for i, item in enumerate(items)
        ],
    )
    return ["\nWins: row chosen over column\n", table]


def _left_bias_text(result: VoteScores, digits: int) -> str:
    if result.left_bias is None:
        return "Left bias: not estimated"
    error = result.left_bias_std_error
    unit = result.score_unit
    shown = f"Left bias: {decimal(result.left_bias, digits, sign=True)} {unit}"
    shown += "" if error is None else f" (SE {decimal(error, digits)})"
    return wrapped(f"{shown}; above 0 the left side was chosen more often than its item deserves.")


def _ties_text(result: VoteScores) -> list[str]:
    if result.tie_parameter is None:
        return []
    if result.model == "bradley-terry":
        text = f"Ties by Davidson's model, parameter {result.tie_parameter:.3f}"
    else:
        text = (
            "Ties: raters are not sure below a felt difference of "
            f"{decimal(result.tie_parameter, 3)} {result.score_unit}"
        )
    return [f"{text}."]
