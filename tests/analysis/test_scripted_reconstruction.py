"""Tables 1 and 2 of the scripted editor's paper, on a few photographs."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "analysis" / "scripted_reconstruction"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script writes for one photograph."""
    folder = tmp_path_factory.mktemp("scripted_reconstruction")
    command = [sys.executable, str(FOLDER / "regenerate.py"), "--out", str(folder)]
    subprocess.run([*command, "--image", "rocket"], check=True, capture_output=True)
    return folder


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open() as file:
        return list(csv.DictReader(file))


def test_what_is_committed_comes_out_again(out: Path) -> None:
    (again,) = rows_of(out / "sizes.csv")
    committed = {row["image"]: row for row in rows_of(FOLDER / "results" / "sizes.csv")}
    for column in ("original", "script", "compiled", "elements", "operations"):
        assert again[column] == committed["rocket"][column]
    name = "rocket.haac"
    assert (out / name).read_bytes() == (FOLDER / "results" / name).read_bytes()
    differences = {
        (row["reconstruction"], row["tolerance"]): float(row["percent"])
        for row in rows_of(FOLDER / "results" / "differences.csv")
        if row["image"] == "rocket"
    }
    for row in rows_of(out / "differences.csv"):
        if row["reconstruction"] == "script":
            expected = differences["script", row["tolerance"]]
            assert float(row["percent"]) == pytest.approx(expected, abs=0.05)


def test_the_tables_and_figures_are_there(out: Path) -> None:
    assert "| HIC chat |" in (out / "table_1.md").read_text()
    assert "| rocket |" in (out / "table_2.md").read_text()
    assert "318 bytes" in (out / "published_against_reproduced.md").read_text()
    for name in ("sizes", "sizes_phone", "differences", "differences_phone"):
        assert (out / f"{name}.svg").read_bytes().startswith(b"<?xml")
    assert (out / "pictures.webp").stat().st_size > 1000


def test_compiled_scripts_are_smaller_than_any_codec_here() -> None:
    for row in rows_of(FOLDER / "results" / "sizes.csv"):
        others = [int(row[column]) for column in ("WebP q0", "JPEG q0", "script")]
        assert int(row["compiled"]) < min(others)


def test_the_page_says_what_came_out() -> None:
    results = (FOLDER / "results" / "published_against_reproduced.md").read_text()
    assert results in (FOLDER / "README.md").read_text()
