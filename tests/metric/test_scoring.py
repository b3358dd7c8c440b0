"""Image files are scored by a metric's file, whichever library runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mturk_eval.metric.backbones import random_backbone
from mturk_eval.metric.errors import MetricFileError, MetricInputError
from mturk_eval.metric.onnx_export import write_onnx
from mturk_eval.metric.scoring import FilePair, load_metric, score_files
from tests.metric.pictures import noisy, photograph, save

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mturk_eval.metric.model import LPIPSComp

    folder = tmp_path_factory.mktemp("metric")
    backbone = random_backbone("squeezenet1_1", seed=2)
    metric = LPIPSComp.unweighted(backbone)
    metric.save(folder / "metric.safetensors")
    write_onnx(metric.metric, backbone, folder / "metric.onnx")
    for name in ("a", "b"):
        original = photograph(30, 40, seed=ord(name))
        save(folder / f"{name}.png", original)
        for level in (5, 50):
            save(folder / f"{name}-{level}.png", noisy(original, level, seed=1))
    save(folder / "small.png", photograph(16, 40, seed=1))
    return folder


@pytest.mark.parametrize("kind", ["safetensors", "onnx"])
def test_files_are_scored_in_their_order(folder: Path, kind: str) -> None:
    metric = load_metric(folder / f"metric.{kind}")
    assert metric.label == "squeezenet1_1 (random weights, seed 2)"
    assert metric.provenance.notes == ("every weight is 1",)
    names = [("a", "a"), ("a", "a-5"), ("a", "a-50"), ("b", "b-50"), ("b", "b-5"), ("a", "a-5")]
    pairs = [
        FilePair(original=folder / f"{x}.png", reconstruction=folder / f"{y}.png") for x, y in names
    ]
    itself, near, far, far_b, near_b, again = score_files(metric, pairs)
    assert itself == pytest.approx(0, abs=1e-9)
    assert 0 < near < far
    assert 0 < near_b < far_b
    assert again == pytest.approx(near, rel=1e-5)


def test_a_row_that_cannot_be_scored_is_named(folder: Path) -> None:
    metric = load_metric(folder / "metric.onnx")
    small = FilePair(original=folder / "a.png", reconstruction=folder / "small.png", row=4)
    with pytest.raises(MetricInputError, match=r"Row 4: .*small.png: it has 40 x 16 px"):
        list(score_files(metric, [small]))
    tiny = FilePair(original=folder / "small.png", reconstruction=folder / "small.png", row=5)
    with pytest.raises(MetricInputError, match=r"Row 5: .*too small for squeezenet1_1"):
        list(score_files(metric, [tiny]))
    gone = FilePair(original=folder / "gone.png", reconstruction=folder / "small.png", row=6)
    with pytest.raises(MetricInputError, match=r"Row 6: .*gone.png: the file does not exist"):
        list(score_files(metric, [gone]))


def test_another_ending_is_no_metric(folder: Path) -> None:
    with pytest.raises(MetricFileError, match=r"give a metric's .safetensors file"):
        load_metric(folder / "metric.pth")
