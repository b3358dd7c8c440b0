"""A metric with its backbone as one ONNX file, written node by node from the numbers.

No tracer runs, so that torch is not needed, no module's mode can change on the way, and height and
width stay free.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.architectures import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    NORM_EPSILON,
    BatchNorm,
    Convolution,
    Fire,
    Layer,
    MaxPool,
    Relu,
)
from mturk_eval.metric.backbone_files import write_atomically
from mturk_eval.metric.backbones import Backbone, convolution_parameters
from mturk_eval.metric.errors import import_extra
from mturk_eval.metric.weights_file import METADATA_KEY, MetricWeights, check_same, describe

_OPERATORS: Final = 18  # read by ONNX Runtime 1.14 (2023) and later
_FILE_VERSION: Final = 8
ORIGINAL, RECONSTRUCTIONS = "original", "reconstructions"
DISTANCES, FEATURES = "distances", "features"


def write_onnx(metric: MetricWeights, backbone: Backbone, path: Path) -> None:
    """Write one file that needs nothing else: pictures in, distances out.

    Its inputs are ``original`` (1 or n, 3, height, width) and ``reconstructions`` (n, 3, height,
    width), float32 RGB in [0, 1], of any height and width the backbone takes; its outputs
    ``distances`` (n,) and ``features`` (n, C). The file holds the backbone (59 MB for VGG-16) and
    what is known of the metric, and appears whole or not at all.

    Raises
    ------
    BackboneError
        If the backbone is another than the weights were trained on.
    MissingExtraError
        If onnx is not installed.
    """
    write_atomically(path, onnx_model(metric, backbone).SerializeToString())


def onnx_model(metric: MetricWeights, backbone: Backbone) -> Any:
    """The ``onnx.ModelProto`` of `write_onnx`."""
    onnx = import_extra("onnx", "Exporting to ONNX")
    check_same(metric, backbone)
    graph = _Graph(onnx)
    joined = graph.node("Concat", [ORIGINAL, RECONSTRUCTIONS], axis=0)
    n_originals = graph.node("Shape", [ORIGINAL], start=0, end=1)
    taps = graph.trunk(joined, backbone)
    means = [graph.mean_difference(tap, n_originals) for tap in taps]
    graph.node("Concat", means, output=FEATURES, axis=1)
    graph.node("MatMul", [FEATURES, graph.constant(metric.weights)], output=DISTANCES)
    float32 = onnx.TensorProto.FLOAT

    def tensor(name: str, *shape: str | int) -> Any:
        return onnx.helper.make_tensor_value_info(name, float32, shape)

    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "lpips_comp",
            [
                tensor(ORIGINAL, "1_or_n", 3, "height", "width"),
                tensor(RECONSTRUCTIONS, "n", 3, "height", "width"),
            ],
            [tensor(DISTANCES, "n"), tensor(FEATURES, "n", len(metric.weights))],
            graph.constants,
        ),
        opset_imports=[onnx.helper.make_opsetid("", _OPERATORS)],
        ir_version=_FILE_VERSION,
        producer_name="mturk-eval",
    )
    onnx.helper.set_model_props(model, {METADATA_KEY: describe(metric)})
    onnx.checker.check_model(model)
    return model


class _Graph:
    """Nodes and constants in the order in which they are computed."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(
        self, operator: str, inputs: Sequence[str], output: str | None = None, **options: Any
    ) -> str:
        """Append a node and give the name of its output."""
        name = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(operator, list(inputs), [name], **options))
        return name

    def constant(self, value: NDArray[Any], name: str | None = None) -> str:
        """Keep an array in the file and give its name."""
        name = name or f"constant_{len(self.constants)}"
        array = np.ascontiguousarray(value)
        self.constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def trunk(self, pictures: str, backbone: Backbone) -> list[str]:
        """Normalise pictures and run the layers; the outputs of the taps."""
        column = (1, 3, 1, 1)
        mean = np.array(IMAGENET_MEAN, np.float32).reshape(column)
        std = np.array(IMAGENET_STD, np.float32).reshape(column)
        for key, value in convolution_parameters(backbone).items():
            self.constant(value, key)
        centred = self.node("Sub", [pictures, self.constant(mean)])
        x = self.node("Div", [centred, self.constant(std)])
        taps = []
        for index, layer in enumerate(backbone.architecture.layers):
            x = self._layer(x, layer, f"features.{index}")
            if index in backbone.architecture.taps:
                taps.append(x)
        return taps

    def mean_difference(self, activations: str, n_originals: str) -> str:
        """The mean over pixels of the squared difference of unit-normalised activations."""
        across = self.constant(np.array([1], np.int64))
        # Sum, then root: ONNX Runtime has no fast path for a norm over the second axis.
        energy = self.node(
            "ReduceSum", [self.node("Mul", [activations, activations]), across], keepdims=1
        )
        epsilon = self.constant(np.array(NORM_EPSILON, np.float32))
        length = self.node("Add", [self.node("Sqrt", [energy]), epsilon])
        unit = self.node("Div", [activations, length])
        first, axis, end = (
            self.constant(np.array([value], np.int64)) for value in (0, 0, np.iinfo(np.int64).max)
        )
        original = self.node("Slice", [unit, first, n_originals, axis])
        others = self.node("Slice", [unit, n_originals, end, axis])
        difference = self.node("Sub", [original, others])
        squared = self.node("Mul", [difference, difference])
        area = self.constant(np.array([2, 3], np.int64))
        return self.node("ReduceMean", [squared, area], keepdims=0)

    def _layer(self, x: str, layer: Layer, name: str) -> str:
        match layer:
            case Convolution():
                return self._convolution(x, layer, name)
            case BatchNorm():
                return x  # folded into the convolution before it
            case Relu():
                return self.node("Relu", [x])
            case MaxPool(kernel=kernel, stride=stride, ceil_mode=ceil_mode):
                return self.node(
                    "MaxPool",
                    [x],
                    kernel_shape=[kernel] * 2,
                    strides=[stride] * 2,
                    ceil_mode=int(ceil_mode),
                )
            case Fire():
                parts = layer.parts
                squeezed, *expanded = parts
                x = self.node("Relu", [self._convolution(x, parts[squeezed], f"{name}.{squeezed}")])
                sides = [
                    self.node("Relu", [self._convolution(x, parts[part], f"{name}.{part}")])
                    for part in expanded
                ]
                return self.node("Concat", sides, axis=1)

    def _convolution(self, x: str, layer: Convolution, name: str) -> str:
        return self.node(
            "Conv",
            [x, f"{name}.weight", f"{name}.bias"],
            kernel_shape=[layer.kernel] * 2,
            strides=[layer.stride] * 2,
            pads=[layer.padding] * 4,
        )
