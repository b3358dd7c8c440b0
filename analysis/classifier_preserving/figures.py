"""The byte traces of one picture, and what comes out of some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from experiments import LIMIT, Run
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from mturk_eval.report.style import INK, MUTED, NARROW_IN, WIDE_IN, looks, paper_style
from mturk_eval.stimuli.images import resize_to

WIDTHS_IN: Final = {"traces": WIDE_IN, "traces_phone": NARROW_IN}
SHOWN: Final = {
    "post: shrink by 10 pixels, again and again": "shrunk by 10 px (post)",
    "post: JPEG at random quality, again and again": "JPEG at random quality (post)",
    "bisection on JPEG's quality": "JPEG, bisection",
}
_TITLES: Final = tuple(SHOWN.values())
_TILE: Final = (240, 160)
_LINE: Final = 18
_GAP: Final = 12  # so that a caption belongs to the picture above it


def draw_traces(runs: Sequence[Run], image: str, width_in: float) -> Figure:
    """Bytes by iteration for one picture; a marker on the last that passed."""
    look = looks(_TITLES)
    with paper_style():
        height_in = 3.0 if width_in > NARROW_IN else 3.4
        figure = Figure((width_in, height_in), layout="constrained")
        axes = figure.subplots()
        for search, title in SHOWN.items():
            for run in runs:
                if (run.search, run.image) != (search, image):
                    continue
                rows = run.made.trace
                kept = [row for row in rows if row.kept]
                axes.plot(
                    [row.number for row in rows if row.number],
                    [row.size_bytes for row in rows if row.number],
                    color=look[title].colour,
                    linewidth=1,
                    alpha=0.5 if len(rows) > 60 else 1,
                    label=title if run.seed == 0 else None,
                )
                axes.plot(
                    kept[-1].number,
                    kept[-1].size_bytes,
                    look[title].marker,
                    color=look[title].colour,
                    markeredgecolor="white",
                    markersize=7,
                )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlabel("Pictures shown to the classifier")
        axes.set_ylabel("Bytes of the file")
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.22 if width_in > 4 else -0.18),
            ncols=3 if width_in > 4 else 1,
        )
        axes.annotate(
            f"iteration limit, {LIMIT}", (LIMIT, axes.get_ylim()[1]), rotation=90, va="top",
            ha="right", color=MUTED,
        )  # fmt: skip
    return figure


def draw_pictures(runs: Sequence[Run], images: Sequence[str]) -> Image.Image:
    """Originals and what comes out, as a rater would see it: at the original's size."""
    columns = ["original", *SHOWN.values()]
    width, height = _TILE
    sheet = Image.new(
        "RGB", (len(columns) * width, _LINE + len(images) * (height + _LINE + _GAP) - _GAP), "white"
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.truetype(findfont("DejaVu Sans"), 11)
    for column, title in enumerate(columns):
        draw.text((column * width + 4, 2), title, fill=INK, font=font)
    for row, image in enumerate(images):
        top = _LINE + row * (height + _LINE + _GAP)
        for column, search in enumerate(["", *SHOWN]):
            run = next(
                run for run in runs if run.image == image and run.seed == 0
                and search in ("", run.search)
            )  # fmt: skip
            shown = run.original if not search else resize_to(run.made.shown, run.original.size)
            tile = shown.copy()
            tile.thumbnail((width - 4, height), Image.Resampling.LANCZOS)
            sheet.paste(tile, (column * width, top))
            caption = image if not search else (
                f"{len(run.made.coded):,} bytes, {run.made.kept.bpp:.3f} bpp, "
                f"{run.made.shown.width}×{run.made.shown.height}"
            )  # fmt: skip
            draw.text((column * width + 4, top + tile.height + 2), caption, fill=INK, font=font)
    return sheet
