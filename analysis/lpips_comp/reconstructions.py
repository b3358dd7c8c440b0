"""Every original by four codecs at four rates.

JPEG, JPEG 2000, WebP and AVIF (Pillow's) stand in for the paper's JPEG 2000, BPG and two learned
codecs. Of pictures this small, headers would be a good part of the lowest rates, so the rate is
that of the file less what a grey picture of the same size takes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from originals import dead_leaves
from PIL import Image

RATES_BPP: Final = (0.15, 0.3, 0.6, 1.0)
METHODS: Final = ("avif", "jpeg", "jpeg2000", "webp")

_HIGHEST: Final = 100  # of quality, on every codec's scale
_RATIOS: Final = (400.0, 3.0)  # of JPEG 2000's sizes at the ends of that scale

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """One reconstruction: where it is, and the rate that it was coded at."""

    image: str
    method: str
    target_bpp: float
    bpp: float
    path: Path


def code(seed: int, *, folder: Path, side_px: int) -> list[Coded]:
    """Draw one original and write it with its reconstructions, as PNG.

    Into ``originals/IMAGE.png`` and ``reconstructions/METHOD/BPP/IMAGE.png``.
    """
    image, pixels = f"leaves{seed:03d}", dead_leaves(seed, side_px)
    _write(folder / "originals" / f"{image}.png", pixels)
    found = []
    for method in METHODS:
        for target in RATES_BPP:
            data, bpp = at_rate(pixels, method, target)
            path = folder / "reconstructions" / method / f"{target:g}" / f"{image}.png"
            _write(path, decode(data))
            found.append(Coded(image=image, method=method, target_bpp=target, bpp=bpp, path=path))
    return found


def at_rate(pixels: Pixels, method: str, target_bpp: float) -> tuple[bytes, float]:
    """The best file that is not over a rate, and its rate; else the smallest there is."""
    height, width, _ = pixels.shape
    spare = _header_bytes(method, height, width)

    def rate(data: bytes) -> float:
        return 8 * (len(data) - spare) / (height * width)

    best = encode(pixels, method, 0)
    low, high = 1, _HIGHEST
    while low <= high:  # sizes grow with quality
        middle = (low + high) // 2
        tried = encode(pixels, method, middle)
        if rate(tried) <= target_bpp:
            best, low = tried, middle + 1
        else:
            high = middle - 1
    return best, rate(best)


def encode(pixels: Pixels, method: str, quality: int) -> bytes:
    """A file at a quality from 0 to 100."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, **_settings(method, quality))
    return file.getvalue()


def decode(data: bytes) -> Pixels:
    """The pixels of a file."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def _settings(method: str, quality: int) -> Mapping[str, Any]:
    match method:
        case "avif":
            return {"format": "AVIF", "quality": quality, "speed": 8, "subsampling": "4:2:0"}
        case "jpeg":
            return {
                "format": "JPEG", "quality": max(1, quality), "optimize": True,
                "subsampling": "4:2:0",
            }  # fmt: skip
        case "jpeg2000":
            largest, smallest = _RATIOS
            ratio = largest * (smallest / largest) ** (quality / _HIGHEST)
            return {
                "format": "JPEG2000", "irreversible": True, "quality_mode": "rates",
                "quality_layers": [ratio], "no_jp2": True,
            }  # fmt: skip
        case "webp":
            fine = _HIGHEST * (quality / _HIGHEST) ** 2  # sizes jump at the low end
            return {"format": "WEBP", "quality": fine, "method": 4}
    raise ValueError(f"no codec {method}")


@cache
def _header_bytes(method: str, height: int, width: int) -> int:
    grey = np.full((height, width, 3), 128, np.uint8)
    return len(encode(grey, method, _HIGHEST // 2))


def _write(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=1)
