"""An example of a session: a picture drawn after session/rocket.txt, and what it is compared with.

    python analysis/human_compression/draw_session.py [--out FILE.png]

In place of a person, a few lines of drawing follow the describer's words one by one. The picture
shows the original, WebP at the size of the describer's text, and the drawing.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw
from size_matching import PHOTOGRAPHS

from mturk_eval.compressors.transcripts import count_chats, pair_sessions, write_stimuli
from mturk_eval.stimuli.codecs import find_codec
from mturk_eval.stimuli.encoding import Manner, encode
from mturk_eval.stimuli.encoding_targets import ask_listed
from mturk_eval.stimuli.folder import StimuliFolder

HERE: Final = Path(__file__).parent
PICTURE: Final = HERE.parents[1] / "docs" / "pictures" / "human-compression.png"
IMAGE: Final = "rocket"
SIZE: Final = (480, 320)
FINER: Final = 4  # drawn larger and reduced, so that edges are smooth
SKY: Final = ((0.0, "#0f2038"), (0.67, "#2a4a78"), (1.0, "#4a5570"))


def drawing() -> Image.Image:
    """What the describer of session/rocket.txt asks for, shape by shape."""
    width, height = SIZE[0] * FINER, SIZE[1] * FINER
    image = _sky(width, height)
    draw = ImageDraw.Draw(image)

    def box(left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
        return (left * width, top * height, right * width, bottom * height)

    for foot, head in (((0.01, 0.13), (0.08, 0.14)), ((0.87, 0.99), (0.86, 0.92))):
        _tower(draw, (width, height), foot=foot, head=head, top=0.0, step=0.09)
    for x in (0.29, 0.71):
        _tower(
            draw, (width, height), foot=(x - 0.025, x + 0.025), head=(x - 0.01, x + 0.01),
            top=0.45, step=0.05,
        )  # fmt: skip
        draw.rectangle(box(x - 0.003, 0.3, x + 0.003, 0.45), fill="#e8e8e8")
    draw.rectangle(box(0.42, 0.96, 0.58, 1.0), fill="#d8b98a")
    draw.rectangle(box(0.486, 0.34, 0.514, 0.95), fill="#f2efe6")
    draw.ellipse(box(0.486, 0.30, 0.514, 0.38), fill="#f2efe6")
    draw.rectangle(box(0.486, 0.365, 0.514, 0.375), fill="#333333")
    draw.rectangle(box(0.499, 0.38, 0.501, 0.95), fill="#9a9a9a")
    for x in (0.12, 0.23, 0.30, 0.57, 0.68, 0.71):
        _lamp(draw, x * width, 0.93 * height, 0.018 * width)
    return image.resize(SIZE, Image.Resampling.LANCZOS)


def compared(folder: Path) -> Image.Image:
    """Original, WebP and drawing side by side, by way of a folder of stimuli."""
    screen = folder / f"{IMAGE}.png"
    drawing().save(screen)
    original = PHOTOGRAPHS / f"{IMAGE}.webp"
    sessions = pair_sessions(
        {IMAGE: HERE / "session" / f"{IMAGE}.txt"}, {IMAGE: original}, {IMAGE: screen}
    )
    made = write_stimuli(count_chats(sessions, describers=["Ada"]), folder / "stimuli")
    encode(
        {IMAGE: original},
        {"webp": find_codec("webp")},
        ask_listed([IMAGE], made.sizes),
        folder / "stimuli",
        manner=Manner(side="over"),
    )
    stimuli = {e.stimulus.method: e.stimulus for e in StimuliFolder(folder / "stimuli").entries()}
    for method, stimulus in stimuli.items():
        print(f"{method}: {stimulus.bytes} bytes, {stimulus.bpp:.4f} bpp; {stimulus.settings}")
    paths = [original, *(folder / "stimuli" / stimuli[name].path for name in ("webp", "human"))]
    gap = 8
    row = Image.new("RGB", (3 * SIZE[0] + 2 * gap, SIZE[1]), "white")
    for number, path in enumerate(paths):
        with Image.open(path) as image:
            row.paste(image.convert("RGB"), (number * (SIZE[0] + gap), 0))
    return row


def _sky(width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for (top, upper), (bottom, lower) in pairwise(SKY):
        first, last = round(top * height), round(bottom * height)
        for y in range(first, last):
            share = (y - first) / (last - first)
            ends = [tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in (upper, lower)]
            colour = tuple(round(a + share * (b - a)) for a, b in zip(*ends, strict=True))
            draw.line((0, y, width, y), fill=(colour[0], colour[1], colour[2]))
    return image


def _tower(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], *, foot: tuple[float, float],
    head: tuple[float, float], top: float, step: float,
) -> None:  # fmt: skip
    """A lattice with X bracing from the ground up to ``top``."""
    width, height = size
    line = max(round(width * 0.003), 1)

    def ends(y: float) -> tuple[float, float]:
        share = (y - top) / (1 - top)
        left, right = (h + share * (f - h) for h, f in zip(head, foot, strict=True))
        return left * width, right * width

    y = 1.0
    while y > top:
        above = max(y - step, top)
        (left, right), (upper_left, upper_right) = ends(y), ends(above)
        low, high = y * height, above * height
        for start, end in (
            (left, upper_left),
            (right, upper_right),
            (left, upper_right),
            (right, upper_left),
        ):
            draw.line((start, low, end, high), fill="#101418", width=line)
        draw.line((upper_left, high, upper_right, high), fill="#101418", width=line)
        y = above


def _lamp(draw: ImageDraw.ImageDraw, x: float, y: float, reach: float) -> None:
    for dx, dy in ((1, 0), (0, 1), (0.7, 0.7), (0.7, -0.7)):
        ends = (x - dx * reach, y - dy * reach, x + dx * reach, y + dy * reach)
        draw.line(ends, fill="#ffd98a", width=max(round(reach / 8), 1))
    core = reach / 3
    draw.ellipse((x - core, y - core, x + core, y + core), fill="#fff6dc")


def main() -> None:
    """Read the options and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PICTURE, help="default: docs/pictures/")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compared(Path(folder)).quantize(256, dither=Image.Dither.NONE).save(
            options.out, optimize=True
        )
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
