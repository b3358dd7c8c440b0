"""A pair of pictures becomes one vector; a distance is then a plain product with it."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mturk_eval.metric.architectures import (
    ARCHITECTURES,
    BatchNorm,
    Convolution,
    Fire,
    Layer,
    MaxPool,
    Relu,
)
from mturk_eval.metric.backbones import Backbone, random_backbone
from mturk_eval.metric.errors import MetricInputError
from mturk_eval.metric.feature_store import FeatureStore
from mturk_eval.metric.features import extract_features, pair_features
from mturk_eval.metric.pictures import PicturePair, read_picture
from tests.metric.pictures import Pixels, noisy, photograph, save

torch = pytest.importorskip("torch")

SIZES = {  # height, width: the smallest (SqueezeNet's: below), an odd one, an upright one
    "vgg16_bn": [(32, 32), (45, 61), (64, 48)],
    "vgg16": [(32, 32), (45, 61), (64, 48)],
    "alexnet": [(63, 63), (71, 95), (128, 96)],
    "squeezenet1_1": [(33, 47), (45, 61), (64, 48)],
}


@cache
def backbone_of(name: str) -> Backbone:
    return random_backbone(name, seed=5)


@cache
def trunk_of(name: str) -> Any:
    from mturk_eval.metric.trunk import Trunk

    return Trunk(backbone_of(name))


def published_formula(
    backbone: Backbone, weights: NDArray[np.float32], x: Pixels, y: Pixels
) -> float:
    """LPIPS as its authors' program computes it: RGB in [-1, 1], shift and scale, 1x1 convolutions
    of the squared differences, spatial means, a sum over layers; in double precision, layer after
    layer from the backbone's own numbers."""
    shift = torch.tensor([-0.030, -0.088, -0.188], dtype=torch.float64).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450], dtype=torch.float64).view(1, 3, 1, 1)
    numbers = {key: torch.from_numpy(v.astype(float)) for key, v in backbone.parameters.items()}

    def taps(pixels: Pixels) -> list[Any]:
        picture = (torch.from_numpy(pixels).double() / 255 * 2 - 1).permute(2, 0, 1)[None]
        activations = (picture - shift) / scale
        given = []
        for index, layer in enumerate(backbone.architecture.layers):
            activations = run_layer(activations, layer, f"features.{index}", numbers)
            if index in backbone.architecture.taps:
                norm = torch.sqrt(torch.sum(activations**2, dim=1, keepdim=True))
                given.append(activations / (norm + 1e-10))
        return given

    total = 0.0
    slices = backbone.architecture.layer_slices.slices
    for part, of_x, of_y in zip(slices, taps(x), taps(y), strict=True):
        kernel = torch.from_numpy(weights[part]).double().view(1, -1, 1, 1)
        difference = torch.nn.functional.conv2d((of_x - of_y) ** 2, kernel)
        total += float(difference.mean(dim=(2, 3)))
    return total


def run_layer(x: Any, layer: Layer, name: str, numbers: dict[str, Any]) -> Any:
    """One of torchvision's layers, by torch's functions."""
    functions = torch.nn.functional
    match layer:
        case Convolution():
            kernel, bias = numbers[f"{name}.weight"], numbers[f"{name}.bias"]
            return functions.conv2d(x, kernel, bias, layer.stride, layer.padding)
        case BatchNorm():
            parts = ("running_mean", "running_var", "weight", "bias")
            return functions.batch_norm(x, *(numbers[f"{name}.{part}"] for part in parts))
        case Relu():
            return functions.relu(x)
        case MaxPool():
            return functions.max_pool2d(x, layer.kernel, layer.stride, ceil_mode=layer.ceil_mode)
        case Fire():
            parts_of = layer.parts
            squeezed = functions.relu(run_layer(x, parts_of["squeeze"], f"{name}.squeeze", numbers))
            sides = [
                functions.relu(run_layer(squeezed, parts_of[side], f"{name}.{side}", numbers))
                for side in ("expand1x1", "expand3x3")
            ]
            return torch.cat(sides, dim=1)


@pytest.mark.parametrize(
    ("name", "size"), [(name, size) for name, sizes in SIZES.items() for size in sizes]
)
def test_the_product_with_the_vector_is_the_published_distance(
    name: str, size: tuple[int, int]
) -> None:
    ours, published = both_distances(name, size, seed=1)
    assert ours == pytest.approx(published, rel=1e-6)


def test_maps_of_a_single_pixel_average_no_rounding_of_single_precision() -> None:
    pairs = [both_distances("squeezenet1_1", (17, 17), seed) for seed in range(10)]
    errors = [abs(ours / published - 1) for ours, published in pairs]
    assert np.median(errors) < 2e-6
    assert max(errors) < 1e-5


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_a_torch_without_the_fused_convolution_gives_the_same_vector(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = photograph(70, 66, seed=1)
    y = noisy(x, 20, seed=2)
    fused = pair_features(trunk_of(name), x, [y])
    monkeypatch.setattr("mturk_eval.metric.trunk._HAS_FUSED", False)
    apart = pair_features(trunk_of(name), x, [y])
    np.testing.assert_allclose(fused, apart, rtol=1e-3, atol=1e-7)
    assert fused.sum() == pytest.approx(apart.sum(), rel=1e-6)


def both_distances(name: str, size: tuple[int, int], seed: int) -> tuple[float, float]:
    """Between a picture and a noisy version of it: from our vector, by the published formula."""
    backbone = backbone_of(name)
    n_channels = backbone.architecture.layer_slices.total
    weights = np.random.default_rng(1).random(n_channels, dtype=np.float32)
    x = photograph(*size, seed=seed)
    y = noisy(x, 20, seed=seed + 1)
    vector = pair_features(trunk_of(name), x, [y])[0]
    return float(vector.astype(float) @ weights), published_formula(backbone, weights, x, y)


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_a_picture_is_at_no_distance_from_itself_and_layers_are_bounded(name: str) -> None:
    x = photograph(70, 66, seed=3)
    opposite = (255 - x).astype(np.uint8)
    same, far = pair_features(trunk_of(name), x, [x, opposite])
    assert not same.any()
    assert (far >= 0).all()
    for part in backbone_of(name).architecture.layer_slices.slices:
        assert 0 < far[part].sum() <= 2


@settings(max_examples=20)
@given(seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)), side=st.integers(17, 40))
def test_the_order_of_a_pair_is_of_no_matter(seeds: tuple[int, int], side: int) -> None:
    x, y = (photograph(side, 33, seed) for seed in seeds)
    trunk = trunk_of("squeezenet1_1")
    forth, back = pair_features(trunk, x, [y]), pair_features(trunk, y, [x])
    np.testing.assert_allclose(forth, back, rtol=1e-5, atol=1e-7)


@settings(max_examples=15)
@given(seed=st.integers(0, 999))
def test_more_noise_is_farther(seed: int) -> None:
    x = photograph(48, 48, seed)
    worse = [noisy(x, deviation, seed) for deviation in (2, 6, 18, 54)]
    distances = pair_features(trunk_of("squeezenet1_1"), x, worse).sum(axis=1)
    assert (np.diff(distances) > 0).all()


@pytest.mark.parametrize("pictures_per_batch", [1, 2, 3, 4, 50])
def test_batches_change_nothing(pictures_per_batch: int) -> None:
    """An original's activations are carried from one batch to the next."""
    x = photograph(40, 40, seed=1)
    others = [x, *(noisy(x, 10 * k, seed=k) for k in range(1, 6))]
    trunk = trunk_of("squeezenet1_1")
    one_by_one = np.concatenate([pair_features(trunk, x, [y]) for y in others])
    batched = pair_features(trunk, x, others, pictures_per_batch=pictures_per_batch)
    np.testing.assert_allclose(batched, one_by_one, rtol=1e-5, atol=1e-7)
    assert not batched[0].any()


def test_pictures_that_cannot_be_compared_are_refused() -> None:
    x = photograph(40, 40, seed=1)
    trunk = trunk_of("squeezenet1_1")
    assert pair_features(trunk, x, []).shape == (0, 2240)
    with pytest.raises(MetricInputError, match=r"Reconstruction 2 has shape \(40, 41, 3\)"):
        pair_features(trunk, x, [x, photograph(40, 41, seed=1)])
    with pytest.raises(MetricInputError, match="array of float64"):
        pair_features(trunk, x, [(x / 255.0).astype(np.float64)])
    with pytest.raises(MetricInputError, match="40 x 16 px is too small for squeezenet1_1"):
        pair_features(trunk, x[:16], [x[:16]])
    if not torch.cuda.is_available():
        with pytest.raises(MetricInputError, match="sees no CUDA device"):
            pair_features(backbone_of("squeezenet1_1"), x, [x], device="cuda")


def pairs_on_disk(folder: Path) -> list[PicturePair]:
    """Three originals of two sizes, with 4, 1 and 2 reconstructions, one of them identical."""
    pairs = []
    for image, (side, deviations) in enumerate([(40, (1, 5, 9, 13)), (24, (5,)), (40, (0, 7))]):
        original = photograph(side, side, seed=image)
        first = read_picture(save(folder / f"{image}.png", original))
        for deviation in deviations:
            path = save(folder / f"{image}-{deviation}.png", noisy(original, deviation, seed=9))
            pairs.append(PicturePair(original=first, reconstruction=read_picture(path)))
    return pairs


def direct(pairs: list[PicturePair]) -> NDArray[np.float32]:
    from mturk_eval.metric.pictures import read_pixels

    return np.concatenate(
        [
            pair_features(
                trunk_of("squeezenet1_1"),
                read_pixels(pair.original.path),
                [read_pixels(pair.reconstruction.path)],
            )
            for pair in pairs
        ]
    )


@pytest.mark.parametrize("pictures_per_batch", [None, 1, 2, 3])
def test_each_picture_runs_once_and_a_second_run_runs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures_per_batch: int | None
) -> None:
    from mturk_eval.metric.trunk import Trunk

    passed: list[int] = []
    taps = Trunk.taps

    def counted(trunk: Trunk, pictures: Any) -> Any:
        passed.append(len(pictures))
        return taps(trunk, pictures)

    monkeypatch.setattr(Trunk, "taps", counted)
    pairs = pairs_on_disk(tmp_path)
    backbone = backbone_of("squeezenet1_1")
    seen: list[tuple[int, int]] = []
    done = extract_features(
        [*pairs, pairs[0]],
        backbone,
        FeatureStore(tmp_path / "store", backbone),
        pictures_per_batch=pictures_per_batch,
        progress=lambda n, of: seen.append((n, of)),
    )
    # 3 originals and 6 reconstructions: the identical one is known to be at distance 0.
    assert (done.n_pairs, done.n_computed, done.n_pictures) == (7, 7, 9)
    assert sum(passed) == 9
    assert seen[-1] == (7, 7)
    assert [n for n, _ in seen] == sorted({n for n, _ in seen})
    passed.clear()
    store = FeatureStore(tmp_path / "store", backbone)
    again = extract_features(pairs, backbone, store)
    assert (again.n_computed, again.n_pictures, passed) == (0, 0, [])
    monkeypatch.undo()
    np.testing.assert_allclose(
        store.get([pair.key for pair in pairs]), direct(pairs), rtol=1e-5, atol=1e-7
    )


def test_a_run_that_is_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    pairs = pairs_on_disk(tmp_path)
    backbone = backbone_of("squeezenet1_1")

    def stop(n: int, of: int) -> None:
        if n >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_features(
            pairs,
            backbone,
            FeatureStore(tmp_path, backbone),
            pictures_per_batch=2,
            progress=stop,
        )
    store = FeatureStore(tmp_path, backbone)
    kept = len(store)
    assert 3 <= kept < 7
    assert extract_features(pairs, backbone, store).n_computed == 7 - kept


@pytest.mark.parametrize("how", [{"workers": 2}, {"dask": "local"}], ids=["processes", "dask"])
def test_other_processes_compute_the_same(tmp_path: Path, how: dict[str, Any]) -> None:
    if "dask" in how:
        pytest.importorskip("distributed")
    pairs = pairs_on_disk(tmp_path)
    backbone = backbone_of("squeezenet1_1")
    here, elsewhere = (FeatureStore(tmp_path / name, backbone) for name in ("here", "elsewhere"))
    extract_features(pairs, backbone, here)
    assert extract_features(pairs, backbone, elsewhere, **how).n_computed == 7
    keys = [pair.key for pair in pairs]
    np.testing.assert_allclose(elsewhere.get(keys), here.get(keys), rtol=1e-5, atol=1e-7)


def test_all_pairs_are_checked_before_the_first_pass(tmp_path: Path) -> None:
    backbone = backbone_of("squeezenet1_1")
    store = FeatureStore(tmp_path, backbone)
    small = read_picture(save(tmp_path / "small.png", photograph(16, 40, seed=1)))
    large = read_picture(save(tmp_path / "large.png", photograph(40, 40, seed=1)))
    good = PicturePair(original=large, reconstruction=large, row=1)
    unequal = PicturePair(original=large, reconstruction=small, row=2)
    tiny = PicturePair(original=small, reconstruction=small, row=3)
    with pytest.raises(MetricInputError, match=r"Row 2: .*small.png: it has 40 x 16 px, its orig"):
        extract_features([good, unequal], backbone, store)
    with pytest.raises(MetricInputError, match=r"Row 3: .*40 x 16 px is too small for squeezenet"):
        extract_features([good, tiny], backbone, store)
    other = random_backbone("squeezenet1_1", seed=6)
    with pytest.raises(MetricInputError, match="another backbone than squeezenet1_1"):
        extract_features([good], other, store)
    assert len(store) == 0


def test_a_picture_that_changed_meanwhile_is_noticed(tmp_path: Path) -> None:
    pairs = pairs_on_disk(tmp_path)
    backbone = backbone_of("squeezenet1_1")
    save(pairs[0].reconstruction.path, photograph(40, 40, seed=77))
    with pytest.raises(MetricInputError, match=r"0-1.png: its pixels changed"):
        extract_features(pairs, backbone, FeatureStore(tmp_path, backbone))


def test_every_backbone_sees_another_vector() -> None:
    x, y = photograph(64, 64, seed=1), photograph(64, 64, seed=2)
    sums = [float(pair_features(trunk_of(name), x, [y]).sum()) for name in ARCHITECTURES]
    assert all(abs(a - b) > 1e-3 for a, b in itertools.combinations(sums, 2))
