"""Sessions become stimuli: what one failure leaves, and what a rerun repeats."""

from __future__ import annotations

import bz2
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mturk_eval.compressors.transcripts import (
    Outcome,
    SessionsError,
    count_chats,
    find_chats,
    pair_sessions,
    write_stimuli,
)
from mturk_eval.errors import StimuliError
from mturk_eval.stimuli.folder import StimuliFolder, Target
from mturk_eval.stimuli.matching import find_originals
from tests.samples import picture

NAMES = ("arch", "face", "train")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Three originals, their chats and final pictures of half the size."""
    for folder in ("originals", "chats", "screens"):
        (tmp_path / folder).mkdir()
    for number, name in enumerate(NAMES):
        picture(number, (64, 48)).save(tmp_path / "originals" / f"{name}.png")
        picture(9 + number, (32, 24)).save(tmp_path / "screens" / f"{name}.jpg")
        (tmp_path / "chats" / f"{name}.txt").write_text(
            f"[10:00] Ada: this is {name}\n[10:01] Ben: ok\n[10:02] Ada: more {name * number}\n"
        )
    return tmp_path


def run(study: Path, screens: str | None = "screens") -> Outcome:
    sessions = pair_sessions(
        find_chats([study / "chats"]),
        find_originals(study / "originals"),
        None if screens is None else find_originals(study / screens),
    )
    return write_stimuli(count_chats(sessions, describers=["Ada"]), study / "out")


def test_every_session_is_a_stimulus_with_its_bytes(study: Path) -> None:
    outcome = run(study)
    entries = StimuliFolder(study / "out").entries()
    assert [entry.stimulus.image for entry in entries] == list(NAMES)
    for rate, entry in zip(outcome.rates, entries, strict=True):
        s = entry.stimulus
        coded = (study / "out" / s.encoded_path).read_bytes()
        text = (study / "out" / "human" / "chat" / f"{s.image}.txt").read_text()
        assert bz2.decompress(coded).decode() == text
        assert text.startswith(f"this is {s.image}\nmore")
        assert s.bytes == rate.coded_bytes == len(coded)
        assert rate.bpp == 8 * len(coded) / (64 * 48) == pytest.approx(s.bpp, abs=1e-6)
        assert s.target_bpp is None
        assert (s.method, s.width_px, s.height_px) == ("human", 64, 48)
        assert rate.ratio == pytest.approx(rate.original_bytes / len(coded))
        with Image.open(study / "out" / s.path) as shown:
            assert shown.size == (64, 48)
    table = outcome.sizes.read_text().splitlines()
    assert table == ["image,bytes", *(f"{rate.image},{rate.coded_bytes}" for rate in outcome.rates)]


def test_nobodys_name_is_in_the_table(study: Path) -> None:
    run(study)
    assert "Ada" not in (study / "out" / "stimuli.csv").read_text()
    assert "Ben" not in "".join(p.read_text() for p in (study / "out").rglob("*.txt"))


def test_a_rerun_changes_nothing_and_a_new_chat_only_its_own(study: Path) -> None:
    def state() -> dict[str, tuple[bytes, int]]:
        files = list((study / "out").rglob("*.png"))
        return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in files}

    first, before = run(study), state()
    assert run(study).rates == first.rates
    assert state() == before
    (study / "chats" / "face.txt").write_text("[10:00] Ada: something else\n")
    again = run(study)
    assert state()["arch.png"] == before["arch.png"]
    assert state()["face.png"][1] != before["face.png"][1]
    assert again.rates[1].coded_bytes != first.rates[1].coded_bytes
    assert f"face,{again.rates[1].coded_bytes}" in again.sizes.read_text()


def test_sizes_of_earlier_sessions_stay(study: Path) -> None:
    run(study)
    for name in ("arch", "face"):
        (study / "chats" / f"{name}.txt").unlink()
    assert len(run(study).sizes.read_text().splitlines()) == 4


def test_another_method_has_sizes_of_its_own(study: Path) -> None:
    run(study)
    sessions = pair_sessions(
        find_chats([study / "chats" / "arch.txt"]),
        find_originals(study / "originals"),
        find_originals(study / "screens"),
    )
    counted = count_chats(sessions, describers=["Ada"])
    outcome = write_stimuli(counted, study / "out", method="human-short")
    assert (outcome.sizes.name, outcome.sized) == ("sizes-human-short.csv", ("arch",))
    methods = [entry.stimulus.method for entry in StimuliFolder(study / "out").entries()]
    assert sorted(methods) == ["human"] * 3 + ["human-short"]


def test_without_pictures_sizes_are_counted(study: Path) -> None:
    outcome = run(study, None)
    assert [rate.is_shown for rate in outcome.rates] == [False] * 3
    assert len(outcome.sizes.read_text().splitlines()) == 4
    assert not list((study / "out").rglob("*.png"))
    assert (study / "out" / "human" / "chat" / "arch.txt.bz2").is_file()


def test_a_broken_picture_does_not_stop_the_others(study: Path) -> None:
    whole = (study / "screens" / "face.jpg").read_bytes()
    (study / "screens" / "face.jpg").write_bytes(whole[:100])
    outcome = run(study)
    assert [rate.image for rate in outcome.rates] == ["arch", "train"]
    (failure,) = outcome.failures
    assert failure.image == "face"
    assert "face.jpg" in failure.problem
    (study / "screens" / "face.jpg").write_bytes(whole)
    assert not run(study).failures
    assert len(StimuliFolder(study / "out").entries()) == 3


def test_what_was_done_before_ctrl_c_stays(study: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    sessions = pair_sessions(
        find_chats([study / "chats"]),
        find_originals(study / "originals"),
        find_originals(study / "screens"),
    )
    counted = count_chats(sessions, describers=["Ada"])
    with pytest.raises(KeyboardInterrupt):
        write_stimuli(counted, study / "out", progress=stop)
    (first,) = StimuliFolder(study / "out").entries()
    written = (study / "out" / first.stimulus.path).stat().st_mtime_ns
    assert len(run(study).rates) == 3
    assert (study / "out" / first.stimulus.path).stat().st_mtime_ns == written
    assert len(StimuliFolder(study / "out").entries()) == 3


def test_every_unreadable_chat_is_named_and_nothing_written(study: Path) -> None:
    (study / "chats" / "arch.txt").write_bytes(b"")
    (study / "chats" / "face.txt").write_text("[10:00] Eve: hello\n[10:01] Ben: hello\n")
    with pytest.raises(SessionsError) as caught:
        run(study)
    assert "arch.txt: it is empty" in str(caught.value)
    assert "Eve (1), Ben (1)" in str(caught.value)
    assert not (study / "out").exists()


@pytest.mark.parametrize(("folder", "suffix"), [("originals", "png"), ("screens", "jpg")])
def test_a_chat_without_its_picture_is_refused(study: Path, folder: str, suffix: str) -> None:
    (study / folder / f"face.{suffix}").unlink()
    with pytest.raises(SessionsError, match="named face"):
        run(study)
    assert not (study / "out").exists()


def test_a_stretched_picture_is_told(study: Path) -> None:
    picture(4, (48, 48)).save(study / "screens" / "arch.jpg")
    assert any("stretched" in note for note in run(study).rates[0].notes)
    assert not any("stretched" in note for note in run(study).rates[1].notes)


def test_a_spoilt_table_of_sizes_is_left_as_it_is(study: Path) -> None:
    run(study)
    (study / "out" / "sizes.csv").write_text("image,bytes\narch,many\n")
    with pytest.raises(StimuliError, match=r"sizes\.csv"):
        run(study)
    assert (study / "out" / "sizes.csv").read_text() == "image,bytes\narch,many\n"


def test_a_folder_that_cannot_be_written_fails_and_keeps_what_was(study: Path) -> None:
    run(study)
    before = (study / "out" / "stimuli.csv").read_bytes()
    # In place of the folder of texts stands a file, as after a disk that broke.
    (study / "out" / "human").rename(study / "out" / "was")
    (study / "out" / "human").write_text("")
    outcome = run(study)
    assert len(outcome.failures) == 3
    assert "cannot be written" in outcome.failures[0].problem
    assert (study / "out" / "stimuli.csv").read_bytes() == before
    (study / "out" / "human").unlink()
    assert not run(study).failures


def test_a_table_of_sizes_with_a_huge_cell_is_refused(study: Path) -> None:
    (study / "out").mkdir()
    (study / "out" / "sizes.csv").write_text('image,bytes\n"' + "x" * 200_000 + '",3\n')
    with pytest.raises(StimuliError, match="not a table of image,bytes"):
        run(study)


def test_sizes_that_another_command_added_meanwhile_stay(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = StimuliFolder.begin

    def meanwhile(folder: StimuliFolder, wanted: Iterable[tuple[str, str, Target]]) -> Any:
        done = begin(folder, wanted)
        folder.path.mkdir()
        (folder.path / "sizes.csv").write_text("image,bytes\nother,77\n")
        return done

    monkeypatch.setattr(StimuliFolder, "begin", meanwhile)
    assert "other,77" in run(study).sizes.read_text()
