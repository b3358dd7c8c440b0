"""The backbone as a torch module, and the vector it makes of a pair of pictures.

Importing this module imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mturk_eval.metric.architectures import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    NORM_EPSILON,
    BatchNorm,
    Convolution,
    Fire,
    Layer,
    LayerSlices,
    MaxPool,
    Relu,
)
from mturk_eval.metric.backbones import Backbone, convolution_parameters

_KERNEL_DIMENSIONS: Final = 4
_HAS_FUSED: Final = hasattr(torch.ops.mkldnn, "_convolution_pointwise")  # oneDNN
_NUMBERS_PER_BLOCK: Final = 1 << 18  # 1 MiB: smaller blocks cost calls, larger ones leave the cache


class RectifiedConvolution(nn.Conv2d):
    """A convolution and the ReLU after it."""

    def forward(self, x: Tensor) -> Tensor:
        """In one pass over the memory, where torch has that: oneDNN, float32, no gradient."""
        on_cpu = x.device.type == "cpu" and x.dtype == torch.float32
        if not (_HAS_FUSED and on_cpu) or torch.is_grad_enabled():
            return super().forward(x).relu_()
        weight, bias = self.weight, self.bias
        shape = (self.padding, self.stride, self.dilation, self.groups)
        rectified: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, *shape, "relu", [], ""
        )
        return rectified


class FireModule(nn.Module):
    """SqueezeNet's `Fire`."""

    def __init__(self, layer: Fire) -> None:
        super().__init__()
        self.squeeze, self.expand1x1, self.expand3x3 = map(_convolution, layer.parts.values())

    def forward(self, x: Tensor) -> Tensor:
        """Squeeze, then both expansions, channel after channel."""
        squeezed = self.squeeze(x)
        return torch.cat([self.expand1x1(squeezed), self.expand3x3(squeezed)], dim=1)


class Trunk(nn.Module):
    """A frozen backbone that gives the outputs of its taps.

    Its numbers take no gradient and it never leaves evaluation mode, whatever ``train()`` is asked
    of the module around it. Batch normalisation keeps the statistics it came with: it is folded
    into the convolutions, each of which also does the ReLU after it, and ``features`` holds
    identities in their places.

    Parameters
    ----------
    backbone : Backbone
        Its digest, seed and architecture stay readable as ``trunk.backbone``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        with torch.device("meta"):  # no numbers are drawn only to be replaced
            self.features = nn.Sequential(*map(_module, backbone.architecture.layers))
        numbers = convolution_parameters(backbone)
        state = {key: _tensor(value) for key, value in numbers.items()}
        self.load_state_dict(state, strict=True, assign=True)
        column = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(column), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(column), persistent=False)
        self.requires_grad_(False)
        self.eval()

    @property
    def layer_slices(self) -> LayerSlices:
        """How a feature vector is laid out."""
        return self.backbone.architecture.layer_slices

    def train(self, mode: bool = True) -> Trunk:
        """Stay in evaluation mode."""
        super().train(False)
        return self

    def taps(self, pictures: Tensor) -> Iterator[Tensor]:
        """Give each tap's activations in turn, so that a caller need not hold them all.

        Parameters
        ----------
        pictures : Tensor, shape (n, 3, height, width)
            RGB in [0, 1].

        Yields
        ------
        Tensor, shape (n, channels, height, width)
            Not negative; the next layer reads it, so it must not be changed.
        """
        x = ((pictures - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        taps = self.backbone.architecture.taps
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in taps:
                yield x

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """All taps' activations."""
        return list(self.taps(pictures))


def unit_normalised(activations: Tensor) -> Tensor:
    """Divide by the length of each column of channels (plus 1e-10), as LPIPS does.

    Where a column is all zeros, so are the result and its gradient.
    """
    length = torch.linalg.vector_norm(activations, dim=1, keepdim=True)
    unit: Tensor = activations / (length + NORM_EPSILON)
    return unit


def differences(trunk: Trunk, x: Tensor, y: Tensor) -> Iterator[Tensor]:
    """Squared differences of unit-normalised activations, tap after tap.

    Parameters
    ----------
    x, y : Tensor, shape (n, 3, height, width)
        RGB in [0, 1], pairs by row; where one has n = 1 it is compared with all of the other.

    Yields
    ------
    Tensor, shape (n, channels, height, width) of the tap
        Summed over channels each is at most 2, since activations are not negative.
    """
    n = len(x)
    for activations in trunk.taps(torch.cat([x, y])):
        unit = unit_normalised(activations)
        yield (unit[:n] - unit[n:]).square()


def differentiable_features(trunk: Trunk, x: Tensor, y: Tensor) -> Tensor:
    """The feature vectors of pairs, with gradients for the pictures; shape (n, C)."""
    return torch.cat([part.mean(dim=(2, 3)) for part in differences(trunk, x, y)], dim=1)


class PairPass:
    """Runs originals, each followed by its reconstructions, through a trunk once per picture.

    An original's activations are kept only until its last reconstruction has passed.

    Parameters
    ----------
    trunk : Trunk
        On the device to compute on.
    """

    def __init__(self, trunk: Trunk) -> None:
        self._trunk = trunk
        self._held: list[Tensor] = []

    def run(self, pictures: NDArray[np.uint8], is_original: Sequence[bool]) -> NDArray[np.float32]:
        """Compare the pictures of one batch with the original that came last before each.

        Parameters
        ----------
        pictures : ndarray of uint8, shape (n, height, width, 3)
            RGB. A batch may begin with reconstructions of the original of the batch before.
        is_original : sequence of bool, length n

        Returns
        -------
        ndarray of float32, shape (number of reconstructions, C)
            In the order of the batch.
        """
        groups = _groups(is_original)
        rows = [row for row, original in enumerate(is_original) if not original]
        slices = self._trunk.layer_slices.slices
        with torch.inference_mode(), exact_float32():
            batch = torch.from_numpy(pictures).to(self._trunk.mean.device)
            vectors = self._trunk.mean.new_zeros(len(batch), self._trunk.layer_slices.total)
            tap = 0
            for activations in self._trunk.taps(batch.permute(0, 3, 1, 2).float().div_(255.0)):
                if tap == len(self._held):
                    _, n_channels, height, width = activations.shape
                    self._held.append(activations.new_empty(height * width, n_channels))
                _compare(activations, self._held[tap], groups, vectors[:, slices[tap]])
                del activations  # or its memory is not there for the next layer
                tap += 1  # noqa: SIM113 (enumerate would hold the memory, too)
            return np.asarray(vectors[rows].cpu().numpy())


def _compare(
    activations: Tensor,
    held: Tensor,
    groups: Sequence[tuple[int | None, int, int]],
    vectors: Tensor,
) -> None:
    """Mean squared differences of one tap's activations from those of their originals.

    On a processor they are taken in blocks that stay in its cache, each without gaps in memory:
    as many whole pictures as fit, or else part of one. Each step would otherwise wait for memory.

    Parameters
    ----------
    activations : Tensor, shape (n, channels, height, width)
    held : Tensor, shape (height * width, channels)
        Activations of unit length of the original that came last; changed to those of the last
        original of the batch.
    groups : sequence of (row of the original or None, first, end row of its reconstructions)
    vectors : Tensor, shape (n, channels)
        Zeros, to be changed to the result. Rows of originals mean nothing.
    """
    columns = activations.permute(0, 2, 3, 1).flatten(1, 2)  # no copy: channels are last already
    _, n_pixels, n_channels = columns.shape
    n_numbers = _NUMBERS_PER_BLOCK if columns.device.type == "cpu" else columns.numel()
    pixels_at_once = min(n_pixels, max(1, n_numbers // n_channels))
    pictures_at_once = max(1, n_numbers // (n_channels * n_pixels))
    for original, first, last in groups:
        begin = first if original is None else original
        for pixel in range(0, n_pixels, pixels_at_once):
            pixels = slice(pixel, pixel + pixels_at_once)
            unit = held[pixels]
            for row in range(begin, last, pictures_at_once):
                end = min(row + pictures_at_once, last)
                block = columns[row:end, pixels]
                length = torch.linalg.vector_norm(block, dim=2, keepdim=True)
                per_length = length.add_(NORM_EPSILON).reciprocal_()
                if row == original:
                    torch.mul(block[0], per_length[0], out=unit)
                    block, per_length = block[1:], per_length[1:]
                if len(block) > 0:
                    difference = torch.addcmul(unit, block, per_length, value=-1.0)
                    vectors[end - len(block) : end] += difference.square_().sum(dim=1)
    vectors.div_(n_pixels)


def _groups(is_original: Sequence[bool]) -> list[tuple[int | None, int, int]]:
    """(row of the original, first and end row of its reconstructions); None: held from before."""
    starts = [row for row, original in enumerate(is_original) if original]
    groups: list[tuple[int | None, int, int]] = []
    if not starts or starts[0] > 0:
        groups.append((None, 0, starts[0] if starts else len(is_original)))
    ends = [*starts[1:], len(is_original)] if starts else []
    groups.extend((start, start + 1, end) for start, end in zip(starts, ends, strict=True))
    return groups


@contextmanager
def exact_float32() -> Iterator[None]:
    """Keep CUDA from rounding the factors of convolutions to 10 bits (TF32)."""
    cudnn = torch.backends.cudnn
    with cudnn.flags(
        enabled=cudnn.enabled,
        benchmark=cudnn.benchmark,
        deterministic=cudnn.deterministic,
        allow_tf32=False,
    ):
        yield


def _tensor(value: NDArray[np.float32]) -> Tensor:
    """A copy (torch would share read-only memory), kernels in the order convolutions read."""
    tensor = torch.from_numpy(np.array(value))
    if tensor.ndim == _KERNEL_DIMENSIONS:
        return tensor.contiguous(memory_format=torch.channels_last)
    return tensor


def _module(layer: Layer) -> nn.Module:
    match layer:
        case Convolution():
            return _convolution(layer)
        case BatchNorm() | Relu():
            return nn.Identity()  # part of the convolution before it
        case MaxPool(kernel=kernel, stride=stride, ceil_mode=ceil_mode):
            return nn.MaxPool2d(kernel, stride, ceil_mode=ceil_mode)
        case Fire():
            return FireModule(layer)


def _convolution(layer: Convolution) -> RectifiedConvolution:
    return RectifiedConvolution(
        layer.channels_in,
        layer.channels_out,
        layer.kernel,
        stride=layer.stride,
        padding=layer.padding,
    )
