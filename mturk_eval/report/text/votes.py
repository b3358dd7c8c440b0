"""Scores from votes, as text."""

from __future__ import annotations

from mturk_eval.report.tables import decimal, interval, text_table, wrapped
from mturk_eval.report.text.result import result_text
from mturk_eval.stats.pairs.vote_scores import VoteScores


def describe_vote_interval(result: VoteScores) -> str:
    """What the intervals of scores are, in a sentence or two."""
    if result.ci_method == "none":
        return "There are no intervals: nothing varies that they could speak about."
    speaks = {
        "rater": "They speak about other raters and these images.",
        "rating": "They take every vote as independent of every other.",
        "image": "They speak about other images and these raters.",
        "both": "They speak about other raters and other images.",
    }[result.unit]
    return f"{result.ci_level:.0%} intervals, {result.ci_method}. {speaks}"


@result_text.register
def _votes_text(result: VoteScores) -> str:
    level = f"{result.ci_level:.0%} interval"
    items = result.counts.items
    scores = text_table(
        ["item", "score", "SE", level],
        [[r.item, r.score, r.std_error, interval(r.ci_low, r.ci_high)] for r in result.rows],
    )
    pairs = text_table(
        ["comparison", "difference", "SE", level, "chosen"],
        [
            [
                f"{pair.item} over {pair.over}",
                pair.difference,
                pair.std_error,
                interval(pair.ci_low, pair.ci_high),
                f"{pair.probability:.1%}",
            ]
            for pair in result.comparisons
        ],
    )
    wins = text_table(
        ["chosen over", *items],
        [
            [item, *(None if i == j else int(result.counts.wins[i, j]) for j in range(len(items)))]
            for i, item in enumerate(items)
        ],
    )
    bias = (
        "not estimable"
        if result.left_bias is None
        else f"{decimal(result.left_bias, 3, sign=True)} logit"
    )
    if result.left_bias_std_error is not None:
        bias += f" (SE {result.left_bias_std_error:.3f})"
    votes = f"{result.counts.n_votes:,} votes, {int(result.counts.tie.sum()):,} not sure"
    return "\n".join(
        [
            f"\nBradley-Terry scores in logits, mean 0 ({votes})\n",
            scores,
            "\nDifferences\n",
            pairs,
            "\nWins: row chosen over column\n",
            wins,
            f"\nLeft bias: {bias}\n",
            wrapped(describe_vote_interval(result)),
        ]
    )
