"""PSNR and MS-SSIM of decoded 8-bit pictures: what a learned metric is compared and combined with.

Both are similarities, higher being better.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.compared import ComparedMetric, metric_of_pairs
from mturk_eval.metric.errors import MetricInputError, import_extra
from mturk_eval.metric.triplets import PicturePairs

Colours = Literal["luma", "RGB"]
"""MS-SSIM of the luma of ITU-R BT.601, or the mean of that of red, green and blue."""

SMALLEST_SIDE_OF_MS_SSIM_PX: Final = 161
"""With five scales and a window of 11 px, smaller pictures leave the coarsest scale no window."""

_LUMA: Final = (0.299, 0.587, 0.114)
_PEAK: Final = 255.0

_Pixels = NDArray[np.uint8]


def psnr(original: _Pixels, reconstruction: _Pixels) -> float:
    """Peak signal-to-noise ratio in dB over all samples of red, green and blue.

    Returns
    -------
    float
        Infinite where the pictures are equal.

    Raises
    ------
    MetricInputError
        If the pictures differ in shape.

    Examples
    --------
    >>> black = np.zeros((8, 8, 3), np.uint8)
    >>> round(psnr(black, black + 1), 3), psnr(black, black)
    (48.131, inf)
    """
    _check_shapes(original, reconstruction)
    error = original.astype(np.float64) - reconstruction
    mean_square = float(np.square(error).mean())
    if mean_square == 0.0:
        return float("inf")
    return float(10.0 * np.log10(_PEAK**2 / mean_square))


def ms_ssim(original: _Pixels, reconstruction: _Pixels, *, colours: Colours = "RGB") -> float:
    """Multi-scale structural similarity, five scales, Gaussian window of 11 px [1]_.

    Parameters
    ----------
    colours : {"RGB", "luma"}
        Papers on learned compression usually take RGB; the original definition takes luma. The two
        differ by more than many methods do: say which.

    Returns
    -------
    float
        At most 1; NaN where a side is below 161 px.

    Raises
    ------
    MetricInputError
        If the pictures differ in shape.
    MissingExtraError
        If pytorch-msssim is not installed.

    References
    ----------
    .. [1] Wang, Simoncelli & Bovik (2003), Multiscale structural similarity for image quality
       assessment, Asilomar; computed by pytorch-msssim.
    """
    _check_shapes(original, reconstruction)
    if min(original.shape[:2]) < SMALLEST_SIDE_OF_MS_SSIM_PX:
        return float("nan")
    torch: Any = import_extra("torch", "MS-SSIM")
    library: Any = import_extra("pytorch_msssim", "MS-SSIM")
    x, y = (
        torch.from_numpy(_planes(pixels, colours)).unsqueeze(0)
        for pixels in (original, reconstruction)
    )
    with torch.no_grad():
        return float(library.ms_ssim(x, y, data_range=_PEAK, size_average=True))


def classical_metrics(
    pairs: PicturePairs,
    read: Callable[[str], _Pixels],
    *,
    colours: Colours = "RGB",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[ComparedMetric, ComparedMetric]:
    """PSNR and MS-SSIM of every pair, reading each original once where pairs are sorted by it.

    Parameters
    ----------
    pairs : PicturePairs
        As `picture_pairs` lists them.
    read : callable
        Decoded pixels of a picture, by its digest.
    """
    values = np.empty((2, len(pairs.pairs)))
    last, pixels = "", np.empty(0, np.uint8)
    for place, (original, reconstruction) in enumerate(pairs.pairs):
        if original != last:
            last, pixels = original, read(original)
        other = read(reconstruction)
        values[:, place] = psnr(pixels, other), ms_ssim(pixels, other, colours=colours)
        if progress is not None:
            progress(place + 1, len(pairs.pairs))
    small = f"n/a below {SMALLEST_SIDE_OF_MS_SSIM_PX} px"
    return (
        metric_of_pairs("PSNR", values[0], pairs, "higher", note="over RGB samples, in dB"),
        metric_of_pairs(
            "MS-SSIM", values[1], pairs, "higher", note=f"of {colours}, five scales, {small}"
        ),
    )


def _planes(pixels: _Pixels, colours: Colours) -> NDArray[np.float32]:
    """Shape (channels, height, width)."""
    if colours == "luma":
        return np.asarray(pixels.astype(np.float64) @ np.array(_LUMA), dtype=np.float32)[None]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32)


def _check_shapes(original: _Pixels, reconstruction: _Pixels) -> None:
    if original.shape != reconstruction.shape or original.ndim != 3 or original.shape[2] != 3:
        raise MetricInputError(
            f"Pictures of shapes {original.shape} and {reconstruction.shape}: give two RGB "
            "pictures of one size, shape (height, width, 3)."
        )
