"""The convolutional stacks whose activations are compared, as plain descriptions.

Layers carry the index and the parameter names they have in torchvision's ``features``, so that its
state-dict files fit without torchvision; torch and ONNX each build their network from these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from mturk_eval.metric.errors import MetricInputError

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
"""Of RGB in [0, 1]; equals LPIPS's shift (-.030, -.088, -.188) of RGB in [-1, 1]."""
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
"""Of RGB in [0, 1]; equals LPIPS's scale (.458, .448, .450) of RGB in [-1, 1]."""
NORM_EPSILON: Final = 1e-10
"""Added to the length of a feature column before dividing by it."""
BATCH_NORM_EPSILON: Final = 1e-5
"""Torchvision's, added to the running variance."""
PREPROCESSING_VERSION: Final = 1
"""Raised when the same picture and backbone would give another vector."""
DEFAULT_BACKBONE: Final = "vgg16_bn"
DIGEST_IN_NAME: Final = re.compile(r"-([0-9a-f]{8,64})\.\w+$")
"""How torchvision's files carry the first digits of their SHA-256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A two-dimensional convolution with a bias; sides, strides and paddings are square."""

    channels_in: int
    channels_out: int
    kernel: int
    stride: int = 1
    padding: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNorm:
    """Batch normalisation with its running statistics (evaluation mode only)."""

    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Relu:
    """Negative values become 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool:
    """The largest of each window; with ``ceil_mode`` windows may hang over the edge."""

    kernel: int
    stride: int
    ceil_mode: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """SqueezeNet's module: a 1x1 squeeze, then 1x1 and 3x3 expansions side by side, rectified."""

    channels_in: int
    squeeze: int
    expand: int

    @property
    def parts(self) -> Mapping[str, Convolution]:
        """The convolutions by torchvision's name."""
        return {
            "squeeze": Convolution(
                channels_in=self.channels_in, channels_out=self.squeeze, kernel=1
            ),
            "expand1x1": Convolution(channels_in=self.squeeze, channels_out=self.expand, kernel=1),
            "expand3x3": Convolution(
                channels_in=self.squeeze, channels_out=self.expand, kernel=3, padding=1
            ),
        }


Layer: TypeAlias = Convolution | BatchNorm | Relu | MaxPool | Fire


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSlices:
    """Which entries of a feature vector come from which layer of the backbone.

    Attributes
    ----------
    names : tuple of str
        Layers in the order of the backbone, e.g. ``features.5``.
    sizes : tuple of int
        Channels of each.

    Examples
    --------
    >>> layers = ARCHITECTURES["vgg16"].layer_slices
    >>> layers.sizes, layers.total, layers.slices[1]
    ((64, 128, 256, 512, 512), 1472, slice(64, 192, None))
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]

    @property
    def total(self) -> int:
        """Length of the whole vector."""
        return sum(self.sizes)

    @property
    def slices(self) -> tuple[slice, ...]:
        """One slice of the vector per layer."""
        ends = [sum(self.sizes[: k + 1]) for k in range(len(self.sizes))]
        return tuple(slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One backbone up to its last tap.

    Attributes
    ----------
    name : str
        As torchvision calls it.
    layers : tuple of Layer
        ``features.0``, ``features.1``, …
    taps : tuple of int
        Layers whose output is compared.
    tap_channels : tuple of int
    smallest_side_px : int
        Pictures with a shorter side are refused.
    files : tuple of str
        Torchvision's weight files, the current one first; the hex digits begin their SHA-256.
    lpips_name : str or None
        What LPIPS calls it, where LPIPS publishes weights for it.
    """

    name: str
    layers: tuple[Layer, ...]
    taps: tuple[int, ...]
    tap_channels: tuple[int, ...]
    smallest_side_px: int
    files: tuple[str, ...]
    lpips_name: str | None

    @property
    def layer_slices(self) -> LayerSlices:
        """How a feature vector of this backbone is laid out."""
        return LayerSlices(
            names=tuple(f"features.{tap}" for tap in self.taps), sizes=self.tap_channels
        )

    @property
    def published_digests(self) -> tuple[str, ...]:
        """The first hex digits of the SHA-256 of torchvision's files."""
        return tuple(found[1] for file in self.files if (found := DIGEST_IN_NAME.search(file)))

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array that a file must hold, in torchvision's names."""
        shapes: dict[str, tuple[int, ...]] = {}
        for index, layer in enumerate(self.layers):
            prefix = f"features.{index}"
            match layer:
                case Convolution():
                    shapes |= _convolution_shapes(prefix, layer)
                case BatchNorm(channels=channels):
                    for part in ("weight", "bias", "running_mean", "running_var"):
                        shapes[f"{prefix}.{part}"] = (channels,)
                case Fire():
                    for part, convolution in layer.parts.items():
                        shapes |= _convolution_shapes(f"{prefix}.{part}", convolution)
        return shapes


def _convolution_shapes(prefix: str, layer: Convolution) -> dict[str, tuple[int, ...]]:
    kernel = (layer.channels_out, layer.channels_in, layer.kernel, layer.kernel)
    return {f"{prefix}.weight": kernel, f"{prefix}.bias": (layer.channels_out,)}


_VGG16_CHANNELS: Final = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def _vgg16(*, batch_norm: bool) -> tuple[Layer, ...]:
    """Simonyan & Zisserman (2015), configuration D, without its last pooling."""
    layers: list[Layer] = []
    channels_in = 3
    for block in _VGG16_CHANNELS:
        for channels in block:
            layers.append(
                Convolution(channels_in=channels_in, channels_out=channels, kernel=3, padding=1)
            )
            if batch_norm:
                layers.append(BatchNorm(channels=channels))
            layers.append(Relu())
            channels_in = channels
        layers.append(MaxPool(kernel=2, stride=2))
    return tuple(layers[:-1])


def _alexnet() -> tuple[Layer, ...]:
    """Krizhevsky (2014), the single-column variant."""
    pool = MaxPool(kernel=3, stride=2)
    return (
        Convolution(channels_in=3, channels_out=64, kernel=11, stride=4, padding=2),
        Relu(),
        pool,
        Convolution(channels_in=64, channels_out=192, kernel=5, padding=2),
        Relu(),
        pool,
        Convolution(channels_in=192, channels_out=384, kernel=3, padding=1),
        Relu(),
        Convolution(channels_in=384, channels_out=256, kernel=3, padding=1),
        Relu(),
        Convolution(channels_in=256, channels_out=256, kernel=3, padding=1),
        Relu(),
    )


def _squeezenet1_1() -> tuple[Layer, ...]:
    """Iandola et al. (2016), version 1.1."""
    pool = MaxPool(kernel=3, stride=2, ceil_mode=True)
    return (
        Convolution(channels_in=3, channels_out=64, kernel=3, stride=2),
        Relu(),
        pool,
        Fire(channels_in=64, squeeze=16, expand=64),
        Fire(channels_in=128, squeeze=16, expand=64),
        pool,
        Fire(channels_in=128, squeeze=32, expand=128),
        Fire(channels_in=256, squeeze=32, expand=128),
        pool,
        Fire(channels_in=256, squeeze=48, expand=192),
        Fire(channels_in=384, squeeze=48, expand=192),
        Fire(channels_in=384, squeeze=64, expand=256),
        Fire(channels_in=512, squeeze=64, expand=256),
    )


_VGG_TAP_CHANNELS: Final = (64, 128, 256, 512, 512)

ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            name="vgg16_bn",
            layers=_vgg16(batch_norm=True),
            taps=(5, 12, 22, 32, 42),
            tap_channels=_VGG_TAP_CHANNELS,
            smallest_side_px=32,
            files=("vgg16_bn-6c64b313.pth",),
            lpips_name=None,
        ),
        Architecture(
            name="vgg16",
            layers=_vgg16(batch_norm=False),
            taps=(3, 8, 15, 22, 29),
            tap_channels=_VGG_TAP_CHANNELS,
            smallest_side_px=32,
            files=("vgg16-397923af.pth",),
            lpips_name="vgg",
        ),
        Architecture(
            name="alexnet",
            layers=_alexnet(),
            taps=(1, 4, 7, 9, 11),
            tap_channels=(64, 192, 384, 256, 256),
            smallest_side_px=63,
            files=("alexnet-owt-7be5be79.pth", "alexnet-owt-4df8aa71.pth"),
            lpips_name="alex",
        ),
        Architecture(
            name="squeezenet1_1",
            layers=_squeezenet1_1(),
            taps=(1, 4, 7, 9, 10, 11, 12),
            tap_channels=(64, 128, 256, 384, 384, 512, 512),
            smallest_side_px=17,
            files=("squeezenet1_1-b8a52dc0.pth", "squeezenet1_1-f364aa15.pth"),
            lpips_name="squeeze",
        ),
    )
}


def architecture_of(name: str) -> Architecture:
    """Look a backbone up.

    Raises
    ------
    MetricInputError
        If there is none of this name.

    Examples
    --------
    >>> architecture_of("alexnet").layer_slices.total
    1152
    """
    if name not in ARCHITECTURES:
        raise MetricInputError(f"There is no backbone {name!r}: choose {_or(list(ARCHITECTURES))}.")
    return ARCHITECTURES[name]


def _or(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
