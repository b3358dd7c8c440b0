"""A backbone: an architecture with its numbers, whose identity is a digest of them.

The numbers are NumPy arrays, so that a metric can be exported and scored without torch.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.architectures import (
    BATCH_NORM_EPSILON,
    Architecture,
    BatchNorm,
    architecture_of,
)
from mturk_eval.metric.errors import BackboneError, MetricInputError

Parameters = Mapping[str, NDArray[np.float32]]
_SHOWN = 4  # names in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """Frozen convolutions with the numbers they were trained, or drawn, with.

    Attributes
    ----------
    architecture : Architecture
    parameters : mapping of str to ndarray of float32
        By torchvision's names, nothing but what the taps need.
    digest : str
        SHA-256 of names, shapes and values: the same for a copy in another file format.
    seed : int or None
        What the numbers were drawn with; None for those of a file.
    path : Path or None
        The file they were read from.
    file_digest : str or None
        SHA-256 of that file.
    """

    architecture: Architecture
    parameters: Parameters
    digest: str
    seed: int | None = None
    path: Path | None = None
    file_digest: str | None = None

    @property
    def name(self) -> str:
        """The architecture's name."""
        return self.architecture.name

    @property
    def is_random(self) -> bool:
        """Whether no picture ever trained it: results then say so."""
        return self.seed is not None

    @property
    def is_published(self) -> bool:
        """Whether the file was torchvision's own, by its digest."""
        digest = self.file_digest
        return digest is not None and digest.startswith(self.architecture.published_digests)

    @property
    def label(self) -> str:
        """How outputs call it, e.g. ``vgg16 (random weights, seed 7)``."""
        return backbone_label(self.name, self.seed)


def backbone_label(name: str, seed: int | None) -> str:
    """A backbone's name, with the warning that it was never trained where that is so.

    Examples
    --------
    >>> backbone_label("vgg16", 7)
    'vgg16 (random weights, seed 7)'
    """
    return name if seed is None else f"{name} (random weights, seed {seed})"


def backbone_from_parameters(
    architecture: Architecture,
    parameters: Mapping[str, NDArray[np.generic]],
    *,
    source: str,
    path: Path | None = None,
    file_digest: str | None = None,
) -> Backbone:
    """Check arrays against an architecture, strictly.

    Torchvision's ``classifier.*`` and the counters ``num_batches_tracked`` are left out.

    Parameters
    ----------
    source : str
        Begins every message, such as the file.

    Raises
    ------
    BackboneError
        If an array is missing, unknown, of another shape, or not finite.
    """
    wanted = architecture.parameter_shapes
    given = {
        key: value
        for key, value in parameters.items()
        if not key.startswith("classifier.") and not key.endswith(".num_batches_tracked")
    }
    missing = [key for key in wanted if key not in given]
    unknown = [key for key in given if key not in wanted]
    if missing or unknown:
        parts = [
            f"{word} {_some(keys)}"
            for word, keys in (("lacks", missing), ("also holds", unknown))
            if keys
        ]
        raise BackboneError(
            f"{source} is no state dict of torchvision's {architecture.name}: it "
            f"{' and '.join(parts)}. Give the file of this backbone, or name the backbone it is of."
        )
    kept: dict[str, NDArray[np.float32]] = {}
    for key, shape in wanted.items():
        value = np.ascontiguousarray(given[key], dtype=np.float32)
        if value.shape != shape:
            raise BackboneError(
                f"{source}: {key} has shape {value.shape}, but {architecture.name} needs {shape}. "
                "Give the file of this backbone."
            )
        if not np.isfinite(value).all():
            raise BackboneError(
                f"{source}: {key} holds values that are not finite; get the file again."
            )
        value.flags.writeable = False
        kept[key] = value
    return Backbone(
        architecture=architecture,
        parameters=kept,
        digest=parameter_digest(kept),
        path=path,
        file_digest=file_digest,
    )


def random_backbone(name: str, seed: int) -> Backbone:
    """Draw a backbone's numbers (He's uniform initialisation), for tests and demonstrations.

    Unit-normalised features of random convolutions still agree with people more often than not,
    but less than trained ones do (LPIPS reports 70.6 % against 75 to 78 % on BAPPS). Biases and
    the statistics of batch normalisation are drawn too, so that a mistake in them shows.

    Parameters
    ----------
    name : str
        ``vgg16_bn``, ``vgg16``, ``alexnet`` or ``squeezenet1_1``.
    seed : int
        Not negative; the same seed gives the same numbers on every machine.

    References
    ----------
    He, Zhang, Ren, Sun (2015), Delving deep into rectifiers, ICCV, equation 10:
    kernels of variance 2 / fan-in.

    Examples
    --------
    >>> random_backbone("squeezenet1_1", seed=1).label
    'squeezenet1_1 (random weights, seed 1)'
    """
    if seed < 0:
        raise MetricInputError(f"The seed of a random backbone is {seed}: give 0 or more.")
    architecture = architecture_of(name)
    rng = np.random.Generator(np.random.PCG64(seed))
    parameters: dict[str, NDArray[np.float32]] = {}
    for key, shape in architecture.parameter_shapes.items():
        value = _draw(key, shape, rng)
        value.flags.writeable = False
        parameters[key] = value
    return Backbone(
        architecture=architecture,
        parameters=parameters,
        digest=parameter_digest(parameters),
        seed=seed,
    )


def convolution_parameters(backbone: Backbone) -> Parameters:
    """Kernels and biases with batch normalisation, where there is any, folded into them.

    In evaluation mode normalisation is a scale and a shift per channel of the convolution before
    it. Folded, it costs no pass over the activations, and has no mode that could be wrong. What is
    not normalised comes back as it is.
    """
    folded = dict(backbone.parameters)
    for index, layer in enumerate(backbone.architecture.layers):
        if not isinstance(layer, BatchNorm):
            continue
        parts = ("weight", "bias", "running_mean", "running_var")
        numbers = (folded.pop(f"features.{index}.{part}") for part in parts)
        gain, shift, mean, variance = (value.astype(np.float64) for value in numbers)
        scale = gain / np.sqrt(variance + BATCH_NORM_EPSILON)
        kernel, bias = f"features.{index - 1}.weight", f"features.{index - 1}.bias"
        folded[kernel] = (folded[kernel] * scale[:, None, None, None]).astype(np.float32)
        folded[bias] = ((folded[bias] - mean) * scale + shift).astype(np.float32)
    return folded


def _draw(key: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Uniform numbers only: they need no function that rounds differently elsewhere."""
    uniform = rng.random(shape, dtype=np.float32) * np.float32(2.0) - np.float32(1.0)
    if len(shape) == 4:
        return uniform * np.float32(math.sqrt(6.0 / math.prod(shape[1:])))
    if key.endswith(("running_var", "weight")):
        return uniform * np.float32(0.5) + np.float32(1.0)
    return uniform * np.float32(0.15)


def parameter_digest(parameters: Parameters) -> str:
    """SHA-256 over names, shapes and little-endian float32 values, in the order of the names."""
    digest = hashlib.sha256()
    for key in sorted(parameters):
        value = np.ascontiguousarray(parameters[key], dtype="<f4")
        digest.update(f"{key}{value.shape}".encode())
        digest.update(value.data)
    return digest.hexdigest()


def _some(keys: list[str]) -> str:
    more = len(keys) - _SHOWN
    return ", ".join(keys[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
