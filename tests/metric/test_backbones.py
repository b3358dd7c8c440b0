"""A backbone's numbers come from a checked file or a seed, and are known by their digest."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mturk_eval.metric.architectures import ARCHITECTURES
from mturk_eval.metric.backbone_files import (
    WEIGHTS_VARIABLE,
    download_backbone,
    find_weights,
    hub_folder,
    open_backbone,
    read_backbone,
    write_backbone,
)
from mturk_eval.metric.backbones import Backbone, random_backbone
from mturk_eval.metric.errors import BackboneError, MetricInputError

torch = pytest.importorskip("torch")

SQUEEZE = random_backbone("squeezenet1_1", seed=3)


def save_as_torchvision(
    folder: Path, backbone: Backbone, change: Callable[[dict[str, Any]], None] = lambda _: None
) -> Path:
    """A state dict such as torchvision's, with its classifier, under the name of its digest."""
    state = {key: torch.from_numpy(np.array(value)) for key, value in backbone.parameters.items()}
    state["classifier.1.weight"] = torch.zeros(2, 2)
    change(state)
    plain = folder / "state.pth"
    torch.save(state, plain)
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()
    return plain.rename(folder / f"{backbone.name}-{digest[:8]}.pth")


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_the_taps_are_those_of_lpips(name: str) -> None:
    """Channels per tap by a real pass, and the smallest picture that still passes."""
    from mturk_eval.metric.trunk import Trunk

    architecture = ARCHITECTURES[name]
    trunk = Trunk(random_backbone(name, seed=1))
    side = architecture.smallest_side_px
    taps = trunk(torch.zeros(1, 3, side, side + 5))
    assert tuple(tap.shape[1] for tap in taps) == architecture.tap_channels
    assert all(float(tap.min()) >= 0 for tap in taps)
    assert len(taps) == (7 if name == "squeezenet1_1" else 5)


def test_the_layers_have_torchvisions_names() -> None:
    keys = list(ARCHITECTURES["vgg16_bn"].parameter_shapes)
    assert keys[:6] == [
        "features.0.weight", "features.0.bias", "features.1.weight", "features.1.bias",
        "features.1.running_mean", "features.1.running_var",
    ]  # fmt: skip
    shapes = ARCHITECTURES["squeezenet1_1"].parameter_shapes
    assert shapes["features.12.expand3x3.weight"] == (256, 64, 3, 3)
    assert ARCHITECTURES["alexnet"].parameter_shapes["features.10.weight"] == (256, 256, 3, 3)
    # 59 MB without the classifier
    n = sum(int(np.prod(shape)) for shape in ARCHITECTURES["vgg16"].parameter_shapes.values())
    assert n == 14_714_688


def test_a_seed_gives_the_same_numbers_everywhere() -> None:
    """The digest of a random backbone is stored: other numbers would be another backbone."""
    assert random_backbone("squeezenet1_1", seed=3).digest == SQUEEZE.digest
    assert random_backbone("squeezenet1_1", seed=4).digest != SQUEEZE.digest
    assert SQUEEZE.digest.startswith("d20bd1f7a1e9cd0b")
    assert SQUEEZE.is_random
    assert SQUEEZE.label == "squeezenet1_1 (random weights, seed 3)"
    with pytest.raises(MetricInputError, match="give 0 or more"):
        random_backbone("alexnet", seed=-1)
    with pytest.raises(MetricInputError, match="no backbone 'vgg19': choose vgg16_bn"):
        random_backbone("vgg19", seed=1)


def test_a_state_dict_is_read_without_its_classifier(tmp_path: Path) -> None:
    path = save_as_torchvision(tmp_path, SQUEEZE)
    read = open_backbone("squeezenet1_1", weights=path)
    assert read.digest == SQUEEZE.digest
    assert not read.is_random
    assert not read.is_published  # its digest is not torchvision's
    assert read.label == "squeezenet1_1"


def test_a_features_only_copy_is_the_same_backbone(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    write_backbone(SQUEEZE, tmp_path / "copy.safetensors")
    assert read_backbone("squeezenet1_1", tmp_path / "copy.safetensors").digest == SQUEEZE.digest


def drop(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda state: state.pop(key)


def put(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda state: state.update({key: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop("features.0.bias"), "lacks features.0.bias"),
        (put("features.13.weight", torch.zeros(1)), "also holds features.13.weight"),
        (put("features.0.bias", torch.zeros(65)), r"features.0.bias has shape \(65,\)"),
        (put("features.0.bias", torch.full((64,), torch.nan)), "not finite"),
        (put("note", "text"), "something other than named tensors"),
    ],
)
def test_a_state_dict_is_read_strictly(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    path = save_as_torchvision(tmp_path, SQUEEZE, change)
    with pytest.raises(BackboneError, match=said) as raised:
        open_backbone("squeezenet1_1", weights=path)
    assert str(path) in str(raised.value)


def test_another_networks_file_is_refused(tmp_path: Path) -> None:
    path = save_as_torchvision(tmp_path, SQUEEZE)
    with pytest.raises(BackboneError, match="no state dict of torchvision's alexnet"):
        open_backbone("alexnet", weights=path)


class Touches:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save(torch.nn.Linear(1, 1), path)
    for spoil in (
        lambda: None,
        lambda: path.write_bytes(pickle.dumps({"features.0.weight": Touches(tmp_path / "ran")})),
        lambda: path.write_text("<html>Not found</html>"),
        lambda: path.write_bytes(b""),
    ):
        spoil()
        with pytest.raises(BackboneError, match="not a file of tensors alone") as refused:
            open_backbone("squeezenet1_1", weights=path)
        assert "weights_only" not in str(refused.value)  # nobody is advised to run it
    assert not (tmp_path / "ran").exists()


def test_digests_in_names_and_stated_ones_are_checked(tmp_path: Path) -> None:
    path = save_as_torchvision(tmp_path, SQUEEZE)
    for digest in (path.stem[-8:], SQUEEZE.digest, SQUEEZE.digest[:8].upper()):
        open_backbone("squeezenet1_1", weights=path, digest=digest)
    with pytest.raises(BackboneError, match="not 00000000 as stated"):
        open_backbone("squeezenet1_1", weights=path, digest="00000000")
    with pytest.raises(MetricInputError, match="8 to 64 hex digits"):
        open_backbone("squeezenet1_1", weights=path, digest="abc")
    other = path.rename(tmp_path / "squeezenet1_1-b8a52dc0.pth")
    with pytest.raises(BackboneError, match="not b8a52dc0 as its name says"):
        open_backbone("squeezenet1_1", weights=other)


def test_files_are_found_by_option_variable_and_torchs_folder(tmp_path: Path) -> None:
    named = tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth"
    named.parent.mkdir(parents=True)
    named.touch()
    assert find_weights("vgg16", environment={"TORCH_HOME": str(tmp_path)}) == named
    assert find_weights("vgg16", named.parent, environment={}) == named
    assert find_weights("vgg16", environment={WEIGHTS_VARIABLE: str(named.parent)}) == named
    assert find_weights("vgg16", environment={WEIGHTS_VARIABLE: str(named)}) == named
    assert hub_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/torch/hub/checkpoints")
    # What is stated is meant: torch's folder does not stand in for it.
    with pytest.raises(BackboneError, match=WEIGHTS_VARIABLE):
        find_weights("vgg16", environment={WEIGHTS_VARIABLE: "/no", "TORCH_HOME": str(tmp_path)})
    with pytest.raises(BackboneError, match=r"https://\S+/alexnet-owt-7be5be79.pth and put it"):
        find_weights("alexnet", environment={"TORCH_HOME": str(tmp_path)})


def test_a_file_and_a_seed_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(MetricInputError, match="one of the two"):
        open_backbone("vgg16", weights=tmp_path, random_seed=1)
    with pytest.raises(BackboneError, match="drawn by another version"):
        open_backbone("squeezenet1_1", random_seed=3, digest="0" * 64)


def test_a_download_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"cannot be fetched .* with another machine"):
        download_backbone("squeezenet1_1", tmp_path, address="https://127.0.0.1:9/models/")
    with pytest.raises(MetricInputError, match="https only"):
        download_backbone("squeezenet1_1", tmp_path, address="file:///")
    assert list(tmp_path.iterdir()) == []


def test_nothing_around_a_trunk_takes_it_out_of_evaluation_mode() -> None:
    """In training mode batch normalisation would use each batch's own statistics, and drift."""
    from mturk_eval.metric.trunk import Trunk

    trunk = Trunk(random_backbone("vgg16_bn", seed=1))
    outer = torch.nn.Sequential(trunk).train()
    assert not any(module.training for module in trunk.modules())
    assert not any(parameter.requires_grad for parameter in trunk.parameters())
    before = {key: value.clone() for key, value in trunk.state_dict().items()}
    outer(torch.rand(2, 3, 32, 32))
    assert all(torch.equal(value, before[key]) for key, value in trunk.state_dict().items())
