"""Pictures as a metric sees them: the 8-bit RGB pixels that raters saw, known by their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mturk_eval.errors import ImageError
from mturk_eval.metric.architectures import Architecture
from mturk_eval.metric.errors import MetricInputError
from mturk_eval.stimuli.images import open_for_display

Pixels = NDArray[np.uint8]
"""RGB, shape (height, width, 3)."""
Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""

_BLACK: Final = (0, 0, 0)
_WHITE: Final = (255, 255, 255)
_GREY_MODES: Final = frozenset({"1", "L", "LA", "I", "F"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image file, decoded once.

    Attributes
    ----------
    path : Path
    digest : str
        See `pixel_digest`.
    width_px, height_px : int
    was_grey : bool
        Whether the file has one channel, which was copied to three.
    """

    path: Path
    digest: str
    width_px: int
    height_px: int
    was_grey: bool

    @property
    def size_text(self) -> str:
        """Such as ``768 x 512 px``."""
        return f"{self.width_px} x {self.height_px} px"


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturePair:
    """A reconstruction beside its original.

    Attributes
    ----------
    original, reconstruction : Picture
    row : int or None
        Line of the user's table (1 is the first row of data) for messages.
    """

    original: Picture
    reconstruction: Picture
    row: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Both digests: what a feature vector is stored under."""
        return self.original.digest, self.reconstruction.digest


def read_pixels(path: Path, *, row: int | None = None) -> Pixels:
    """Decode a file as raters saw it: upright, in sRGB, 8 bits; grey becomes three equal channels.

    Parameters
    ----------
    row : int, optional
        Line of the user's table, for messages.

    Raises
    ------
    MetricInputError
        If the file cannot be decoded, or some of its pixels are transparent: then what a rater saw
        depends on the page.
    """
    pixels, _ = _decode(path, row)
    return pixels


def read_picture(path: Path, *, row: int | None = None) -> Picture:
    """Decode a file for its size and digest.

    Raises
    ------
    MetricInputError
        As `read_pixels`.
    """
    pixels, was_grey = _decode(path, row)
    height, width, _ = pixels.shape
    return Picture(
        path=path,
        digest=pixel_digest(pixels),
        width_px=width,
        height_px=height,
        was_grey=was_grey,
    )


def read_pictures(
    paths: Sequence[Path],
    *,
    threads: int = 2,
    progress: Progress | None = None,
    rows: Mapping[Path, int] | None = None,
) -> dict[Path, Picture]:
    """Decode each of many files once for its size and digest.

    Parameters
    ----------
    rows : mapping of Path to int, optional
        The line of the user's table that first names a file, for messages.

    Raises
    ------
    MetricInputError
        For the first file, in the given order, that cannot be used.
    """
    unique = list(dict.fromkeys(paths))
    known = {} if rows is None else rows
    found: dict[Path, Picture] = {}
    with ThreadPoolExecutor(threads) as pool:
        pictures = pool.map(lambda path: read_picture(path, row=known.get(path)), unique)
        for path, picture in zip(unique, pictures, strict=True):
            found[path] = picture
            if progress is not None:
                progress(len(found), len(unique))
    return found


def pixel_digest(pixels: Pixels) -> str:
    """SHA-256 over the shape and the bytes of decoded pixels: the name of a picture's content.

    Two files of equal pixels share it; the same file decoded otherwise does not.

    Examples
    --------
    >>> pixel_digest(np.zeros((2, 3, 3), np.uint8))[:8]
    'a6514c36'
    """
    check_pixels(pixels, "A picture")
    height, width, _ = pixels.shape
    digest = hashlib.sha256(f"{height}x{width}x3 uint8\n".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def check_pixels(pixels: Pixels, what: str) -> None:
    """Refuse arrays that are no decoded RGB pictures.

    Raises
    ------
    MetricInputError
        If it is not uint8 of shape (height, width, 3).
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise MetricInputError(
            f"{what} is an array of {pixels.dtype} of shape {pixels.shape}: give RGB pixels, "
            "uint8, of shape (height, width, 3)."
        )


def check_same_shape(original: Pixels, reconstructions: Sequence[Pixels]) -> None:
    """Refuse arrays that are no RGB pictures of one size.

    Raises
    ------
    MetricInputError
        Naming the first that is not.
    """
    check_pixels(original, "The original")
    for number, pixels in enumerate(reconstructions, start=1):
        check_pixels(pixels, f"Reconstruction {number}")
        if pixels.shape != original.shape:
            raise MetricInputError(
                f"Reconstruction {number} has shape {pixels.shape}, its original "
                f"{original.shape}. Give both at the size raters saw."
            )


def check_pair(pair: PicturePair, architecture: Architecture) -> None:
    """Refuse pairs that cannot be compared.

    Raises
    ------
    MetricInputError
        If the sizes differ, or a side is below what the backbone needs.
    """
    original, other = pair.original, pair.reconstruction
    if (original.width_px, original.height_px) != (other.width_px, other.height_px):
        raise MetricInputError(
            f"{_row(pair.row)}{other.path}: it has {other.size_text}, its original "
            f"{original.path} has {original.size_text}. Give both at the size raters saw."
        )
    check_size(
        original.height_px, original.width_px, architecture, f"{_row(pair.row)}{original.path}"
    )


def check_size(height_px: int, width_px: int, architecture: Architecture, what: str) -> None:
    """Refuse a picture that is too small for a backbone.

    Raises
    ------
    MetricInputError
        If a side is below the architecture's smallest.
    """
    if min(height_px, width_px) < architecture.smallest_side_px:
        raise MetricInputError(
            f"{what}: {width_px} x {height_px} px is too small for {architecture.name}, which "
            f"needs sides of at least {architecture.smallest_side_px} px. Use larger pictures or "
            "another backbone."
        )


def decoded_ahead(
    paths: Sequence[Path], *, threads: int, ahead: int
) -> Iterator[tuple[Path, Pixels]]:
    """Decode files in order, some of them while the caller works on the ones before.

    Parameters
    ----------
    ahead : int
        How many decoded pictures may wait: bounds memory.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting = [(path, pool.submit(read_pixels, path)) for path in paths[:ahead]]
        for position in range(len(paths)):
            path, decoded = waiting.pop(0)
            if position + ahead < len(paths):
                following = paths[position + ahead]
                waiting.append((following, pool.submit(read_pixels, following)))
            yield path, decoded.result()


def _decode(path: Path, row: int | None) -> tuple[Pixels, bool]:
    with _naming(row):
        mode, has_alpha = _mode(path)
        pixels = np.asarray(open_for_display(path, _BLACK), dtype=np.uint8)
        if has_alpha:
            on_white = np.asarray(open_for_display(path, _WHITE), dtype=np.uint8)
            if not np.array_equal(pixels, on_white):
                raise ImageError(
                    path,
                    "some pixels are transparent, so what raters saw depends on the page behind "
                    "it. Flatten it on the background that they had",
                )
    return pixels, mode in _GREY_MODES or mode.startswith("I;")


def _mode(path: Path) -> tuple[str, bool]:
    """A file's colour mode by its header, and whether it may have transparent pixels."""
    try:
        with Image.open(path) as image:
            mode = image.mode
            return mode, mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "", False  # decoding it will say what is wrong


@contextmanager
def _naming(row: int | None) -> Iterator[None]:
    """Say in which row of the user's table a file is."""
    try:
        yield
    except ImageError as error:
        raise MetricInputError(f"{_row(row)}{error}.") from error


def _row(row: int | None) -> str:
    return "" if row is None else f"Row {row}: "
