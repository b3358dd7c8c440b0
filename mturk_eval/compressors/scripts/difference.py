"""How many pixels of two pictures differ by more than a tolerance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

SIDE_PX: Final = 1000
TOLERANCES: Final = (0, 8, 16, 32)
"""The paper compares pixels within 'a certain boundary' that it does not give; these are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelDifference:
    """Share of pixels that differ, for every tolerance, and what was compared how.

    Attributes
    ----------
    curve : ndarray of float, shape (256,)
        ``curve[tol]``: percent of pixels of which a channel differs by more than ``tol``.
    method : str
        The size and filter before the comparison, and the library that computed it.
    """

    curve: NDArray[np.float64]
    method: str

    def percent(self, tolerance: int) -> float:
        """Percent of pixels beyond a tolerance from 0 to 255."""
        return float(self.curve[tolerance])


def pixel_difference(original: Image.Image, reconstruction: Image.Image) -> PixelDifference:
    """Compare two pictures pixel by pixel at 1000×1000 [1]_.

    Both are scaled to 1000×1000 (bicubic, whatever their shape). A pixel differs at a tolerance if
    the largest of its three channels' absolute differences is more than that, in 8-bit sRGB.

    References
    ----------
    .. [1] Mahtab, Pimpale, Aldama, Truong, Human-based image compression; using a deterministic
       computer algorithm to reconstruct pre-segmented images (2019), Table 2.

    Examples
    --------
    >>> grey, lighter = (Image.new("RGB", (30, 20), (tone,) * 3) for tone in (100, 110))
    >>> difference = pixel_difference(grey, lighter)
    >>> difference.percent(8), difference.percent(16)
    (100.0, 0.0)
    """
    ours, theirs = _samples(original), _samples(reconstruction)
    largest = np.abs(ours - theirs).max(axis=2)
    counts = np.bincount(largest.ravel(), minlength=256)
    beyond = counts.sum() - np.cumsum(counts)
    return PixelDifference(
        curve=100 * beyond / largest.size,
        method=f"{SIDE_PX}×{SIDE_PX}, bicubic, Pillow {PIL.__version__}",
    )


def _samples(picture: Image.Image) -> NDArray[np.int16]:
    scaled = picture.convert("RGB").resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
    return np.asarray(scaled).astype(np.int16)
