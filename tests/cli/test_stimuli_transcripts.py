"""Human compression on the command line: the paper's whole way, and what a user gets wrong."""

from __future__ import annotations

import bz2
import csv
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

import mturk_eval
from tests.cli.conftest import Cli

PHOTOGRAPHS = Path(mturk_eval.__file__).parent / "demo" / "photographs"

CHATS = {
    "coffee.txt": (
        "[21:14] Ada: white cup of coffee on a wooden table, seen from above\n"
        "[21:15] Ben: is there a saucer?\n"
        "[21:15] Ada: brown saucer, spoon at the right: https://en.wikipedia.org/wiki/Teaspoon\n"
        "[21:19] Ada: light from the upper left, stop\n"
    ),
    "rocket.txt": (
        "12/03/2024, 10:00 - Messages and calls are end-to-end encrypted.\n"
        "12/03/2024, 10:01 - Ada: a rocket on its pad at dusk\nlightning masts beside it\n"
        "12/03/2024, 10:02 - Ben: <Media omitted>\n"
        "12/03/2024, 10:03 - Ada: a bit to the left 👍\n"
    ),
    "cat.json": (
        '[{"type": "message", "ts": "1.0", "user": "U1", "text": "a cat &amp; its whiskers",'
        ' "user_profile": {"display_name": "Ada"}},'
        ' {"type": "message", "ts": "2.0", "user": "U2", "text": "which colour?",'
        ' "user_profile": {"display_name": "Ben"}},'
        ' {"type": "message", "ts": "3.0", "user": "U1", "text": "ginger, eyes on the camera",'
        ' "user_profile": {"display_name": "Ada"}}]'
    ),
}
TRANSCRIPTS = (
    *("stimuli", "transcripts", "chats", "--originals", "originals"),
    *("--reconstructions", "screens", "--out", "stimuli", "--workers", "1"),
)


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three photographs, their chats, and pictures that stand for what a person drew."""
    monkeypatch.chdir(tmp_path)
    for folder in ("originals", "chats", "screens"):
        (tmp_path / folder).mkdir()
    for name, text in CHATS.items():
        (tmp_path / "chats" / name).write_text(text)
        photograph = PHOTOGRAPHS / f"{Path(name).stem}.webp"
        shutil.copy(photograph, tmp_path / "originals")
        with Image.open(photograph) as image:
            drawn = image.convert("RGB").quantize(8).convert("RGB")
        drawn.save(tmp_path / "screens" / f"{photograph.stem}.png")
    return tmp_path


def test_the_whole_way_of_the_paper(cli: Cli, sessions: Path) -> None:
    """Chats and final pictures to a batch in which people and WebP are compared at equal size."""
    counted = cli(*TRANSCRIPTS, "--describer", "Ada", "--json")
    assert counted.code == 0, counted.err
    rows = {row["image"]: row for row in counted.json["rows"]}
    assert {name: row["format"] for name, row in rows.items()} == {
        "cat": "slack",
        "coffee": "plain",
        "rocket": "whatsapp",
    }
    assert rows["coffee"]["messages"] == 3
    for name, row in rows.items():
        coded = (sessions / "stimuli" / "human" / "chat" / f"{name}.txt.bz2").read_bytes()
        text = bz2.decompress(coded).decode()
        assert row["bytes"] == len(coded)
        assert row["characters"] == len(text)
        assert row["original_bytes"] == (PHOTOGRAPHS / f"{name}.webp").stat().st_size
        assert not {"Ben", "which", "saucer?", "Media"} & set(text.split())
    assert "a cat & its whiskers\nginger" in (
        sessions / "stimuli" / "human" / "chat" / "cat.txt"
    ).read_text(encoding="utf-8")

    encoded = cli(
        *("stimuli", "encode", "originals", "--codec", "webp", "--allow", "over"),
        *("--bytes-from", "stimuli/sizes.csv", "--out", "stimuli", "--workers", "1"),
    )
    assert encoded.code == 0, encoded.err
    made = cli(
        *("generate", "satisfaction", "--originals", "originals"),
        *("--reconstructions", "stimuli", "--out", "batch"),
    )
    assert made.code == 0, made.err
    checked = cli("check", "batch")
    assert checked.code == 0, checked.err
    with (sessions / "batch" / "stimuli.csv").open(newline="") as file:
        table = [row for row in csv.DictReader(file) if row["role"] == "reconstruction"]
    size = {(row["image"], row["method"]): int(row["bytes"]) for row in table}
    assert set(size) == {(name, method) for name in rows for method in ("human", "webp")}
    for name, row in rows.items():
        assert row["bytes"] == size[name, "human"] <= size[name, "webp"] < 1.3 * row["bytes"]
    with (sessions / "batch" / "trials.csv").open(newline="") as file:
        assert sum(row["role"] == "main" for row in csv.DictReader(file)) == 6


def test_the_table_says_what_counts_and_what_comes_next(cli: Cli, sessions: Path) -> None:
    (sessions / "chats" / "cat.json").unlink()
    shown = cli(*TRANSCRIPTS, "--describer", "Ada")
    assert shown.code == 0, shown.err
    head, coffee, rocket, *following = shown.out.splitlines()
    assert head.split()[:6] == ["image", "chat", "messages", "characters", "bytes", "bpp"]
    assert coffee.split()[:3] == ["coffee", "plain", "3"]
    assert rocket.split()[:3] == ["rocket", "whatsapp", "2"]
    assert "not counted, by their writers: Ben (1)" in shown.err
    assert "no chat for 1 original: cat" in shown.err
    encoded = cli(*shlex.split(following[0])[2:], "--workers", "1")
    assert encoded.code == 0, encoded.err
    assert "1 original without a size, left out:\n  cat" in encoded.err
    assert cli(*shlex.split(following[1])[2:]).code == 0
    again = cli(*TRANSCRIPTS, "--describer", "Ada")
    assert again.out == shown.out


def test_who_described_is_asked(cli: Cli, sessions: Path) -> None:
    asked = cli(*TRANSCRIPTS)
    assert asked.code == 2
    assert "messages: Ada (3), Ben (1). Say who described (--describer NAME)" in asked.err
    assert "3 problems; nothing was written" in asked.err
    assert not (sessions / "stimuli").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--describer", "Ada", "--format", "icq"], "--format icq"),
        (["--describer", "Ada", "--format", "zoom"], "no messages found"),
        (["--describer", "Eve"], "Eve did not write"),
    ],
)
def test_wrong_usage_is_said(cli: Cli, sessions: Path, arguments: list[str], says: str) -> None:
    refused = cli(*TRANSCRIPTS, *arguments)
    assert refused.code == 2
    assert says in refused.err
    assert not (sessions / "stimuli").exists()


def test_a_broken_picture_fails_alone(cli: Cli, sessions: Path) -> None:
    (sessions / "screens" / "rocket.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    failed = cli(*TRANSCRIPTS, "--describer", "Ada", "--json")
    assert failed.code == 1
    assert [row["image"] for row in failed.json["rows"]] == ["cat", "coffee"]
    assert failed.json["failures"][0]["image"] == "rocket"
    shutil.copy(sessions / "screens" / "cat.png", sessions / "screens" / "rocket.png")
    assert cli(*TRANSCRIPTS, "--describer", "Ada").code == 0
