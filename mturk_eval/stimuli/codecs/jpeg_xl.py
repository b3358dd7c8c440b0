"""JPEG XL by libjxl: through imagecodecs, or the programs cjxl and djxl."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

import numpy as np
from PIL import Image

from mturk_eval.stimuli.codecs.codec import Codec, Knob
from mturk_eval.stimuli.codecs.errors import CodecError, CodecMissingError
from mturk_eval.stimuli.codecs.processes import convert, program_output
from mturk_eval.stimuli.codecs.with_pillow import open_pixels, without_metadata
from mturk_eval.stimuli.images import png_bytes

_QUALITIES: Final = Knob(lowest=0, highest=100, step=0.02)
_EFFORT: Final = 7  # libjxl's default


def find_jpeg_xl(timeout_s: float) -> Codec:
    """Take imagecodecs, or else the programs of libjxl.

    Raises
    ------
    CodecMissingError
        If neither is installed.
    """
    if find_spec("imagecodecs") is not None:
        return JpegXlLibrary()
    cjxl, djxl = shutil.which("cjxl"), shutil.which("djxl")
    if cjxl is not None and djxl is not None:
        return JpegXlPrograms(cjxl=cjxl, djxl=djxl, timeout_s=timeout_s)
    raise CodecMissingError(
        "jxl: JPEG XL is not installed: run `pip install 'mturk-eval[jxl]'`, or `apt-get install "
        "libjxl-tools` for cjxl and djxl."
    )


def distance_of(quality: float) -> float:
    """Butteraugli distance of a quality from 0 to 100, as libjxl's cjxl maps it.

    Unlike there, quality 100 is distance 0.1 and not lossless.

    References
    ----------
    .. [1] libjxl, ``JxlEncoderDistanceFromQuality`` in lib/jxl/encode.cc.

    Examples
    --------
    >>> [round(distance_of(quality), 2) for quality in (0, 30, 90, 100)]
    [25.0, 6.4, 1.0, 0.1]
    """
    if quality >= 30:
        return 0.1 + (100 - quality) * 0.09
    return 53 / 3000 * quality**2 - 23 / 20 * quality + 25


@dataclass(frozen=True, slots=True, kw_only=True)
class _JpegXl:
    """What both ways to libjxl have in common."""

    name: str = "jxl"
    suffix: str = ".jxl"
    knob: Knob = _QUALITIES

    def settings(self, quality: float) -> str:
        """Say what was fixed."""
        distance = distance_of(quality)
        return f"quality {quality:g} (distance {distance:.4g}), 4:4:4 (XYB), effort {_EFFORT}"

    def aim(self, size: tuple[int, int], n_bytes: int) -> float | None:
        """Give none: libjxl takes no target."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegXlLibrary(_JpegXl):
    """JPEG XL through imagecodecs."""

    def encoder(self) -> str:
        """Name libjxl and its version."""
        import imagecodecs

        return f"{imagecodecs.jpegxl_version()} (imagecodecs {imagecodecs.__version__})"

    def encode(self, image: Image.Image, quality: float) -> bytes:
        """Encode into a bare codestream, by one thread."""
        import imagecodecs

        try:
            return bytes(
                imagecodecs.jpegxl_encode(
                    np.asarray(image.convert("RGB")),
                    distance=distance_of(quality),
                    effort=_EFFORT,
                    usecontainer=False,
                    numthreads=1,
                )
            )
        except (RuntimeError, ValueError) as error:
            raise CodecError(
                f"jxl cannot encode {image.width}×{image.height} pixels: {error}"
            ) from error

    def decode(self, data: bytes) -> Image.Image:
        """Decode to sRGB."""
        import imagecodecs

        try:
            return Image.fromarray(np.asarray(imagecodecs.jpegxl_decode(data, numthreads=1)))
        except (RuntimeError, ValueError) as error:
            raise CodecError(f"jxl cannot decode its file of {len(data)} bytes: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegXlPrograms(_JpegXl):
    """JPEG XL through cjxl and djxl."""

    cjxl: str
    djxl: str
    timeout_s: float

    def encoder(self) -> str:
        """Name libjxl and its version."""
        version = re.search(r"cjxl v?(\S+)", program_output((self.cjxl, "--version")))
        return f"libjxl {version[1] if version else '(version unknown)'} (cjxl)"

    def encode(self, image: Image.Image, quality: float) -> bytes:
        """Encode into a bare codestream."""
        distance = f"{distance_of(quality):.6f}"
        command = (self.cjxl, "original.png", "coded.jxl", "-d", distance, "-e", f"{_EFFORT}")
        return convert(
            [(*command, "--container=0", "--num_threads=0")],
            given=("original.png", png_bytes(without_metadata(image))),
            wanted="coded.jxl",
            label=self.name,
            timeout_s=self.timeout_s,
        )

    def decode(self, data: bytes) -> Image.Image:
        """Decode to sRGB."""
        shown = convert(
            [(self.djxl, "coded.jxl", "shown.ppm", "--num_threads=0")],
            given=("coded.jxl", data),
            wanted="shown.ppm",
            label=self.name,
            timeout_s=self.timeout_s,
        )
        return open_pixels(self.name, shown)
