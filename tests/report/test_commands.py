"""`analyze` and `report` on files, as a researcher types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from mturk_eval.cli.analyze import analyze
from mturk_eval.cli.report import report
from mturk_eval.errors import InvalidInputError, MturkEvalError
from tests.report.studies import a_rating_study, a_voting_study

Run = Callable[..., Any]

app = typer.Typer()
app.command()(analyze)
app.command()(report)


def _run(*arguments: str) -> str:
    outcome = CliRunner().invoke(app, arguments)
    if isinstance(outcome.exception, MturkEvalError):
        raise outcome.exception
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def _json(*arguments: str) -> Any:
    return json.loads(_run("analyze", *arguments, "--json"))


@pytest.fixture
def ratings(tmp_path: Path) -> str:
    path = tmp_path / "ratings.csv"
    a_rating_study().to_csv(path, index=False)
    return str(path)


@pytest.fixture
def votes(tmp_path: Path) -> str:
    path = tmp_path / "votes.csv"
    a_voting_study().to_csv(path, index=False)
    return str(path)


def test_means_say_their_unit_and_leave_other_roles_out(ratings: str) -> None:
    document = _json("--model", "mos", "--data", ratings, "--resamples", "50")
    assert (document["unit"], document["resamples"]) == ("rater", 50)
    assert document["n_observations"] == 120
    assert len(document["rows"]) == 12
    assert any("10 catch" in warning for warning in document["warnings"])
    text = _run("analyze", "--model", "mos", "--data", ratings, "--resamples", "50")
    assert "whole raters resampled 50 times" in text


def test_the_mixed_model_of_a_small_study(tmp_path: Path) -> None:
    path = tmp_path / "small.csv"
    study = a_rating_study(images=4, raters=5).query("role == 'main'")
    study.rename(columns={"rater": "worker"}).to_csv(path, index=False)
    given = ("--model", "mixed", "--data", str(path), "--column", "rater=worker")
    document = _json(*given, "--reference", "method=webp")
    assert document["n_observations"] == 40
    assert [row["term"] for row in document["fixed_effects"]] == ["(Intercept)", "methodhuman"]
    assert document["fixed_effects"][1]["df"] == pytest.approx(3, abs=1)
    text = _run("analyze", *given)
    assert "Balanced check" in text
    assert "1. rating ~ method + (1 + method | image) + (1 | rater): the default model" in text


def test_a_formula_takes_any_columns(ratings: str, tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    table = pd.read_csv(ratings).query("role == 'main'")
    table[["rater", "image", "method", "rating"]].set_axis(
        ["who", "picture", "codec", "score"], axis=1
    ).to_csv(path, index=False)
    document = _json(
        "--model", "mixed", "--data", str(path),
        "--formula", "score ~ codec + (1 + codec || picture) + (1 | who)",
    )  # fmt: skip
    assert document["generalises_to"] == ["picture", "who"]
    assert document["groups"] == {"picture": 6, "who": 10}


def test_votes_are_scaled(votes: str) -> None:
    document = _json("--model", "bradley-terry", "--data", votes)
    assert document["rows"][0]["item"] == "hific"
    assert document["ties"] > 0
    assert document["connected"] is True
    assert "Left bias" in _run("analyze", "--model", "bradley-terry", "--data", votes)


def test_by_gives_one_document_per_value(votes: str) -> None:
    document = _json("--model", "bradley-terry", "--data", votes, "--by", "bpp")
    assert [group["value"] for group in document["results"]] == [0.1, 0.5]
    assert {"rows", "n_votes", "left_bias"} <= set(document["results"][0])
    assert sum(g["n_observations"] for g in document["results"]) <= document["n_observations"]
    assert {row["bpp"] for row in document["rows"]} == {0.1, 0.5}
    assert "groups" not in document
    for result in document["results"]:
        assert result["warnings"]
        for warning in result["warnings"]:
            assert f"bpp {result['value']}: {warning}" in document["warnings"]


def test_several_rates_need_by_or_a_formula(ratings: str, tmp_path: Path) -> None:
    table = pd.read_csv(ratings)
    path = tmp_path / "rates.csv"
    pd.concat(
        [table.assign(bpp=0.1), table.assign(bpp=0.5, trial_id=table["trial_id"] + "x")]
    ).to_csv(path)
    with pytest.raises(InvalidInputError, match="--by bpp"):
        _run("analyze", "--model", "mixed", "--data", str(path))
    document = _json("--model", "mixed", "--data", str(path), "--by", "bpp")
    assert [group["groups"]["image"] for group in document["results"]] == [6, 6]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--model", "mixed", "--unit", "both"),
        ("--model", "mos", "--formula", "rating ~ 1 + (1 | rater)"),
        ("--model", "bradley-terry", "--scale", "1", "10"),
        ("--model", "mos", "--batch", "wave-1"),
        ("--model", "mos", "--column", "rater"),
        ("--model", "ordinal", "--df", "none"),
        ("--model", "mixed", "--interval", "bca"),
        ("--model", "bd-rate"),
    ],
)
def test_options_that_would_change_nothing_are_wrong_usage(
    ratings: str, arguments: tuple[str, ...]
) -> None:
    outcome = CliRunner().invoke(app, ["analyze", "--data", ratings, *arguments])
    assert outcome.exit_code == 2


@pytest.mark.parametrize("scale", [("5", "1"), ("5", "5"), ("nan", "5")])
def test_a_scale_upside_down_is_wrong_usage(ratings: str, scale: tuple[str, str]) -> None:
    arguments = ["analyze", "--data", ratings, "--model", "mos", "--scale", *scale]
    outcome = CliRunner().invoke(app, arguments)
    assert outcome.exit_code == 2
    assert "--scale" in outcome.output
    assert "LOW must be below HIGH" in outcome.output


def test_code_in_a_formula_is_invalid_input(ratings: str) -> None:
    formula = 'rating ~ __import__("os").system("x") + (1|image)'
    with pytest.raises(InvalidInputError, match="'__import__\\('"):
        _run("analyze", "--data", ratings, "--model", "mixed", "--formula", formula)


def test_report_advises_only_what_it_has(ratings: str, votes: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="votes with --data-votes") as caught:
        _run("report", "--data-ratings", votes, "--out", str(tmp_path / "r.html"))
    assert "--model" not in str(caught.value)
    table = pd.read_csv(ratings).rename(columns={"rater": "worker"})
    table.to_csv(tmp_path / "theirs.csv", index=False)
    with pytest.raises(InvalidInputError, match="no column rater") as caught:
        _run("report", "--data-ratings", str(tmp_path / "theirs.csv"), "--out", "r.html")
    assert "--column" not in str(caught.value)


def test_the_wrong_kind_of_table_is_refused(votes: str) -> None:
    with pytest.raises(InvalidInputError, match="holds votes"):
        _run("analyze", "--model", "mos", "--data", votes)


def test_a_report_of_two_files(ratings: str, votes: str, tmp_path: Path) -> None:
    out = tmp_path / "sub" / "report.html"
    said = json.loads(
        _run(
            "report", "--data-ratings", ratings, "--data-votes", votes, "--out", str(out), "--json"
        )
    )
    assert said["path"] == str(out)
    assert said["n_ratings"] == 120
    assert out.read_text().startswith("<!doctype html>")
