"""200 pictures to code: dead leaves, a model of what photographs have in common.

Leaves of all sizes lie over each other and hide what is below, as objects do before a camera. Such
pictures have the edges, the flat parts and the power spectrum of photographs, each seed gives one
that shares nothing with the others, and nobody holds rights in them.

References
----------
Lee, Mumford & Huang (2001), Occlusion models for natural images, Int. J. Computer Vision 41.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SIDE_PX: Final = 176
"""MS-SSIM needs 161; a multiple of 16 suits the block codecs."""

_LEAVES: Final = 170
_RADII_PX: Final = (8.0, 120.0)
_NOISE: Final = 1.5  # of the camera, in 8-bit levels

Pixels = NDArray[np.uint8]
_Floats = NDArray[np.float64]


def dead_leaves(seed: int, side_px: int = SIDE_PX) -> Pixels:
    """Draw a picture, RGB of shape (side, side, 3); the same seed gives the same pixels.

    Radii have density r^-3, so the picture looks alike at every scale. A leaf is an ellipse with a
    shade across it and, every other time, stripes or grain.

    Examples
    --------
    >>> dead_leaves(1).shape, bool((dead_leaves(1, 32) == dead_leaves(2, 32)).all())
    ((176, 176, 3), False)
    """
    rng = np.random.default_rng([2021, seed])
    low, high = (radius**-2 for radius in _RADII_PX)
    palette = rng.uniform(30, 225, (8, 1)) + rng.normal(0, 22, (8, 3))  # pale, as the world is
    picture = np.tile(palette[0], (side_px, side_px, 1))
    for _ in range(_LEAVES):
        radius = (low - rng.random() * (low - high)) ** -0.5
        _lay(picture, radius, palette[rng.integers(8)], rng)
    picture += rng.normal(0, _NOISE, picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _lay(picture: _Floats, radius: float, colour: _Floats, rng: np.random.Generator) -> None:
    """Paint one leaf over what is there."""
    side = len(picture)
    row, column = rng.uniform(-radius / 2, side + radius / 2, 2)
    turn, flat = rng.uniform(0, np.pi), rng.uniform(0.45, 1.0)
    shade, level = rng.uniform(-25, 25), rng.normal(0, 8, 3)
    texture, period, depth = rng.random(), rng.uniform(3, 16), rng.uniform(4, 24)
    top, bottom = _ends(row, radius, side)
    left, right = _ends(column, radius, side)
    if top >= bottom or left >= right:
        return
    y, x = np.mgrid[top:bottom, left:right]
    along = (x - column) * np.cos(turn) + (y - row) * np.sin(turn)
    across = (y - row) * np.cos(turn) - (x - column) * np.sin(turn)
    cover = np.clip(radius - np.hypot(along, across / flat) + 0.5, 0, 1)[..., None]
    surface = shade * along / radius
    if texture < 0.25:
        surface = surface + depth * np.sin(2 * np.pi * across / period)
    elif texture < 0.5:
        surface = surface + rng.normal(0, depth / 2, surface.shape)
    leaf = colour + level + surface[..., None]
    part = picture[top:bottom, left:right]
    part += cover * (leaf - part)


def _ends(centre: float, radius: float, side: int) -> tuple[int, int]:
    return max(0, int(centre - radius) - 1), min(side, int(centre + radius) + 2)
