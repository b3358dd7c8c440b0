"""LPIPS's published weights load strictly and give the distances of its own program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mturk_eval.metric.architectures import ARCHITECTURES
from mturk_eval.metric.backbones import random_backbone
from mturk_eval.metric.errors import MetricFileError, MetricInputError
from mturk_eval.metric.heads import read_lpips_heads, write_lpips_heads

torch = pytest.importorskip("torch")

HEADS = Path(__file__).parents[1] / "data" / "lpips"
FILES = {
    "vgg16": HEADS / "vgg.pth",
    "alexnet": HEADS / "alex.pth",
    "squeezenet1_1": HEADS / "squeeze.pth",
}

# lpips 0.1.4 (its own LPIPS class, in double precision, backbone weights replaced by those of
# random_backbone(name, 7)): two distances, the layers of the second, the mean and one pixel
# (row 10, column 20) of its spatial map.
PUBLISHED: dict[str, tuple[list[float], list[float], float, float]] = {
    "vgg16": (
        [0.004994810724091604, 0.15563623437812404],
        [0.1287483676299192, 0.01570268632063556, 0.005745633882318689, 0.0037402878665752357,
         0.001699258678675338],
        0.15563623437812407, 0.14171454981449452,
    ),
    "alexnet": (
        [0.002581443574744138, 0.09656019228110367],
        [0.04612839862879101, 0.024870149557091638, 0.008751209523345726, 0.009818176256459974,
         0.006992258315415326],
        0.09657705811998246, 0.07945036133190699,
    ),
    "squeezenet1_1": (
        [0.0029062505287131726, 0.12515030744087602],
        [0.11279245754270298, 0.001030665857628306, 0.0036243155365405875, 0.004528998065208357,
         0.0017235410871738546, 0.0009163058498143142, 0.0005340235018076073],
        0.12513730298239462, 0.1094936772273742,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(FILES))
def test_distances_are_those_of_the_published_program(name: str) -> None:
    from mturk_eval.metric.model import LPIPSComp

    rng = np.random.default_rng(11)
    x = rng.integers(0, 256, (64, 80, 3), dtype=np.uint8)
    other = rng.integers(0, 256, (64, 80, 3), dtype=np.uint8)
    faded = (x // 2 + 60).astype(np.uint8)
    metric = LPIPSComp.from_lpips(FILES[name], random_backbone(name, seed=7))
    distances, layers, mean_of_map, pixel_of_map = PUBLISHED[name]
    np.testing.assert_allclose(metric.distances(x, [faded, other]), distances, rtol=2e-6)
    a, b = (torch.from_numpy(p).permute(2, 0, 1)[None] / 255 for p in (x, other))
    np.testing.assert_allclose(metric.layer_distances(a, b)[0], layers, rtol=1e-5)
    spatial = metric.spatial_maps(a, b)
    assert spatial.shape == (1, 1, 64, 80)
    assert float(spatial.mean()) == pytest.approx(mean_of_map, rel=1e-5)
    assert float(spatial[0, 0, 10, 20]) == pytest.approx(pixel_of_map, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "n", "n_zero", "smallest"),
    [("vgg16", 1472, 0, 0.0095), ("alexnet", 1152, 150, 0), ("squeezenet1_1", 2240, 119, 0)],
)
def test_the_published_files_hold_what_is_known_of_them(
    name: str, n: int, n_zero: int, smallest: float
) -> None:
    weights = read_lpips_heads(FILES[name], ARCHITECTURES[name])
    assert (weights.shape, int((weights == 0).sum())) == ((n,), n_zero)
    assert float(weights.min()) == pytest.approx(smallest, abs=5e-5)


@pytest.mark.parametrize("name", list(FILES))
def test_what_is_written_reads_as_what_was_read(name: str, tmp_path: Path) -> None:
    architecture = ARCHITECTURES[name]
    weights = read_lpips_heads(FILES[name], architecture)
    write_lpips_heads(weights, architecture, tmp_path / "out.pth")
    written = torch.load(tmp_path / "out.pth", weights_only=True)
    published = torch.load(FILES[name], map_location="cpu", weights_only=True)
    assert list(written) == list(published)
    assert all(torch.equal(written[key], published[key]) for key in published)
    np.testing.assert_array_equal(read_lpips_heads(tmp_path / "out.pth", architecture), weights)


def refused(tmp_path: Path, tensors: Any, said: str) -> None:
    path = tmp_path / "heads.pth"
    torch.save(tensors, path)
    with pytest.raises(MetricFileError, match=said) as raised:
        read_lpips_heads(path, ARCHITECTURES["vgg16"])
    assert str(path) in str(raised.value)


def test_heads_are_read_strictly(tmp_path: Path) -> None:
    """LPIPS itself loads what fits of such files, and leaves the rest random."""
    good = torch.load(FILES["vgg16"], map_location="cpu", weights_only=True)
    without_dropout = {key.replace("model.1", "model.0"): value for key, value in good.items()}
    refused(tmp_path, without_dropout, "saved without dropout")
    refused(tmp_path, {key: good[key] for key in list(good)[:4]}, "missing lin4.model.1.weight")
    refused(tmp_path, good | {"lin5.model.1.weight": torch.ones(1)}, "unknown lin5.model.1.weight")
    refused(tmp_path, good | {"lin0.model.1.weight": torch.ones(1, 65, 1, 1)}, "needs")
    refused(tmp_path, good | {"lin0.model.1.weight": -torch.ones(1, 64, 1, 1)}, "not negative")
    refused(tmp_path, [1, 2], "other than named tensors")
    with pytest.raises(MetricFileError, match="no LPIPS weights of squeezenet1_1"):
        read_lpips_heads(FILES["vgg16"], ARCHITECTURES["squeezenet1_1"])
    # The training script saves each convolution under two names.
    twice = good | {key.replace("lin", "lins."): value for key, value in good.items()}
    torch.save(twice, tmp_path / "twice.pth")
    read_lpips_heads(tmp_path / "twice.pth", ARCHITECTURES["vgg16"])
    with pytest.raises(MetricInputError, match=r"shape \(5,\); the backbone has 1472"):
        write_lpips_heads(np.ones(5), ARCHITECTURES["vgg16"], tmp_path / "no.pth")
    assert not (tmp_path / "no.pth").exists()
