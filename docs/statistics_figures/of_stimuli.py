"""Agreement about stimuli, rate curves, and metrics that predict ratings."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from example_tables import CODECS, metric_values, rated_codecs
from matplotlib.figure import Figure
from scipy.interpolate import PchipInterpolator

from mturk_eval.report.style import (
    INK,
    MUTED,
    NARROW_IN,
    looks,
    new_figure,
    only_grid,
    paper_style,
)
from mturk_eval.stats.evaluation.logistic import fit_mapping
from mturk_eval.stats.ratings.mos import mean_opinion_scores
from mturk_eval.stats.reliability.ratings import rating_reliability
from statistics_figures.marks import interval_mark, legend_on_top, means_over_rate, row_names

_COEFFICIENTS: Final = {
    ("krippendorff_alpha", "ordinal"): ("alpha, ordinal", "one rating"),
    ("ICC(2,1)", "single"): ("ICC of one rating", "one rating"),
    ("split_half_srocc", "half"): ("split half, 12 raters", "mean of raters"),
    ("split_half_srocc", "all"): ("split half, all 24", "mean of raters"),
    ("ICC(2,k)", "average"): ("ICC of 24 raters' mean", "mean of raters"),
}


def _main() -> pd.DataFrame:
    table = rated_codecs()
    return table[table["role"] == "main"]


def agreement(width_in: float) -> Figure:
    """Coefficients of single ratings and of means."""
    result = rating_reliability(_main())
    styles = looks(("one rating", "mean of raters"))
    with paper_style():
        figure = new_figure(width_in, 2.2)
        axes = figure.subplots()
        for place, (key, (_, kind)) in enumerate(_COEFFICIENTS.items()):
            row = result.row(*key)
            first = place == 0 or kind != list(_COEFFICIENTS.values())[place - 1][1]
            interval_mark(
                axes, place, row.value or 0.0, (row.ci_low, row.ci_high), styles[kind],
                label=kind if first else "",
            )  # fmt: skip
        row_names(axes, [name for name, _ in _COEFFICIENTS.values()])
        axes.set_xlim(0, 1.02)
        only_grid(axes, "x")
        axes.set_xlabel("0: chance; 1: full agreement")
        legend_on_top(figure, axes)
    return figure


def rate_curves(width_in: float) -> Figure:
    """Mean ratings of one image against rate; the BD-rate is the area between the curves."""
    image = "photo03"
    table = _main()
    means = mean_opinion_scores(table[table["image"] == image])
    styles = looks(tuple(CODECS))
    curves = {
        codec: sorted((row.mean, np.log10(row.bpp or 1.0)) for row in means.rows
                      if row.method == codec)
        for codec in CODECS
    }  # fmt: skip
    low = max(curve[0][0] for curve in curves.values())
    high = min(curve[-1][0] for curve in curves.values())
    shared = np.linspace(low, high, 100)
    of = {
        codec: PchipInterpolator([mean for mean, _ in curve], [rate for _, rate in curve])
        for codec, curve in curves.items()
    }
    with paper_style():
        figure = new_figure(width_in, 2.7)
        axes = figure.subplots()
        axes.fill_betweenx(
            shared, 10 ** of["old-codec"](shared), 10 ** of["new-codec"](shared), color="#e3e8ee",
            linewidth=0, label="rate saved at equal rating",
        )  # fmt: skip
        for codec, curve in curves.items():
            look = styles[codec]
            quality = np.linspace(curve[0][0], curve[-1][0], 200)
            axes.plot(10 ** of[codec](quality), quality, color=look.colour, linewidth=1.2)
            rows = [row for row in means.rows if row.method == codec]
            means_over_rate(axes, rows, look, label=codec)
        only_grid(axes, "y")
        axes.set_ylabel("Mean rating (1–10)")
        legend_on_top(figure, axes, columns=3 if width_in > NARROW_IN else 2)
    return figure


def metrics(width_in: float) -> Figure:
    """Mean ratings against two metrics, with the fitted curve."""
    means = pd.DataFrame(mean_opinion_scores(_main()).document()["rows"])
    joined = means.merge(metric_values(), on=["image", "method", "bpp"])
    beside = width_in > NARROW_IN
    styles = looks(("distance", "decibels"))
    labels = {"distance": "distance (lower is better)", "decibels": "decibels (higher is better)"}
    with paper_style():
        figure = new_figure(width_in, 2.5 if beside else 4.4)
        panels = figure.subplots(*((1, 2) if beside else (2, 1)), sharey=True)
        for panel, (metric, look) in zip(panels, styles.items(), strict=True):
            x = joined[metric].to_numpy(np.float64)
            mos = joined["mean"].to_numpy(np.float64)
            predicted = fit_mapping(x, mos, "logistic-4").predicted
            order = np.argsort(x)
            panel.plot(
                x, mos, linestyle="none", marker=look.marker, color=look.colour, markersize=4,
                alpha=0.6, markeredgewidth=0,
            )  # fmt: skip
            panel.plot(x[order], predicted[order], color=INK)
            error = np.sqrt(np.sum((mos - predicted) ** 2) / (len(mos) - 4))
            panel.annotate(
                f"typical error {error:.2f} points", (0.5, 1.02), xycoords="axes fraction",
                ha="center", color=MUTED,
            )  # fmt: skip
            panel.set_xlabel(labels[metric])
            panel.set_ylim(1, 10)
        panels[0].set_ylabel("Mean rating (1–10)")
        if not beside:
            panels[1].set_ylabel("Mean rating (1–10)")
    return figure
