"""Small pictures for tests: smooth, so that they have edges and tones as photographs do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def photograph(height: int, width: int, seed: int) -> Pixels:
    """A picture with large shapes, a ramp and some texture."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    shapes = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=float)
    ramp = np.linspace(-30, 30, width)[None, :, None]
    texture = rng.normal(0, 6, (height, width, 1))
    return np.clip(shapes + ramp + texture, 0, 255).astype(np.uint8)


def noisy(pixels: Pixels, deviation: float, seed: int) -> Pixels:
    """The picture with Gaussian noise of a standard deviation in 8-bit levels."""
    noise = np.random.default_rng(seed).normal(0, deviation, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def save(path: Path, pixels: Pixels) -> Path:
    """Write losslessly."""
    Image.fromarray(pixels).save(path)
    return path
