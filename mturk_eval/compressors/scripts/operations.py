"""The operations of a script: their names, the letters they compile to, and their parameters.

One table for all: what a describer may write, what a compiled script may hold, and how each is
read from the other. An operation keeps its parameters as whole numbers in fixed units, so that it
is the same before and after.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mturk_eval.compressors.scripts.errors import OperationError

Literal = int | float | str
"""What a script may say in parentheses."""

LONGEST_SIDE_PX: Final = 16_384
LARGEST_NUMBER: Final = 0xFFFFFF
"""No parameter is larger, whatever it means: six hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One number of an operation: what it is called, how large it may be, how people write it.

    Attributes
    ----------
    name : str
        With its unit, for messages.
    lowest, highest : int
        In the units that are stored.
    steps : int
        Stored units in one of the script's: 10 stores tenths.
    words : tuple of str
        What a person writes in place of the numbers 0, 1, …; empty for plain numbers.
    is_colour : bool
        Written ``#rrggbb``.
    """

    name: str
    lowest: int
    highest: int
    steps: int = 1
    words: tuple[str, ...] = ()
    is_colour: bool = False

    def stored(self, literal: Literal) -> int:
        """The whole number for what a script says; raises OperationError if there is none."""
        number = self._number(literal)
        if not self.lowest <= number <= self.highest:
            raise OperationError(
                f"{self.name} = {literal} is not from {self.written(self.lowest)} to "
                f"{self.written(self.highest)}"
            )
        return number

    def written(self, number: int) -> Literal:
        """What a script says for a stored number."""
        if self.is_colour:
            return f"#{number:06x}"
        if self.words:
            return self.words[number]
        whole, rest = divmod(number, self.steps)
        return number / self.steps if rest else whole

    def _number(self, literal: Literal) -> int:
        if self.is_colour or self.words:
            return self._word(literal)
        if isinstance(literal, str):
            raise OperationError(f"{self.name} = {literal!r} is not a number")
        if not math.isfinite(literal):
            raise OperationError(f"{self.name} = {literal} is not a number")
        number = round(literal * self.steps)
        if abs(number - literal * self.steps) > 1e-6:
            step = "whole numbers" if self.steps == 1 else f"steps of {1 / self.steps:g}"
            raise OperationError(f"{self.name} = {literal}: only {step} are kept")
        return number

    def _word(self, literal: Literal) -> int:
        if self.is_colour:
            if isinstance(literal, str) and len(literal) == 7 and literal[0] == "#":
                digits = literal[1:].lower()
                if all(digit in "0123456789abcdef" for digit in digits):
                    return int(digits, 16)
            raise OperationError(f"{self.name} = {literal!r} is not written #rrggbb")
        if literal not in self.words:
            known = " or ".join(repr(word) for word in self.words)
            raise OperationError(f"{self.name} = {literal!r} is not {known}")
        return self.words.index(str(literal))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What an operation may be given.

    Attributes
    ----------
    letter : str
        Its id in compiled scripts; g to z, as a to f are digits.
    parameters : tuple of Parameter
    counts : tuple of int
        How many of the parameters may be given: each count is an overload.
    shortest : callable
        Leaves out stored parameters that say nothing, so that equal operations are equal.
    """

    letter: str
    parameters: tuple[Parameter, ...]
    counts: tuple[int, ...]
    shortest: Callable[[tuple[int, ...]], tuple[int, ...]] = lambda stored: stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One step of a script, e.g. ``resize(40, 60)``; parameters in the table's units."""

    name: str
    parameters: tuple[int, ...]

    def written(self) -> tuple[Literal, ...]:
        """Its parameters as a script says them."""
        kinds = SIGNATURES[self.name].parameters
        return tuple(
            kind.written(number) for kind, number in zip(kinds, self.parameters, strict=False)
        )


DEFAULT_TINT_PERCENT: Final = 50
DEFAULT_CANVAS_COLOUR: Final = 0

_WIDTH = Parameter(name="width in pixels", lowest=1, highest=LONGEST_SIDE_PX)
_HEIGHT = Parameter(name="height in pixels", lowest=1, highest=LONGEST_SIDE_PX)
_COLOUR = Parameter(name="colour", lowest=0, highest=LARGEST_NUMBER, is_colour=True)


def _pixels(name: str, lowest: int = -LONGEST_SIDE_PX) -> Parameter:
    return Parameter(name=f"{name} in pixels", lowest=lowest, highest=LONGEST_SIDE_PX)


def _percent(name: str) -> Parameter:
    return Parameter(name=f"{name} in percent", lowest=0, highest=100)


def _radius(name: str) -> Parameter:
    return Parameter(name=f"{name} in pixels", lowest=0, highest=5000, steps=10)


def _without_last(default: int) -> Callable[[tuple[int, ...]], tuple[int, ...]]:
    return lambda stored: stored[:-1] if len(stored) > 1 and stored[-1] == default else stored


SIGNATURES: Final[Mapping[str, Signature]] = {
    "canvas": Signature(
        letter="g",
        parameters=(_WIDTH, _HEIGHT, _COLOUR),
        counts=(2, 3),
        shortest=lambda stored: stored[:2] if stored[2:] == (DEFAULT_CANVAS_COLOUR,) else stored,
    ),
    "resize": Signature(letter="s", parameters=(_WIDTH, _HEIGHT), counts=(1, 2)),
    "rotate": Signature(
        letter="r",
        parameters=(Parameter(name="angle in degrees", lowest=-3600, highest=3600, steps=10),),
        counts=(1,),
    ),
    "flip": Signature(
        letter="m",
        parameters=(
            Parameter(name="direction", lowest=0, highest=1, words=("left-right", "top-bottom")),
        ),
        counts=(1,),
    ),
    "crop": Signature(
        letter="x",
        parameters=(
            _pixels("left", 0),
            _pixels("top", 0),
            _pixels("right", 1),
            _pixels("bottom", 1),
        ),
        counts=(4,),
    ),
    "blur": Signature(
        letter="l",
        parameters=(_radius("radius"), _radius("vertical radius")),
        counts=(1, 2),
        shortest=lambda stored: stored[:1] if stored[:1] == stored[1:] else stored,
    ),
    "opacity": Signature(letter="o", parameters=(_percent("opacity"),), counts=(1,)),
    "tint": Signature(
        letter="t",
        parameters=(_COLOUR, _percent("strength")),
        counts=(1, 2),
        shortest=_without_last(DEFAULT_TINT_PERCENT),
    ),
    "place": Signature(letter="p", parameters=(_pixels("x"), _pixels("y")), counts=(0, 2)),
    "order": Signature(
        letter="z",
        parameters=(Parameter(name="order", lowest=-LONGEST_SIDE_PX, highest=LONGEST_SIDE_PX),),
        counts=(1,),
    ),
}
NAMES_BY_LETTER: Final[Mapping[str, str]] = {
    signature.letter: name for name, signature in SIGNATURES.items()
}


def written_operation(name: str, literals: Sequence[Literal]) -> Operation:
    """An operation from what a script says, checked.

    Raises
    ------
    OperationError
        If there is no such operation, or a parameter is missing, too many, or out of range.

    Examples
    --------
    >>> written_operation("rotate", [12.5])
    Operation(name='rotate', parameters=(125,))
    """
    kinds = _parameters(name, len(literals))
    return _shortest(name, tuple(k.stored(v) for k, v in zip(kinds, literals, strict=True)))


def stored_operation(name: str, numbers: Sequence[int]) -> Operation:
    """An operation from stored numbers, checked; raises as `written_operation` does."""
    kinds = _parameters(name, len(numbers))
    for kind, number in zip(kinds, numbers, strict=True):
        if not kind.lowest <= number <= kind.highest:
            raise OperationError(
                f"{name}: {kind.name}, stored as {number}, is not from {kind.lowest} to "
                f"{kind.highest}"
            )
    return _shortest(name, tuple(numbers))


def _parameters(name: str, count: int) -> tuple[Parameter, ...]:
    if name not in SIGNATURES:
        raise OperationError(f"{name} is no operation; there are {', '.join(SIGNATURES)}")
    signature = SIGNATURES[name]
    if count not in signature.counts:
        takes = " or ".join(map(str, signature.counts))
        kinds = ", ".join(kind.name for kind in signature.parameters)
        raise OperationError(f"{name} takes {takes} parameters ({kinds}), not {count}")
    return signature.parameters[:count]


def _shortest(name: str, stored: tuple[int, ...]) -> Operation:
    return Operation(name=name, parameters=SIGNATURES[name].shortest(stored))
