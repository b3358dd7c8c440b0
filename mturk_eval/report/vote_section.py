"""The report on votes: who wins over whom, scores, images won, the pull of the left side."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from mturk_eval.errors import MturkEvalError
from mturk_eval.report.blocks import Block, Heading, Note, Section, picture, table_view
from mturk_eval.report.figures_votes import (
    scores_by_rate_figure,
    scores_figure,
    tournament_figure,
    win_matrix_figure,
)
from mturk_eval.report.style import Look
from mturk_eval.report.tables import Cell, decimal, format_rate, interval
from mturk_eval.report.text.tournament import TOURNAMENT_RULE, describe_tournament_interval
from mturk_eval.report.text.votes import (
    MODEL_NAMES,
    describe_unit,
    describe_vote_interval,
    unit_plural,
)
from mturk_eval.stats.pairs.tournament import TournamentResult, run_tournament
from mturk_eval.stats.pairs.vote_scores import VoteScores, score_methods
from mturk_eval.stats.resampling.weights import ResamplingUnit

_ROWS_SHOWN = 12
"""Longer tables are folded."""
_IN_JOD = "1 JOD is the difference at which 75% choose the better one."


def vote_section(votes: pd.DataFrame, styles: Mapping[str, Look]) -> Section:
    """The section on the main trials' votes."""
    try:
        pooled = score_methods(votes, unit=_unit(votes))
    except MturkEvalError as error:
        return Section(
            id="votes", title="Votes", blocks=(Note(text=f"Votes were not scaled: {error}"),)
        )
    by_rate = _by_rate(votes)
    several = len(by_rate) > 1
    blocks: list[Block] = [_matrix_block(pooled, styles, several=several)]
    blocks.append(_rates_block(by_rate, styles) if several else _scores_block(pooled, styles))
    blocks.append(_comparisons(pooled, by_rate if several else {}))
    blocks += _tournament_blocks(votes, styles)
    shown = [w for w in pooled.warnings if not (several and "pooled" in w)]
    blocks += [Note(text=text) for text in shown]
    return Section(
        id="votes",
        title="Votes",
        blocks=tuple(blocks),
        findings=tuple(_findings(votes, pooled, by_rate if several else {})),
    )


def _unit(votes: pd.DataFrame) -> ResamplingUnit:
    """Both, as far as there is more than one: a claim about methods is about other images too."""
    raters, images = votes["rater"].nunique() > 1, votes["image"].nunique() > 1
    if raters and images:
        return "both"
    return "rater" if raters else "image" if images else "rating"


def _by_rate(votes: pd.DataFrame) -> dict[float, VoteScores]:
    scores = {}
    for rate, rows in votes.groupby("bpp"):
        try:
            scores[float(str(rate))] = score_methods(rows, unit=_unit(rows))
        except MturkEvalError:
            continue  # a rate with one method has no scores; the pooled matrix shows its votes
    return scores


def _matrix_block(pooled: VoteScores, styles: Mapping[str, Look], *, several: bool) -> Block:
    order = [method for method in styles if method in pooled.counts.items]
    rates = " Votes at all rates are pooled." if several else ""
    ties = pooled.counts.n_ties
    tie_text = f" {ties:,} votes were not sure and count as half for each." if ties else ""
    best = pooled.comparisons[0]
    return picture(
        lambda width: win_matrix_figure(pooled.counts, order, width_in=width),
        alt=(
            f"Matrix of {pooled.counts.n_votes:,} votes between {', '.join(order)}. "
            f"The model gives {best.item} a chance of {best.probability:.0%} against {best.over}."
        ),
        caption=(
            "Share of votes in which the row was chosen over the column, with the counts; methods "
            f"in the order of all figures.{tie_text}{rates} These are counts; there is no interval."
        ),
    )


def _scores_block(pooled: VoteScores, styles: Mapping[str, Look]) -> Block:
    best, worst = pooled.rows[0], pooled.rows[-1]
    return picture(
        lambda width: scores_figure(pooled, styles, width_in=width),
        alt=(
            f"{MODEL_NAMES[pooled.model]} scores from {best.item} ({best.score:.2f}) to "
            f"{worst.item} ({worst.score:.2f})."
        ),
        caption=(
            f"{MODEL_NAMES[pooled.model]} scores. {describe_unit(pooled)} {_IN_JOD} "
            f"Intervals: {describe_vote_interval(pooled)}"
        ),
    )


def _rates_block(by_rate: Mapping[float, VoteScores], styles: Mapping[str, Look]) -> Block:
    some = next(iter(by_rate.values()))
    leaders = ", ".join(f"{s.rows[0].item} at {rate:g} bpp" for rate, s in by_rate.items())
    return picture(
        lambda width: scores_by_rate_figure(by_rate, styles, width_in=width),
        alt=f"{MODEL_NAMES[some.model]} scores at {len(by_rate)} rates. Highest: {leaders}.",
        caption=(
            f"{MODEL_NAMES[some.model]} scores at each target rate, fitted separately; the mean of "
            "the methods is 0 at every rate, so compare within a rate. "
            f"{describe_unit(some)} {_IN_JOD} Intervals: {describe_vote_interval(some)}"
        ),
    )


def _comparisons(pooled: VoteScores, by_rate: Mapping[float, VoteScores]) -> Block:
    results: list[tuple[str, VoteScores]] = [
        (f"{rate:g}", result) for rate, result in by_rate.items()
    ] or [("", pooled)]
    rated = bool(by_rate)
    unit = unit_plural(pooled)
    rows = [
        [*([label] if rated else []), f"{pair.item} over {pair.over}", f"{pair.probability:.0%}",
         pair.difference, interval(pair.ci_low, pair.ci_high), pair.std_error]
        for label, result in results
        for pair in result.comparisons
    ]  # fmt: skip
    return table_view(
        f"Differences between scores, in {unit}, and how often the first would be chosen over the "
        f"second. {describe_vote_interval(results[0][1])}",
        [*(["bpp"] if rated else []), "comparison", "chosen", unit, "95% interval", "SE"],
        rows,
        digits=2,
        secondary=("SE",),
        folded=len(rows) > _ROWS_SHOWN,
    )  # fmt: skip


def _tournament_blocks(votes: pd.DataFrame, styles: Mapping[str, Look]) -> list[Block]:
    try:
        result = run_tournament(votes)
    except MturkEvalError as error:
        return [Note(text=f"Images won were not counted: {error}")]
    several = len(result.rates) > 1
    each = "at each target rate " if several else ""
    drawn = picture(
        lambda width: tournament_figure(result, styles, width_in=width),
        alt=f"Images won by each method. Most: {_leaders(result)}.",
        caption=(
            f"For how many images each method is the best {each}(bars), with intervals; dashed: "
            "images that each would win if all were alike. Counts say how often, scores say by "
            f"how much. {TOURNAMENT_RULE} {describe_tournament_interval(result)}"
        ),
    )
    return [Heading(text="Images won"), drawn, _tournament_table(result, several=several)]


def _leaders(result: TournamentResult) -> str:
    """The method with most images at each rate; rows come with the best of a rate first."""
    first: dict[float | None, str] = {}
    for row in result.rows:
        where = "" if row.bpp is None else f" at {row.bpp:g} bpp"
        first.setdefault(row.bpp, f"{row.method} with {row.images_won:g} of {row.n_images}{where}")
    return ", ".join(first.values())


def _tournament_table(result: TournamentResult, *, several: bool) -> Block:
    rows: list[list[Cell]] = [
        [
            *([format_rate(row.bpp)] if several else []), row.method, row.images_won, row.n_images,
            interval(row.ci_low, row.ci_high, 1), row.ties, row.by_head_to_head, row.by_vote_share,
            row.by_score,
        ]
        for row in result.rows
    ]  # fmt: skip
    ties = ("shared", "head to head", "by votes", "by score")
    return table_view(
        "Images won by each method. A first place that m methods share counts 1/m for each; "
        "shared: such images. Beside it the counts if a shared first place goes to the one that "
        "beats the others in it (head to head), to the larger share of the image's votes, or to "
        "the higher score.",
        [*(["bpp"] if several else []), "method", "won", "of", "95% interval", *ties],
        rows,
        digits=1,
        secondary=("of", *ties[1:]),
        folded=len(rows) > _ROWS_SHOWN,
    )


def _findings(
    votes: pd.DataFrame, pooled: VoteScores, by_rate: Mapping[float, VoteScores]
) -> list[str]:
    if pooled.rows[0].score - pooled.rows[-1].score < 1e-6:
        return ["The votes favour no method."]
    order = " > ".join(row.item for row in pooled.rows)
    found = [f"Order of preference over all votes: {order}."]
    for label, result in [(f" at {r:g} bpp", s) for r, s in by_rate.items()] or [("", pooled)]:
        first = result.comparisons[0]
        settled = first.ci_low is not None and first.ci_low > 0
        found.append(
            f"Best{label}: {first.item}, to be chosen over {first.over} in "
            f"{first.probability:.0%} of comparisons"
            + (
                "."
                if settled
                else f"; the two are not clearly apart (difference "
                f"{interval(first.ci_low, first.ci_high)} {unit_plural(result)})."
            )
        )
    decided = votes[votes["choice"] != "not_sure"]
    if len(decided):
        share = float((decided["choice"] == "left").mean())
        bias = (
            ""
            if pooled.left_bias is None
            else (f" (bias {decimal(pooled.left_bias, 2, sign=True)} {pooled.score_unit})")
        )
        found.append(
            f"The left side was chosen in {share:.1%} of {len(decided):,} decided votes{bias}."
        )
    return found
