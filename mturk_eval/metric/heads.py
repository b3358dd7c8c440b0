"""LPIPS's own weight files: one 1x1 convolution per layer, ``lin{k}.model.1.weight``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.architectures import Architecture
from mturk_eval.metric.backbone_files import load_tensors, write_atomically
from mturk_eval.metric.errors import BackboneError, MetricFileError, MetricInputError, import_extra
from mturk_eval.metric.weights_file import check_weights


def head_keys(architecture: Architecture) -> tuple[str, ...]:
    """LPIPS's name of each layer's weights."""
    return tuple(f"lin{k}.model.1.weight" for k in range(len(architecture.taps)))


def read_lpips_heads(path: Path, architecture: Architecture) -> NDArray[np.float32]:
    """Read a file of LPIPS v0.1, or of its training script, strictly.

    A file saved without dropout names its weights ``lin{k}.model.0.weight``; LPIPS then loads
    nothing and says nothing. Here it is refused.

    Returns
    -------
    ndarray of float32, shape (C,)
        Not negative.

    Raises
    ------
    MetricFileError
        If a layer is missing, unknown, of another size, negative or not finite.
    """
    try:
        tensors = load_tensors(path, "Reading LPIPS weights")
    except BackboneError as error:
        raise MetricFileError(str(error)) from error
    layers, keys = architecture.layer_slices, head_keys(architecture)
    # The training script also saves `lins.{k}`, the same convolutions under a second name, and
    # the constants of the input scaling.
    given = {
        key: value for key, value in tensors.items() if not key.startswith(("lins.", "scaling_"))
    }
    missing = [key for key in keys if key not in given]
    unknown = sorted(set(given) - set(keys))
    if missing or unknown:
        hint = " It was saved without dropout." if "lin0.model.0.weight" in given else ""
        raise MetricFileError(
            f"{path}: no LPIPS weights of {architecture.name}: missing "
            f"{', '.join(missing) or 'none'}; unknown {', '.join(unknown) or 'none'}.{hint} "
            f"Expected {keys[0]} to {keys[-1]}."
        )
    parts = []
    for key, size in zip(keys, layers.sizes, strict=True):
        if tuple(given[key].shape) != (1, size, 1, 1):
            raise MetricFileError(
                f"{path}: {key} has shape {tuple(given[key].shape)}; {architecture.name} needs "
                f"{(1, size, 1, 1)}."
            )
        parts.append(given[key].float().numpy().reshape(-1))
    try:
        return check_weights(np.concatenate(parts), layers.total, f"{path}: the weights")
    except MetricInputError as error:
        raise MetricFileError(str(error)) from error


def write_lpips_heads(
    weights: NDArray[np.floating[Any]], architecture: Architecture, path: Path
) -> None:
    """Write weights as LPIPS reads them: ``LPIPS(net=…, model_path=path)``.

    LPIPS has no backbone with batch normalisation, so weights for ``vgg16_bn`` are for programs
    that bring their own; the file has the same keys.

    Raises
    ------
    MetricInputError
        If the weights are not one per channel, finite and not negative.
    """
    torch = import_extra("torch", "Writing LPIPS weights")
    layers = architecture.layer_slices
    values = check_weights(weights, layers.total, "The weights")
    tensors = {
        key: torch.from_numpy(values[part].copy()).reshape(1, -1, 1, 1)
        for key, part in zip(head_keys(architecture), layers.slices, strict=True)
    }
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    write_atomically(path, buffer.getvalue())
