"""Small pictures with something in them to code."""

from __future__ import annotations

import numpy as np
from PIL import Image


def picture(width: int = 96, height: int = 64) -> Image.Image:
    """Slopes, stripes and noise in colour."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(5).normal(0, 12, (height, width))
    bands = [128 + 100 * np.sin(x / 9 + phase) * np.cos(y / 13) + noise for phase in (0, 1, 2)]
    return Image.fromarray(np.stack(bands, axis=-1).clip(0, 255).astype(np.uint8))


def error(one: Image.Image, other: Image.Image) -> float:
    """Root mean squared difference, in grey levels of 255."""
    difference = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    return float(np.sqrt((difference**2).mean()))
