"""The micro-bpp analysis: rates by arithmetic, and the loop on a few pictures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "analysis" / "micro_bpp"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script writes, of two small pictures."""
    folder = tmp_path_factory.mktemp("micro_bpp")
    command = [
        sys.executable, str(FOLDER / "regenerate.py"), "--out", str(folder), "--photographs", "2",
        "--words", "5", "20", "--size", "64", "--iterations", "1",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_published_rates_follow_from_their_characters(out: Path) -> None:
    """Within the paper's rounding; 100 is its word for 25 characters, 95.4."""
    rates = pd.read_csv(out / "rates.csv")
    off = (rates["symbol_rate"] - rates["published"]).abs()
    assert (off[rates["published"] != 100] < 1.1).all()
    limit = rates[rates["published"] == 100].iloc[0]
    assert (limit.symbol_rate, limit.payload_rate, limit.file_rate) == (95.367, 99.18, 106.81)
    assert (rates["file_rate"] > rates["payload_rate"]).all()


@pytest.mark.parametrize("name", ["rates.csv", "rates.md", "example_text.md"])
def test_what_is_committed_is_what_the_script_writes(out: Path, name: str) -> None:
    assert (out / name).read_text() == (FOLDER / "results" / name).read_text()


def test_the_papers_example_costs_more_than_its_characters(out: Path) -> None:
    costs = (out / "example_text.md").read_text()
    for bits in (108, 132, 136, 144):
        assert f"| {bits} |" in costs


def test_more_words_are_more_bytes(out: Path) -> None:
    rates = pd.read_csv(out / "bytes_by_words.csv").pivot_table(
        index="image", columns="words", values="bytes"
    )
    assert (rates[20] > rates[5]).all()
    committed = pd.read_csv(FOLDER / "results" / "bytes_by_words.csv")
    assert sorted(committed["words"].unique()) == [2, 5, 10, 20, 30, 50]
    assert len(committed) == 36
    for name in ("bytes_by_words.svg", "bytes_by_words_phone.svg", "stand_in_pictures.png"):
        assert (out / name).stat().st_size > 1000


def test_the_table_in_the_readme_is_the_one_that_was_written() -> None:
    """All its numbers, so that neither changes alone."""
    readme = (FOLDER / "README.md").read_text()
    for name in ("rates.md", "example_text.md"):
        rows = [
            line for line in (FOLDER / "results" / name).read_text().splitlines()
            if line.startswith("|")
        ]  # fmt: skip
        assert all(row in readme for row in rows)
