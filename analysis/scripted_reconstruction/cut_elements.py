"""Cut the elements of the scripts out of the sample photographs, as a describer would in an editor.

    python analysis/scripted_reconstruction/cut_elements.py [--out DIR]

The files in elements/ were made so; WebP's encoder may give other bytes in another version, and
then other hashes, so that they are kept and not made anew each time.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from mturk_eval.compressors.scripts import catalogue

HERE = Path(__file__).parent
PHOTOGRAPHS = HERE.parents[1] / "mturk_eval" / "demo" / "photographs"

Matte = Literal["all", "light", "dark"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One element: an outline in a photograph, in pixels.

    ``matte``: what within the outline is kept: all of it; light on a dark ground, as transparent
    as it is dark, wholly so up to ``ground``; or dark lines on a lighter ground. ``feather_px`` is
    the softness of the edge, ``scale`` how many pixels are kept of one, a side.
    """

    name: str
    photograph: str
    outline: tuple[tuple[int, int], ...]
    ellipse: bool = False
    feather_px: float = 1.0
    matte: Matte = "all"
    ground: int = 24
    scale: float = 1.0
    quality: int = 60


def box(left: int, top: int, right: int, bottom: int) -> tuple[tuple[int, int], ...]:
    """A rectangle's outline; with ``ellipse``, the ellipse in it."""
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def around(x: int, y: int, radius: int) -> tuple[tuple[int, int], ...]:
    """A square's outline about a point."""
    return box(x - radius, y - radius, x + radius, y + radius)


CUTS = (
    # A rocket at dusk
    Cut(name="dusk", photograph="rocket", outline=box(190, 0, 198, 320), feather_px=0, scale=0.5),
    Cut(
        name="rocket",
        photograph="rocket",
        outline=(
            (241, 94), (247, 99), (251, 110), (252, 190), (252, 240), (268, 272), (268, 303),
            (285, 306), (288, 320), (200, 320), (200, 305), (215, 303), (216, 272), (230, 240),
            (231, 190), (231, 110), (235, 99),
        ),
    ),
    Cut(
        name="tower",
        photograph="rocket",
        outline=((34, 0), (67, 0), (60, 262), (54, 320), (0, 320), (0, 268), (24, 110)),
    ),
    Cut(
        name="mast",
        photograph="rocket",
        outline=(
            (147, 91), (154, 91), (154, 280), (156, 320), (121, 320), (130, 250), (139, 160),
            (141, 142), (146, 140),
        ),
    ),
    Cut(
        name="lamp", photograph="rocket", outline=around(113, 282, 22), ellipse=True,
        feather_px=3, matte="light", ground=130,
    ),
    # A cup of coffee
    Cut(
        name="wood", photograph="coffee", outline=box(390, 185, 480, 315), feather_px=0,
        quality=40,
    ),
    Cut(
        name="cup",
        photograph="coffee",
        outline=(
            (140, 72), (148, 52), (166, 33), (190, 20), (222, 14), (258, 17), (290, 30),
            (312, 50), (324, 74), (325, 98), (321, 124), (313, 150), (300, 180), (285, 203),
            (268, 217), (240, 226), (208, 224), (196, 236), (178, 246), (166, 246), (157, 236),
            (158, 214), (166, 200), (176, 188), (160, 170), (148, 150), (141, 124), (138, 96),
        ),
    ),
    Cut(
        name="spoon",
        photograph="coffee",
        outline=(
            (306, 160), (312, 152), (309, 178), (316, 196), (324, 212), (324, 232), (312, 250),
            (296, 260), (276, 256), (263, 244), (260, 222), (266, 206), (282, 197), (297, 188),
        ),
    ),
    # An astronaut
    Cut(
        name="head",
        photograph="astronaut",
        outline=(
            (146, 56), (152, 46), (170, 36), (184, 24), (210, 15), (240, 18), (262, 28), (276, 48),
            (280, 64), (280, 90), (274, 106), (262, 120), (250, 128), (244, 148), (239, 166),
            (230, 176), (206, 178), (190, 174), (175, 166), (174, 146), (170, 124), (160, 110),
            (148, 98), (145, 80),
        ),
    ),
    Cut(
        name="suit",
        photograph="astronaut",
        outline=(
            (108, 196), (108, 176), (114, 164), (122, 150), (140, 141), (160, 139), (174, 140),
            (176, 160), (200, 170), (236, 170), (250, 168), (270, 186), (282, 206), (285, 222),
            (310, 236), (324, 256), (332, 290), (340, 324), (318, 330), (300, 344), (280, 362),
            (266, 384), (260, 420), (261, 480), (40, 480), (24, 440), (20, 380), (24, 330),
            (34, 284), (44, 258), (64, 224), (94, 202),
        ),
        quality=50,
    ),
    Cut(
        name="helmet",
        photograph="astronaut",
        outline=(
            (261, 480), (260, 430), (266, 396), (282, 366), (304, 344), (330, 330), (364, 322),
            (396, 324), (424, 338), (446, 360), (460, 390), (465, 424), (480, 428), (480, 480),
        ),
    ),
    Cut(
        name="shuttle",
        photograph="astronaut",
        outline=(
            (372, 20), (378, 4), (384, 0), (398, 0), (408, 20), (410, 44), (416, 38), (424, 50),
            (427, 120), (426, 210), (432, 248), (440, 258), (436, 264), (346, 268), (342, 256),
            (352, 224), (332, 214), (334, 200), (352, 184), (354, 110), (356, 54), (364, 40),
            (370, 48),
        ),
    ),
    Cut(
        name="flag",
        photograph="astronaut",
        outline=((0, 0), (44, 0), (60, 80), (78, 150), (92, 204), (60, 226), (40, 262), (24, 320),
                 (20, 420), (30, 480), (0, 480)),
        quality=40,
    ),
    # An eye's fundus
    Cut(
        name="vessels", photograph="retina", outline=around(240, 240, 222), ellipse=True,
        feather_px=4, matte="dark", scale=0.5,
    ),
    # Galaxies
    *(
        Cut(name=name, photograph="galaxies", outline=around(x, y, radius), ellipse=True,
            feather_px=2, matte="light", quality=80)
        for name, x, y, radius in (
            ("galaxy-face", 19, 160, 19),
            ("galaxy-round", 256, 162, 14),
            ("galaxy-edge", 332, 191, 21),
            ("galaxy-pair", 187, 89, 16),
            ("galaxy-oval", 167, 107, 14),
            ("galaxy-blue", 152, 86, 14),
            ("galaxy-star", 37, 14, 13),
            ("galaxy-needle", 384, 164, 12),
        )
    ),
)  # fmt: skip


def cut(photograph: Image.Image, how: Cut) -> Image.Image:
    """The element as a picture with a transparent background."""
    xs, ys = zip(*how.outline, strict=True)
    margin = round(2 * how.feather_px)
    frame = (
        max(0, min(xs) - margin),
        max(0, min(ys) - margin),
        min(photograph.width, max(xs) + margin),
        min(photograph.height, max(ys) + margin),
    )
    mask = Image.new("L", photograph.size)
    pen = ImageDraw.Draw(mask)
    if how.ellipse:
        pen.ellipse((min(xs), min(ys), max(xs), max(ys)), fill=255)
    else:
        pen.polygon(how.outline, fill=255)
    if how.feather_px:
        mask = mask.filter(ImageFilter.GaussianBlur(how.feather_px))
    element = matted(photograph, how.matte, how.ground)
    element.putalpha(ImageChops.multiply(mask, element.getchannel("A")))
    element = element.crop(frame)
    size = tuple(max(1, round(how.scale * side)) for side in element.size)
    return element.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def matted(photograph: Image.Image, matte: Matte, ground: int) -> Image.Image:
    """A photograph with what does not belong to the element made transparent, mode RGBA."""
    rgb = np.asarray(photograph, float)
    match matte:
        case "all":
            alpha = np.full(rgb.shape[:2], 255.0)
        case "light":
            alpha = np.clip((rgb.max(axis=2) - ground) * 255 / (230 - ground), 0, 255)
            rgb = np.clip(rgb * 255 / np.maximum(alpha, 1)[..., None], 0, 255)
        case "dark":
            local = np.asarray(photograph.filter(ImageFilter.GaussianBlur(10)), float)
            depth = (local - rgb)[..., 1]  # vessels are darkest in green
            alpha = np.clip((depth - 4) * 9, 0, 255)
            rgb = np.broadcast_to(np.array([150.0, 20.0, 20.0]), rgb.shape)
    return Image.fromarray(np.dstack([rgb, alpha]).round().astype(np.uint8))


def disc() -> Image.Image:
    """A white disc with a soft edge: a shape to be resized and tinted."""
    side = 128
    mask = Image.new("L", (4 * side, 4 * side))
    ImageDraw.Draw(mask).ellipse((4, 4, 4 * side - 5, 4 * side - 5), fill=255)
    return _white(mask.resize((side, side), Image.Resampling.LANCZOS))


def glow() -> Image.Image:
    """A white spot that fades away: light, shade, a faint star."""
    place = np.linspace(-1, 1, 64)
    distance = np.hypot(*np.meshgrid(place, place))
    alpha = 255 * np.clip(1 - distance, 0, 1) ** 1.5
    return _white(Image.fromarray(alpha.round().astype(np.uint8)))


def square() -> Image.Image:
    """A white square."""
    return _white(Image.new("L", (8, 8), 255))


def cut_all(out: Path) -> None:
    """Write every element and the manifest into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    for shape in (disc, glow, square):
        shape().save(out / f"{shape.__name__}.webp", lossless=True, method=6)
    for how in CUTS:
        with Image.open(PHOTOGRAPHS / f"{how.photograph}.webp") as file:
            element = cut(file.convert("RGB"), how)
        element.save(
            out / f"{how.name}.webp", quality=how.quality, alpha_quality=how.quality, method=6
        )
    catalogue(out)


def _white(mask: Image.Image) -> Image.Image:
    element = Image.new("RGBA", mask.size, "white")
    element.putalpha(mask)
    return element


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "elements")
    cut_all(parser.parse_args().out)
