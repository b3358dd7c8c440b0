"""Figures of votes: who wins over whom, and Bradley-Terry scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from mturk_eval.report.style import (
    MUTED,
    NARROW_IN,
    WIDE_IN,
    Look,
    legend_above,
    new_figure,
    only_grid,
    paper_style,
    shortened,
)
from mturk_eval.stats.pairs.vote_counts import VoteCounts
from mturk_eval.stats.pairs.vote_scores import VoteScores

_COUNTS_FROM_IN = 0.45
"""Cells smaller than this show the percentage alone."""
_DIVERGING = LinearSegmentedColormap.from_list(
    "orange_white_blue", ["#a84800", "#e8a05c", "#ffffff", "#6aaed6", "#00517f"]
)


def win_matrix_figure(
    counts: VoteCounts, order: Sequence[str], *, width_in: float = WIDE_IN
) -> Figure:
    """How often the row was chosen over the column: percentages with votes below.

    Votes that were not sure count as half for each.
    """
    places = [counts.items.index(item) for item in order]
    wins = (counts.wins + counts.ties / 2)[np.ix_(places, places)]
    met = wins + wins.T
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(met > 0, wins / met, np.nan)
    n = len(order)
    wide = width_in > NARROW_IN
    names = shortened(order, width_in)
    label_in = max(0.4, 0.075 * max(map(len, names)))
    cell_in = max(0.25, min(1.0, (min(width_in, 6.6) - label_in - (1.3 if wide else 0.5)) / n))
    upright = max(map(len, names)) * 0.085 < cell_in
    with paper_style():
        top_in = 0.75 if upright else 0.6 + 0.7 * label_in
        width = min(width_in, cell_in * n + label_in + 1.6)
        figure = new_figure(width, cell_in * n * 0.82 + top_in)
        axes = figure.subplots()
        picture = axes.imshow(share, cmap=_DIVERGING, vmin=0, vmax=1, aspect=0.82)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        size = 10 if cell_in > 0.7 else 9 if cell_in > 0.5 else 6.5
        for row in range(n):
            for column in range(n):
                if row == column or met[row, column] == 0:
                    text, colour = ("" if row == column else "no votes"), MUTED
                    axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=6)
                    continue
                value = share[row, column]
                colour = "white" if abs(value - 0.5) > 0.33 else "#1b1f24"
                lift = 0.09 if cell_in >= _COUNTS_FROM_IN else 0.0
                axes.text(
                    column, row - lift, f"{value:.0%}", ha="center", va="center", color=colour,
                    fontsize=size, fontweight="bold",
                )  # fmt: skip
                if cell_in < _COUNTS_FROM_IN:
                    continue
                axes.text(
                    column, row + 0.25, _votes(wins[row, column], met[row, column]), ha="center",
                    va="center", color=colour, fontsize=max(5.5, size * 0.7),
                )  # fmt: skip
        axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
        axes.grid(visible=True, which="minor", color="white", linewidth=2)
        axes.tick_params(which="both", length=0)
        axes.set_xticks(
            range(n), names, rotation=0 if upright else 40, ha="center" if upright else "left"
        )
        axes.set_yticks(range(n), names)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xlabel("… over this method", color=MUTED)
        axes.set_ylabel("This method was chosen …", color=MUTED)
        if wide:
            bar = figure.colorbar(picture, ax=axes, fraction=0.035, pad=0.02)
            bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            bar.outline.set_visible(False)
            bar.ax.tick_params(length=0)
    return figure


def _votes(wins: float, met: float) -> str:
    return f"{wins:g}/{met:g}"


def scores_figure(
    result: VoteScores, styles: Mapping[str, Look], *, width_in: float = WIDE_IN
) -> Figure:
    """Bradley-Terry scores with intervals, methods in the order of ``styles``."""
    rows = {row.item: row for row in result.rows}
    items = [item for item in styles if item in rows]
    with paper_style():
        figure = new_figure(width_in, 0.36 * len(items) + 0.75)
        axes = figure.subplots()
        for place, row in enumerate(rows[item] for item in items):
            look = styles[row.item]
            if row.ci_low is not None and row.ci_high is not None:
                axes.hlines(place, row.ci_low, row.ci_high, color=look.colour, linewidth=1.8)
            axes.plot(
                row.score, place, marker=look.marker, color=look.colour, markersize=7,
                markeredgecolor="white", markeredgewidth=0.7, linestyle="none",
            )  # fmt: skip
        axes.axvline(0, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_yticks(range(len(items)), shortened(items, width_in))
        axes.set_ylim(len(items) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        only_grid(axes, "x")
        axes.set_xlabel("Bradley–Terry score (logit; mean of the methods = 0)")
    return figure


def scores_by_rate_figure(
    results: Mapping[float, VoteScores],
    styles: Mapping[str, Look],
    *,
    width_in: float = WIDE_IN,
) -> Figure:
    """Bradley-Terry scores with intervals against the rate; comparable within a rate."""
    rates = sorted(results)
    scored = {row.item for result in results.values() for row in result.rows}
    items = [item for item in styles if item in scored]
    with paper_style():
        figure = new_figure(width_in, 3.1 if width_in > NARROW_IN else 3.3)
        axes = figure.subplots()
        for place, item in enumerate(items):
            look = styles[item]
            points = [
                (index, row)
                for index, rate in enumerate(rates)
                for row in results[rate].rows
                if row.item == item
            ]
            x = np.array([index for index, _ in points]) + (place - (len(items) - 1) / 2) * 0.08
            y = np.array([row.score for _, row in points])
            low = [row.score if row.ci_low is None else row.ci_low for _, row in points]
            high = [row.score if row.ci_high is None else row.ci_high for _, row in points]
            axes.plot(x, y, color=look.colour, linewidth=1.0, alpha=0.55)
            axes.vlines(x, low, high, color=look.colour, linewidth=1.7)
            axes.plot(
                x, y, linestyle="none", marker=look.marker, color=look.colour, markersize=6.5,
                markeredgecolor="white", markeredgewidth=0.7, label=item,
            )  # fmt: skip
        axes.axhline(0, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.xaxis.set_major_locator(FixedLocator(list(range(len(rates)))))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([f"{rate:g}" for rate in rates])
        axes.set_xlim(-0.5, len(rates) - 0.5)
        only_grid(axes, "y")
        axes.set_xlabel("Target rate (bits per pixel)")
        axes.set_ylabel("Bradley–Terry score (logit)")
        legend_above(figure, axes, width_in)
    return figure
