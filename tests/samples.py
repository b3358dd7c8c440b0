"""Small pictures and studies that many tests need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from mturk_eval.batch import Batch
from mturk_eval.config import Settings, load_settings
from mturk_eval.generation import generate
from mturk_eval.trials import Kind


def picture(seed: int, size: tuple[int, int] = (48, 32)) -> Image.Image:
    """A colourful picture with edges and a texture, unlike that of another seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    noise = rng.normal(0, 12, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def write_study(
    folder: Path, *, images: int = 3, methods: tuple[str, ...] = ("blur", "jpeg")
) -> tuple[Path, Path]:
    """Write originals, and reconstructions by methods that spoil them more and more."""
    originals, reconstructions = folder / "originals", folder / "reconstructions"
    originals.mkdir(parents=True)
    for number in range(images):
        name = f"image{number}"
        original = picture(number)
        original.save(originals / f"{name}.png")
        for strength, method in enumerate(methods, start=1):
            place = reconstructions / method
            place.mkdir(parents=True, exist_ok=True)
            if method == "jpeg":
                original.save(place / f"{name}.jpg", quality=10)
            else:
                original.filter(ImageFilter.GaussianBlur(strength)).save(place / f"{name}.png")
    return originals, reconstructions


def make_batch(
    folder: Path, kind: Kind, *, images: int = 3, name: str = "study", **options: Any
) -> tuple[Batch, Path]:
    """Generate a small batch in ``folder/batch``; options are settings, nested by ``__``."""
    originals, reconstructions = folder / "originals", folder / "reconstructions"
    if not originals.exists():
        write_study(folder, images=images)
    made = generate(
        kind,
        originals=originals,
        reconstructions=reconstructions,
        out=folder / name,
        name=name,
        settings=make_settings(**options),
        generator="mturk-eval test",
    )
    return made.batch, folder / name


def make_settings(**options: Any) -> Settings:
    """Settings from keywords such as ``design__seed=1``, and from nothing else."""
    values: dict[str, Any] = {}
    for key, value in options.items():
        *tables, leaf = key.split("__")
        place = values
        for table in tables:
            place = place.setdefault(table, {})
        place[leaf] = value
    return load_settings(options=values, environment={})
