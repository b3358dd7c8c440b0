"""The metric as a torch module: a distance, a loss, and a small file that says what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mturk_eval.metric.backbone_files import WEIGHTS_VARIABLE, write_backbone
from mturk_eval.metric.backbones import Backbone, backbone_from_parameters, random_backbone
from mturk_eval.metric.errors import BackboneError, MetricFileError, MetricInputError
from mturk_eval.metric.weights_file import (
    METADATA_KEY,
    Provenance,
    metric_weights,
    read_metric_weights,
    write_metric_weights,
)
from tests.metric.pictures import noisy, photograph

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.numpy")

BACKBONE = random_backbone("squeezenet1_1", seed=3)
PROVENANCE = Provenance(
    recipe="logistic",
    n_triplets=3840,
    n_originals=160,
    n_votes=23_040,
    n_raters=81,
    screening="raters who missed more than one catch trial",
    split="160 originals for training, 40 for testing, seed 1",
    test_originals=("kodim01", "kodim07"),
    scale="logits",
    scores={"2afc_test": 0.75},
    versions={"torch": "2.13.0"},
)


def weights_of(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).random(2240, dtype=np.float32)


def metric_of(seed: int = 1, backbone: Backbone = BACKBONE) -> Any:
    from mturk_eval.metric.model import LPIPSComp

    return LPIPSComp.from_weights(weights_of(seed), backbone, provenance=PROVENANCE)


def tensor(pixels: np.ndarray[Any, Any]) -> Any:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


X = photograph(40, 36, seed=1)
Y = noisy(X, 15, seed=2)


def test_it_is_a_distance() -> None:
    metric = metric_of()
    x, y = tensor(X), tensor(Y)
    assert float(metric(x, x)) == 0
    assert float(metric(x, y)) > 0
    assert float(metric(x, y)) == pytest.approx(float(metric(y, x)), rel=1e-6)
    bound = sum(2 * weights_of(1)[part].max() for part in metric.trunk.layer_slices.slices)
    assert float(metric(x, 1 - x)) < bound


@settings(max_examples=15)
@given(seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)), factor=st.floats(0, 8))
def test_it_is_linear_in_its_weights(seeds: tuple[int, int], factor: float) -> None:
    from mturk_eval.metric.model import LPIPSComp

    one, other = (weights_of(seed) for seed in seeds)
    mixed = LPIPSComp.from_weights(
        one + np.float32(factor) * other, BACKBONE, provenance=PROVENANCE
    )
    parts = [metric_of(seed).distances(X, [Y])[0] for seed in seeds]
    assert mixed.distances(X, [Y])[0] == pytest.approx(parts[0] + factor * parts[1], rel=1e-5)


def test_the_ways_to_a_distance_agree() -> None:
    metric = metric_of()
    x, y = tensor(X), tensor(Y)
    distance = float(metric(x, y))
    assert metric.distances(X, [Y])[0] == pytest.approx(distance, rel=1e-6)
    assert float(metric.layer_distances(x, y).sum()) == pytest.approx(distance, rel=1e-6)
    assert float(metric.features(x, y)[0] @ metric.weights) == pytest.approx(distance, rel=1e-6)
    spatial = metric.spatial_maps(x, y)
    assert spatial.shape == (1, 1, 40, 36)
    assert float(spatial.min()) >= 0


def test_maps_show_where_pictures_differ() -> None:
    corner = X.copy()
    corner[:10, :10] = 255 - corner[:10, :10]
    spatial = metric_of().spatial_maps(tensor(X), tensor(corner))[0, 0]
    assert float(spatial[:10, :10].mean()) > 10 * float(spatial[25:, 25:].mean())


def test_one_original_is_compared_with_many() -> None:
    metric = metric_of()
    x, many = tensor(X), torch.cat([tensor(noisy(X, k, seed=k)) for k in (5, 10, 20)])
    together = metric(x, many)
    assert together.shape == (3,)
    assert metric.spatial_maps(x, many).shape == (3, 1, 40, 36)
    for k in range(3):
        assert float(together[k]) == pytest.approx(float(metric(x, many[k : k + 1])), rel=1e-5)


def test_its_gradient_is_that_of_finite_differences() -> None:
    metric = metric_of()
    metric.check_range = False
    metric.double()
    x, y = tensor(X).double(), tensor(Y).double().requires_grad_()
    metric(x, y).sum().backward()
    direction = torch.from_numpy(np.random.default_rng(3).normal(size=y.shape))
    step = 1e-6
    with torch.no_grad():
        slope = float(metric(x, y + step * direction) - metric(x, y - step * direction)) / 2 / step
    assert float((y.grad * direction).sum()) == pytest.approx(slope, rel=1e-4)
    assert all(parameter.grad is None for parameter in metric.parameters())


def test_as_a_loss_it_brings_a_picture_back() -> None:
    metric = metric_of()
    x = tensor(X)
    y = tensor(Y).requires_grad_()
    optimizer = torch.optim.Adam([y], lr=0.01)
    before = metric(x, y.clamp(0, 1)).item()
    for _ in range(15):
        optimizer.zero_grad()
        metric(x, y.clamp(0, 1)).sum().backward()
        optimizer.step()
    assert metric(x, y.clamp(0, 1)).item() < 0.6 * before


def test_flat_and_equal_pictures_have_finite_gradients() -> None:
    """A column of zero activations has no direction; its gradient is 0, not NaN."""
    metric = metric_of()
    black = torch.zeros(1, 3, 32, 32, requires_grad=True)
    for other in (torch.zeros(1, 3, 32, 32), torch.rand(1, 3, 32, 32)):
        black.grad = None
        metric(black, other).sum().backward()
        assert black.grad is not None
        assert bool(torch.isfinite(black.grad).all())


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (torch.zeros(1, 3, 32, 32) - 1, torch.zeros(1, 3, 32, 32), "x has values from -1 to -1"),
        (torch.zeros(1, 3, 32, 32), torch.full((1, 3, 32, 32), 255.0), "y has values from 255"),
        (torch.full((1, 3, 32, 32), torch.nan), torch.zeros(1, 3, 32, 32), "values from nan"),
        (torch.zeros(3, 32, 32), torch.zeros(3, 32, 32), r"of shape \(n, 3, height, width\)"),
        (torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32), "give RGB"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), torch.zeros(1, 3, 32, 32), "floating"),
        (torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 33), "heights and widths"),
        (torch.zeros(2, 3, 32, 32), torch.zeros(3, 3, 32, 32), "numbers of pictures"),
        (torch.zeros(1, 3, 16, 32), torch.zeros(1, 3, 16, 32), "32 x 16 px are too small"),
    ],
)
def test_what_is_no_pair_of_pictures_is_refused(x: Any, y: Any, said: str) -> None:
    with pytest.raises(MetricInputError, match=said):
        metric_of()(x, y)


def test_nothing_takes_it_out_of_evaluation_mode() -> None:
    from mturk_eval.metric.model import LPIPSComp

    metric = LPIPSComp.unweighted(random_backbone("vgg16_bn", seed=1))
    x, y = tensor(X), tensor(Y)
    before = float(metric(x, y))
    outer = torch.nn.ModuleList([metric]).train()
    assert not any(module.training for module in metric.modules())
    assert outer.training
    assert float(metric(x, y)) == before


def test_a_file_gives_the_metric_back(tmp_path: Path) -> None:
    from mturk_eval.metric import LPIPSComp

    metric = metric_of()
    metric.save(tmp_path / "metric.safetensors")
    again = LPIPSComp.load(tmp_path / "metric.safetensors")
    assert again.metric.provenance == PROVENANCE
    assert again.label == "squeezenet1_1 (random weights, seed 3)"
    np.testing.assert_array_equal(again.metric.weights, weights_of(1))
    np.testing.assert_array_equal(again.distances(X, [Y]), metric.distances(X, [Y]))
    metric.save(tmp_path / "twin.safetensors")
    whole = (tmp_path / "metric.safetensors").read_bytes()
    assert (tmp_path / "twin.safetensors").read_bytes() == whole
    assert len(whole) < 15_000  # the backbone is not inside
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "metric.safetensors", "twin.safetensors",
    ]  # fmt: skip


def test_a_metric_finds_the_very_backbone_it_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mturk_eval.metric import LPIPSComp

    folder, other_folder = tmp_path / "a", tmp_path / "b"
    trained, other = (
        backbone_from_parameters(
            BACKBONE.architecture,
            dict(random_backbone("squeezenet1_1", seed=seed).parameters),
            source="test",
        )
        for seed in (3, 4)
    )
    name = "squeezenet1_1-b8a52dc0.safetensors"
    write_backbone(trained, folder / name)
    write_backbone(other, other_folder / name)
    metric_of(backbone=trained).save(tmp_path / "metric.safetensors")
    assert not LPIPSComp.load(
        tmp_path / "metric.safetensors", backbone_weights=folder
    ).backbone.is_random
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(folder))
    LPIPSComp.load(tmp_path / "metric.safetensors")
    with pytest.raises(BackboneError, match=rf"trained on squeezenet1_1 .*{trained.digest[:16]}"):
        LPIPSComp.load(tmp_path / "metric.safetensors", backbone_weights=other_folder)
    with pytest.raises(BackboneError, match="No weights of the backbone squeezenet1_1"):
        LPIPSComp.load(tmp_path / "metric.safetensors", backbone_weights=tmp_path)


def rewritten(tmp_path: Path, **changes: Any) -> Path:
    """A metric's file with fields of its description, or tensors, changed."""
    path = tmp_path / "metric.safetensors"
    write_metric_weights(metric_weights(weights_of(1), BACKBONE, PROVENANCE), path)
    tensors = safetensors.load_file(path)
    import safetensors as library

    with library.safe_open(path, framework="numpy") as file:
        document = json.loads(file.metadata()[METADATA_KEY])
    tensors |= changes.pop("tensors", {})
    for key, value in changes.items():
        document[key] = value
    safetensors.save_file(tensors, path, metadata={METADATA_KEY: json.dumps(document)})
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format_version": 2}, r"version 2 of the file format; .* reads version 1"),
        ({"preprocessing_version": 0}, "preprocessing version 0; this mturk-eval makes version 1"),
        ({"layer_sizes": [2240]}, "are not those of squeezenet1_1"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"provenance": {}}, "provenance.recipe: Field required"),
        ({"backbone": {"name": "vgg16"}}, "backbone.digest: Field required"),
        ({"tensors": {"more": np.ones(1, np.float32)}}, "holds tensors"),
        ({"tensors": {"features.1": np.ones(63, np.float32)}}, r"of shape \(63,\), not"),
        ({"tensors": {"features.1": np.ones(64)}}, "features.1 is float64"),
        ({"tensors": {"features.1": -np.ones(64, np.float32)}}, "finite and not negative"),
    ],
)
def test_a_metrics_file_is_read_strictly(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = rewritten(tmp_path, **changes)
    with pytest.raises(MetricFileError, match=said) as raised:
        read_metric_weights(path)
    assert str(path) in str(raised.value)


def test_other_files_are_no_metrics(tmp_path: Path) -> None:
    path = tmp_path / "metric.safetensors"
    with pytest.raises(MetricFileError, match="does not exist"):
        read_metric_weights(path)
    path.write_text("not at all")
    with pytest.raises(MetricFileError, match="not a safetensors file"):
        read_metric_weights(path)
    write_backbone(BACKBONE, path)
    with pytest.raises(MetricFileError, match="but not of a metric"):
        read_metric_weights(path)


def test_weights_must_fit_their_backbone() -> None:
    for weights, said in (
        (np.ones(5), r"shape \(5,\); the backbone has 2240 channels"),
        (-np.ones(2240), "finite and not negative"),
        (np.full(2240, np.nan), "finite and not negative"),
    ):
        with pytest.raises(MetricInputError, match=said):
            metric_weights(weights, BACKBONE, PROVENANCE)
