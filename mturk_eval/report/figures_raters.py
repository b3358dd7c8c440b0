"""Figures of the raters: when answers came in, and how each rater answered."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter, ScalarFormatter

from mturk_eval.report.style import (
    BAND,
    MUTED,
    NARROW_IN,
    WIDE_IN,
    legend_above,
    new_figure,
    only_grid,
    paper_style,
)

_RATINGS_COLOUR = "#0072B2"
_VOTES_COLOUR = "#D55E00"
_ALARM_COLOUR = "#D55E00"
_DAY_S = 86_400
_STEPS_S = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200),
    *(_DAY_S * days for days in (1, 2, 7, 14, 28, 91, 182, 365, 730, 3_650, 36_500)),
)
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
                where="post", color=colours[kind], linestyle=dashes[kind],
                label=f"{len(moments):,} {kind}",
            )  # fmt: skip
        _time_axis(axes, pd.concat([submitted.dropna() for submitted in times.values()]), width_in)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
        axes.margins(y=0.06)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("Answers so far")
        only_grid(axes, "y")
        legend_above(figure, axes, width_in)
    return figure


def time_ticks(
    first: pd.Timestamp, last: pd.Timestamp, *, most: int
) -> tuple[list[pd.Timestamp], list[str]]:
    """Round moments between two, at most ``most``, and their labels.

    Minutes carry seconds (``07:21:30``), hours do not (``07:20``), and days are ``Nov 21``; where a
    range of hours passes midnight, the day stands under the hour.
    """
    for step in _STEPS_S:
        start = first.ceil(f"{min(step, _DAY_S)}s")
        count = int((last - start) // pd.Timedelta(seconds=step)) + 1
        if count <= most:
            break
    ticks = [start + pd.Timedelta(seconds=step * i) for i in range(count)] or [first]
    if step >= _DAY_S:
        years = "" if first.year == last.year else ", %Y"
        return ticks, [f"{tick:%b} {tick.day}{tick.strftime(years)}" for tick in ticks]
    clock = "%H:%M:%S" if step < 60 else "%H:%M"  # seconds of a minute
    days = first.date() != last.date()
    return ticks, [
        tick.strftime(clock) + (f"\n{tick:%b} {tick.day}" if days else "") for tick in ticks
    ]


def _time_axis(axes: Axes, submitted: pd.Series, width_in: float) -> None:
    first, last = pd.Timestamp(submitted.min()), pd.Timestamp(submitted.max())
    room = max((last - first) * 0.03, pd.Timedelta(seconds=0.5))
    first, last = first - room, last + room
    ticks, labels = time_ticks(first, last, most=7 if width_in > NARROW_IN else 4)
    axes.set_xlim(date2num(first), date2num(last))  # type: ignore[no-untyped-call]
    axes.set_xticks([date2num(tick) for tick in ticks], labels)  # type: ignore[no-untyped-call]
    day = f"{first.day} {first:%B %Y}, " if first.date() == last.date() else ""
    axes.set_xlabel(f"Time submitted ({day}UTC)")


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
        highest = float(raters["sd"].max(skipna=True))
        axes.set_ylim(0, max(1.0, highest) * 1.1)  # room for the dot of the highest
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
