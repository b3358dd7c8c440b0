"""What Tables 1 and 2 hold, measured on the scripts and the photographs here."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mturk_eval.compressors.scripts import (
    ElementLibrary,
    PixelDifference,
    Script,
    ScriptSizes,
    compile_script,
    decode,
    parse_script,
    pixel_difference,
    script_sizes,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One photograph: its sizes in bytes and the differences of its reconstructions.

    ``jpeg`` is quality 0, as in the paper's Table 1; its Table 2 says quality 1. To libjpeg, which
    raises 0 to 1, both are one file, and so ``jpeg_is_one_file`` should be true.
    """

    image: str
    photograph: Image.Image
    script: Script
    reconstruction: Image.Image
    webp: bytes
    jpeg: bytes
    jpeg_is_one_file: bool
    original_bytes: int
    sizes: ScriptSizes
    differences: dict[str, PixelDifference]

    @property
    def reduction_percent(self) -> float:
        """How much smaller than the original's file the compiled script is."""
        return 100 * (1 - self.sizes.compiled / self.original_bytes)


def measure(script_file: Path, photograph_file: Path, library: ElementLibrary) -> Measured:
    """Everything about one photograph and its script."""
    script = parse_script(script_file.read_text())
    with Image.open(photograph_file) as file:
        photograph = file.convert("RGB")
    reconstruction = decode(compile_script(script, library), library)
    webp, jpeg, jpeg_1 = coded(photograph, "WEBP", 0), *jpegs(photograph)
    shown = {"webp": opened(webp), "jpeg": opened(jpeg_1), "script": reconstruction}
    return Measured(
        image=script_file.stem,
        photograph=photograph,
        script=script,
        reconstruction=reconstruction,
        webp=webp,
        jpeg=jpeg,
        jpeg_is_one_file=jpeg == jpeg_1,
        original_bytes=photograph_file.stat().st_size,
        sizes=script_sizes(script, library),
        differences={name: pixel_difference(photograph, made) for name, made in shown.items()},
    )


def jpegs(photograph: Image.Image) -> tuple[bytes, bytes]:
    """JPEG at qualities 0 and 1."""
    return coded(photograph, "JPEG", 0), coded(photograph, "JPEG", 1)


def coded(photograph: Image.Image, form: str, quality: int) -> bytes:
    """A photograph through one of Pillow's encoders."""
    buffer = io.BytesIO()
    photograph.save(buffer, format=form, quality=quality)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    """What a coded file decodes to."""
    return Image.open(io.BytesIO(data)).convert("RGB")
