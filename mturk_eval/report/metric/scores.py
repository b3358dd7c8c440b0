"""Figures of a comparison of metrics: 2AFC scores beside what people reach, and by bit-rate."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mturk_eval.metric.comparison import Breakdown, MetricComparison, MetricScore
from mturk_eval.metric.study import LEARNED
from mturk_eval.metric.yardsticks import HumanLine
from mturk_eval.report.style import (
    INK,
    MUTED,
    NARROW_IN,
    WIDE_IN,
    new_figure,
    only_grid,
    paper_style,
    shortened,
)
from mturk_eval.report.tables import interval
from mturk_eval.report.text.metric_comparison import LINE_NAMES
from mturk_eval.stats.evaluation.metric_results import Estimate

LEARNED_COLOUR: Final = "#0072B2"
OTHER_COLOUR: Final = "#9aa5b1"
_HUMAN_COLOUR: Final = "#C04F00"
_CHANCE: Final = 0.5
_ROW_IN: Final = 0.255
_LABEL_LINES: Final = 2
_LINE_LOOKS: Final[Mapping[HumanLine, tuple[str, tuple[int, tuple[int, ...]]]]] = {
    "majority": ("D", (0, ())),
    "plug_in": ("s", (0, (5, 2))),
    "unbiased": ("o", (0, (1, 1))),
}
"""Marker and dashes of every human line, from the highest down."""


def score_figure(result: MetricComparison, footer: str, *, width_in: float = WIDE_IN) -> Figure:
    """One bar per metric with its interval, best first, under what people reach.

    Bars begin at .5, what guessing gives. Above them stand the three human lines, each named, with
    their intervals, and fall through the bars; metrics without a score are named last.

    Parameters
    ----------
    footer : str
        What a reader must know, such as the backbone and that it is random.
    """
    bars = sorted(result.rows, key=lambda row: -(row.score.value or 0.0))
    lines = [line for line in _LINE_LOOKS if line in result.human]
    wide = width_in > NARROW_IN
    names = [LINE_NAMES[line] for line in lines] + metric_labels(
        [row.metric for row in bars], 32 if wide else 21
    )
    gap = 0.5  # between people and metrics
    with paper_style():
        notes = footer_lines(footer, width_in)
        figure = new_figure(
            width_in, _ROW_IN * (len(names) + gap) + 0.62 + 0.13 * (notes.count("\n") + 1)
        )
        axes = figure.subplots()
        places = [*range(len(lines)), *(len(lines) + gap + k for k in range(len(bars)))]
        bottom = len(lines) + gap + len(bars) - 0.45
        for place, line in zip(places, lines, strict=False):
            _draw_line(axes, result.human[line], place, bottom, line)
        for place, row in zip(places[len(lines) :], bars, strict=True):
            _draw_bar(axes, row, place)
        axes.vlines(_CHANCE, len(lines) - 0.1, bottom, color=INK, linewidth=1.1, zorder=4)
        axes.set_yticks(places, names, linespacing=0.95)
        for label in axes.get_yticklabels():
            if "\n" in label.get_text():
                label.set_fontsize(7.5)
        for label in axes.get_yticklabels()[: len(lines)]:
            label.set_color(_HUMAN_COLOUR)
        axes.set_ylim(bottom, -0.6)
        axes.set_xlim(*_limits(result))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6 if wide else 4, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(_share))
        only_grid(axes, "x")
        _write_values(
            axes, places, [result.human[line] for line in lines] + [row.score for row in bars], wide
        )
        axes.set_xlabel("2AFC score (.5 is guessing)")
        write_footer(figure, notes)
    return figure


def score_by_rate_figure(
    result: MetricComparison, footer: str, *, width_in: float = WIDE_IN
) -> Figure | None:
    """2AFC scores against the bit-rate with intervals, one panel per metric, the others in grey.

    Dotted: how often two people agree. None where there is one rate, or none.
    """
    parts = [part for part in result.breakdowns if part.by == "bpp"]
    metrics = [row.metric for row in result.rows if row.score.value is not None]
    if len(parts) < 2 or not metrics:
        return None
    wide = width_in > NARROW_IN
    rows = -(-len(metrics) // (4 if wide else 2))
    columns = -(-len(metrics) // rows)
    panel_in = width_in / columns
    with paper_style():
        notes = footer_lines(footer, width_in)
        titles = metric_labels(metrics, int(panel_in * 12.5))
        title_in = 0.14 * (max(title.count("\n") for title in titles) + 1)
        height = rows * (1.25 + title_in) + (0.8 if wide else 1.1) + 0.13 * (notes.count("\n") + 1)
        figure = new_figure(width_in, height)
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for panel in panels[len(metrics) :]:
            panel.set_visible(False)
        for place, (panel, metric, title) in enumerate(zip(panels, metrics, titles, strict=False)):
            _draw_by_rate(panel, parts, metric, metrics)
            panel.set_title(title, fontsize=8, color=INK)
            if place + columns >= len(metrics):  # nothing is below
                panel.tick_params(labelbottom=True)
                panel.set_xlabel("bits per pixel")
        panels[0].set_xticks(range(len(parts)), [part.level for part in parts])
        panels[0].set_xlim(-0.4, len(parts) - 0.6)
        panels[0].yaxis.set_major_formatter(FuncFormatter(_share))
        panels[0].yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        figure.supylabel("2AFC score", fontsize=8.5)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside upper left", ncols=4 if wide else 2, borderpad=0.1,
            handletextpad=0.5, columnspacing=1.4,
        )  # fmt: skip
        write_footer(figure, notes)
    return figure


def _draw_by_rate(
    axes: Axes, parts: Sequence[Breakdown], metric: str, metrics: Sequence[str]
) -> None:
    x = np.arange(len(parts))
    for other in metrics:
        if other != metric:
            axes.plot(x, _values(parts, other), color="#cfd5dc", linewidth=0.9, zorder=1)
    axes.plot([], [], color="#cfd5dc", linewidth=0.9, label="the other metrics")
    people = [part.human["unbiased"].value for part in parts]
    axes.plot(
        x, [np.nan if value is None else value for value in people], color=_HUMAN_COLOUR,
        linewidth=1.2, linestyle=(0, (1, 1)), zorder=2, label=LINE_NAMES["unbiased"],
    )  # fmt: skip
    colour = LEARNED_COLOUR if metric.startswith(LEARNED) else INK
    for place, part in enumerate(parts):
        estimate = part.scores[metric]
        if estimate.ci_low is not None and estimate.ci_high is not None:
            axes.vlines(place, estimate.ci_low, estimate.ci_high, color=colour, linewidth=1.5)
    axes.plot(
        x, _values(parts, metric), color=colour, marker="o", markersize=4.5, linewidth=1.3,
        markeredgecolor="white", markeredgewidth=0.5, zorder=3, label="this metric",
    )  # fmt: skip
    axes.axhline(_CHANCE, color=INK, linewidth=0.9, zorder=0, label="guessing")
    only_grid(axes, "y")


def _values(parts: Sequence[Breakdown], metric: str) -> list[float]:
    values = (part.scores[metric].value for part in parts)
    return [np.nan if value is None else value for value in values]


def _draw_line(axes: Axes, human: Estimate, place: float, bottom: float, line: HumanLine) -> None:
    """A point with its interval, from which the line falls through the bars."""
    if human.value is None:
        return
    marker, dashes = _LINE_LOOKS[line]
    axes.vlines(
        human.value, place, bottom, color=_HUMAN_COLOUR, linewidth=1.0, linestyle=dashes, zorder=3
    )
    if human.ci_low is not None and human.ci_high is not None:
        axes.hlines(place, human.ci_low, human.ci_high, color=_HUMAN_COLOUR, linewidth=1.6)
    axes.plot(
        human.value, place, marker=marker, color=_HUMAN_COLOUR, markersize=5.5,
        markeredgecolor="white", markeredgewidth=0.6, zorder=5,
    )  # fmt: skip


def _draw_bar(axes: Axes, row: MetricScore, place: float) -> None:
    score = row.score
    if score.value is None:
        return
    colour = LEARNED_COLOUR if row.metric.startswith(LEARNED) else OTHER_COLOUR
    axes.barh(place, score.value - _CHANCE, left=_CHANCE, height=0.72, color=colour, alpha=0.85)
    if score.ci_low is not None and score.ci_high is not None:
        axes.hlines(place, score.ci_low, score.ci_high, color=INK, linewidth=1.3, zorder=4)


def _write_values(
    axes: Axes, places: Sequence[float], estimates: Sequence[Estimate], wide: bool
) -> None:
    """The numbers in the margin, where no bar is."""
    for place, estimate in zip(places, estimates, strict=True):
        text = "n/a" if estimate.value is None else f"{estimate.value:.3f}"
        if wide and estimate.value is not None:
            text += f"  {interval(estimate.ci_low, estimate.ci_high, 3)}"
        axes.annotate(
            text, (1.01, place), xycoords=axes.get_yaxis_transform(), va="center", fontsize=7.5,
            color=MUTED if estimate.value is None else INK,
        )  # fmt: skip


def _limits(result: MetricComparison) -> tuple[float, float]:
    """From a little below chance, or the lowest interval, to the highest."""
    estimates = [*(row.score for row in result.rows), *result.human.values()]
    ends = [
        end for one in estimates for end in (one.value, one.ci_low, one.ci_high) if end is not None
    ]
    low, high = min([_CHANCE, *ends]), max([_CHANCE + 0.1, *ends])
    room = 0.03 * (high - low)
    return max(0.0, low - room), min(1.0, high + room)


def _share(value: float, _place: int) -> str:
    """A share without its leading zero, as papers print it."""
    return f"{value:.2f}".removeprefix("0").rstrip("0").rstrip(".") or "0"


def metric_labels(names: Sequence[str], room: int) -> list[str]:
    """Names over two lines where they are long; longer ones lose their middle, if all differ.

    Examples
    --------
    >>> metric_labels(["LPIPS-Comp + PSNR + MS-SSIM (RANSAC)"], 24)
    ['LPIPS-Comp + PSNR +\\nMS-SSIM (RANSAC)']
    """
    wrapped = [textwrap.wrap(name, room, break_on_hyphens=False) for name in names]
    if all(len(lines) <= _LABEL_LINES for lines in wrapped):
        return ["\n".join(lines) for lines in wrapped]
    width_in = WIDE_IN if room > 24 else NARROW_IN
    return ["\n".join(textwrap.wrap(n, room)) for n in shortened(names, width_in)]


def footer_lines(footer: str, width_in: float) -> str:
    """The footer at a figure's width."""
    return "\n".join(textwrap.fill(line, int(width_in * 17)) for line in footer.splitlines())


def write_footer(figure: Figure, text: str) -> None:
    """What a reader must know, below the panels."""
    figure.supxlabel(text, fontsize=7, color=MUTED, x=0.01, ha="left")
