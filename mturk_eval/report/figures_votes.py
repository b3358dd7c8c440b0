"""Figures of votes: who wins over whom, scores, and how many images each method wins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, PercentFormatter
from numpy.typing import ArrayLike

from mturk_eval.report.style import (
    INK,
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
from mturk_eval.report.text.votes import MODEL_NAMES
from mturk_eval.stats.pairs.score_units import unit_factor
from mturk_eval.stats.pairs.tournament import TournamentResult, TournamentRow
from mturk_eval.stats.pairs.vote_counts import VoteCounts
from mturk_eval.stats.pairs.vote_scores import VoteScores

_COUNTS_FROM_IN = 0.45
"""Cells smaller than this show the percentage alone."""
_BAR_IN = 0.17
_Conversion = Callable[[ArrayLike], ArrayLike]
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
    """Scores with intervals, methods in the order of ``styles``; JOD along the top."""
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
        axes.set_xlabel(f"{_score_label(result)}, mean of the methods 0")
        if result.score_unit != "JOD":
            top = axes.secondary_xaxis("top", functions=_to_and_from_jod(result))
            top.set_xlabel("The same in JOD", color=MUTED)
    return figure


def _score_label(result: VoteScores) -> str:
    return f"{MODEL_NAMES[result.model]} score ({result.score_unit})"


def _to_and_from_jod(result: VoteScores) -> tuple[_Conversion, _Conversion]:
    """The result's unit to JOD and back, for a second axis; both are linear in the score."""
    jod = unit_factor(result.model, "JOD") / unit_factor(result.model, result.score_unit)
    return lambda score: np.asarray(score) * jod, lambda score: np.asarray(score) / jod


def scores_by_rate_figure(
    results: Mapping[float, VoteScores],
    styles: Mapping[str, Look],
    *,
    width_in: float = WIDE_IN,
) -> Figure:
    """Scores with intervals against the rate, comparable within a rate; JOD along the right."""
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
        some = next(iter(results.values()))
        axes.set_ylabel(_score_label(some))
        if some.score_unit != "JOD":
            right = axes.secondary_yaxis("right", functions=_to_and_from_jod(some))
            right.set_ylabel("The same in JOD", color=MUTED)
        legend_above(figure, axes, width_in)
    return figure


def tournament_figure(
    result: TournamentResult, styles: Mapping[str, Look], *, width_in: float = WIDE_IN
) -> Figure:
    """Images won with intervals, one group of bars per rate; a dashed line marks chance.

    Methods in the order of ``styles``. With one rate the bars carry the methods' names.
    """
    won = {(row.bpp, row.method): row for row in result.rows}
    rates = list(result.rates)
    methods = [m for m in styles if any(row.method == m for row in result.rows)]
    step = len(methods) + 0.9  # a gap between groups
    shown: set[str] = set()
    with paper_style():
        bars_in = _BAR_IN * step * len(rates)
        figure = new_figure(width_in, bars_in + (0.75 if len(rates) > 1 else 0.6))
        axes = figure.subplots()
        for group, rate in enumerate(rates):
            for place, method in enumerate(methods):
                if (row := won.get((rate.bpp, method))) is not None:
                    named = method not in shown
                    shown.add(method)
                    _draw_won(axes, row, group * step + place, styles[method], named=named)
            ends = (group * step - 0.6, group * step + len(methods) - 0.4)
            axes.vlines(
                rate.chance, *ends, color=INK, linewidth=1.0, linestyle=(0, (3, 2)), zorder=4,
                label="chance" if rate is rates[-1] else "",
            )  # fmt: skip
        if len(rates) > 1:
            middle = (len(methods) - 1) / 2
            names = ["no rate" if r.bpp is None else f"{r.bpp:g}" for r in rates]
            axes.set_yticks([group * step + middle for group in range(len(rates))], names)
            axes.set_ylabel("Target rate (bits per pixel)")
            legend_above(figure, axes, width_in)
        else:
            axes.set_yticks(range(len(methods)), shortened(methods, width_in))
        axes.set_ylim(step * len(rates) - 1.3, -0.8)
        axes.set_xlim(0, max(rate.n_images for rate in rates) * 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(axis="y", length=0, pad=7)
        only_grid(axes, "x")
        images = {rate.n_images for rate in rates}
        axes.set_xlabel(f"Images won{f' of {images.pop()}' if len(images) == 1 else ''}")
    return figure


def _draw_won(axes: Axes, row: TournamentRow, place: float, look: Look, *, named: bool) -> None:
    """A bar with its interval; the marker tells the methods apart that won nothing."""
    axes.barh(place, row.images_won, height=0.82, color=look.colour, alpha=0.55)
    if row.ci_low is not None and row.ci_high is not None:
        axes.hlines(place, row.ci_low, row.ci_high, color=INK, linewidth=1.2, zorder=3)
    axes.plot(
        row.images_won, place, marker=look.marker, color=look.colour, markersize=6.5,
        markeredgecolor="white", markeredgewidth=0.7, linestyle="none", clip_on=False, zorder=5,
        label=row.method if named else "",
    )  # fmt: skip
