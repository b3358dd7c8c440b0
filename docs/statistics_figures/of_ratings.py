"""Means of ratings, their spread, and the raters who gave them."""

from __future__ import annotations

from typing import Final

import numpy as np
from example_tables import CODECS, human_compression, rated_codecs
from matplotlib.figure import Figure

from mturk_eval.report.style import (
    INK,
    MUTED,
    NARROW_IN,
    looks,
    new_figure,
    only_grid,
    paper_style,
)
from mturk_eval.stats.ratings.bias_inconsistency import bias_inconsistency
from mturk_eval.stats.ratings.dmos import differential_opinion_scores
from mturk_eval.stats.ratings.mos import mean_opinion_scores
from mturk_eval.stats.ratings.sos import sos
from mturk_eval.stats.resampling.weights import ResamplingUnit
from statistics_figures.marks import interval_mark, legend_on_top, means_over_rate, row_names

SCALE: Final = (1.0, 10.0)
_UNITS: Final[dict[ResamplingUnit, str]] = {
    "rating": "single ratings",
    "rater": "raters",
    "image": "images",
    "both": "raters and images",
}


def means_by_unit(width_in: float) -> Figure:
    """Two methods' means with the interval under each unit, over the means of their images."""
    table = human_compression()
    styles = looks(("human", "webp"))
    with paper_style():
        figure = new_figure(width_in, 2.5)
        axes = figure.subplots()
        for place, unit in enumerate(_UNITS):
            result = mean_opinion_scores(table, unit=unit)
            for row in result.methods:
                offset = -0.14 if row.method == "human" else 0.14
                interval_mark(
                    axes, place + offset, row.mean, (row.ci_low, row.ci_high), styles[row.method],
                    label=row.method if place == 0 else "",
                )  # fmt: skip
        rows = mean_opinion_scores(table, unit="rater", interval="t").rows
        for method, shift in (("human", -0.14), ("webp", 0.14)):
            means = [row.mean for row in rows if row.method == method]
            axes.plot(
                means, np.full(len(means), len(_UNITS) + shift), linestyle="none", markersize=5,
                marker=styles[method].marker, color=styles[method].colour, alpha=0.55,
                markeredgewidth=0,
            )  # fmt: skip
        row_names(axes, [*_UNITS.values(), "means of images"])
        axes.axhline(len(_UNITS) - 0.5, color=MUTED, linewidth=0.6)
        only_grid(axes, "x")
        axes.set_xlabel("Mean rating (scale 1–10)")
        axes.set_ylabel("What may vary")
        legend_on_top(figure, axes)
    return figure


def differential_scores(width_in: float) -> Figure:
    """DMOS of two codecs against rate, with intervals over raters and images."""
    table = rated_codecs()
    originals = table[table["role"] == "catch"]
    result = differential_opinion_scores(
        table[table["role"] == "main"], originals, scale=SCALE, unit="both"
    )
    styles = looks(tuple(CODECS))
    with paper_style():
        figure = new_figure(width_in, 2.6)
        axes = figure.subplots()
        for codec in CODECS:
            look = styles[codec]
            rows = [row for row in result.means.methods if row.method == codec]
            shift = 1.02 if codec == "new-codec" else 0.98
            x = [shift * (row.bpp or 0.0) for row in rows]
            axes.plot(x, [row.mean for row in rows], color=look.colour, alpha=0.5, linewidth=1)
            means_over_rate(axes, rows, look, label=codec, shift=shift)
        axes.axhline(10, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate("as good as the original", (0.095, 9.85), va="top", color=MUTED)
        axes.set_ylim(3.5, 10.4)
        only_grid(axes, "y")
        axes.set_ylabel("DMOS (rating points)")
        legend_on_top(figure, axes)
    return figure


def spread_of_opinions(width_in: float) -> Figure:
    """The standard deviation of every stimulus's ratings against their mean, with the fit."""
    table = rated_codecs()
    result = sos(table[table["role"] == "main"], scale=SCALE)
    with paper_style():
        figure = new_figure(width_in, 2.5)
        axes = figure.subplots()
        look = looks(("stimulus",))["stimulus"]
        axes.plot(
            [row.mean for row in result.rows], [row.std_dev for row in result.rows],
            linestyle="none", marker=look.marker, color=look.colour, markersize=4, alpha=0.6,
            markeredgewidth=0, label="one stimulus",
        )  # fmt: skip
        x = np.linspace(*SCALE, 200)
        arch = np.sqrt((x - SCALE[0]) * (SCALE[1] - x))
        axes.plot(x, np.sqrt(result.a) * arch, color=INK, label=f"fit, a = {result.a:.2f}")
        axes.plot(x, arch, color=MUTED, linestyle=(0, (4, 3)), label="largest possible, a = 1")
        axes.set_xlim(0.8, 10.2)
        axes.set_ylim(0, 4.8)
        axes.set_xticks(range(1, 11))
        axes.set_xlabel("Mean rating of a stimulus (scale 1–10)")
        axes.set_ylabel("Standard deviation\nof its ratings (points)")
        legend_on_top(figure, axes, columns=3 if width_in > NARROW_IN else 2)
    return figure


def bias_and_inconsistency(width_in: float) -> Figure:
    """Every rater by leniency and noise, with intervals."""
    table = rated_codecs()
    result = bias_inconsistency(table[table["role"] == "main"], estimation="reml")
    styles = looks(("rater", "two who answer almost at random"))
    by_noise = sorted(result.raters, key=lambda rater: rater.inconsistency)
    with paper_style():
        figure = new_figure(width_in, 2.7)
        axes = figure.subplots()
        for place, rater in enumerate(by_noise):
            careless = place >= len(by_noise) - 2
            name = "two who answer almost at random" if careless else "rater"
            look = styles[name]
            axes.hlines(
                rater.inconsistency, rater.bias_ci_low or 0, rater.bias_ci_high or 0,
                color=look.colour, linewidth=1.2, alpha=0.75,
            )  # fmt: skip
            axes.vlines(
                rater.bias, rater.inconsistency_ci_low or 0, rater.inconsistency_ci_high or 0,
                color=look.colour, linewidth=1.2, alpha=0.75,
            )  # fmt: skip
            axes.plot(
                rater.bias, rater.inconsistency, marker=look.marker, color=look.colour,
                markersize=5.5, markeredgecolor="white", markeredgewidth=0.6, linestyle="none",
                label=name if place in (0, len(by_noise) - 1) else "",
            )  # fmt: skip
        axes.axvline(0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        axes.set_ylim(0, None)
        axes.set_xlabel("Bias: points above the average rater")
        axes.set_ylabel("Inconsistency:\nSD of the noise (points)")
        legend_on_top(figure, axes)
    return figure
