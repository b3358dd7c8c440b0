"""HEIC, a still picture of HEVC: through pillow-heif, or the programs of libheif.

It stands in for BPG, which codes the same HEVC intra pictures in another container. Both ways use
the encoder x265, which is GPL: neither is a dependency of ours.
"""

from __future__ import annotations

import importlib
import io
import re
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

from PIL import Image

from mturk_eval.stimuli.codecs.codec import Codec, Knob
from mturk_eval.stimuli.codecs.errors import CodecError, CodecMissingError
from mturk_eval.stimuli.codecs.processes import convert, program_output
from mturk_eval.stimuli.codecs.with_pillow import open_pixels, without_metadata
from mturk_eval.stimuli.images import png_bytes

_QUALITIES: Final = Knob(lowest=0, highest=100, step=1)  # libheif takes whole numbers


def find_heic(timeout_s: float) -> Codec:
    """Take pillow-heif, or else the programs of libheif.

    Raises
    ------
    CodecMissingError
        If neither is installed.
    """
    if find_spec("pillow_heif") is not None:
        return HeicLibrary()
    heif_enc = shutil.which("heif-enc")
    heif_dec = shutil.which("heif-dec") or shutil.which("heif-convert")  # its name before 1.18
    if heif_enc is not None and heif_dec is not None:
        return HeicPrograms(heif_enc=heif_enc, heif_dec=heif_dec, timeout_s=timeout_s)
    raise CodecMissingError(
        "heic: no HEIC encoder is installed: run `apt-get install libheif-examples` for heif-enc, "
        "or `pip install pillow-heif` (the encoder in both, x265, is GPL)."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heic:
    """What both ways to libheif have in common."""

    name: str = "heic"
    suffix: str = ".heic"
    knob: Knob = _QUALITIES

    def settings(self, quality: float) -> str:
        """Say what was fixed."""
        return f"quality {round(quality)}, 4:2:0, preset slow; HEVC intra, as in BPG"

    def aim(self, size: tuple[int, int], n_bytes: int) -> float | None:
        """Give none: libheif takes no target."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeicLibrary(_Heic):
    """HEIC through pillow-heif."""

    def encoder(self) -> str:
        """Name libheif and x265 and their versions."""
        pillow_heif = _pillow_heif()
        x265 = pillow_heif.libheif_info()["encoders"].get("x265", "")
        return (
            f"libheif {pillow_heif.libheif_version()}, {_x265(x265)} "
            f"(pillow-heif {pillow_heif.__version__})"
        )

    def encode(self, image: Image.Image, quality: float) -> bytes:
        """Encode one picture, 4:2:0."""
        buffer = io.BytesIO()
        try:
            _pillow_heif().from_pillow(without_metadata(image)).save(
                buffer, quality=round(quality), chroma=420, enc_params={"preset": "slow"}
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise CodecError(
                f"heic cannot encode {image.width}×{image.height} pixels: {error}"
            ) from error
        return buffer.getvalue()

    def decode(self, data: bytes) -> Image.Image:
        """Decode to RGB."""
        try:
            opened: Image.Image = _pillow_heif().open_heif(io.BytesIO(data)).to_pillow()
            return without_metadata(opened)
        except (RuntimeError, ValueError, OSError, EOFError) as error:
            raise CodecError(
                f"heic cannot decode its file of {len(data)} bytes: {error}"
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class HeicPrograms(_Heic):
    """HEIC through heif-enc and heif-dec."""

    heif_enc: str
    heif_dec: str
    timeout_s: float

    def encoder(self) -> str:
        """Name libheif and x265 and their versions."""
        libheif = re.search(r"libheif version: (\S+)", program_output((self.heif_enc, "--help")))
        encoders = program_output((self.heif_enc, "--list-encoders"))
        return (
            f"libheif {libheif[1] if libheif else '(version unknown)'}, {_x265(encoders)} "
            "(heif-enc)"
        )

    def encode(self, image: Image.Image, quality: float) -> bytes:
        """Encode one picture, 4:2:0."""
        command = (self.heif_enc, "-q", f"{round(quality)}", "-p", "chroma=420")
        return convert(
            [(*command, "-p", "preset=slow", "-o", "coded.heic", "original.png")],
            given=("original.png", png_bytes(without_metadata(image))),
            wanted="coded.heic",
            label=self.name,
            timeout_s=self.timeout_s,
        )

    def decode(self, data: bytes) -> Image.Image:
        """Decode to RGB."""
        shown = convert(
            [(self.heif_dec, "coded.heic", "shown.png")],
            given=("coded.heic", data),
            wanted="shown.png",
            label=self.name,
            timeout_s=self.timeout_s,
        )
        return open_pixels(self.name, shown)


def _pillow_heif() -> Any:
    return importlib.import_module("pillow_heif")  # untyped, and often not there


def _x265(described: str) -> str:
    """Find the version in ``x265 HEVC encoder (3.5+1-f0c1022b6)``."""
    version = re.search(r"x265 HEVC encoder \(([^)]+)\)", described)
    return f"x265 {version[1]}" if version else "x265"
