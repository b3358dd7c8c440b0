"""The codecs that Pillow brings along: JPEG, JPEG 2000, WebP and AVIF."""

from __future__ import annotations

import importlib
import io
import re
import struct
from dataclasses import dataclass
from typing import Any, Final

import PIL
from PIL import Image, UnidentifiedImageError, features

from mturk_eval.stimuli.codecs.codec import Codec, Knob
from mturk_eval.stimuli.codecs.errors import CodecError, CodecMissingError
from mturk_eval.stimuli.codecs.quantisation import quantisation_tables
from mturk_eval.stimuli.images import decoded_formats

_JPEG_QUALITIES: Final = Knob(lowest=1, highest=100, step=0.02)
# Bits per pixel; OpenJPEG spends about 11 on a photograph at most.
_JPEG2000_RATES: Final = Knob(lowest=0.005, highest=16, step=0.0001)
_WEBP_QUALITIES: Final = Knob(lowest=0, highest=100, step=0.1)
_AVIF_QUALITIES: Final = Knob(lowest=0, highest=100, step=1)  # libavif takes whole numbers

# What Pillow raises on pictures it cannot code and on files that are not whole.
_FAILURES: Final = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    SystemError,
    RuntimeError,
    struct.error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jpeg:
    """JPEG by libjpeg, its quality made continuous (`quantisation_tables`)."""

    name: str = "jpeg"
    suffix: str = ".jpg"
    knob: Knob = _JPEG_QUALITIES

    def encoder(self) -> str:
        """Name libjpeg and its version."""
        turbo = features.version_feature("libjpeg_turbo")
        libjpeg = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version('jpg')}"
        return _with_pillow(libjpeg)

    def encode(self, image: Image.Image, quality: float) -> bytes:
        """Encode with baseline tables, 4:2:0, progressive, Huffman tables optimised."""
        return _save(
            self.name,
            image,
            "JPEG",
            qtables=quantisation_tables(quality),
            subsampling="4:2:0",
            optimize=True,
            progressive=True,
        )

    def decode(self, data: bytes) -> Image.Image:
        """Decode with libjpeg."""
        return open_pixels(self.name, data)

    def settings(self, quality: float) -> str:
        """Say what was fixed."""
        return f"quality {quality:g}, 4:2:0, optimised, progressive"

    def aim(self, size: tuple[int, int], n_bytes: int) -> float | None:
        """Give none: JPEG takes no target."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Jpeg2000:
    """JPEG 2000 by OpenJPEG; its quality is the rate asked for, in bits per pixel."""

    name: str = "jpeg2000"
    suffix: str = ".jp2"
    knob: Knob = _JPEG2000_RATES

    def encoder(self) -> str:
        """Name OpenJPEG and its version."""
        return _with_pillow(f"OpenJPEG {features.version('jpg_2000')}")

    def encode(self, image: Image.Image, quality: float) -> bytes:
        """Encode one quality layer by the irreversible 9/7 wavelet into a JP2 file."""
        return _save(
            self.name,
            image,
            "JPEG2000",
            quality_mode="rates",
            quality_layers=[24 / quality],  # OpenJPEG takes ratios of compression
            irreversible=True,
        )

    def decode(self, data: bytes) -> Image.Image:
        """Decode with OpenJPEG."""
        return open_pixels(self.name, data)

    def settings(self, quality: float) -> str:
        """Say what was fixed."""
        return f"{quality:g} bpp asked, 4:4:4, irreversible 9/7, one layer"

    def aim(self, size: tuple[int, int], n_bytes: int) -> float | None:
        """Give the rate itself."""
        width, height = size
        return 8 * n_bytes / (width * height)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebP:
    """Lossy WebP by libwebp at its slowest and best method."""

    name: str = "webp"
    suffix: str = ".webp"
    knob: Knob = _WEBP_QUALITIES

    def encoder(self) -> str:
        """Name libwebp and its version."""
        return _with_pillow(f"libwebp {features.version('webp')}")

    def encode(self, image: Image.Image, quality: float) -> bytes:
        """Encode with method 6; lossy WebP is 4:2:0 always."""
        return _save(self.name, image, "WEBP", quality=quality, method=6)

    def decode(self, data: bytes) -> Image.Image:
        """Decode with libwebp."""
        return open_pixels(self.name, data)

    def settings(self, quality: float) -> str:
        """Say what was fixed."""
        return f"quality {quality:g}, 4:2:0, method 6"

    def aim(self, size: tuple[int, int], n_bytes: int) -> float | None:
        """Give none: Pillow does not pass libwebp's target size on."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Avif:
    """AVIF by libaom; whole qualities only, which makes its steps in size coarse."""

    name: str = "avif"
    suffix: str = ".avif"
    knob: Knob = _AVIF_QUALITIES

    def encoder(self) -> str:
        """Name libavif and libaom and their versions."""
        versions = str(importlib.import_module("PIL._avif").codec_versions())
        libaom = re.search(r"aom \[enc[^]]*\]:v?([\w.]+)", versions)
        return _with_pillow(
            f"libavif {features.version('avif')}" + (f", libaom {libaom[1]}" if libaom else "")
        )

    def encode(self, image: Image.Image, quality: float) -> bytes:
        """Encode with libaom at speed 6, 4:2:0."""
        return _save(
            self.name,
            image,
            "AVIF",
            quality=round(quality),
            speed=6,
            subsampling="4:2:0",
            codec="aom",
            max_threads=1,  # with more, the bytes change, and depend on the machine
            autotiling=False,
        )

    def decode(self, data: bytes) -> Image.Image:
        """Decode with libavif."""
        return open_pixels(self.name, data)

    def settings(self, quality: float) -> str:
        """Say what was fixed."""
        return f"quality {round(quality)}, 4:2:0, speed 6"

    def aim(self, size: tuple[int, int], n_bytes: int) -> float | None:
        """Give none: libavif takes no target."""
        return None


def from_pillow(codec: Jpeg | Jpeg2000 | WebP | Avif) -> Codec:
    """Give a codec back if this Pillow was built with it.

    Raises
    ------
    CodecMissingError
        If it was not.
    """
    feature = {"jpeg": "jpg", "jpeg2000": "jpg_2000"}.get(codec.name, codec.name)
    if feature not in features.get_supported():
        raise CodecMissingError(
            f"{codec.name}: this Pillow ({PIL.__version__}) was built without it. "
            "Run `pip install --upgrade --force-reinstall pillow` for one that has it."
        )
    return codec


def _save(name: str, image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    try:
        without_metadata(image).save(buffer, format=file_format, **options)
    except _FAILURES as error:
        raise CodecError(
            f"{name} cannot encode {image.width}×{image.height} pixels: {error}"
        ) from error
    return buffer.getvalue()


def open_pixels(name: str, data: bytes) -> Image.Image:
    """Decode a file into its RGB pixels as they are, whatever profile it may carry.

    Raises
    ------
    CodecError
        If Pillow cannot; names the codec.
    """
    try:
        with Image.open(io.BytesIO(data), formats=decoded_formats()) as opened:
            if opened.mode.startswith(("I", "F")):
                raise CodecError(f"{name}: decoded to mode {opened.mode}; 8-bit RGB is needed")
            return without_metadata(opened)
    except UnidentifiedImageError as error:  # its own words give an address in memory
        raise CodecError(
            f"{name} cannot decode its file of {len(data)} bytes: not a format that Pillow knows"
        ) from error
    except (*_FAILURES, Image.DecompressionBombError) as error:
        raise CodecError(f"{name} cannot decode its file of {len(data)} bytes: {error}") from error


def without_metadata(image: Image.Image) -> Image.Image:
    """Give the pixels as RGB and nothing else: encoders would write EXIF, ICC and XMP on."""
    bare = image.convert("RGB") if image.mode != "RGB" else image.copy()
    bare.info = {}
    return bare


def _with_pillow(library: str) -> str:
    return f"{library} (Pillow {PIL.__version__})"
