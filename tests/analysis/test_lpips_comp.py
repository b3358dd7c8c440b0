"""The learned metric on the paper's design: a small part run again, and what is committed."""

from __future__ import annotations

import doctest
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "analysis" / "lpips_comp"
RESULTS = FOLDER / "results"
RATES = (0.15, 0.3, 0.6, 1.0)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The scripts import each other as a script in their folder does."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("reconstructions")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script writes for three originals and a small backbone."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("lpips_comp")
    command = [sys.executable, str(FOLDER / "regenerate.py"), "--out", str(folder / "out")]
    small = ["--originals", "3", "--resamples", "20", "--workers", "1"]
    kept = ["--work", str(folder / "work"), "--backbone", "squeezenet1_1"]
    subprocess.run([*command, *small, *kept], check=True, capture_output=True)
    return folder


def test_the_design_is_the_papers(out: Path) -> None:
    votes = pd.read_csv(out / "work" / "votes-channels.csv")
    assert len(votes) == 3 * 4 * 6 * 6
    triplets = votes.assign(
        pair=[" ".join(sorted(two)) for two in votes[["method_left", "method_right"]].to_numpy()]
    ).groupby(["image", "bpp", "pair"])
    assert (triplets.size() == 6).all()
    assert (triplets["rater"].nunique() == 6).all()
    assert len(triplets) == 3 * 4 * 6
    assert 0.4 < (votes["choice"] == "left").mean() < 0.6  # sides are drawn


def test_the_same_votes_lead_the_command_line_to_the_same_score(out: Path) -> None:
    """The votes are a CSV like any other; the split is the script's."""
    work = out / "work"
    scores = pd.read_csv(out / "out" / "scores.csv")
    command = [
        *(sys.executable, "-m", "mturk_eval", "metric", "train"),
        *("--votes", "votes-channels.csv", "--originals", "originals"),
        *("--reconstructions", "reconstructions", "--backbone", "squeezenet1_1"),
        *("--random-backbone", "1", "--features", "features", "--resamples", "20"),
        *("--no-classical", "--out", "m.safetensors", "--json"),
    ]
    done = subprocess.run(command, cwd=work, check=True, capture_output=True, text=True)
    rows = json.loads(done.stdout)["comparison"]["rows"]
    said = {row["metric"]: row["score"]["value"] for row in rows}
    of_script = scores[scores["taste"] == "channels"].set_index("name")["score"]
    for name in ("LPIPS-Comp", "one weight per layer", "equal weights"):
        assert said[name] == pytest.approx(of_script[name], abs=1e-5)


def test_everything_is_written(out: Path) -> None:
    names = {path.name for path in (out / "out").iterdir()}
    for taste in ("channels", "masked_error"):
        for figure in ("figure_3", "by_rate", "weights"):
            assert f"{figure}_{taste}.svg" in names
    assert {"scores.md", "scores.csv", "rates.csv", "maps.png"} <= names
    text = (out / "out" / "published_against_reproduced.md").read_text()
    assert "squeezenet1_1 (random weights, seed 1)" in text


def test_codecs_stay_under_their_rate_or_say_so(module: ModuleType) -> None:
    originals = importlib.import_module("originals")
    pixels = originals.dead_leaves(3)
    for method in module.METHODS:
        found = [module.at_rate(pixels, method, target) for target in RATES]
        sizes = [len(data) for data, _ in found]
        assert sizes == sorted(sizes)
        assert module.decode(found[0][0]).shape == pixels.shape
        for (_, bpp), target in list(zip(found, RATES, strict=True))[1:]:
            assert 0.8 * target < bpp <= target


def test_the_documented_examples_hold(module: ModuleType) -> None:
    for name in ("originals", "voters"):
        checked = doctest.testmod(importlib.import_module(name))
        assert checked.attempted > 0
        assert checked.failed == 0


def test_the_taste_is_for_what_equal_weights_overlook(module: ModuleType) -> None:
    voters = importlib.import_module("voters")
    rng = np.random.default_rng(1)
    common = rng.normal(size=(500, 1))
    differences = np.hstack([common + rng.normal(size=(500, 60)), rng.normal(size=(500, 40))])
    weights = voters.hidden_weights(differences, np.ones(100), seed=0)
    assert (weights > 0).sum() == 30
    assert (weights[60:] > 0).sum() == 30


# What is committed


def test_committed_results_are_of_the_whole_design() -> None:
    text = (RESULTS / "published_against_reproduced.md").read_text()
    assert "| triplets | 4,800 | 4,800 |" in text
    assert "| votes | 28,800 | 28,800 |" in text
    assert "3,840 and 960, split by original" in text
    assert "alexnet (random weights, seed 1)" in text


def test_voters_who_look_at_channels_are_found() -> None:
    """Within a hundredth of the voters' own distance, and well above equal weights."""
    scores = pd.read_csv(RESULTS / "scores.csv")
    of = scores[scores["taste"] == "channels"].set_index("name")["score"]
    assert of["LPIPS-Comp"] == pytest.approx(of["what the voters see"], abs=0.01)
    assert of["LPIPS-Comp"] > of["equal weights"] + 0.015
    assert (scores["score"] <= 1).all()


def test_the_readme_quotes_the_results() -> None:
    readme = (FOLDER / "README.md").read_text()
    for name in ("published_against_reproduced.md", "scores.md"):
        text = (RESULTS / name).read_text()
        table = text[text.rindex("\n\n|") :].strip()
        assert table in readme
