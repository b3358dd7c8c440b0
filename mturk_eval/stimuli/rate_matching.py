"""The best file of a codec at, under or over a size in bytes.

`search_step` knows sizes alone; `match_size` gives it a codec's quality to turn, and where the
lowest quality is still too large, the number of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from PIL import Image

from mturk_eval.errors import InvalidInputError
from mturk_eval.stimuli.codecs.codec import Codec
from mturk_eval.stimuli.images import resize_to

Side = Literal["under", "over"]
"""On which side of its target a file may lie; exactly on it is either."""

NEIGHBOURS: Final = 2
"""Steps tried on both sides of the best: sizes of some encoders do not grow with every step."""
SIZE_NEIGHBOURS: Final = 8
"""Likewise where the step is the picture's size in pixels, with which sizes stagger more."""

_FIRST_STRIDE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best step that was tried, and whether its size lies on the side that is allowed."""

    step: int
    size: int
    is_feasible: bool


def search_step(
    size_of: Callable[[int], int],
    n_steps: int,
    target: int,
    *,
    side: Side = "under",
    first: int | None = None,
    known: Mapping[int, int] | None = None,
    neighbours: int = NEIGHBOURS,
) -> Found:
    """Find the step with the largest size at or under a target, or the smallest at or over it.

    Sizes should grow with the step but may stagger: the target is bracketed by interpolation and
    bisection, then the steps beside the best one are tried too. Where sizes are a growing function
    and a disturbance of at most e, the result is feasible if any step is so without the
    disturbance for a target e lower (over: higher), and misses the target by e more than the best
    of these steps at most.

    Parameters
    ----------
    size_of : callable
        Bytes at a step from 0 to ``n_steps - 1``; called once a step at most.
    n_steps, target : int
        At least 1; ``target`` in bytes.
    side : {"under", "over"}
    first : int, optional
        A step near the target, by what is known of the encoder; default: the middle.
    known : dict, optional
        Sizes known before, by step.
    neighbours : int, default 2
        Steps to try on both sides of the best.

    Returns
    -------
    Found
        The highest of steps of equal size. If none tried is feasible, the nearest.

    Examples
    --------
    >>> search_step(lambda step: 100 * (step + 1), 50, 1234)
    Found(step=11, size=1200, is_feasible=True)
    """
    sizes = dict(known or {})

    def size_at(step: int) -> int:
        if step not in sizes:
            sizes[step] = size_of(step)
        return sizes[step]

    def is_below(size: int) -> bool:
        return size <= target if side == "under" else size < target

    high = min((step for step, size in sizes.items() if not is_below(size)), default=n_steps)
    low = max((step for step in sizes if step < high), default=-1)
    known_low, known_high = low, high
    stride, halve = _FIRST_STRIDE, False
    while high - low > 1:
        width = high - low
        if first is not None and low == known_low and high == known_high:
            step = min(max(first, low + 1), high - 1)
        elif first is not None and (low == known_low or high == known_high):
            # The guess was near: from it in longer and longer strides to the other side.
            step = max(high - stride, low + 1) if low == known_low else min(low + stride, high - 1)
            stride *= 4
        elif low >= 0 and high < n_steps and not halve:
            step = _interpolate((low, sizes[low]), (high, sizes[high]), target)
        else:
            step = (low + high) // 2
        low, high = (step, high) if is_below(size_at(step)) else (low, step)
        if sizes[step] == target:
            break
        # An interpolation that hardly narrowed the bracket is followed by a bisection.
        halve = not halve and high - low > width // 2
    centre = _best(sizes, target, side).step
    for step in range(max(centre - neighbours, 0), min(centre + neighbours + 1, n_steps)):
        if _best(sizes, target, side).size != target:
            size_at(step)
    return _best(sizes, target, side)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A file on the allowed side of its target, the nearest that the search found.

    Attributes
    ----------
    coded : bytes
    coded_size : (int, int)
        Width and height in pixels of the picture coded; less than the original's where the lowest
        quality was still too large.
    settings : str
        The codec's, for a person to read.
    encodes : int
        Files made for this target; those of earlier targets are used again.
    """

    coded: bytes
    coded_size: tuple[int, int]
    settings: str
    encodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """No file on the allowed side of the target, and how near the codec comes."""

    reason: str
    encodes: int


class PictureFiles:
    """Files of one picture by one codec; each is made once, whatever the number of targets.

    Parameters
    ----------
    image : Image
        RGB.
    codec : Codec
    """

    def __init__(self, image: Image.Image, codec: Codec) -> None:
        self.image, self.codec = image, codec
        knob = codec.knob
        n_qualities = math.floor((knob.highest - knob.lowest) / knob.step + 1e-6) + 1
        self._by_quality = _Ladder(n_qualities, self._encode_at, NEIGHBOURS)
        self._by_size = _Ladder(max(image.size), self._encode_smaller, SIZE_NEIGHBOURS)

    def at_quality(self, quality: float) -> Match:
        """The file at a quality, whatever its size.

        Raises
        ------
        InvalidInputError
            If the codec has no such quality.
        """
        check_quality(self.codec, quality)
        return Match(
            coded=self.codec.encode(self.image, quality),
            coded_size=self.image.size,
            settings=self.codec.settings(quality),
            encodes=1,
        )

    def match(self, target: int, *, side: Side = "under", resize: bool = True) -> Match | Miss:
        """The file nearest to a target on the allowed side of it.

        Where the lowest quality is larger than the target, that quality codes a smaller picture of
        the same aspect: the largest file at or under the target, or the smallest at or over it,
        which is how WebP was matched to descriptions by people [1]_.

        Parameters
        ----------
        target : int
            Size of the whole file in bytes, at least 1.
        side : {"under", "over"}
        resize : bool, default True
            Whether fewer pixels may be coded.

        References
        ----------
        .. [1] Bhown et al. (2019), Humans are still the best lossy image compressors, DCC.
        """
        before = self._n_encodes()
        aimed = self.codec.aim(self.image.size, target)
        ladder = self._by_quality
        found = ladder.search(target, side, None if aimed is None else self._step(aimed))
        quality, coded_size = self._quality(found.step), self.image.size
        is_too_large = min(map(len, ladder.files.values())) > target
        if is_too_large and resize:
            lowest, ladder = ladder.file(0), self._by_size
            ladder.files[ladder.n_steps - 1] = lowest
            share = math.sqrt(target / len(lowest))
            found = ladder.search(target, side, round(share * ladder.n_steps) - 1)
            quality, coded_size = self.codec.knob.lowest, self._size(found.step)
        encodes = self._n_encodes() - before
        settings = self.codec.settings(quality)
        if found.is_feasible:
            coded = ladder.files[found.step]
            return Match(coded=coded, coded_size=coded_size, settings=settings, encodes=encodes)
        most = "less" if is_too_large else "more"
        pixels = f", {coded_size[0]}×{coded_size[1]} pixels" if is_too_large else ""
        advice = (
            "; without --no-resize fewer pixels are tried" if is_too_large and not resize else ""
        )
        return Miss(
            reason=f"no {most} than {found.size} bytes ({settings}{pixels}) for a target of "
            f"{target}{advice}",
            encodes=encodes,
        )

    def _encode_at(self, step: int) -> bytes:
        return self.codec.encode(self.image, self._quality(step))

    def _encode_smaller(self, step: int) -> bytes:
        return self.codec.encode(resize_to(self.image, self._size(step)), self.codec.knob.lowest)

    def _quality(self, step: int) -> float:
        knob = self.codec.knob
        # Rounded, so that 1 + 30 × 0.1 is written 4 and not 4.000000000000001.
        return round(knob.lowest + step * knob.step, 9)

    def _step(self, quality: float) -> int:
        return round((quality - self.codec.knob.lowest) / self.codec.knob.step)

    def _size(self, step: int) -> tuple[int, int]:
        """The picture's size with a longer side of so many pixels and one, of the same aspect."""
        width, height = self.image.size
        share = (step + 1) / max(width, height)
        return max(round(width * share), 1), max(round(height * share), 1)

    def _n_encodes(self) -> int:
        return self._by_quality.n_encodes + self._by_size.n_encodes


def check_quality(codec: Codec, quality: float) -> None:
    """Refuse a quality that a codec does not have.

    Raises
    ------
    InvalidInputError
    """
    knob = codec.knob
    # An encoder's number may fall as its quality grows: lowest is the worst.
    if not min(knob.lowest, knob.highest) <= quality <= max(knob.lowest, knob.highest):
        raise InvalidInputError(
            f"--quality {quality:g}: {codec.name} has qualities from {knob.lowest:g} to "
            f"{knob.highest:g}."
        )


class _Ladder:
    """Files by step, each made once."""

    def __init__(self, n_steps: int, encode: Callable[[int], bytes], neighbours: int) -> None:
        self.n_steps, self.encode, self.neighbours = n_steps, encode, neighbours
        self.files: dict[int, bytes] = {}
        self.n_encodes = 0

    def file(self, step: int) -> bytes:
        """The file at a step."""
        if step not in self.files:
            self.files[step] = self.encode(step)
            self.n_encodes += 1
        return self.files[step]

    def search(self, target: int, side: Side, first: int | None) -> Found:
        """The best step for a target (`search_step`)."""
        return search_step(
            lambda step: len(self.file(step)),
            self.n_steps,
            target,
            side=side,
            first=first,
            known={step: len(data) for step, data in self.files.items()},
            neighbours=self.neighbours,
        )


def _interpolate(low: tuple[int, int], high: tuple[int, int], target: int) -> int:
    """A step strictly between two, where the logarithm of the size should be the target's."""
    (step_low, size_low), (step_high, size_high) = low, high
    base = math.log(max(size_low, 1))
    share = (math.log(target) - base) / max(math.log(size_high) - base, 1e-12)
    step = step_low + round(share * (step_high - step_low))
    return min(max(step, step_low + 1), step_high - 1)


def _best(sizes: Mapping[int, int], target: int, side: Side) -> Found:
    def is_feasible(size: int) -> bool:
        return size <= target if side == "under" else size >= target

    feasible = [step for step, size in sizes.items() if is_feasible(size)]
    step = min(feasible or sizes, key=lambda step: (abs(sizes[step] - target), -step))
    return Found(step=step, size=sizes[step], is_feasible=bool(feasible))
