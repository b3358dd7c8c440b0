"""One ONNX file holds the whole metric, and scores pictures where torch is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mturk_eval.metric.architectures import ARCHITECTURES
from mturk_eval.metric.backbones import random_backbone
from mturk_eval.metric.errors import BackboneError, MetricFileError, MetricInputError
from mturk_eval.metric.onnx_export import write_onnx
from mturk_eval.metric.onnx_scoring import OnnxMetric
from mturk_eval.metric.weights_file import MetricWeights, Provenance, metric_weights
from tests.metric.pictures import noisy, photograph, save

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def metric_of(name: str) -> MetricWeights:
    backbone = random_backbone(name, seed=2)
    weights = np.random.default_rng(1).random(backbone.architecture.layer_slices.total)
    return metric_weights(weights, backbone, Provenance(recipe="logistic", n_votes=12))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "metric.onnx"
    write_onnx(metric_of("squeezenet1_1"), random_backbone("squeezenet1_1", seed=2), path)
    return path


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_distances_are_those_of_torch_at_any_size(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from mturk_eval.metric.model import LPIPSComp

    backbone = random_backbone(name, seed=2)
    metric = LPIPSComp(metric_of(name), backbone)
    write_onnx(metric.metric, backbone, tmp_path / "metric.onnx")
    exported = OnnxMetric.load(tmp_path / "metric.onnx", threads=1)
    assert exported.label == f"{name} (random weights, seed 2)"
    assert exported.provenance.n_votes == 12
    for height, width in ((64, 64), (71, 90)):
        x = photograph(height, width, seed=1)
        others = [x, noisy(x, 5, seed=2), noisy(x, 40, seed=3)]
        distances = exported.distances(x, others)
        np.testing.assert_allclose(distances, metric.distances(x, others), rtol=1e-5, atol=1e-8)
        assert distances[0] < 1e-9
        vectors = exported.pair_features(x, others)
        np.testing.assert_allclose(
            vectors.astype(float) @ metric.metric.weights, distances, rtol=1e-5, atol=1e-9
        )


def test_an_export_leaves_the_torch_metric_as_it_was(tmp_path: Path) -> None:
    """Tracing exporters may leave batch normalisation in training mode, and later distances wrong;
    here the file is written from the numbers."""
    pytest.importorskip("torch")
    from mturk_eval.metric.model import LPIPSComp

    backbone = random_backbone("vgg16_bn", seed=2)
    metric = LPIPSComp(metric_of("vgg16_bn"), backbone).train()
    x = photograph(40, 40, seed=1)
    others = [noisy(x, 20, seed=1)]
    before = metric.distances(x, others)
    write_onnx(metric.metric, backbone, tmp_path / "metric.onnx")
    assert not any(module.training for module in metric.modules())
    np.testing.assert_array_equal(metric.distances(x, others), before)


def test_scoring_needs_no_torch(small: Path, tmp_path: Path) -> None:
    x = photograph(40, 48, seed=1)
    save(tmp_path / "x.png", x)
    save(tmp_path / "y.png", noisy(x, 20, seed=1))
    expected = OnnxMetric.load(small).distances(x, [noisy(x, 20, seed=1)])[0]
    program = f"""
import sys
for name in ("torch", "safetensors", "onnx", "sklearn"):
    sys.modules[name] = None  # as if it were not installed
from pathlib import Path
from mturk_eval.metric import OnnxMetric
from mturk_eval.metric.pictures import read_pixels
x, y = (read_pixels(Path({str(tmp_path)!r}) / name) for name in ("x.png", "y.png"))
print(repr(float(OnnxMetric.load({str(small)!r}).distances(x, [y])[0])))
from mturk_eval.errors import MissingExtraError
try:
    from mturk_eval.metric import LPIPSComp
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    distance, message = done.stdout.splitlines()
    assert float(distance) == pytest.approx(expected, rel=1e-6)
    assert "pip install 'mturk-eval[metric]'" in message


def test_the_base_install_imports_the_room_without_the_extra() -> None:
    program = """
import sys
extra = ("torch", "safetensors", "onnx", "onnxruntime", "sklearn", "pytorch_msssim")
for name in extra:
    sys.modules[name] = None
import mturk_eval.metric, mturk_eval.metric.features, mturk_eval.metric.heads
import mturk_eval.metric.weights_file, mturk_eval.metric.onnx_export
from mturk_eval.metric import OnnxMetric
from mturk_eval.metric.backbones import random_backbone
from mturk_eval.errors import MissingExtraError
from mturk_eval.metric.features import pair_features
import numpy as np
x = np.zeros((40, 40, 3), np.uint8)
for call in (
    lambda: OnnxMetric.load("x.onnx"),
    lambda: pair_features(random_backbone("squeezenet1_1", 1), x, [x]),
):
    try:
        call()
    except MissingExtraError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("pip install 'mturk-eval[metric]'") == 2


def test_what_cannot_be_scored_is_refused(small: Path) -> None:
    metric = OnnxMetric.load(small)
    x = photograph(40, 40, seed=1)
    assert metric.distances(x, []).shape == (0,)
    assert metric.pair_features(x, []).shape == (0, 2240)
    with pytest.raises(MetricInputError, match="Reconstruction 1 has shape"):
        metric.distances(x, [x[:30]])
    with pytest.raises(MetricInputError, match="too small for squeezenet1_1"):
        metric.distances(x[:10], [x[:10]])


def test_other_files_are_no_metrics(tmp_path: Path) -> None:
    with pytest.raises(MetricFileError, match="does not exist"):
        OnnxMetric.load(tmp_path / "gone.onnx")
    (tmp_path / "text.onnx").write_text("not at all")
    with pytest.raises(MetricFileError, match="no ONNX file that can be run"):
        OnnxMetric.load(tmp_path / "text.onnx")
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])], "other",
        [helper.make_tensor_value_info("x", float32, [1])],
        [helper.make_tensor_value_info("y", float32, [1])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    (tmp_path / "other.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(MetricFileError, match="but not of a metric"):
        OnnxMetric.load(tmp_path / "other.onnx")


def test_weights_are_not_exported_on_another_backbone(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="were trained on squeezenet1_1"):
        write_onnx(
            metric_of("squeezenet1_1"), random_backbone("squeezenet1_1", seed=9),
            tmp_path / "metric.onnx",
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
