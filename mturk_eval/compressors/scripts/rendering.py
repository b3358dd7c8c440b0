"""From a script and its library to pixels: a pure function, the same on every run.

Elements are premultiplied while they are scaled, turned and blurred, and composed with the
canvas by Porter and Duff's *over*, all in 8 bits as Pillow computes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageFilter

from mturk_eval.compressors.scripts.compiled import decompile
from mturk_eval.compressors.scripts.errors import RenderingError
from mturk_eval.compressors.scripts.library import ElementLibrary
from mturk_eval.compressors.scripts.operations import DEFAULT_TINT_PERCENT, Operation
from mturk_eval.compressors.scripts.script import Layer, Script


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a script from somebody else may ask of this machine.

    Attributes
    ----------
    canvas_px, element_px : int
        Pixels of the canvas, and of an element at any step.
    operations : int
    work_px : int
        Pixels that all operations together read and write, those of slow ones several times.

    Notes
    -----
    With these defaults no script takes more than a gigabyte, or half a minute of one core.
    """

    canvas_px: int = 1 << 25
    element_px: int = 1 << 25
    operations: int = 10_000
    work_px: int = 1 << 31


DEFAULT_LIMITS: Final = Limits()
_WORK: Final[Mapping[str, int]] = {"rotate": 5, "resize": 4, "blur": 4, "place": 2, "open": 4}
"""How much longer an operation takes for a pixel than a table of tones; 1 where it is not here."""


def decode(
    compiled: bytes, library: ElementLibrary, limits: Limits = DEFAULT_LIMITS
) -> Image.Image:
    """The picture of a compiled script: `decompile`, then `render`.

    Raises
    ------
    CompiledScriptError, LibraryError, RenderingError
        As those two do.
    """
    return render(decompile(compiled, library), library, limits)


def render(script: Script, library: ElementLibrary, limits: Limits = DEFAULT_LIMITS) -> Image.Image:
    """Draw a script.

    Returns
    -------
    Image
        Mode RGB, of the canvas's size. Equal scripts and libraries give equal pixels, in every
        process, for one version of Pillow.

    Raises
    ------
    LibraryError
        If an element is missing or changed; names it.
    RenderingError
        If an operation does not fit its element, or a limit is passed; names both.
    """
    if script.width_px * script.height_px > limits.canvas_px:
        raise RenderingError(
            f"The canvas of {script.width_px}×{script.height_px} has more than "
            f"{limits.canvas_px:,} pixels, the most that is drawn."
        )
    if script.n_operations > limits.operations:
        raise RenderingError(
            f"{script.n_operations:,} operations; {limits.operations:,} is the most that is drawn."
        )
    budget = _Budget(limits)
    pictures = _Pictures(library, limits, budget)
    canvas = Image.new("RGBA", (script.width_px, script.height_px), script.colour)
    for layer in sorted(script.layers, key=_order):
        _draw(layer, pictures.of(layer.element), canvas, budget)
    return canvas.convert("RGB")


class _Budget:
    """Counts the work of one rendering, and says when it is too much."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._left_px = limits, limits.work_px

    def spend(self, name: str, read: tuple[int, int], written: tuple[int, int] = (0, 0)) -> None:
        """Raise RenderingError if this size, or the work so far, is more than is drawn."""
        pixels = written[0] * written[1]
        if pixels > self._limits.element_px:
            raise RenderingError(
                f"it would become {written[0]}×{written[1]}, more than "
                f"{self._limits.element_px:,} pixels"
            )
        self._left_px -= _WORK.get(name, 1) * (pixels + read[0] * read[1])
        if self._left_px < 0:
            raise RenderingError(
                f"the script asks for more than {self._limits.work_px:,} pixels of work"
            )


class _Pictures:
    """The elements' pictures; as many stay open as have together the pixels that one may have."""

    def __init__(self, library: ElementLibrary, limits: Limits, budget: _Budget) -> None:
        self._library, self._limits, self._budget = library, limits, budget
        self._open: dict[str, Image.Image] = {}

    def of(self, name: str) -> Image.Image:
        """The picture of an element."""
        if name not in self._open:
            picture = self._library.open(self._library.named(name))
            self._budget.spend("open", picture.size)
            total = sum(p.width * p.height for p in (picture, *self._open.values()))
            if total > self._limits.element_px:
                self._open.clear()
            self._open[name] = picture
        return self._open[name]


def _order(layer: Layer) -> int:
    return next((step.parameters[0] for step in layer.operations if step.name == "order"), 0)


def _draw(layer: Layer, picture: Image.Image, canvas: Image.Image, budget: _Budget) -> None:
    for number, step in enumerate(layer.operations, start=1):
        try:
            if step.name == "place":
                budget.spend(step.name, picture.size)
                _place(picture, canvas, step)
            elif step.name != "order":
                budget.spend(step.name, picture.size, _size_after(picture.size, step))
                picture = _CHANGES[step.name](picture, step.parameters)
        except RenderingError as error:
            raise RenderingError(
                f"{layer.element}, operation {number}, {step.name}: {error}"
            ) from error


def _place(picture: Image.Image, canvas: Image.Image, step: Operation) -> None:
    x, y = step.parameters or (canvas.width // 2, canvas.height // 2)
    left, top = x - picture.width // 2, y - picture.height // 2
    seen = (
        max(0, -left),
        max(0, -top),
        min(picture.width, canvas.width - left),
        min(picture.height, canvas.height - top),
    )
    if seen[0] < seen[2] and seen[1] < seen[3]:
        canvas.alpha_composite(picture.crop(seen), (max(0, left), max(0, top)))


def _size_after(size: tuple[int, int], step: Operation) -> tuple[int, int]:
    width, height = size
    match step.name:
        case "resize":
            return _resized(size, step.parameters)
        case "rotate":
            # Pillow rounds the corners of the turned picture outwards: at most two pixels more.
            angle = math.radians(step.parameters[0] / 10)
            cosine, sine = abs(math.cos(angle)), abs(math.sin(angle))
            return int(width * cosine + height * sine) + 2, int(width * sine + height * cosine) + 2
        case "crop":
            left, top, right, bottom = step.parameters
            if not (left < right <= width and top < bottom <= height):
                raise RenderingError(
                    f"({left}, {top}, {right}, {bottom}) is no rectangle inside {width}×{height}"
                )
            return right - left, bottom - top
        case _:
            return size


def _resized(size: tuple[int, int], parameters: tuple[int, ...]) -> tuple[int, int]:
    width = parameters[0]
    if len(parameters) == 2:
        return width, parameters[1]
    return width, max(1, (2 * size[1] * width + size[0]) // (2 * size[0]))


def _resize(picture: Image.Image, parameters: tuple[int, ...]) -> Image.Image:
    return picture.resize(_resized(picture.size, parameters), Image.Resampling.LANCZOS)


def _rotate(picture: Image.Image, parameters: tuple[int, ...]) -> Image.Image:
    return picture.rotate(parameters[0] / 10, Image.Resampling.BICUBIC, expand=True)


def _flip(picture: Image.Image, parameters: tuple[int, ...]) -> Image.Image:
    ways = (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM)
    return picture.transpose(ways[parameters[0]])


def _crop(picture: Image.Image, parameters: tuple[int, ...]) -> Image.Image:
    left, top, right, bottom = parameters
    return picture.crop((left, top, right, bottom))


def _blur(picture: Image.Image, parameters: tuple[int, ...]) -> Image.Image:
    across, down = parameters[0] / 10, parameters[-1] / 10
    premultiplied = picture.convert("RGBa")
    return premultiplied.filter(ImageFilter.GaussianBlur((across, down))).convert("RGBA")


def _opacity(picture: Image.Image, parameters: tuple[int, ...]) -> Image.Image:
    table = [(alpha * parameters[0] + 50) // 100 for alpha in range(256)]
    return picture.point([*range(256), *range(256), *range(256), *table])


def _tint(picture: Image.Image, parameters: tuple[int, ...]) -> Image.Image:
    colour, percent = (*parameters, DEFAULT_TINT_PERCENT)[:2]
    table: list[int] = []
    for goal in colour.to_bytes(3, "big"):
        table += [(tone * (100 - percent) + goal * percent + 50) // 100 for tone in range(256)]
    return picture.point([*table, *range(256)])


_CHANGES: Final[Mapping[str, Callable[[Image.Image, tuple[int, ...]], Image.Image]]] = {
    "resize": _resize,
    "rotate": _rotate,
    "flip": _flip,
    "crop": _crop,
    "blur": _blur,
    "opacity": _opacity,
    "tint": _tint,
}
