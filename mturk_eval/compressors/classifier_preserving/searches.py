"""Ways to take more and more of a picture away: the post's two loops, and shorter ways.

A search is a coroutine: it yields a candidate and is sent whether that still says the same. The
last one that did is the result, whichever search it was.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from mturk_eval.compressors.classifier_preserving.candidates import Candidate, Coding

if TYPE_CHECKING:
    from mturk_eval.stimuli.codecs.codec import Codec


class Ending(StrEnum):
    """Why a search ended."""

    answer_changed = "the answer changed"
    nothing_left = "nothing is left to take away"
    narrowed_down = "narrowed down to one step"
    all_tried = "all tried"
    iteration_limit = "iteration limit"


_PERCENT = 100

Candidates = Generator[Candidate, bool, Ending]


class Search(Protocol):
    """Proposes candidates for one original."""

    @property
    def label(self) -> str:
        """What it does, for a person to read."""

    def candidates(self, original: Image.Image, rng: np.random.Generator) -> Candidates:
        """Yield candidates; after each, be sent whether it still passes.

        Parameters
        ----------
        original : Image
            RGB.
        rng : Generator
            For searches that draw at random.
        """


# --- the post's loops: each step starts from what the last one left ----------------------------


class Step(Protocol):
    """Takes something away from a picture."""

    @property
    def label(self) -> str:
        """What it does, for a person to read."""

    def next(self, current: Image.Image, rng: np.random.Generator) -> Candidate | None:
        """The picture with less in it; None where nothing is left to take away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrink:
    """Make both sides at most ``pixels`` smaller, keeping their ratio (the post's first step).

    As in the post the shrunk picture is shrunk again (Pillow's thumbnail, bicubic), and no side
    gets below one pixel.
    """

    pixels: int = 10
    coding: Coding = field(default_factory=Coding)

    @property
    def label(self) -> str:
        """What it does, for a person to read."""
        return f"shrink by {self.pixels} pixels, {self.coding.label}"

    def next(self, current: Image.Image, rng: np.random.Generator) -> Candidate | None:
        """See `Step`."""
        if max(current.size) == 1:
            return None
        smaller = current.copy()
        width, height = (max(1, side - self.pixels) for side in current.size)
        smaller.thumbnail((width, height), Image.Resampling.BICUBIC)
        return self.coding(smaller)


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomQuality:
    """Code again what was coded before, at one of 101 qualities of a codec, drawn at random.

    The post's second step, with JPEG and whole qualities from 0 to 100; libjpeg takes 0 as 1, and
    here the 101 are evenly spaced from a codec's lowest to its highest. Once the picture no longer
    changes, whatever is drawn, this goes on for ever: an iteration limit ends it.
    """

    codec: Codec

    @property
    def label(self) -> str:
        """What it does, for a person to read."""
        return f"{self.codec.name} at random quality, over and over"

    def next(self, current: Image.Image, rng: np.random.Generator) -> Candidate | None:
        """See `Step`."""
        return _coded_at(self.codec, int(rng.integers(0, _PERCENT, endpoint=True)) / _PERCENT)(
            current
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Take one step after the other until the answer changes, as the post does."""

    step: Step

    @property
    def label(self) -> str:
        """What it does, for a person to read."""
        return self.step.label

    def candidates(self, original: Image.Image, rng: np.random.Generator) -> Candidates:
        """See `Search`."""
        current = original
        while (candidate := self.step.next(current, rng)) is not None:
            passes = yield candidate
            if not passes:
                return Ending.answer_changed
            current = candidate.shown
        return Ending.nothing_left


# --- ours: each candidate is made from the original, so that nothing is lost twice --------------


class Ladder(Protocol):
    """Candidates of one original in an order, from the one that keeps least."""

    @property
    def label(self) -> str:
        """What it does, for a person to read."""

    def length(self, original: Image.Image) -> int:
        """How many there are."""

    def candidate(self, original: Image.Image, rung: int) -> Candidate:
        """One of them; rung 0 keeps least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The original at every smaller size of its aspect ratio, the longer side in whole pixels."""

    coding: Coding = field(default_factory=Coding)

    @property
    def label(self) -> str:
        """What it does, for a person to read."""
        return f"scale, {self.coding.label}"

    def length(self, original: Image.Image) -> int:
        """See `Ladder`."""
        return max(original.size)

    def candidate(self, original: Image.Image, rung: int) -> Candidate:
        """See `Ladder`."""
        scale = (rung + 1) / max(original.size)
        width, height = (max(1, round(side * scale)) for side in original.size)
        return self.coding(original.resize((width, height), Image.Resampling.LANCZOS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualities:
    """The original at every quality of a codec.

    Parameters
    ----------
    codec : Codec
    levels : int, optional
        How many, evenly spaced from the lowest to the highest; default: all that the codec tells
        apart.
    """

    codec: Codec
    levels: int | None = None

    @property
    def label(self) -> str:
        """What it does, for a person to read."""
        return f"{self.codec.name} quality"

    def length(self, original: Image.Image) -> int:
        """See `Ladder`."""
        knob = self.codec.knob
        distinct = round((knob.highest - knob.lowest) / knob.step) + 1
        return min(self.levels or distinct, distinct)

    def candidate(self, original: Image.Image, rung: int) -> Candidate:
        """See `Ladder`."""
        return _coded_at(self.codec, rung / max(self.length(original) - 1, 1))(original)


def _coded_at(codec: Codec, share: float) -> Coding:
    """A codec at its lowest quality (0) to its highest (1)."""
    knob = codec.knob
    steps = round(share * (knob.highest - knob.lowest) / knob.step)
    return Coding(codec=codec, quality=min(round(knob.lowest + steps * knob.step, 9), knob.highest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """Halve a ladder until one rung passes and the one below does not.

    That whoever passes would pass with more of the picture too is a heuristic: classifiers waver,
    and below the rung found others may pass. The rung found was itself shown to the classifier.
    """

    ladder: Ladder

    @property
    def label(self) -> str:
        """What it does, for a person to read."""
        return f"bisection on {self.ladder.label}"

    def candidates(self, original: Image.Image, rng: np.random.Generator) -> Candidates:
        """See `Search`."""
        fails, passes = -1, self.ladder.length(original)  # neither is tried: nothing, the original
        while passes - fails > 1:
            middle = (fails + passes) // 2
            if (yield self.ladder.candidate(original, middle)):
                passes = middle
            else:
                fails = middle
        return Ending.narrowed_down


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhaustive:
    """Try every rung of a ladder from the top: slow, and sure to find the lowest that passes."""

    ladder: Ladder

    @property
    def label(self) -> str:
        """What it does, for a person to read."""
        return f"every rung of {self.ladder.label}"

    def candidates(self, original: Image.Image, rng: np.random.Generator) -> Candidates:
        """See `Search`."""
        for rung in reversed(range(self.ladder.length(original))):
            yield self.ladder.candidate(original, rung)
        return Ending.all_tried
