"""Figures of the raters: when answers came in, and how each rater answered."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter, ScalarFormatter

from mturk_eval.report.style import (
    BAND,
    MUTED,
    NARROW_IN,
    WIDE_IN,
    new_figure,
    only_grid,
    paper_style,
)

_RATINGS_COLOUR = "#0072B2"
_VOTES_COLOUR = "#D55E00"
_ALARM_COLOUR = "#D55E00"
_TICKS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000)
STRAIGHT_LINE_MINIMUM = 5
"""Answers a rater must have given before an unchanging rating is remarkable."""


def over_time_figure(times: Mapping[str, pd.Series], *, width_in: float = WIDE_IN) -> Figure:
    """Answers so far against the time they were submitted; one line per kind of answer."""
    colours = {"ratings": _RATINGS_COLOUR, "votes": _VOTES_COLOUR}
    dashes = {"ratings": "-", "votes": (0, (5, 1.5))}
    with paper_style():
        figure = new_figure(width_in, 2.3)
        axes = figure.subplots()
        for kind, submitted in times.items():
            moments = np.sort(date2num(submitted.dropna()))  # type: ignore[no-untyped-call]
            counts = np.arange(1, len(moments) + 1)
            axes.step(
                np.concatenate([moments[:1], moments]), np.concatenate([[0], counts]),
                where="post", color=colours[kind], linestyle=dashes[kind], label=kind,
            )  # fmt: skip
            axes.annotate(
                f"{len(moments):,} {kind}", (moments[-1], counts[-1]), xytext=(-4, 3),
                textcoords="offset points", ha="right", va="bottom", color=colours[kind],
                fontsize=8.5, fontweight="bold",
            )  # fmt: skip
        locator = AutoDateLocator(minticks=3, maxticks=9 if width_in > NARROW_IN else 7)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.set_ylim(bottom=0)
        axes.margins(y=0.14)
        axes.set_xlabel("Time submitted (UTC)")
        axes.set_ylabel("Answers so far")
        only_grid(axes, "y")
    return figure


def rating_behaviour_figure(raters: pd.DataFrame, *, width_in: float = WIDE_IN) -> Figure:
    """Per rater: mean and spread of the ratings, and the median time taken.

    ``raters`` has columns ``n``, ``mean``, ``sd``, ``median_s`` (see `raters_by_ratings`).
    """
    with paper_style():
        figure, panels = _panels(raters, width_in)
        axes = panels[0]
        straight = (raters["sd"] == 0) & (raters["n"] >= STRAIGHT_LINE_MINIMUM)
        some = raters[raters["sd"].notna() & ~straight]
        axes.scatter(
            some["mean"], some["sd"], s=_sizes(some["n"]), color=_RATINGS_COLOUR, alpha=0.45,
            linewidths=0, label="rater",
        )  # fmt: skip
        if straight.any():
            axes.scatter(
                raters.loc[straight, "mean"], raters.loc[straight, "sd"], s=42, marker="X",
                color=_ALARM_COLOUR, linewidths=0, label="never varied", zorder=3,
                clip_on=False,
            )  # fmt: skip
            axes.legend(
                loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, handletextpad=0.1,
                columnspacing=1.0, borderpad=0,
            )  # fmt: skip
        axes.set_xlabel("Mean rating of a rater")
        axes.set_ylabel("SD of the rater's ratings")
        axes.set_ylim(bottom=0)
        if len(panels) > 1:
            _times(panels[1], raters["median_s"], _RATINGS_COLOUR)
    return figure


def voting_behaviour_figure(raters: pd.DataFrame, *, width_in: float = WIDE_IN) -> Figure:
    """Per rater: how often the left side was chosen, and the median time taken.

    ``raters`` has columns ``n``, ``left_share``, ``median_s`` (see `raters_by_votes`).
    """
    with paper_style():
        figure, panels = _panels(raters, width_in)
        axes = panels[0]
        most = max(2, int(raters["n"].max()))
        n = np.arange(1, most + 1)
        half_width = 1.96 * 0.5 / np.sqrt(n)
        axes.fill_between(
            n, np.clip(0.5 - half_width, 0, 1), np.clip(0.5 + half_width, 0, 1), color=BAND, lw=0
        )
        axes.axhline(0.5, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
        outside = (raters["left_share"] - 0.5).abs() > 1.96 * 0.5 / np.sqrt(raters["n"])
        jitter = np.random.default_rng(0).uniform(-0.015, 0.015, len(raters)) * most
        for part, colour, marker in (
            (~outside, _RATINGS_COLOUR, "o"),
            (outside, _ALARM_COLOUR, "X"),
        ):
            axes.scatter(
                (raters["n"] + jitter)[part], raters.loc[part, "left_share"], s=24, marker=marker,
                color=colour, alpha=0.55 if marker == "o" else 0.85, linewidths=0,
            )  # fmt: skip
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlim(0, most * 1.04)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel("Decided votes of a rater")
        axes.set_ylabel("Share for the left side")
        if len(panels) > 1:
            _times(panels[1], raters["median_s"], _VOTES_COLOUR)
    return figure


def _panels(raters: pd.DataFrame, width_in: float) -> tuple[Figure, list[Axes]]:
    timed = bool(raters["median_s"].notna().any())
    beside = width_in > NARROW_IN
    height = 2.6 if beside or not timed else 4.9
    figure = new_figure(width_in if timed or not beside else width_in * 0.6, height)
    shape = (1, 2) if beside else (2, 1)
    grid = figure.subplots(*(shape if timed else (1, 1)), squeeze=False)
    return figure, list(grid.ravel())


def _sizes(n: pd.Series) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    counts = n.to_numpy(float)
    return np.asarray(12 + 34 * np.sqrt(counts / max(1.0, counts.max(initial=1.0))))


def _times(axes: Axes, median_s: pd.Series, colour: str) -> None:
    """Histogram of the raters' median response times on a logarithmic axis."""
    times = np.maximum(median_s.dropna().to_numpy(float), 0.05)
    low, high = np.log10(times.min()), np.log10(times.max())
    pad = 0.1 if high - low > 0.2 else 0.3
    axes.hist(
        times,
        bins=np.logspace(low - pad, high + pad, 19).tolist(),
        color=colour,
        alpha=0.85,
        rwidth=0.93,
    )
    axes.axvline(float(np.median(times)), color="#1b1f24", linewidth=1.1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks([t for t in _TICKS_S if 10 ** (low - pad) <= t <= 10 ** (high + pad)])
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.set_xlabel("Median response time of a rater (s)")
    axes.set_ylabel("Raters")
    only_grid(axes, "y")
