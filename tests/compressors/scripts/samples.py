"""A small library, and strategies for scripts that use it."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from PIL import Image, ImageDraw

from mturk_eval.compressors.scripts import ElementLibrary, Layer, Script, catalogue
from mturk_eval.compressors.scripts.operations import SIGNATURES, Operation, Parameter

LETTERS = string.ascii_letters + string.digits + " _-()'.\u00e9\u6f22"


def write_library(folder: Path) -> ElementLibrary:
    """Three elements: a disc in a subfolder, a soft bar, and a single pixel."""
    (folder / "shapes").mkdir(parents=True)
    disc = Image.new("RGBA", (24, 16))
    ImageDraw.Draw(disc).ellipse((1, 1, 22, 14), fill=(220, 60, 40, 255))
    disc.save(folder / "shapes" / "disc.png")
    bar = Image.new("RGBA", (9, 30), (30, 90, 200, 255))
    bar.putalpha(Image.linear_gradient("L").resize((9, 30)))
    bar.save(folder / "bar.webp", lossless=True)
    Image.new("RGBA", (1, 1), (255, 255, 255, 128)).save(folder / "dot.png")
    return catalogue(folder)


def stored(parameter: Parameter, *, most: int) -> st.SearchStrategy[int]:
    """A number of a parameter; sizes at most ``most`` so that it is drawn quickly."""
    highest = parameter.highest if parameter.is_colour else min(parameter.highest, most)
    return st.integers(max(parameter.lowest, -most), highest)


@st.composite
def operations(draw: st.DrawFn, names: tuple[str, ...], *, most: int) -> Operation:
    """Any operation in any of its overloads."""
    from mturk_eval.compressors.scripts.operations import stored_operation

    name = draw(st.sampled_from(names))
    count = draw(st.sampled_from(SIGNATURES[name].counts))
    numbers = [draw(stored(kind, most=most)) for kind in SIGNATURES[name].parameters[:count]]
    return stored_operation(name, numbers)


@st.composite
def scripts(
    draw: st.DrawFn, elements: tuple[str, ...], *, most: int = 16_384, crop: bool = True
) -> Script:
    """Any script over some elements."""
    names = tuple(
        name for name in SIGNATURES if name not in ("canvas", "order") and (crop or name != "crop")
    )
    layers = []
    for element in draw(st.lists(st.sampled_from(elements), max_size=4)):
        steps = draw(st.lists(operations(names, most=most), max_size=5))
        steps.append(draw(operations(("place",), most=most)))
        if draw(st.booleans()):
            place = draw(st.integers(0, len(steps)))
            steps.insert(place, draw(operations(("order",), most=most)))
        layers.append(Layer(element=element, operations=tuple(steps)))
    sizes: dict[str, Any] = {side: draw(st.integers(1, most)) for side in ("width_px", "height_px")}
    colour = f"#{draw(st.integers(0, 0xFFFFFF)):06x}"
    return Script(**sizes, colour=colour, layers=tuple(layers))
