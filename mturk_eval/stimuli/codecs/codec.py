"""What a codec is to the rest: a file from a picture at a quality, and the picture back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PIL import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """What a search for a size may turn, in the encoder's own numbers.

    Attributes
    ----------
    lowest, highest : float
        The numbers of worst and best quality, both allowed. Where small numbers are the good ones,
        as with a quantiser, ``lowest`` is the larger number.
    step : float
        The finest change that makes another file, negative where small numbers are the good ones:
        step k is ``lowest + k * step``.

    Examples
    --------
    >>> quantiser = Knob(lowest=51, highest=0, step=-1)
    >>> quantiser.n_steps, quantiser.at(1), 37 in quantiser, 52 in quantiser
    (52, 50, True, False)
    """

    lowest: float
    highest: float
    step: float

    @property
    def n_steps(self) -> int:
        """How many qualities there are, lowest and highest included."""
        return round((self.highest - self.lowest) / self.step) + 1

    def at(self, step: int) -> float:
        """Give the quality of a step, from 0 (lowest) to ``n_steps - 1`` (highest)."""
        last = self.n_steps - 1
        # Rounded, so that 0.1 + 2 * 0.1 reads 0.3 in settings and on command lines.
        return self.highest if step == last else round(self.lowest + step * self.step, 9)

    def __contains__(self, quality: float) -> bool:
        """Whether a quality lies from lowest to highest, on a step or between."""
        return min(self.lowest, self.highest) <= quality <= max(self.lowest, self.highest)


class Codec(Protocol):
    """A lossy image codec with its settings fixed but for one quality.

    Objects are values: they pickle, so that other processes encode, and the same picture and
    quality give the same bytes.

    Attributes
    ----------
    name : str
        The method's name in stimuli.csv.
    suffix : str
        Of a coded file, with its dot.
    knob : Knob
        The qualities that `encode` takes. File size mostly, not always, grows with quality.
    """

    @property
    def name(self) -> str: ...
    @property
    def suffix(self) -> str: ...
    @property
    def knob(self) -> Knob: ...

    def encoder(self) -> str:
        """What encodes, with its version, such as ``libwebp 1.6.0 (Pillow 13.0.0)``."""

    def encode(self, image: Image.Image, quality: float) -> bytes:
        """Encode an RGB picture of 8 bits per sample into a whole file without metadata.

        Raises
        ------
        CodecError
            If the encoder fails on this picture.
        """

    def decode(self, data: bytes) -> Image.Image:
        """Decode a file that `encode` made into an RGB picture.

        Raises
        ------
        CodecError
            If the decoder fails on this file.
        """

    def settings(self, quality: float) -> str:
        """Say how a file was coded: ``quality 43.5, 4:2:0, optimised, progressive``."""

    def aim(self, size: tuple[int, int], n_bytes: int) -> float | None:
        """Give the quality at which the encoder itself means to make a file of this size.

        A search starts there; what comes out can still be a little larger or smaller. None where
        the encoder takes no target.

        Parameters
        ----------
        size : (int, int)
            Width and height of the picture to encode, in pixels.
        n_bytes : int
            Size of the file that is wanted.
        """
