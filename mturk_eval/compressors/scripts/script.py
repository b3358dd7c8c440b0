"""A script as a value: a canvas, and the elements that are put on it, each with its operations.

Nothing is drawn while a script is built; `render` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal as OneOf

from mturk_eval.compressors.scripts.errors import OperationError
from mturk_eval.compressors.scripts.operations import (
    DEFAULT_CANVAS_COLOUR,
    Literal,
    Operation,
    written_operation,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One use of an element: what happens to it, in order; made by `use`.

    Each method gives a new layer with one more operation. ``place`` puts a copy of the element on
    the canvas as it is at that moment, so that one layer can put many.

    Attributes
    ----------
    element : str
        Its name in the library.
    operations : tuple of Operation

    Examples
    --------
    >>> star = use("star.webp").resize(6).place(40, 30).resize(3).place(90, 12)
    >>> [operation.name for operation in star.operations]
    ['resize', 'place', 'resize', 'place']
    """

    element: str
    operations: tuple[Operation, ...] = ()

    def resize(self, width: int, height: int | None = None) -> Layer:
        """Scale to a width, and to a height or in proportion (pixels; Lanczos)."""
        return self.then("resize", *_given(width, height))

    def rotate(self, degrees: float) -> Layer:
        """Turn counterclockwise about the middle, in steps of 0.1 degrees (bicubic)."""
        return self.then("rotate", degrees)

    def flip(self, direction: OneOf["left-right", "top-bottom"]) -> Layer:
        """Mirror."""
        return self.then("flip", direction)

    def crop(self, left: int, top: int, right: int, bottom: int) -> Layer:
        """Keep a rectangle of the element as it is now; pixels, ``right`` and ``bottom`` not in."""
        return self.then("crop", left, top, right, bottom)

    def blur(self, radius: float, vertical_radius: float | None = None) -> Layer:
        """Blur by a Gaussian of this standard deviation (pixels, steps of 0.1); the size stays."""
        return self.then("blur", *_given(radius, vertical_radius))

    def opacity(self, percent: int) -> Layer:
        """Make transparent: 100 leaves it as it is, 0 hides it."""
        return self.then("opacity", percent)

    def tint(self, colour: str, percent: int = 50) -> Layer:
        """Mix with a colour ``#rrggbb``; at 100 percent only the shape stays."""
        return self.then("tint", colour, percent)

    def place(self, x: int | None = None, y: int | None = None) -> Layer:
        """Put a copy with its middle at (x, y) from the canvas's top left, or at the very middle.

        Examples
        --------
        >>> use("sky.webp").place(3)
        Traceback (most recent call last):
        ...
        mturk_eval.compressors.scripts.errors.OperationError: place takes 0 or 2 parameters (x in \
pixels, y in pixels), not 1
        """
        return self.then("place", *_given(x, y))

    def order(self, order: int) -> Layer:
        """Put all copies above those of layers of lower order; without it 0, ties as they come."""
        return self.then("order", order)

    def then(self, name: str, *literals: Literal) -> Layer:
        """One more operation, by name.

        Raises
        ------
        OperationError
            If there is no such operation on elements, or its parameters do not fit.
        """
        if name == "canvas":
            raise OperationError("the canvas stands at the beginning, and is done to no element")
        operation = written_operation(name, literals)
        return Layer(element=self.element, operations=(*self.operations, operation))


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a describer made: a canvas and layers.

    Attributes
    ----------
    width_px, height_px : int
        Of the canvas, from 1 to 16,384.
    colour : str
        Of the canvas, ``#rrggbb``.
    layers : tuple of Layer
        In the order in which they are put there; each places its element at least once.

    Raises
    ------
    OperationError
        If the canvas is none, an element is never placed, or a layer has two orders.
    """

    width_px: int
    height_px: int
    colour: str = "#000000"
    layers: tuple[Layer, ...] = field(default=())

    def __post_init__(self) -> None:
        operation = self.canvas
        object.__setattr__(self, "colour", f"#{(*operation.parameters, 0)[2]:06x}")
        for layer in self.layers:
            check_layer(layer)

    @property
    def canvas(self) -> Operation:
        """The canvas as an operation."""
        return written_operation("canvas", (self.width_px, self.height_px, self.colour))

    @property
    def n_operations(self) -> int:
        """Operations of all layers."""
        return sum(len(layer.operations) for layer in self.layers)

    @property
    def elements(self) -> frozenset[str]:
        """Names of the elements that are used."""
        return frozenset(layer.element for layer in self.layers)


def check_layer(layer: Layer) -> None:
    """Raise OperationError if a layer never places its element, has two orders or a canvas."""
    names = [operation.name for operation in layer.operations]
    if "canvas" in names:
        raise OperationError("the canvas stands at the beginning, and is done to no element")
    if "place" not in names:
        raise OperationError(f"the element {layer.element} is used and never placed")
    if names.count("order") > 1:
        raise OperationError(f"the element {layer.element} is given two orders in one use")


def use(element: str) -> Layer:
    """Take an element of the library, by its name there."""
    return Layer(element=element)


def script_of(canvas: Operation, layers: tuple[Layer, ...]) -> Script:
    """A script from its canvas as an operation."""
    width, height, colour = (*canvas.parameters, DEFAULT_CANVAS_COLOUR)[:3]
    return Script(width_px=width, height_px=height, colour=f"#{colour:06x}", layers=layers)


def _given(*literals: Literal | None) -> tuple[Literal, ...]:
    return tuple(literal for literal in literals if literal is not None)
