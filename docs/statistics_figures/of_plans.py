"""What a study's size buys."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from mturk_eval.report.style import MUTED, looks, new_figure, paper_style
from mturk_eval.stats.power.design import StudyDesign, Truth
from mturk_eval.stats.power.planning import planned_power
from mturk_eval.stats.power.simulation import power
from statistics_figures.marks import legend_on_top

TRUTH: Final = Truth(effect=0.98, slope_sd=1.88, residual_sd=2.21)
"""As in the study of human compression."""
_RATINGS: Final = {5: "5 ratings a cell", 20: "20", 100: "100", 1000: "1,000"}
_SIMULATED: Final = (13, 24, 40)


def power_by_images(width_in: float) -> Figure:
    """Power against images, a line per number of ratings; some points simulated."""
    images = np.arange(4, 61)
    styles = looks(tuple(_RATINGS.values()))
    with paper_style():
        figure = new_figure(width_in, 2.8)
        axes = figure.subplots()
        axes.axhline(0.8, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        for ratings, name in _RATINGS.items():
            look = styles[name]
            y = [planned_power(_design(int(n), ratings), TRUTH).power for n in images]
            dashes = "--" if ratings == 1000 else "-"  # it hides no other line
            axes.plot(images, y, dashes, color=look.colour, linewidth=1.3, label=name)
        for ratings in (5, 20):
            look = styles[_RATINGS[ratings]]
            for n in _SIMULATED:
                share, low, high = _simulated(n, ratings)
                axes.vlines(n, low, high, color=look.colour, linewidth=1.6)
                axes.plot(
                    n, share, marker=look.marker, color=look.colour, markersize=4.5,
                    markeredgecolor="white", markeredgewidth=0.5, linestyle="none",
                )  # fmt: skip
        axes.set_xlim(4, 60)
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel("Images")
        axes.set_ylabel("Power")
        legend_on_top(figure, axes)
    return figure


@cache
def _simulated(images: int, ratings: int) -> tuple[float, float, float]:
    """Power and its Monte-Carlo limits."""
    found = power(_design(images, ratings), TRUTH, studies=1_000, seed=0).simulated
    assert found is not None  # noqa: S101  (of a thousand studies some can be fitted)
    return found.power, found.ci_low, found.ci_high


def _design(images: int, ratings: int) -> StudyDesign:
    return StudyDesign(images=images, ratings_per_cell=ratings, raters=ratings)
