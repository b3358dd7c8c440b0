"""Every model of `analyze` on small files: JSON of one shape, text, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mturk_eval.cli.recipes import RECIPES
from tests.cli.conftest import Cli
from tests.report.studies import a_rating_study, a_voting_study

RATINGS = ("--data", "ratings.csv")
VOTES = ("--data", "votes.csv")
RATES = ("--data", "rates.csv")
FEW = ("--resamples", 20)
MODELS: dict[str, tuple[object, ...]] = {
    "mos": (*RATINGS, *FEW),
    "dmos": ("--data", "originals.csv", "--original", "original", "--scale", 1, 10, *FEW),
    "sos": (*RATINGS, "--scale", 1, 10, *FEW),
    "bias-inconsistency": RATINGS,
    "mixed": RATINGS,
    "ordinal": RATINGS,
    "bradley-terry": VOTES,
    "thurstone": VOTES,
    "tournament": VOTES,
    "rater-reliability": VOTES,
    "reliability": (*RATINGS, *FEW),
    "bd-rate": (*RATES, "--anchor", "jpeg", *FEW),
    "metrics": (*RATES, "--metrics", "metrics.csv", *FEW),
}
"""A call of every model that works."""


def _tables() -> Iterator[tuple[str, pd.DataFrame]]:
    ratings = a_rating_study().query("role == 'main'")
    yield "ratings.csv", a_rating_study()
    originals = ratings.query("method == 'human'").assign(method="original", rating=9)
    yield "originals.csv", pd.concat([ratings, originals]).drop(columns="trial_id")
    yield "votes.csv", a_voting_study()
    rng = np.random.default_rng(1)
    rates = pd.DataFrame(
        [
            (f"r{rater}", f"photo-{image}", method, bpp, round(3 + 1.5 * step + better + noise))
            for rater in range(6)
            for image in range(4)
            for method, better in (("jpeg", 0.0), ("avif", 0.8))
            for step, bpp in enumerate((0.1, 0.2, 0.4, 0.8))
            for noise in rng.normal(0, 0.4, 1)
        ],
        columns=["rater", "image", "method", "bpp", "rating"],
    )
    yield "rates.csv", rates
    stimuli = rates.groupby(["image", "method", "bpp"], as_index=False)["rating"].mean()
    psnr = 30 + stimuli["rating"] + rng.normal(0, 0.5, len(stimuli))
    yield "metrics.csv", stimuli.drop(columns="rating").assign(psnr=psnr)


@pytest.fixture
def analyze(cli: Cli, tmp_path: Path) -> Cli:
    """`mturk-eval analyze`, in a folder with a file of every kind."""
    for name, table in _tables():
        table.to_csv(tmp_path / name, index=False)
    return lambda *arguments: cli("analyze", *arguments)


def _numbers(document: Any) -> Iterator[float]:
    """Every number of a JSON document."""
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            yield from _numbers(part)
    elif isinstance(document, int | float):
        yield document


def test_every_model_is_tried_here() -> None:
    assert set(MODELS) == set(RECIPES)


@pytest.mark.parametrize("model", MODELS)
def test_the_document_of_every_model_has_the_shared_fields(analyze: Cli, model: str) -> None:
    done = analyze("--model", model, *MODELS[model], "--json")
    assert done.code == 0, done.err
    document = done.json
    assert document["model"] == model
    assert document["n_observations"] > 0
    assert isinstance(document["generalises_to"], list)
    assert all(isinstance(warning, str) for warning in document["warnings"])
    assert document["source"].endswith(".csv")
    assert all(math.isfinite(value) for value in _numbers(document))


@pytest.mark.parametrize("model", MODELS)
def test_the_text_of_every_model_fits_a_terminal(analyze: Cli, model: str) -> None:
    done = analyze("--model", model, *MODELS[model])
    assert done.code == 0, done.err
    assert done.out.startswith("Data: ")
    assert max(map(len, done.out.splitlines())) <= 110
    assert "interval" in done.out
    assert not {"nan", "None", "inf"} & set(done.out.split())


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("mos", "image method n mean std_error ci_low ci_high"),
        ("bradley-terry", "item score std_error ci_low ci_high"),
        ("thurstone", "item score std_error ci_low ci_high"),
        ("tournament", "bpp method images_won ties"),
        ("reliability", "statistic level value ci_low ci_high"),
        ("bd-rate", "method bd_rate_percent ci_low ci_high n_images"),
        ("metrics", "metric direction plcc srocc krocc rmse outlier_ratio"),
        ("rater-reliability", "rater n_votes guessing ci_low ci_high agreement"),
    ],
)
def test_rows_have_the_documented_fields(analyze: Cli, model: str, fields: str) -> None:
    rows = analyze("--model", model, *MODELS[model], "--json").json["rows"]
    assert rows
    for row in rows:
        assert set(fields.split()) <= set(row)


@pytest.mark.parametrize(
    ("model", "statistic", "more"),
    [("mixed", "t", {"df"}), ("ordinal", "z", set())],
)
def test_the_models_of_ratings_have_coefficients_and_components(
    analyze: Cli, model: str, statistic: str, more: set[str]
) -> None:
    document = analyze("--model", model, *MODELS[model], "--json").json
    assert {"formula", "groups", "residual_variance", "log_likelihood"} <= set(document)
    assert document["converged"] is True
    assert isinstance(document["singular"], bool)
    columns = {"term", "estimate", "std_error", statistic, "p", "ci_low", "ci_high"} | more
    assert columns <= set(document["fixed_effects"][-1])
    assert document["fixed_effects"][-1]["term"] == "methodwebp"
    assert {"group", "term", "variance", "std_dev"} <= set(document["variance_components"][0])
    assert ("thresholds" in document) == (model == "ordinal")


def test_scores_come_with_what_the_reader_needs(analyze: Cli) -> None:
    document = analyze("--model", "thurstone", *VOTES, "--json").json
    assert (document["unit"], document["connected"]) == ("JOD", True)
    assert {"left_bias", "ties", "n_votes"} <= set(document)
    elo = analyze("--model", "bradley-terry", *VOTES, "--score-unit", "Elo", "--json").json
    logit = analyze("--model", "bradley-terry", *VOTES, "--json").json
    ratio = elo["rows"][0]["score"] / logit["rows"][0]["score"]
    assert ratio == pytest.approx(400 / math.log(10))


def test_a_stated_direction_of_a_metric_is_taken_and_not_warned_about(analyze: Cli) -> None:
    given = ("--model", "metrics", *MODELS["metrics"])
    (read_off,) = (w for w in analyze(*given, "--json").json["warnings"] if "--direction" in w)
    assert "--direction psnr=higher" in read_off
    stated = analyze(*given, "--direction", "psnr=lower", "--json").json
    assert stated["rows"][0]["direction"] == "lower"
    assert stated["rows"][0]["srocc"]["value"] < 0
    assert not any("--direction" in warning for warning in stated["warnings"])


def test_equal_differential_scores_are_not_sent_to_an_interval_that_is_refused(
    analyze: Cli, tmp_path: Path
) -> None:
    same = pd.read_csv(tmp_path / "originals.csv").assign(rating=7)
    same.to_csv(tmp_path / "same.csv", index=False)
    given = ("--data", "same.csv", "--original", "original", "--scale", 1, 10, *FEW, "--json")
    warnings = analyze("--model", "dmos", *given).json["warnings"]
    assert any("not certainty" in warning for warning in warnings)
    assert not any("bounded" in warning for warning in warnings)
    means = ("--model", "mos", "--data", "same.csv", *FEW, "--json")
    assert any("bounded" in warning for warning in analyze(*means).json["warnings"])
    both = analyze(*means, "--unit", "both").json["warnings"]
    assert not any("bounded" in warning for warning in both)


def test_reliability_takes_ratings_or_votes(analyze: Cli) -> None:
    of_votes = analyze("--model", "reliability", *VOTES, *FEW, "--json").json
    assert {row["statistic"] for row in of_votes["rows"]} == {
        "pairwise_agreement", "krippendorff_alpha",
    }  # fmt: skip
    assert analyze("--model", "reliability", *VOTES, "--answers", "ratings").code == 2


def test_catch_trials_are_held_against_raters(analyze: Cli) -> None:
    document = analyze("--model", "rater-reliability", *VOTES, "--json").json
    assert sum(row["golden"] for row in document["rows"]) > 0


@pytest.mark.parametrize("model", ["bradley-terry", "tournament", "reliability"])
def test_by_gives_a_part_for_every_rate(analyze: Cli, model: str) -> None:
    given = ("--model", model, *VOTES, "--by", "bpp")
    assert [part["value"] for part in analyze(*given, "--json").json["results"]] == [0.1, 0.5]
    assert "=== bpp = 0.5 ===" in analyze(*given).out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "guess", *RATINGS), "guess"),
        (("--model", "bd-rate", *RATES), "--anchor"),
        (("--model", "metrics", *RATES), "--metrics"),
        (("--model", "mos", *RATINGS, "--anchor", "webp"), "--anchor"),
        (("--model", "tournament", *VOTES, "--unit", "rating"), "image, rater or both"),
        (("--model", "tournament", *VOTES, *FEW), "--unit rater or both"),
        (("--model", "bradley-terry", *VOTES, "--workers", 2), "--interval bootstrap"),
        (("--model", "mos", *RATINGS, "--interval", "t", "--seed", 1), "percentile or bca"),
        (("--model", "mos", *RATINGS, "--ledger", "sqlite:///a.db"), "--ledger is about"),
        (("--model", "mos", *RATINGS, "--scale", 1, "inf"), "--scale 1 10"),
        (("--model", "mos", *RATINGS, "--direction", "psnr=higher"), "--direction"),
        (
            ("--model", "metrics", *RATES, "--metrics", "metrics.csv", "--direction", "psnr=up"),
            "higher or lower",
        ),
        (("--model", "thurstone", *VOTES, "--score-unit", "Elo"), "JOD or probit"),
        (("--model", "mos", *RATINGS, "--interval", "wald"), "percentile"),
        (("--model", "ordinal", *RATINGS, "--df", "none"), "--df"),
        (("--model", "sos", *RATINGS), "--scale 1 10"),
        (("--model", "mos", *RATINGS, "--interval", "bounded"), "--scale 1 10"),
        (("--model", "mos", *RATINGS, "--resamples", 1), "--resamples"),
        (("--model", "mixed", *RATINGS, "--reference", "method"), "NAME=VALUE"),
        (("--model", "bradley-terry", *VOTES, "--prior-sd", -1), "--prior-sd"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_to_give(
    analyze: Cli, arguments: tuple[object, ...], said: str
) -> None:
    refused = analyze(*arguments)
    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err.replace("\n", " ")


@pytest.mark.parametrize(
    ("model", "broken", "said"),
    [
        ("mos", "rating", "row 2, column rating: 'good' is not a number"),
        ("mixed", "rating", "row 2, column rating: 'good' is not a number"),
        ("ordinal", "rating", "row 2, column rating: 'good' is not a number"),
        ("reliability", "rating", "row 2, column rating: 'good' is not a number"),
        ("thurstone", "choice", "row 2, column choice: 'good' is not one of left, right"),
        ("tournament", "choice", "row 2, column choice: 'good' is not one of left, right"),
    ],
)
def test_a_wrong_cell_is_named_once(
    analyze: Cli, tmp_path: Path, model: str, broken: str, said: str
) -> None:
    name = str(MODELS[model][1])
    table = pd.read_csv(tmp_path / name, dtype=str)
    table.loc[0, broken] = "good"
    table.to_csv(tmp_path / name, index=False)
    refused = analyze("--model", model, *MODELS[model])
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("Error: ")
    assert refused.err.count(said) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "mos", *VOTES), "holds votes"),
        (("--model", "tournament", *RATINGS), "holds ratings"),
        (("--model", "mos", *RATINGS, "--scale", 1, 5), "outside the scale 1 to 5"),
        (("--model", "mos", "--data", "nowhere.csv"), "nowhere.csv: No such file"),
        (("--model", "mos", *RATINGS, "--by", "codec"), "no column codec"),
        (("--model", "mos", *RATINGS, "--column", "rater=worker"), "no column 'worker'"),
        (("--model", "mixed", *RATINGS, "--formula", "rating ~ codec + (1|image)"), "codec"),
        (("--model", "ordinal", *RATINGS, "--formula", "rating ~ method + ("), "--formula"),
        (("--model", "mixed", *RATES), "--by bpp"),
        (("--model", "bd-rate", *RATES, "--anchor", "bpg"), "bpg"),
        (("--model", "bd-rate", *RATINGS, "--anchor", "webp"), "no rates"),
        (("--model", "dmos", *RATINGS, "--original", "raw", "--scale", 1, 10), "raw"),
        (("--model", "metrics", *RATES, "--metrics", "ratings.csv"), "more than one"),
        (
            ("--model", "metrics", *RATES, "--metrics", "metrics.csv", "--direction", "x=lower"),
            "no metric of the table",
        ),
        (("--model", "mixed", *RATINGS, "--reference", "method=jxl"), "jxl"),
    ],
)
def test_bad_input_is_one_message(analyze: Cli, arguments: tuple[object, ...], said: str) -> None:
    refused = analyze(*arguments)
    assert refused.code in {1, 2}
    assert refused.out == ""
    assert refused.err.startswith("Error: ")
    assert said in refused.err.replace("\n", " ")


def test_ctrl_c_is_one_sentence_and_exit_1(analyze: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mturk_eval.stats.ratings.mos.mean_opinion_scores", interrupted)
    stopped = analyze("--model", "mos", *RATINGS)
    assert (stopped.code, stopped.out) == (1, "")
    assert stopped.err == "Error: stopped. There is no result.\n"


def test_originals_alone_are_no_differential_scores(analyze: Cli, tmp_path: Path) -> None:
    table = pd.read_csv(tmp_path / "originals.csv").query("method == 'original'")
    table.to_csv(tmp_path / "originals.csv", index=False)
    refused = analyze("--model", "dmos", *MODELS["dmos"])
    assert refused.code == 1
    assert "ratings of originals only" in refused.err


def test_rows_that_were_left_out_are_counted(analyze: Cli, tmp_path: Path) -> None:
    table = pd.read_csv(tmp_path / "ratings.csv", dtype=str)
    table.loc[[0, 1], "rating"] = ["", "good"]
    table.to_csv(tmp_path / "ratings.csv", index=False)
    kept = analyze("--model", "mos", *RATINGS, *FEW, "--drop-missing", "--json").json
    assert kept["n_observations"] == 118
    assert any(warning.startswith("2 ") and "good" in warning for warning in kept["warnings"])
