"""A small convolutional network that says which quadrant of which photograph it sees.

It is trained on what is at hand, and stands in for the post's ResNet-152. It learns 24 pictures by
heart, from crops of different sizes, brightness and colour, as networks for ImageNet are trained:
it knows nothing else, and it has never seen a shrunk or recompressed picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

from mturk_eval.compressors.classifier_preserving import Preprocessing

SIDE = 64
PREPROCESSING = Preprocessing(crop=(SIDE, SIDE), resize=SIDE)
_CHANNELS = (3, 16, 32, 48)
_BATCH = 48


def network(n_classes: int) -> nn.Sequential:
    """Three convolutions of stride 2, the mean over the picture, one linear layer."""
    layers: list[nn.Module] = []
    for before, after in pairwise(_CHANNELS):
        layers += [nn.Conv2d(before, after, 3, stride=2), nn.ReLU()]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(_CHANNELS[-1], n_classes)
    )


def train(pictures: Mapping[str, Image.Image], *, steps: int, seed: int) -> nn.Sequential:
    """Fit by Adam on random crops; one thread, so that a seed gives one network."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    originals = list(pictures.values())
    model = network(len(originals))
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        classes = rng.integers(0, len(originals), _BATCH)
        batch = torch.from_numpy(np.stack([_crop(originals[c], rng) for c in classes]))
        loss = nn.functional.cross_entropy(model(batch), torch.from_numpy(classes))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


def accuracy(
    model: nn.Sequential, pictures: Mapping[str, Image.Image], *, crops: int, seed: int
) -> float:
    """Share of other random crops that are named rightly."""
    rng = np.random.default_rng(seed)
    right = 0
    for number, picture in enumerate(pictures.values()):
        batch = torch.from_numpy(np.stack([_crop(picture, rng) for _ in range(crops)]))
        with torch.no_grad():
            right += int((model(batch).argmax(1) == number).sum())
    return right / (crops * len(pictures))


def write_onnx(model: nn.Sequential, path: Path) -> None:
    """Write the network node by node, logits out, and how pictures are prepared beside it."""
    nodes, constants, current = [], [], "picture"
    for number, layer in enumerate(model):
        after = f"value{number}"
        if isinstance(layer, nn.Conv2d | nn.Linear):
            names = [f"weight{number}", f"bias{number}"]
            for name, value in zip(names, (layer.weight, layer.bias), strict=True):
                constants.append(numpy_helper.from_array(value.detach().numpy(), name))
        if isinstance(layer, nn.Conv2d):
            node = helper.make_node("Conv", [current, *names], [after], strides=[2, 2])
        elif isinstance(layer, nn.Linear):
            after = "logits"
            node = helper.make_node("Gemm", [current, *names], [after], transB=1)
        else:
            kind = {nn.ReLU: "Relu", nn.AdaptiveAvgPool2d: "GlobalAveragePool"}
            node = helper.make_node(kind.get(type(layer), "Flatten"), [current], [after])
        nodes.append(node)
        current = after
    graph = helper.make_graph(
        nodes,
        "quadrants",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, model[-1].out_features])],
        constants,
    )
    written = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(written)
    path.write_bytes(written.SerializeToString())
    path.with_suffix(".toml").write_text(
        f"# ImageNet's normalisation, the centre of a picture of {SIDE} pixels.\n"
        f'crop = [{SIDE}, {SIDE}]\nresize = {SIDE}\noutput = "logits"\n'
    )


def _crop(picture: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """A square from .3 to all of the shorter side, mirrored or not, in other light."""
    side = round(min(picture.size) * rng.uniform(0.3, 1))
    left, top = (int(rng.integers(0, length - side + 1)) for length in picture.size)
    cropped = picture.resize(
        (SIDE, SIDE), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side)
    )
    if rng.random() < 0.5:
        cropped = cropped.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    values = PREPROCESSING.normalised(cropped)
    light = rng.normal(0, 0.5, 3) + rng.normal(0, 0.5)
    return np.float32(values * rng.uniform(0.6, 1.4) + light).transpose(2, 0, 1)
