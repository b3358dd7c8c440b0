"""Real ONNX networks, small enough to be understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPERATORS = [helper.make_opsetid("", 18)]


def write_mean_colour(
    path: Path,
    *,
    side: int | str = 16,
    softmax: bool = False,
    layout: str = "channels first",
    sharpness: float = 20.0,
) -> Path:
    """Which of red, green and blue is strongest on average; logits are the mean colours."""
    first = layout == "channels first"
    nodes = [
        helper.make_node("ReduceMean", ["picture", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "sharpness"], ["logits"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1))
    shape: list[Any] = [1, 3, side, side] if first else [1, side, side, 3]
    constants = {
        "axes": np.array([2, 3] if first else [1, 2], np.int64),
        "sharpness": np.array(sharpness, np.float32),
    }
    return _write(path, nodes, constants, shape, [1, 3], "probabilities" if softmax else "logits")


def write_convolutional(path: Path, *, classes: int = 5, seed: int = 0) -> Path:
    """Two convolutions with random weights: an answer that depends on detail."""
    rng = np.random.default_rng(seed)
    constants = {
        "w1": rng.normal(0, 0.4, (8, 3, 3, 3)).astype(np.float32),
        "w2": rng.normal(0, 0.4, (16, 8, 3, 3)).astype(np.float32),
        "w3": rng.normal(0, 6, (16, classes)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["picture", "w1"], ["c1"], strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], strides=[2, 2]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w3"], ["logits"]),
    ]
    return _write(path, nodes, constants, [1, 3, 32, 32], [1, classes], "logits")


def write_nan(path: Path) -> Path:
    """Answers NaN to everything."""
    nodes = [
        helper.make_node("ReduceMean", ["picture", "axes"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nan"], ["logits"]),
    ]
    constants = {"axes": np.array([2, 3], np.int64), "nan": np.array(np.nan, np.float32)}
    return _write(path, nodes, constants, [1, 3, 8, 8], [1, 3], "logits")


def write_flat_input(path: Path) -> Path:
    """Takes a vector, which is no picture."""
    nodes = [helper.make_node("Identity", ["picture"], ["logits"])]
    return _write(path, nodes, {}, [1, 192], [1, 192], "logits")


def write_map_output(path: Path) -> Path:
    """Answers with a picture, which is no list of classes."""
    nodes = [helper.make_node("Identity", ["picture"], ["logits"])]
    return _write(path, nodes, {}, [1, 3, 8, 8], [1, 3, 8, 8], "logits")


def _write(
    path: Path,
    nodes: list[Any],
    constants: dict[str, Any],
    shape: list[Any],
    answer: list[int],
    output: str,
) -> Path:
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, answer)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=OPERATORS, ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path
