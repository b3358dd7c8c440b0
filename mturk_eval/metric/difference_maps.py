"""Where two pictures differ for a learned metric, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.errors import import_extra
from mturk_eval.metric.pictures import Pixels, check_same_shape, check_size

if TYPE_CHECKING:
    from mturk_eval.metric.model import LPIPSComp


_END: Final = 0.995


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceMaps:
    """What every pixel adds to the distance of two pictures, per layer.

    Attributes
    ----------
    layer_names : tuple of str
    layers : ndarray of float32, shape (layers, height, width)
        Not negative. Each is a layer's weighted squared difference, enlarged bilinearly to the
        size of the pictures, as LPIPS does.
    layer_distances : tuple of float
        What each layer adds to the distance: the mean before enlarging, so close to the mean of
        its map, not equal to it.
    """

    layer_names: tuple[str, ...]
    layers: NDArray[np.float32]
    layer_distances: tuple[float, ...]

    @property
    def total(self) -> NDArray[np.float32]:
        """The sum over layers, shape (height, width)."""
        return np.asarray(self.layers.sum(axis=0))

    @property
    def distance(self) -> float:
        """The metric's distance of the pictures."""
        return sum(self.layer_distances)


def difference_maps(metric: LPIPSComp, original: Pixels, reconstruction: Pixels) -> DifferenceMaps:
    """Compare two pictures pixel by pixel.

    Parameters
    ----------
    metric : LPIPSComp
    original, reconstruction : ndarray of uint8, shape (height, width, 3)
        RGB, of one size.

    Raises
    ------
    MetricInputError
        If a picture is not that, or too small for the backbone.
    """
    torch = import_extra("torch", "Maps of differences")
    from mturk_eval.metric.trunk import differences, exact_float32

    check_same_shape(original, [reconstruction])
    height, width, _ = original.shape
    check_size(height, width, metric.backbone.architecture, "The original")
    device = metric.weights.device
    slices = metric.trunk.layer_slices
    maps, means = [], []
    with torch.inference_mode(), exact_float32():
        x, y = (
            torch.from_numpy(np.array(pixels)).to(device).permute(2, 0, 1)[None].float() / 255.0
            for pixels in (original, reconstruction)
        )
        for part, squared in zip(slices.slices, differences(metric.trunk, x, y), strict=True):
            layer = torch.einsum("nchw,c->nhw", squared, metric.weights[part])[:, None]
            means.append(float(layer.mean()))
            enlarged = torch.nn.functional.interpolate(
                layer, size=x.shape[2:], mode="bilinear", align_corners=False
            )
            maps.append(enlarged[0, 0].cpu().numpy())
    return DifferenceMaps(
        layer_names=slices.names, layers=np.stack(maps), layer_distances=tuple(means)
    )


def scale_end(values: NDArray[np.float32]) -> float:
    """Where colours end: at 99.5 % of the pixels, so that a few do not leave the rest dark.

    Examples
    --------
    >>> round(scale_end(np.arange(1001, dtype=np.float32)), 3)
    995.0
    """
    return float(np.quantile(values, _END))
