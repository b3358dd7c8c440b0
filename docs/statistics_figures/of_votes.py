"""Scores from votes, the tournament, and raters who guess."""

from __future__ import annotations

from typing import Final

import pandas as pd
from example_tables import METHODS, votes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from mturk_eval.report.figures_votes import tournament_figure
from mturk_eval.report.style import (
    NARROW_IN,
    looks,
    new_figure,
    only_grid,
    paper_style,
)
from mturk_eval.stats.pairs.rater_reliability import rater_reliability
from mturk_eval.stats.pairs.tournament import run_tournament
from mturk_eval.stats.pairs.vote_scores import score_methods
from mturk_eval.stats.resampling.weights import ResamplingUnit
from statistics_figures.marks import interval_mark, legend_on_top, row_names, zero_line

_CLUSTERS: Final[dict[ResamplingUnit, str]] = {
    "rating": "single votes",
    "rater": "raters",
    "both": "raters and images",
}
_RATE: Final = 0.4
_RATERS_SHOWN: Final = 12


def _main() -> pd.DataFrame:
    table = votes()
    return table[table["role"] == "main"]


def clusterings(width_in: float) -> Figure:
    """Differences between neighbours in rank, with intervals under three clusterings."""
    table = _main()
    at_rate = table[table["bpp"] == _RATE]
    styles = looks(tuple(_CLUSTERS.values()))
    with paper_style():
        figure = new_figure(width_in, 2.5)
        axes = figure.subplots()
        zero_line(axes)
        for n, (unit, name) in enumerate(_CLUSTERS.items()):
            result = score_methods(at_rate, unit=unit, score_unit="JOD")
            found = {(c.item, c.over): c for c in result.comparisons}
            for place, pair in enumerate((("a", "b"), ("b", "c"), ("c", "d"))):
                one = found[pair]
                interval_mark(
                    axes, place + 0.24 * (n - 1), one.difference, (one.ci_low, one.ci_high),
                    styles[name], label=name if place == 0 else "",
                )  # fmt: skip
        row_names(axes, ["a over b", "b over c", "c over d"])
        only_grid(axes, "x")
        axes.set_xlabel("Difference in score (JOD); right of 0: the first is better")
        if width_in <= NARROW_IN:
            axes.set_xlabel("Difference in score (JOD)")
        legend_on_top(figure, axes, columns=3 if width_in > NARROW_IN else 2)
    return figure


def images_won(width_in: float) -> Figure:
    """Images won by each method at two rates."""
    result = run_tournament(_main())
    return tournament_figure(result, looks(tuple(METHODS)), width_in=width_in)


def guessing(width_in: float) -> Figure:
    """How often the raters who guess most do so, with intervals."""
    table = votes()
    catch = table[table["role"] == "catch"]
    result = rater_reliability(table[table["role"] == "main"], catch)
    styles = looks(("rater", "flips coins, by design"))
    shown = result.rows[:_RATERS_SHOWN]
    with paper_style():
        figure = new_figure(width_in, 2.9)
        axes = figure.subplots()
        for place, row in enumerate(shown):
            name = "flips coins, by design" if row.rater in {"r08", "r31"} else "rater"
            interval_mark(
                axes, place, row.guessing, (row.ci_low, row.ci_high), styles[name],
                label=name if place in (0, len(shown) - 1) else "",
            )  # fmt: skip
        row_names(axes, [f"{row.rater}   {row.golden_right:g} of {row.golden}" for row in shown])
        axes.set_xlim(-0.02, 1.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        only_grid(axes, "x")
        axes.set_ylabel("Rater, golden trials right")
        axes.set_xlabel("Share of answers that are guesses")
        legend_on_top(figure, axes)
    return figure
