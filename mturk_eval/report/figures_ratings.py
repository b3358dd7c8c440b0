"""Figures of ratings: means with intervals per image, and how ratings are distributed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator, PercentFormatter

from mturk_eval.report.style import (
    INK,
    NARROW_IN,
    WIDE_IN,
    Look,
    legend_above,
    new_figure,
    only_grid,
    paper_style,
    shortened,
)
from mturk_eval.stats.ratings.mos import MosResult, MosRow

_ROW_IN = 0.235
_PANEL_LIMIT = 3


def image_order(rows: Sequence[MosRow], methods: Sequence[str]) -> list[str]:
    """Images by the difference between the first and the last of ``methods``, largest first.

    Images that lack one of the two come last, by their mean.
    """
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        values[str(row.image)][row.method].append(row.mean)

    def key(image: str) -> tuple[bool, float, str]:
        by_method = values[image]
        first, last = by_method.get(methods[0]), by_method.get(methods[-1])
        if len(methods) > 1 and first and last:
            return (False, -float(np.mean(first) - np.mean(last)), image)
        return (True, -float(np.mean([m for means in by_method.values() for m in means])), image)

    return sorted(values, key=key)


def means_figure(
    result: MosResult,
    styles: Mapping[str, Look],
    scale: tuple[float, float] | None,
    *,
    width_in: float = WIDE_IN,
) -> Figure:
    """Mean rating with its interval for every image, one panel per rate.

    Methods stand in the order of ``styles``; images are ordered by the difference between the first
    and the last of them.
    """
    rated = {row.method for row in result.rows}
    methods = [method for method in styles if method in rated]
    images = image_order(result.rows, methods)
    rates = sorted({row.bpp for row in result.rows}, key=lambda bpp: (bpp is None, bpp or 0.0))
    beside = width_in > NARROW_IN and len(rates) <= _PANEL_LIMIT
    columns = len(rates) if beside else 1
    rows = 1 if beside else len(rates)
    panel_in = _ROW_IN * len(images) * (1.0 if len(methods) <= 2 else 1.25) + 0.75
    with paper_style():
        figure = new_figure(width_in, max(1.6, panel_in * rows + 0.25))
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for panel, rate in zip(panels, rates, strict=True):
            for place, method in enumerate(methods):
                cells = {r.image: r for r in result.rows if r.method == method and r.bpp == rate}
                _draw_means(panel, cells, images, method, styles[method], place, len(methods))
            panel.set_ylim(len(images) - 0.5, -0.5)
            panel.set_yticks(range(len(images)), shortened(images, width_in))
            panel.tick_params(axis="y", length=0)
            only_grid(panel, "x")
            for stripe in range(0, len(images), 2):
                panel.axhspan(stripe - 0.5, stripe + 0.5, color="#f6f7f9", zorder=0)
            if scale is not None:
                panel.set_xlim(scale[0] - 0.15, scale[1] + 0.15)
                panel.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
            if rate is not None and len(rates) > 1:
                panel.set_title(f"{rate:g} bpp")
        for panel in panels[-columns:]:
            panel.set_xlabel(_rating_label(scale) if columns < 3 else "Mean rating")
        legend_above(figure, panels[0], width_in)
    return figure


def _draw_means(
    panel: Axes,
    cells: dict[str | None, MosRow],
    images: Sequence[str],
    method: str,
    look: Look,
    place: int,
    n_methods: int,
) -> None:
    step = 0.62 / max(1, n_methods)
    offset = (place - (n_methods - 1) / 2) * step
    shown = [(row, index) for index, image in enumerate(images) if (row := cells.get(image))]
    y = np.array([index + offset for _, index in shown])
    mean = np.array([row.mean for row, _ in shown])
    low = np.array([row.mean if row.ci_low is None else row.ci_low for row, _ in shown])
    high = np.array([row.mean if row.ci_high is None else row.ci_high for row, _ in shown])
    panel.hlines(y, low, high, color=look.colour, linewidth=1.5)
    panel.plot(
        mean,
        y,
        linestyle="none",
        marker=look.marker,
        color=look.colour,
        markeredgecolor="white",
        markeredgewidth=0.6,
        markersize=5.5 if n_methods <= 3 else 4.6,
        label=method,
    )


def _rating_label(scale: tuple[float, float] | None) -> str:
    return "Mean rating" if scale is None else f"Mean rating (scale {scale[0]:g}–{scale[1]:g})"


def distribution_figure(
    ratings: pd.DataFrame,
    methods: Sequence[str],
    styles: Mapping[str, Look],
    scale: tuple[float, float] | None,
    *,
    width_in: float = WIDE_IN,
) -> Figure:
    """The share of every rating, one panel per method; the line marks the mean."""
    columns = min(len(methods), 4 if width_in > NARROW_IN else 2)
    rows = -(-len(methods) // columns)
    values = ratings["rating"].to_numpy(float)
    integers = bool(np.all(values == np.round(values))) and np.ptp(values) <= 30
    low, high = scale if scale is not None else (float(values.min()), float(values.max()))
    if integers:
        edges = np.arange(low - 0.5, high + 1.0)
    else:
        edges = np.linspace(low, high if high > low else low + 1.0, 13)
    names = shortened(methods, width_in / columns * 2)
    with paper_style():
        figure = new_figure(width_in, 1.75 * rows + 0.35)
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for panel, method in zip(panels.ravel(), methods, strict=False):
            given = ratings.loc[ratings["method"] == method, "rating"].to_numpy(float)
            counts, _ = np.histogram(given, bins=edges)
            panel.bar(
                (edges[:-1] + edges[1:]) / 2,
                counts / max(1, len(given)),
                width=np.diff(edges) * 0.86,
                color=styles[method].colour,
                alpha=0.85,
            )
            panel.axvline(given.mean(), color=INK, linewidth=1.1)
            name = names[methods.index(method)]
            joint = "  " if len(name) < 40 / columns - 14 else "\n"
            panel.set_title(f"{name}{joint}(mean {given.mean():.2f})")
            panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            only_grid(panel, "y")
            if integers and high - low <= 12:
                panel.xaxis.set_major_locator(MultipleLocator(1 if columns < 3 else 3, offset=low))
        for panel in panels.ravel()[len(methods) :]:
            panel.set_visible(False)
        for panel in panels[:, 0]:
            panel.set_ylabel("Share of ratings")
        for panel in panels[-1]:
            panel.set_xlabel("Rating")
    return figure
