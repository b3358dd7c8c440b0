"""`mturk-eval metric`: from votes and pictures to a file, distances, and a comparison."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.cli.conftest import Cli, Outcome
from tests.metric.pictures import noisy, photograph, save

NOISE = {"fine": 4.0, "coarse": 12.0, "rough": 30.0}
"""Methods by the noise they add: raters prefer less of it."""

RATES = (0.25, 0.5)
BACKBONE = ("--backbone", "squeezenet1_1")
RANDOM = (*BACKBONE, "--random-backbone", 1)
PICTURES = ("--originals", "originals", "--reconstructions", "coded")
QUICK = ("--resamples", 50)
TRAIN = (
    *("train", "--votes", "votes.csv", *PICTURES, *RANDOM, *QUICK),
    *("--out", "m.safetensors", "--json"),
)
EXTRA = ("torch", "safetensors", "onnx", "onnxruntime", "sklearn", "pytorch_msssim")


def _write_pictures(folder: Path) -> None:
    (folder / "originals").mkdir()
    for image in range(6):
        original = photograph(40, 48, seed=image)
        save(folder / "originals" / f"photo-{image}.png", original)
        for (method, deviation), rate in itertools.product(NOISE.items(), RATES):
            place = folder / "coded" / method / f"{rate:g}"
            place.mkdir(parents=True, exist_ok=True)
            pixels = noisy(original, deviation / rate / 2, seed=image)
            save(place / f"photo-{image}.png", pixels)


def _votes() -> pd.DataFrame:
    """Four raters who choose the less noisy side nine times out of ten; one is never sure."""
    rng = np.random.default_rng(1)
    rows = []
    for image, rate, (one, other) in itertools.product(
        range(6), RATES, itertools.combinations(NOISE, 2)
    ):
        for rater in range(4):
            left, right = (one, other) if rng.random() < 0.5 else (other, one)
            better = "left" if NOISE[left] < NOISE[right] else "right"
            worse = "right" if better == "left" else "left"
            choice = better if rng.random() < 0.9 else worse
            rows.append((f"r{rater}", f"photo-{image}", rate, left, right, choice))
        rows.append(("doubtful", f"photo-{image}", rate, one, other, "not_sure"))
    return pd.DataFrame(
        rows, columns=["rater", "image", "bpp", "method_left", "method_right", "choice"]
    )


@pytest.fixture
def metric(cli: Cli, tmp_path: Path) -> Cli:
    """`mturk-eval metric`, in a folder with pictures and votes."""
    pytest.importorskip("torch")
    _write_pictures(tmp_path)
    _votes().to_csv(tmp_path / "votes.csv", index=False)
    return lambda *arguments: cli("metric", *arguments)


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, votes, features and a trained metric, and what training said."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("trained")
    _write_pictures(folder)
    _votes().to_csv(folder / "votes.csv", index=False)
    command = [sys.executable, "-m", "mturk_eval", "metric", *map(str, TRAIN)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    (folder / "trained.json").write_text(done.stdout)
    return folder


@pytest.fixture
def trained(cli: Cli, tmp_path: Path, trained_once: Path) -> Cli:
    """`mturk-eval metric`, where a metric was trained already."""
    shutil.copytree(trained_once, tmp_path, dirs_exist_ok=True)
    return lambda *arguments: cli("metric", *arguments)


def _what_training_said() -> Any:
    return json.loads(Path("trained.json").read_text())


def _trained(metric: Cli, *more: object) -> Outcome:
    return metric(*TRAIN, *more)


def test_one_command_from_votes_to_a_metric(metric: Cli, tmp_path: Path) -> None:
    """The file is there, says where it is from, and the comparison is on unseen originals."""
    done = _trained(metric)
    assert done.code == 0, done.err
    assert (tmp_path / "m.safetensors").is_file()
    found = done.json
    assert found["random_backbone"] is True
    assert found["n_pairs"] == found["n_pairs_computed"] == 36
    provenance = found["provenance"]
    assert provenance["n_raters"] == 5
    assert len(provenance["test_originals"]) == 1
    assert provenance["n_originals"] == 5
    assert provenance["versions"]["torch"]
    held_out = found["comparison"]["held_out"]
    assert not set(held_out["train_images"]) & set(held_out["test_images"])
    names = [row["metric"] for row in found["comparison"]["rows"]]
    assert names[:3] == ["LPIPS-Comp", "one weight per layer", "equal weights"]
    assert {"PSNR", "MS-SSIM", "LPIPS-Comp + PSNR"} <= set(names)
    assert set(found["comparison"]["human"]) == {"plug_in", "unbiased", "majority"}


def test_a_random_backbone_says_so_everywhere(trained: Cli) -> None:
    shown = trained(*TRAIN[:-1])
    assert "random weights, seed 1" in shown.out
    assert "never trained on pictures" in shown.err
    assert "human, unbiased: How often two different raters" in shown.out
    scored = trained("score", "m.safetensors", "originals", "coded")
    assert "random weights, seed 1" in scored.out


def test_a_second_training_computes_no_feature(metric: Cli) -> None:
    assert metric("features", *PICTURES, *RANDOM, "--json").json["n_pairs_computed"] == 36
    assert _trained(metric).json["n_pairs_computed"] == 0


def test_the_same_votes_give_the_same_metric(trained: Cli, tmp_path: Path) -> None:
    before = (tmp_path / "m.safetensors").read_bytes()
    assert _trained(trained).json["comparison"] == _what_training_said()["comparison"]
    assert (tmp_path / "m.safetensors").read_bytes() == before


def test_the_published_recipe_and_left_out_methods(
    trained: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mturk_eval.metric import lpips_recipe

    quick = partial(lpips_recipe.fit_lpips_recipe, steps=60)
    monkeypatch.setattr(lpips_recipe, "fit_lpips_recipe", quick)
    assert _trained(trained, "--recipe", "lpips").json["provenance"]["recipe"] == "lpips"
    found = _trained(trained, "--leave-methods-out", "--ransac").json["comparison"]
    assert {row["method"] for row in found["leave_one_method_out"]} == set(NOISE)
    assert any(row["method"] == "ransac" for row in found["combinations"])


def test_evaluate_uses_the_originals_that_training_held_out(trained: Cli, tmp_path: Path) -> None:
    said = _what_training_said()
    table = [
        (f"photo-{image}", method, rate, -deviation)
        for image, (method, deviation), rate in itertools.product(range(6), NOISE.items(), RATES)
    ]
    pd.DataFrame(table, columns=["image", "method", "bpp", "own"]).to_csv(
        tmp_path / "own.csv", index=False
    )
    done = trained(
        "evaluate", "m.safetensors", "--votes", "votes.csv", *PICTURES, *QUICK,
        "--metrics", "own.csv", "--direction", "own=higher", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["held_out"]["test_images"] == said["provenance"]["test_originals"]
    scores = {row["metric"]: row["score"]["value"] for row in done.json["rows"]}
    was = {row["metric"]: row["score"]["value"] for row in said["comparison"]["rows"]}
    assert scores["LPIPS-Comp"] == pytest.approx(was["LPIPS-Comp"])
    assert scores["PSNR"] == was["PSNR"]
    assert scores["own"] > 0.6
    losses, lost = (
        {row["metric"]: row["log_loss"]["value"] for row in rows}
        for rows in (done.json["rows"], said["comparison"]["rows"])
    )
    for name in ("LPIPS-Comp", "one weight per layer", "equal weights"):
        assert losses[name] == pytest.approx(lost[name], rel=1e-4)
    text = trained(
        "evaluate", "m.safetensors", "--votes", "votes.csv", *PICTURES, *QUICK, "--no-classical"
    )
    assert "one weight per layer" in text.out
    assert "PSNR" not in text.out


def test_all_originals_can_be_trained_on_and_it_says_so(trained: Cli) -> None:
    done = _trained(trained, "--test-share", 0)
    assert done.code == 0, done.err
    assert done.json["comparison"] is None
    provenance = done.json["provenance"]
    assert (provenance["n_originals"], provenance["test_originals"]) == (6, [])
    assert provenance["split"].startswith("No original held out")
    assert set(provenance["scores"]) == {"log_loss_train"}
    assert "No original held out" in trained(*TRAIN[:-1], "--test-share", 0).out
    refused = _trained(trained, "--test-share", 0, "--ransac")
    assert refused.code == 2
    assert "leave --ransac out" in refused.err.replace("\n", " ")
    arguments = ("evaluate", "m.safetensors", "--votes", "votes.csv", *PICTURES, *QUICK)
    assert "--unseen" in trained(*arguments).err
    assert trained(*arguments, "--unseen").code == 0


def test_evaluate_knows_the_combinations_of_training(trained: Cli) -> None:
    """Weights are those of the file, so they hold on votes that training never saw too."""
    was = {row["metric"]: row for row in _what_training_said()["comparison"]["rows"]}
    arguments = ("evaluate", "m.safetensors", "--votes", "votes.csv", *PICTURES, *QUICK, "--json")
    rows = {row["metric"]: row for row in trained(*arguments).json["rows"]}
    together = "LPIPS-Comp + PSNR"
    assert rows[together]["score"]["value"] == pytest.approx(was[together]["score"]["value"])
    assert rows[together]["log_loss"]["value"] == pytest.approx(was[together]["log_loss"]["value"])
    assert together in {row["metric"] for row in trained(*arguments, "--unseen").json["rows"]}
    without = trained(*arguments, "--no-classical").json
    assert together not in {row["metric"] for row in without["rows"]}
    assert not any(together in warning for warning in without["warnings"])


def test_evaluate_refuses_votes_that_training_may_have_seen(trained: Cli, tmp_path: Path) -> None:
    held_out = set(_what_training_said()["provenance"]["test_originals"])
    votes = _votes()
    votes[~votes["image"].isin(held_out)].to_csv(tmp_path / "seen.csv", index=False)
    arguments = ("evaluate", "m.safetensors", "--votes", "seen.csv", *PICTURES, *QUICK)
    refused = trained(*arguments)
    assert refused.code == 2
    assert "--unseen" in refused.err
    assert trained(*arguments, "--unseen").code == 0


def _distances(done: Outcome) -> Iterator[float]:
    assert done.code == 0, done.err
    return (row["distance"] for row in done.json["rows"])


def test_score_takes_files_folders_and_a_table(trained: Cli, tmp_path: Path) -> None:
    original = "originals/photo-1.png"
    shown = [f"coded/{method}/0.5/photo-1.png" for method in NOISE]
    files = list(
        _distances(trained("score", "m.safetensors", original, original, *shown, "--json"))
    )
    assert files[0] == 0
    assert files == sorted(files)
    folder = trained("score", "m.safetensors", "originals", "coded/rough/0.5", "--json")
    assert len(list(_distances(folder))) == 6
    tree = trained("score", "m.safetensors", "originals", "coded", "--json").json
    assert len(tree["rows"]) == 36
    assert tree.keys() == {"metric", "backbone", "random_backbone", "rows"}
    assert tree["rows"][0].keys() == {"reference", "distorted", "distance"}
    pd.DataFrame({"reference": original, "distorted": shown}).to_csv(
        tmp_path / "pairs.csv", index=False
    )
    table = list(_distances(trained("score", "m.safetensors", "pairs.csv", "--json")))
    assert table == pytest.approx(files[1:])


def test_export_for_lpips_and_without_torch(trained: Cli, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    heads = trained("export", "m.safetensors", "--format", "lpips-pth", "--out", "heads.pth")
    assert heads.code == 0, heads.err
    done = trained("export", "m.safetensors", "--format", "onnx", "--out", "m.onnx", "--json")
    assert done.code == 0, done.err
    assert done.json["random_backbone"] is True
    pair = ("originals/photo-1.png", "coded/rough/0.5/photo-1.png", "--json")
    with_torch, without = (
        next(iter(_distances(trained("score", file, *pair))))
        for file in ("m.safetensors", "m.onnx")
    )
    assert without == pytest.approx(with_torch, rel=1e-5)


def test_raters_can_be_left_out_and_the_file_says_so(trained: Cli) -> None:
    provenance = _trained(trained, "--exclude-rater", "doubtful").json["provenance"]
    assert provenance["n_raters"] == 4
    assert "doubtful" in provenance["screening"]
    assert provenance["n_votes"] == 5 * 2 * 3 * 4


def test_votes_and_pictures_of_a_bapps_folder(metric: Cli, tmp_path: Path) -> None:
    subset = tmp_path / "2afc" / "val" / "noise"
    for side in ("ref", "p0", "p1", "judge"):
        (subset / side).mkdir(parents=True)
    for number in range(6):
        original = photograph(40, 40, seed=number)
        save(subset / "ref" / f"{number:06}.png", original)
        save(subset / "p0" / f"{number:06}.png", noisy(original, 5 + 20 * (number % 2), number))
        save(subset / "p1" / f"{number:06}.png", noisy(original, 15, number))
        np.save(subset / "judge" / f"{number:06}.npy", np.array([0.8 * (number % 2)]))
    done = metric("train", "--bapps", "2afc", *RANDOM, *QUICK, "--out", "m.safetensors", "--json")
    assert done.code == 0, done.err
    assert done.json["provenance"]["n_votes"] == 25


def test_votes_of_the_ledger_and_pictures_of_its_batch(
    metric: Cli, cli: Cli, endpoint: str
) -> None:
    """A study as it is run; the ledger alone has no pictures."""
    cli("generate", "2afc", *PICTURES, "--out", "batch", "--assignments", 3)
    assert cli("publish", "batch", "--yes").code == 0
    assert cli("simulate", "batch", "--raters", 3).code == 0
    assert cli("collect", "--watch", "--json").json["complete"]
    arguments = ("train", *RANDOM, *QUICK, "--out", "m.safetensors")
    without = metric(*arguments)
    assert without.code == 2
    assert "--batch-folder DIR" in without.err
    done = metric(*arguments, "--batch-folder", "batch", "--batch", "batch", "--json")
    assert done.code == 0, done.err
    assert done.json["source"] == "ledger (batch)"
    assert done.json["provenance"]["n_raters"] == 3
    assert metric(*arguments, "--batch-folder", "batch", *PICTURES).code == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--votes", "votes.csv"), "--batch-folder DIR"),
        (("--votes", "votes.csv", *PICTURES, "--bapps", "x"), "no other place"),
        (("--votes", "votes.csv", *PICTURES, "--batch", "b"), "about the ledger"),
        (("--votes", "strange.csv", *PICTURES), "image elsewhere"),
        (("--votes", "votes.csv", *PICTURES, "--exclude-rater", "nobody"), "nobody"),
        (("--votes", "votes.csv", *PICTURES, "--test-share", 1), "between 0 and 1"),
        (("--votes", "votes.csv", *PICTURES, "--test-images", "elsewhere"), "elsewhere"),
        (("--votes", "votes.csv", *PICTURES, "--metrics", "own.csv"), "--direction"),
        (("--votes", "votes.csv", *PICTURES, "--direction", "own=up"), "higher or lower"),
        (("--votes", "none.csv", *PICTURES), "none.csv"),
    ],
)
def test_bad_input_is_one_message_and_no_file(
    metric: Cli, tmp_path: Path, arguments: tuple[object, ...], told: str
) -> None:
    votes = _votes()
    votes.loc[3, "image"] = "elsewhere"
    votes.to_csv(tmp_path / "strange.csv", index=False)
    done = metric("train", *arguments, *RANDOM, *QUICK, "--out", "m.safetensors")
    assert done.code in (1, 2)
    assert told in done.err
    assert not (tmp_path / "m.safetensors").exists()


def test_pictures_that_do_not_fit_are_named(metric: Cli, tmp_path: Path) -> None:
    place = tmp_path / "coded" / "rough" / "0.5" / "photo-1.png"
    save(place, photograph(40, 50, seed=1))
    wrong_size = _trained(metric)
    assert wrong_size.code == 2
    assert "50 x 40 px" in wrong_size.err
    assert "Row " in wrong_size.err
    place.write_bytes(b"no picture")
    unreadable = _trained(metric)
    assert unreadable.code == 2
    assert str(place.relative_to(tmp_path)) in unreadable.err
    assert "Row " in unreadable.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("score", "m.safetensors", "a.png", "a.png", "--device", "cuda:99"), "device cuda:99"),
        (("score", "m.safetensors", "a.png", "a.png", "--device", "tpu"), "device tpu"),
        (("map", "m.safetensors", "a.png", "a.png", "--device", "tpu", "--out", "map.png"), "tpu"),
        (("features", *PICTURES, *RANDOM, "--device", "gpu0", "--features", "new"), "device gpu0"),
        (("features", *PICTURES, *RANDOM, "--features", "votes.csv"), "votes.csv"),
        (("export", "m.safetensors", "--format", "onnx", "--out", "votes.csv/m.onnx"), "a file,"),
    ],
)
def test_what_the_machine_cannot_do_is_one_message(
    trained: Cli, arguments: tuple[object, ...], told: str
) -> None:
    save(Path("a.png"), photograph(40, 40, seed=1))
    done = trained(*arguments)
    assert done.code == 2
    assert told in done.err


def test_a_missing_backbone_says_where_to_get_it(
    metric: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    done = metric("features", *PICTURES, *BACKBONE)
    assert done.code == 1
    assert "--backbone-weights" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--votes", "v.csv", *PICTURES, *RANDOM, "--out", "m.safetensors"),
        ("features", *PICTURES, *RANDOM),
        ("evaluate", "m.safetensors", "--votes", "v.csv", *PICTURES),
        ("score", "m.safetensors", "a.png", "a.png"),
        ("export", "m.safetensors", "--format", "onnx", "--out", "m.onnx"),
    ],
)
def test_without_the_extra_one_message_names_it(
    tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    save(tmp_path / "a.png", photograph(40, 40, seed=1))
    program = (
        "import sys\n"
        f"for name in {EXTRA}:\n"
        "    sys.modules[name] = None\n"
        "from mturk_eval.cli import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", program, "metric", *map(str, arguments)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'mturk-eval[metric]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
