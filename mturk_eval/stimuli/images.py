"""One way from any image file to the 8-bit sRGB picture that raters see."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageCms, ImageColor, ImageFilter, ImageOps, UnidentifiedImageError

from mturk_eval.errors import ImageError, SettingsError

RESIZE_FILTER: Final = "lanczos"
# Files in these formats hold what a codec wrote; the others are decoded copies of unknown rate.
CODED_SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".jp2", ".j2k", ".jpx", ".webp", ".avif", ".heic", ".heif", ".jxl", ".bpg"}
)


def parse_background(colour: str) -> tuple[int, int, int]:
    """Read a colour such as ``#808080`` or ``white``.

    Raises
    ------
    SettingsError
        If it is not a colour.
    """
    try:
        return ImageColor.getrgb(colour)[:3]
    except ValueError as error:
        raise SettingsError(
            f"background = {colour!r} is not a colour such as #808080 or white."
        ) from error


def open_for_display(path: Path, background: tuple[int, int, int]) -> Image.Image:
    """Decode a file into the picture a rater should see.

    The first frame, with EXIF orientation applied, its colour profile converted to sRGB (relative
    colorimetric), alpha flattened on ``background``, 8 bits per channel.

    Returns
    -------
    Image
        Mode RGB, without metadata.

    Raises
    ------
    ImageError
        If the file cannot be decoded, or has no defined way to 8-bit sRGB.
    """
    return _displayed(path, background, stills_only=False)


def _displayed(path: Path, background: tuple[int, int, int], *, stills_only: bool) -> Image.Image:
    with _naming(path), Image.open(path, formats=decoded_formats()) as image:
        n_frames = getattr(image, "n_frames", 1) if stills_only else 1
        # A telephone's photograph can be an MPO file, whose other frames are smaller copies.
        if n_frames > 1 and image.format != "MPO":
            raise ImageError(path, f"it holds {n_frames} frames; save the one to be coded as PNG")
        image.load()
        upright = ImageOps.exif_transpose(image)
    flat = _to_srgb(path, _to_eight_bits(path, upright))
    if flat.mode == "RGBA":
        canvas = Image.new("RGBA", flat.size, (*background, 255))
        flat = Image.alpha_composite(canvas, flat).convert("RGB")
    flat.info.clear()
    return flat


def open_still(path: Path, background: tuple[int, int, int]) -> Image.Image:
    """Decode an original that is to be coded (`open_for_display`).

    Raises
    ------
    ImageError
        If the file cannot be shown, or holds several pictures: which one is meant is not ours to
        say.
    """
    return _displayed(path, background, stills_only=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises on a broken file into an error that names it."""
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(path, f"too many pixels to open safely ({error})") from error
    except FileNotFoundError as error:
        raise ImageError(path, "the file does not exist") from error
    except MemoryError as error:
        raise ImageError(path, "it asks for more memory than there is") from error
    except UnidentifiedImageError as error:
        raise ImageError(path, "not an image that can be decoded") from error
    except Exception as error:  # broken files make decoders raise TypeError, AttributeError, …
        raise ImageError(path, f"not an image that can be decoded ({error})") from error


@functools.cache
def decoded_formats() -> tuple[str, ...]:
    """All that Pillow decodes itself: PostScript would be run, as a program, by Ghostscript."""
    Image.init()
    return tuple(name for name in Image.ID if name not in ("EPS", "WMF"))


def resize_to(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Show a picture at another size (width, height in pixels), by a Lanczos filter."""
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def degrade(image: Image.Image) -> Image.Image:
    """Make a version that everybody sees is worse: coarse blocks, blurred, of few colours.

    For catch trials. The picture keeps its size; its longer side keeps about 24 samples.
    """
    longer = max(image.size)
    small = tuple(max(1, round(side * 24 / longer)) for side in image.size)
    coarse = image.resize((small[0], small[1]), Image.Resampling.BOX)
    blocks = ImageOps.posterize(coarse, 3).resize(image.size, Image.Resampling.NEAREST)
    degraded = blocks.filter(ImageFilter.GaussianBlur(longer / 200))
    if np.abs(np.asarray(degraded, float) - np.asarray(image, float)).mean() < 4:
        # A flat picture hardly changes by losing detail; shifting its tones always shows.
        return degraded.point([(tone + 96) % 256 for tone in range(256)] * 3)
    return degraded


def png_bytes(image: Image.Image) -> bytes:
    """Encode losslessly; the same pixels give the same bytes."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def is_coded(path: Path) -> bool:
    """Whether a file is what a lossy codec wrote, so that its size is a rate."""
    if path.suffix.lower() == ".webp":
        return b"VP8L" not in _webp_chunks(path.read_bytes())  # the mark of lossless WebP
    return path.suffix.lower() in CODED_SUFFIXES


def _webp_chunks(data: bytes) -> set[bytes]:
    """The names of a RIFF file's chunks."""
    names, place = set(), 12
    while place + 8 <= len(data):
        names.add(data[place : place + 4])
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + length + length % 2
    return names


def _to_eight_bits(path: Path, image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        samples = np.asarray(image, dtype=np.int64)
        if samples.min() < 0 or samples.max() > 65_535:
            raise ImageError(
                path, "its samples are neither 8 nor 16 bits; convert it to 16-bit PNG"
            )
        eight = Image.fromarray(((samples + 128) // 257).astype(np.uint8))
        eight.info = dict(image.info)
        return eight
    if image.mode == "F":
        raise ImageError(path, "floating-point samples have no stated range; convert it to PNG")
    if image.mode in ("1", "P", "PA", "La", "RGBa"):
        transparent = image.mode in ("PA", "La", "RGBa") or "transparency" in image.info
        info = dict(image.info)
        image = image.convert("RGBA" if transparent else "RGB")
        image.info = info
    return image


def _to_srgb(path: Path, image: Image.Image) -> Image.Image:
    """Convert to RGB, or RGBA if there is an alpha channel, through the embedded profile if any."""
    has_alpha = image.mode in ("RGBA", "LA") or "transparency" in image.info
    if image.mode not in ("RGB", "RGBA", "L", "LA", "CMYK", "LAB"):
        image = image.convert("RGB")
    embedded = image.info.get("icc_profile")
    if not embedded:
        return image.convert("RGBA" if has_alpha else "RGB")
    alpha = image.convert("RGBA").getchannel("A") if has_alpha else None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        # Decoding may have turned grey pixels into RGB ones; the profile says what they were.
        is_grey = profile.profile.xcolor_space.strip() == "GRAY"
        mode = "L" if is_grey else "RGB" if image.mode in ("L", "LA", "RGBA") else image.mode
        converted = ImageCms.profileToProfile(
            image.convert(mode),
            profile,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise ImageError(
            path,
            f"its colour profile does not fit its pixels ({error}); save it again as sRGB",
        ) from error
    assert converted is not None  # noqa: S101  # None only with inPlace=True
    if alpha is not None:
        converted.putalpha(alpha)
    return converted
