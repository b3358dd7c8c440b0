"""Table 1 as bars on a log axis, the curves behind Table 2, and the pictures side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from measures import Measured, opened
from PIL import Image
from tables import COLUMNS, PUBLISHED_DIFFERENCE, SHOWN

from mturk_eval.report.style import (
    MUTED,
    NARROW_IN,
    legend_above,
    looks,
    new_figure,
    only_grid,
    paper_style,
)

BARS = ("original", "JPEG q0", "WebP q0", "script", "compiled")
_GAP_PX = 6


@paper_style()
def size_bars(measured: Sequence[Measured], width_in: float) -> Figure:
    """Bytes of every photograph in each form."""
    figure = new_figure(width_in, 0.85 * len(measured) + 0.9)
    axes = figure.subplots()
    styles = looks(BARS)
    height = 0.8 / len(BARS)
    for number, name in enumerate(BARS):
        places = np.arange(len(measured)) + (number - (len(BARS) - 1) / 2) * height
        values = [COLUMNS[name](m) for m in measured]
        bars = axes.barh(places, values, height * 0.92, color=styles[name].colour, label=name)
        axes.bar_label(bars, labels=[f"{value:,}" for value in values], padding=2, fontsize=6.5)
    axes.set_yticks(range(len(measured)), [m.image for m in measured])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(50, 3e6)
    axes.set_xticks([100, 1_000, 10_000, 100_000])
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("bytes")
    only_grid(axes, "x")
    legend_above(figure, axes, width_in)
    return figure


@paper_style()
def difference_curves(measured: Sequence[Measured], width_in: float) -> Figure:
    """Percent of pixels beyond each tolerance, mean over the photographs."""
    figure = new_figure(width_in, 2.6 if width_in > NARROW_IN else 2.4)
    axes = figure.subplots()
    colours = {name.split()[0]: look.colour for name, look in looks(BARS).items()}  # as the bars
    for name, label in SHOWN.items():
        curves = np.array([m.differences[name].curve for m in measured])
        axes.plot(curves.mean(axis=0), color=colours[label.split()[0]], label=label)
    axes.axhline(PUBLISHED_DIFFERENCE, color=MUTED, linewidth=0.8, linestyle=":")
    axes.annotate(
        f"published for scripts: {PUBLISHED_DIFFERENCE} %",
        (0.98, PUBLISHED_DIFFERENCE), xycoords=("axes fraction", "data"),
        ha="right", va="bottom", fontsize=7.5,
    )  # fmt: skip
    axes.set_xlim(0, 96)
    axes.set_ylim(0, 100)
    axes.set_xlabel("tolerance, of 255")
    axes.set_ylabel("pixels that differ, %")
    legend_above(figure, axes, width_in)
    return figure


def side_by_side(measured: Sequence[Measured], width_px: int = 260) -> Image.Image:
    """Original, script, WebP q0 and JPEG q0 of every photograph, row by row."""
    rows = []
    for m in measured:
        pictures = (m.photograph, m.reconstruction, opened(m.webp), opened(m.jpeg))
        size = (width_px, round(width_px * m.photograph.height / m.photograph.width))
        rows.append([picture.resize(size, Image.Resampling.LANCZOS) for picture in pictures])
    width = 4 * width_px + 3 * _GAP_PX
    height = sum(row[0].height + _GAP_PX for row in rows) - _GAP_PX
    sheet = Image.new("RGB", (width, height), "white")
    top = 0
    for row in rows:
        for number, picture in enumerate(row):
            sheet.paste(picture, (number * (width_px + _GAP_PX), top))
        top += row[0].height + _GAP_PX
    return sheet
