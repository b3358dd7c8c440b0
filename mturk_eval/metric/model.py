"""LPIPS-Comp as a torch module: a distance between pictures that can be trained against.

Importing this module imports torch; `mturk_eval.metric.LPIPSComp` does so when it is first used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.architectures import architecture_of
from mturk_eval.metric.backbone_files import open_backbone
from mturk_eval.metric.backbones import Backbone
from mturk_eval.metric.errors import MetricInputError, import_extra
from mturk_eval.metric.heads import read_lpips_heads, write_lpips_heads
from mturk_eval.metric.pictures import Pixels
from mturk_eval.metric.weights_file import (
    BackboneRecord,
    MetricWeights,
    Provenance,
    check_same,
    metric_weights,
    read_metric_weights,
    write_metric_weights,
)

import_extra("torch", "LPIPSComp")

import torch  # noqa: E402  # after the message that says how to install it
from torch import Tensor, nn  # noqa: E402
from torch.nn.functional import interpolate  # noqa: E402

from mturk_eval.metric.features import pair_features  # noqa: E402
from mturk_eval.metric.trunk import Trunk, differences, differentiable_features  # noqa: E402


class LPIPSComp(nn.Module):
    """Distance of pictures as a weighted sum over the channels of a frozen backbone.

    ``d(x, y) = sum_l mean_hw sum_c w_lc (a_lc(x) - a_lc(y))^2`` with activations a of unit length
    over channels: 0 for equal pictures, symmetric, and at most ``2 sum_l max_c w_lc``. It has
    gradients for both pictures, none for its own numbers, and is always in evaluation mode.

    Parameters
    ----------
    metric : MetricWeights
    backbone : Backbone
        The one that the weights were trained on.
    check_range : bool, default True
        Whether every call looks at the smallest and the largest value of its pictures; on a GPU
        that waits for the pictures.

    Raises
    ------
    BackboneError
        If the backbone is another than the weights were trained on.

    References
    ----------
    Patel, Appalaraju, Manmatha (2021), Saliency driven perceptual image compression, WACV,
    section 3; Zhang et al. (2018), CVPR, equation 1.

    Examples
    --------
    >>> from mturk_eval.metric.backbones import random_backbone
    >>> metric = LPIPSComp.unweighted(random_backbone("squeezenet1_1", seed=1))
    >>> x = torch.zeros(1, 3, 32, 32)
    >>> metric(x, x).item()
    0.0
    """

    weights: Tensor

    def __init__(
        self, metric: MetricWeights, backbone: Backbone, *, check_range: bool = True
    ) -> None:
        super().__init__()
        check_same(metric, backbone)
        self.metric = metric
        self.check_range = check_range
        self.trunk = Trunk(backbone)
        self.register_buffer("weights", torch.from_numpy(metric.weights.copy()))
        self.eval()

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        backbone_weights: str | Path | None = None,
        check_range: bool = True,
    ) -> LPIPSComp:
        """Read a metric that ``metric train`` wrote, and find its backbone.

        Parameters
        ----------
        path : str or Path
            The ``.safetensors`` file.
        backbone_weights : str or Path, optional
            File or folder of the backbone's weights; without it the environment variable
            MTURK_EVAL_BACKBONE_WEIGHTS and torch's download folder are looked at. A random
            backbone is drawn again from its seed.

        Raises
        ------
        MetricFileError
            If the file is not a metric of this version.
        BackboneError
            If the backbone is not found, or has other numbers than in training.
        """
        metric = read_metric_weights(Path(path))
        record = metric.backbone
        backbone = open_backbone(
            record.name,
            weights=None if backbone_weights is None else Path(backbone_weights),
            random_seed=record.random_seed,
        )
        return cls(metric, backbone, check_range=check_range)

    @classmethod
    def from_weights(
        cls,
        weights: NDArray[np.floating[Any]],
        backbone: Backbone,
        *,
        provenance: Provenance,
        check_range: bool = True,
    ) -> LPIPSComp:
        """A metric of weights just trained, shape (C,).

        Raises
        ------
        MetricInputError
            If the weights are not one per channel, finite and not negative.
        """
        metric = metric_weights(weights, backbone, provenance)
        return cls(metric, backbone, check_range=check_range)

    @classmethod
    def unweighted(cls, backbone: Backbone, *, check_range: bool = True) -> LPIPSComp:
        """Every weight 1: the untrained distance that LPIPS calls its baseline."""
        ones = np.ones(backbone.architecture.layer_slices.total)
        provenance = Provenance(recipe="none", notes=("every weight is 1",))
        return cls.from_weights(ones, backbone, provenance=provenance, check_range=check_range)

    @classmethod
    def from_lpips(
        cls, path: str | Path, backbone: Backbone, *, check_range: bool = True
    ) -> LPIPSComp:
        """LPIPS's published weights, or others in its format, on a backbone.

        Raises
        ------
        MetricFileError
            If the file is not LPIPS's for this backbone.
        """
        weights = read_lpips_heads(Path(path), backbone.architecture)
        provenance = Provenance(recipe="lpips file", notes=(f"read from {Path(path).name}",))
        return cls.from_weights(weights, backbone, provenance=provenance, check_range=check_range)

    @property
    def backbone(self) -> Backbone:
        """The backbone under the weights."""
        return self.trunk.backbone

    @property
    def record(self) -> BackboneRecord:
        """What a file remembers of the backbone."""
        return self.metric.backbone

    @property
    def provenance(self) -> Provenance:
        """Which votes the weights come from."""
        return self.metric.provenance

    @property
    def label(self) -> str:
        """The backbone's name, and that it is random where it is."""
        return self.backbone.label

    def train(self, mode: bool = True) -> LPIPSComp:
        """Stay in evaluation mode: nothing here is trained or drawn."""
        super().train(False)
        return self

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Distances of pairs, to be used as a loss.

        Parameters
        ----------
        x, y : Tensor of float32, shape (n, 3, height, width)
            RGB in [0, 1]; one of them may have n = 1 and is then compared with all of the other.

        Returns
        -------
        Tensor, shape (n,)
            0 for equal pictures, larger is worse.

        Raises
        ------
        MetricInputError
            If shapes or values are not these.
        """
        return self.features(x, y) @ self.weights

    def features(self, x: Tensor, y: Tensor) -> Tensor:
        """Feature vectors of pairs as in `forward`, shape (n, C)."""
        return differentiable_features(self.trunk, *self._checked(x, y))

    def layer_distances(self, x: Tensor, y: Tensor) -> Tensor:
        """What each layer adds to the distances of pairs as in `forward`, shape (n, layers)."""
        weighted = self.features(x, y) * self.weights
        slices = self.trunk.layer_slices.slices
        return torch.stack([weighted[:, part].sum(dim=1) for part in slices], dim=1)

    def spatial_maps(self, x: Tensor, y: Tensor) -> Tensor:
        """Where pairs as in `forward` differ.

        Each layer's map is enlarged bilinearly to the pictures' size, as LPIPS does; the mean over
        a map is therefore close to the distance, not equal to it.

        Returns
        -------
        Tensor, shape (n, 1, height, width)
        """
        x, y = self._checked(x, y)
        total = torch.zeros(1, 1, *x.shape[2:], dtype=x.dtype, device=x.device)
        slices = self.trunk.layer_slices.slices
        for part, squared in zip(slices, differences(self.trunk, x, y), strict=True):
            layer = torch.einsum("nchw,c->nhw", squared, self.weights[part])[:, None]
            total = total + interpolate(
                layer, size=x.shape[2:], mode="bilinear", align_corners=False
            )
        return total

    def distances(self, original: Pixels, reconstructions: Sequence[Pixels]) -> NDArray[np.float64]:
        """Distances of decoded pictures to their original, without gradients.

        Parameters
        ----------
        original : ndarray of uint8, shape (height, width, 3)
        reconstructions : sequence of such arrays
            m pictures of the same size; the original passes through the backbone once.

        Returns
        -------
        ndarray, shape (m,)

        Raises
        ------
        MetricInputError
            If a picture is not that, or too small for the backbone.
        """
        vectors = pair_features(self.trunk, original, reconstructions)
        return vectors.astype(np.float64) @ self.metric.weights.astype(np.float64)

    def save(self, path: str | Path) -> None:
        """Write the weights with their provenance; the backbone is named by its digest."""
        write_metric_weights(self.metric, Path(path))

    def save_lpips(self, path: str | Path) -> None:
        """Write the weights as LPIPS reads them."""
        write_lpips_heads(self.metric.weights, self.backbone.architecture, Path(path))

    def _checked(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        for name, pictures in (("x", x), ("y", y)):
            if pictures.ndim != 4 or pictures.shape[1] != 3 or not pictures.is_floating_point():
                raise MetricInputError(
                    f"{name} is {pictures.dtype} of shape {tuple(pictures.shape)}: give RGB in "
                    "[0, 1], floating point, of shape (n, 3, height, width)."
                )
        if x.shape[2:] != y.shape[2:] or (len(x) != len(y) and 1 not in (len(x), len(y))):
            raise MetricInputError(
                f"x has shape {tuple(x.shape)}, y {tuple(y.shape)}: heights and widths must be "
                "equal, and so must the numbers of pictures, unless one is 1."
            )
        smallest = architecture_of(self.backbone.name).smallest_side_px
        if min(x.shape[2:]) < smallest:
            raise MetricInputError(
                f"Pictures of {x.shape[3]} x {x.shape[2]} px are too small for "
                f"{self.backbone.name}, which needs sides of at least {smallest} px."
            )
        if self.check_range:
            for name, pictures in (("x", x), ("y", y)):
                low, high = (float(end) for end in torch.aminmax(pictures.detach()))
                if not (low >= 0 and high <= 1):  # also refuses NaN
                    raise MetricInputError(
                        f"{name} has values from {low:.4g} to {high:.4g}: give RGB in [0, 1]. "
                        "Divide 8-bit values by 255, use (x + 1) / 2 for [-1, 1], clamp what "
                        "overshoots, or construct with check_range=False."
                    )
        return x, y
