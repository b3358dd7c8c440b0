"""The whole loop on the sample photographs, by the command line, with a stand-in for the models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from mturk_eval.report.style import NARROW_IN, looks, new_figure, paper_style, shortened

REPOSITORY = Path(__file__).parents[2]
PHOTOGRAPHS = REPOSITORY / "mturk_eval" / "demo" / "photographs"


def method_of(words: int) -> str:
    """A method of its own for each number of words, so that one batch can compare them."""
    return f"micro-bpp-{words}"


def sweep(
    work: Path, photographs: Sequence[Path], *, words: Sequence[int], iterations: int, size_px: int
) -> pd.DataFrame:
    """Run the command for each number of words; a row for each photograph and number.

    ``work`` then holds ``squares/`` and ``stimuli/``.
    """
    # The stand-in belongs to the tests.
    sys.path.insert(0, str(REPOSITORY))
    from tests.compressors.micro_bpp.stand_in import running

    rows: list[dict[str, Any]] = []
    with running() as stand_in:
        for number in words:
            command = [
                *(sys.executable, "-m", "mturk_eval", "stimuli", "micro-bpp"),
                *map(str, photographs),
                *("--words", str(number), "--method", method_of(number)),
                *("--iterations", str(iterations), "--size", str(size_px)),
                *("--text-model", "stand-in", "--image-model", "stand-in"),
                *("--base-url", stand_in.url, "--key-variable", "STAND_IN_KEY"),
                *("--squares", "squares", "--out", "stimuli", "--json"),
            ]
            environment = {**os.environ, "STAND_IN_KEY": "any"}
            done = subprocess.run(  # noqa: S603  # our own command
                command, cwd=work, env=environment, check=True, stdout=subprocess.PIPE
            )
            for row in json.loads(done.stdout)["rows"]:
                rows.append({"words": number, **{k: row[k] for k in _KEPT}})
    return pd.DataFrame(rows)


_KEPT = ("image", "bytes", "symbols", "symbol_rate_ubpp", "file_rate_ubpp", "text")


def draw_rates(rates: pd.DataFrame, width_in: float) -> Figure:
    """Bytes of the file against the number of words asked for; µbpp at the right."""
    images = sorted(rates["image"].unique())
    pixels = (8e6 * rates["bytes"] / rates["file_rate_ubpp"]).iloc[0]
    narrow = width_in <= NARROW_IN
    with paper_style():
        figure = new_figure(width_in, 3.4 if narrow else 3.2)
        axes = figure.subplots()
        names = shortened(images, width_in)
        for image, name in zip(images, names, strict=True):
            look, of_image = looks(images)[image], rates[rates["image"] == image]
            axes.plot(
                of_image["words"], of_image["bytes"],
                color=look.colour, marker=look.marker, markersize=4, label=name,
            )  # fmt: skip
        axes.set_xlabel("Words asked for, K")
        axes.set_ylabel("Bytes of the file")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        right = axes.secondary_yaxis(
            "right", functions=(lambda b: 8e6 * b / pixels, lambda r: r * pixels / 8e6)
        )
        right.set_ylabel("µbpp of the square")
        axes.legend(loc="upper left")
    return figure


def contact_sheet(work: Path, images: Sequence[str], words: Sequence[int]) -> Image.Image:
    """Originals, and what the stand-in made of so many words."""
    side, gap, head = 176, 6, 20
    columns = ["original", *(f"{number} words" for number in words)]
    width = len(columns) * (side + gap) - gap
    sheet = Image.new("RGB", (width, head + len(images) * (side + gap) - gap), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for column, name in enumerate(columns):
        draw.text((column * (side + gap), 1), name, fill="#1b1f24", font=font)
        for row, image in enumerate(images):
            path = work / "squares" / f"{image}.png"
            if column:
                number = words[column - 1]
                path = work / "stimuli" / method_of(number) / f"{number}-words" / f"{image}.png"
            with Image.open(path) as picture:
                small = picture.convert("RGB").resize((side, side), Image.Resampling.BOX)
            sheet.paste(small, (column * (side + gap), head + row * (side + gap)))
    return sheet
