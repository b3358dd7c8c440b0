"""JPEG's example quantisation tables, scaled as libjpeg does, as finely as one likes."""

from __future__ import annotations

import math
from typing import Final

# ITU-T T.81 (1992), Annex K, tables K.1 (luminance) and K.2 (chrominance), in natural order.
_LUMINANCE: Final = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMINANCE: Final = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    *[99] * 32,
)  # fmt: skip


def quantisation_tables(quality: float) -> tuple[list[int], list[int]]:
    """Scale the example tables of T.81 [1]_ by libjpeg's quality, made continuous.

    The tables are multiplied by 50 / q below quality 50 and by 2 − q / 50 from there on, and
    rounded. At whole qualities they are libjpeg's own.

    Parameters
    ----------
    quality : float
        From 1 to 100.

    Returns
    -------
    (list of int, list of int)
        Luminance and chrominance, 64 entries each from 1 to 255, in natural order.

    References
    ----------
    .. [1] ITU-T Recommendation T.81 (1992), Annex K; the formula is ``jpeg_quality_scaling`` of
       libjpeg's jcparam.c.

    Examples
    --------
    >>> quantisation_tables(50)[0][:4], quantisation_tables(49.6)[0][:4]
    ([16, 11, 10, 16], [16, 11, 10, 16])
    >>> quantisation_tables(25)[0][:4]
    [32, 22, 20, 32]
    """
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    if quality == int(quality):
        percent = math.floor(percent)  # libjpeg divides whole numbers
    luminance, chrominance = (
        [min(max(math.floor((entry * percent + 50) / 100), 1), 255) for entry in table]
        for table in (_LUMINANCE, _CHROMINANCE)
    )
    return luminance, chrominance
