"""``mturk-eval power``: formula and simulation for planned studies."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cli

PLAN = ("--ratings-per-cell", 10, "--effect", 0.98, "--slope-sd", 1.88, "--residual-sd", 2.21)
QUICK = ("--studies", 20)


def test_designs_are_compared_in_one_table(cli: Cli) -> None:
    shown = cli("power", "--images", 13, "--images", 30, *PLAN, *QUICK)
    assert shown.code == 0, shown.err
    assert "rating ~ method + (1 + method | image) + (1 | rater)" in shown.out
    first, second = (line for line in shown.out.splitlines() if line.lstrip()[:2] in {"13", "30"})
    assert first.split()[:6] == ["13", "10", "10", "260", "0.589", "0.334"]
    assert second.split()[5] == "0.685"
    assert "At 10 ratings a cell 39 images are needed for a power of 0.8" in shown.out


def test_the_document_has_one_row_per_design(cli: Cli) -> None:
    document = cli("power", "--images", 6, "--images", 13, *PLAN, *QUICK, "--json").json
    assert document["model"] == "power"
    assert [row["images"] for row in document["rows"]] == [6, 13]
    for row in document["rows"]:
        assert 0 <= row["ci_low"] <= row["power"] <= row["ci_high"] <= 1
        assert row["planned_power"] == pytest.approx(row["power"], abs=0.35)
    assert any("kenward-roger" in warning for warning in document["warnings"])


def test_more_workers_change_no_number(cli: Cli) -> None:
    command = ("power", "--images", 4, *PLAN, "--raters", 30, "--studies", 6, "--json")
    assert cli(*command, "--workers", 2).json == cli(*command).json


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--images", 1), "1 images: give at least 2"),
        (("--images", 5, "--raters", 3), "3 raters cannot give 10 ratings a cell"),
        (("--images", 5, "--scale", 10, 1), "the lowest rating must be below the highest"),
        (("--images", 5, "--alpha", 2), "The level is 2"),
        (("--images", 5, "--rater-sd", -1), "a standard deviation is 0 or more"),
        (("--images", 5, "--studies", 0), "--studies"),
        (("--images", 5, "--workers", 2, "--dask", "local"), "--workers or --dask, not both"),
        (("--images", 5, "--dask", "somewhere"), "tcp://host:8786"),
        (("--images", "many"), "--images"),
        ((), "--images"),
    ],
)
def test_wrong_usage_exits_2(cli: Cli, options: tuple[object, ...], message: str) -> None:
    refused = cli("power", *PLAN, *options)
    assert (refused.code, refused.out) == (2, "")
    assert message in refused.err
