"""The mixed and the ordinal model of ratings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np
from example_tables import human_compression
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from mturk_eval.report.style import (
    MUTED,
    NARROW_IN,
    Look,
    looks,
    new_figure,
    only_grid,
    paper_style,
)
from mturk_eval.stats.mixed.model import MixedResult, fit_mixed
from mturk_eval.stats.ordinal.model import fit_ordinal_ratings
from mturk_eval.stats.ratings.mos import mean_opinion_scores
from statistics_figures.marks import interval_mark, legend_on_top, row_names, zero_line

_REFERENCE: Final = {"method": "webp"}
_INTERCEPTS: Final = "rating ~ method + (1 | image) + (1 | rater)"
_TRUTH: Final = Path(__file__).resolve().parents[2] / "benchmarks" / "truth_by_simulation.md"


def differences_by_image(width_in: float) -> Figure:
    """The difference on each image, and two intervals for their mean: a wrong and a right one."""
    table = human_compression()
    mean = {(row.image, row.method): row.mean for row in mean_opinion_scores(table).rows}
    images = sorted({image for image, _ in mean}, key=str)
    differences = sorted((mean[i, "human"] - mean[i, "webp"] for i in images), reverse=True)
    names = ["13 images", "random intercepts only", "with by-image slopes"]
    if width_in <= NARROW_IN:
        names = ["13 images", "intercepts\nonly", "by-image\nslopes"]
    styles = looks(("slopes", "intercepts"))
    with paper_style():
        figure = new_figure(width_in, 1.95)
        axes = figure.subplots()
        zero_line(axes)
        axes.plot(
            differences, np.zeros(len(differences)), linestyle="none", marker="o", markersize=6.5,
            color=MUTED, alpha=0.65, markeredgecolor="white", markeredgewidth=0.5,
        )  # fmt: skip
        for place, (name, formula) in enumerate(
            (("intercepts", _INTERCEPTS), ("slopes", None)), start=1
        ):
            fit = fit_mixed(table, formula, reference=_REFERENCE)
            effect = fit.fixed_effects[1]
            interval_mark(
                axes, place, effect.estimate, (effect.ci_low, effect.ci_high), styles[name],
                size=6 if width_in > NARROW_IN else 4,
            )  # fmt: skip
            axes.annotate(
                _verdict(fit), (1.0, place), xycoords=axes.get_yaxis_transform(), va="center",
                ha="right", color=styles[name].colour, linespacing=1.3,
            )  # fmt: skip
        row_names(axes, names)
        axes.set_xlim(-2.9, 7.6 if width_in > NARROW_IN else 8.2)
        axes.set_xticks(range(-2, 6))
        only_grid(axes, "x")
        axes.set_xlabel("human − webp (rating points)")
    return figure


def _verdict(fit: MixedResult) -> str:
    effect = fit.fixed_effects[1]
    p = "p < .001" if effect.p < 0.001 else f"p = {effect.p:.3f}".replace("0.", ".")
    return f"t = {effect.t:.2f}\n{p}"


def error_rates(width_in: float) -> Figure:
    """How often two models find a difference that is not there, by how much images differ."""
    columns, rows = _error_table()
    shown = {
        "default": "the default",
        "intercepts only": "random intercepts only",
    }
    styles = looks(tuple(shown.values()))
    slope_sds = [0.0, 0.3, 0.7, 1.85]
    with paper_style():
        figure = new_figure(width_in, 2.5)
        axes = figure.subplots()
        axes.axhline(0.05, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        for column, name in shown.items():
            look: Look = styles[name]
            y = [rows[f"slope sd {sd:g}"][columns.index(column)] for sd in slope_sds]
            axes.plot(
                slope_sds, y, marker=look.marker, color=look.colour, markersize=6,
                markeredgecolor="white", markeredgewidth=0.6, label=name,
            )  # fmt: skip
        axes.set_ylim(0, 0.85)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel("How much the difference varies from image to image (SD, points)")
        if width_in <= NARROW_IN:
            axes.set_xlabel("SD of the difference over images (points)")
        axes.set_ylabel("Studies with a\nfalse finding")
        axes.annotate("5 %, as promised", (1.85, 0.1), ha="right", color=MUTED)
        legend_on_top(figure, axes)
    return figure


def _error_table() -> tuple[list[str], dict[str, list[float]]]:
    """The first table of the benchmark: its columns, and rows by the start of their names."""
    lines = _TRUTH.read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| design"))
    columns = [cell.strip() for cell in lines[start].strip("|").split("|")][1:]
    rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        numbers = [re.search(r"\d[\d,]*\.?\d*", cell) for cell in cells]
        values = [float(n.group().replace(",", "")) if n else float("nan") for n in numbers]
        rows[name.removesuffix(", as in the paper")] = values
    return columns, rows


def expected_answers(width_in: float) -> Figure:
    """The share of each answer that the ordinal model expects, by method, beside the observed."""
    table = human_compression()
    fit = fit_ordinal_ratings(table, reference=_REFERENCE)
    styles = looks(("human", "webp"))
    answers = np.arange(1, 11)
    with paper_style():
        figure = new_figure(width_in, 2.3 if width_in > NARROW_IN else 3.6)
        beside = width_in > NARROW_IN
        panels = figure.subplots(*((1, 2) if beside else (2, 1)), sharex=True, sharey=True)
        for panel, one in zip(panels, reversed(fit.predictions), strict=True):
            look = styles[one.method]
            observed = table.loc[table["method"] == one.method, "rating"].value_counts(
                normalize=True
            )
            panel.bar(
                answers, [observed.get(a, 0.0) for a in answers], width=0.8, color=look.colour,
                alpha=0.3, label="observed",
            )  # fmt: skip
            panel.plot(
                answers, one.marginal_probabilities or one.probabilities, color=look.colour,
                marker=look.marker, markersize=5, markeredgecolor="white", markeredgewidth=0.5,
                label="expected by the model",
            )  # fmt: skip
            panel.set_title(one.method)
            panel.legend(loc="upper right", handlelength=1.6)
            panel.set_xticks(answers)
            only_grid(panel, "y")
            panel.set_ylim(0, 0.26)
            panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        panels[0].set_ylabel("Share of ratings")
        if not beside:
            panels[1].set_ylabel("Share of ratings")
        for panel in panels if beside else panels[1:]:
            panel.set_xlabel("Rating")
    return figure
