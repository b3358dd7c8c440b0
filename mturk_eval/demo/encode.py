"""Reconstructions of the sample photographs by Pillow's codecs, at a rate."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from PIL import Image

# The luminance and chrominance tables of ITU-T T.81 (JPEG), Annex K, in natural order.
_LUMINANCE: Final = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
]  # fmt: skip
_CHROMINANCE: Final = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    *[99] * 32,
]  # fmt: skip


def _jpeg(image: Image.Image, effort: float) -> bytes:
    """JPEG with its tables scaled in fine steps: integer quality would miss the rate."""
    scale = 10 ** (1.7 - 3.0 * effort)
    tables = [
        [max(1, min(255, round(value * scale))) for value in table]
        for table in (_LUMINANCE, _CHROMINANCE)
    ]
    return _save(image, "JPEG", qtables=tables, subsampling="4:2:0", optimize=True)


def _webp(image: Image.Image, effort: float) -> bytes:
    return _save(image, "WEBP", quality=100 * effort, method=4)


def _jpeg2000(image: Image.Image, effort: float) -> bytes:
    return _save(image, "JPEG2000", quality_mode="rates", quality_layers=[24 / (0.02 + 4 * effort)])


# Each codec by name: file suffix, and an encoder whose size grows with an effort from 0 to 1.
CODECS: Final[Mapping[str, tuple[str, Callable[[Image.Image, float], bytes]]]] = {
    "jpeg": ("jpg", _jpeg),
    "webp": ("webp", _webp),
    "jpeg2000": ("jp2", _jpeg2000),
}


def encode_to_rate(image: Image.Image, codec: str, target_bpp: float) -> bytes:
    """The largest file of a codec at or under a rate in bits per pixel, by bisection.

    Where even the least effort is over the rate, that file is returned.
    """
    _, encode = CODECS[codec]
    limit = target_bpp * image.width * image.height / 8
    low, high = 0.0, 1.0
    best = encode(image, low)
    for _ in range(12):
        middle = (low + high) / 2
        data = encode(image, middle)
        if len(data) <= limit:
            low = middle
            best = max(best, data, key=len) if len(best) <= limit else data
        else:
            high = middle
    return best


def write_reconstructions(
    originals: Path, folder: Path, *, rates: tuple[float, ...], in_rate_folders: bool
) -> None:
    """Write ``METHOD/BPP/IMAGE.ext``, or ``METHOD/IMAGE.ext`` where one rate is enough."""
    for path in sorted(originals.iterdir()):
        if path.suffix != ".webp":
            continue
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        for codec, (suffix, _) in CODECS.items():
            for rate in rates:
                place = folder / codec / (f"{rate:g}" if in_rate_folders else "")
                place.mkdir(parents=True, exist_ok=True)
                (place / f"{path.stem}.{suffix}").write_bytes(encode_to_rate(image, codec, rate))


def _save(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=file_format, **options)
    return buffer.getvalue()
