"""A coded picture that may or may not still say the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import PIL
from PIL import Image

from mturk_eval.stimuli.images import png_bytes

if TYPE_CHECKING:
    from mturk_eval.stimuli.codecs.codec import Codec


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One coded file, and the picture that it decodes to, which is what the classifier sees.

    Attributes
    ----------
    coded : bytes
        The whole file.
    suffix : str
        Of that file, with its dot.
    shown : Image
        RGB, at the size at which it was coded.
    quality : float, optional
        The codec's setting; None where nothing was lost in coding.
    encoder, settings : str
        What wrote it, and how, for a person to read.
    """

    coded: bytes
    suffix: str
    shown: Image.Image
    quality: float | None
    encoder: str
    settings: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """How a picture becomes a file: PNG, which loses nothing, or a codec at one quality."""

    codec: Codec | None = None
    quality: float = 0.0

    @property
    def label(self) -> str:
        """``png``, or the codec and its quality."""
        return "png" if self.codec is None else f"{self.codec.name} at quality {self.quality:g}"

    def __call__(self, image: Image.Image) -> Candidate:
        """Code a picture, and decode it again."""
        if self.codec is None:
            return Candidate(
                coded=png_bytes(image),
                suffix=".png",
                shown=image,
                quality=None,
                encoder=f"Pillow {PIL.__version__}",
                settings="lossless",
            )
        coded = self.codec.encode(image, self.quality)
        return Candidate(
            coded=coded,
            suffix=self.codec.suffix,
            shown=self.codec.decode(coded),
            quality=self.quality,
            encoder=self.codec.encoder(),
            settings=self.codec.settings(self.quality),
        )
