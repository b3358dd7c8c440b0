"""Only the describer's words count, and bzip2 says how much."""

from __future__ import annotations

import bz2
import doctest
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mturk_eval.compressors.transcripts import (
    Chat,
    ChatFormat,
    DescriberError,
    Message,
    counting,
    describe,
    json_formats,
)


def chat(*messages: Message, left_out: tuple[str, ...] = ()) -> Chat:
    return Chat(format=ChatFormat.plain, messages=messages, left_out=left_out)


def said(speaker: str, text: str) -> Message:
    return Message(speaker=speaker, text=text)


TALK = chat(
    said("Ada", "a red balloon\nhttps://a.org/b.jpg?x=1"),
    said("Ben", "this one?"),
    said("Ada", "yes 🎈"),
)


def test_the_describers_text_is_counted_and_nothing_else() -> None:
    found = describe(TALK, ["ada"])
    assert found.text == "a red balloon\nhttps://a.org/b.jpg?x=1\nyes 🎈\n"
    assert (found.describer, found.messages) == ("Ada", 2)
    assert found.notes == ("not counted, by their writers: Ben (1)",)


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=20))
def test_the_coded_text_decodes_to_the_text(texts: list[str]) -> None:
    found = describe(chat(*(said("Ada", text) for text in texts)))
    assert bz2.decompress(found.coded).decode() == found.text == "".join(f"{t}\n" for t in texts)


def test_replies_and_times_change_no_byte() -> None:
    alone = describe(chat(*(m for m in TALK.messages if m.speaker == "Ada")))
    assert alone.coded == describe(TALK, ["Ada"]).coded


@pytest.mark.skipif(shutil.which("bzip2") is None, reason="no bzip2 command here")
def test_the_size_is_that_of_the_bzip2_command(tmp_path: Path) -> None:
    found = describe(TALK, ["Ada"])
    done = subprocess.run(
        ["bzip2", "-9"], input=found.text.encode(), capture_output=True, check=True
    )
    assert done.stdout == found.coded


def test_one_writer_is_the_describer() -> None:
    assert describe(chat(said("Ada", "x"))).describer == "Ada"


@pytest.mark.parametrize(
    ("describers", "says"),
    [
        ([], r"more than one person wrote; messages: Ada \(2\), Ben \(1\)"),
        (["Eve"], r"Eve did not write; messages: Ada \(2\), Ben \(1\)"),
        (["Ada", "Ben"], "several describers wrote"),
    ],
)
def test_who_described_is_not_guessed(describers: list[str], says: str) -> None:
    with pytest.raises(DescriberError, match=says):
        describe(TALK, describers)


def test_of_several_describers_the_one_who_wrote_is_taken() -> None:
    assert describe(TALK, ["Eve", "Ada"]).describer == "Ada"


def test_what_the_bytes_do_not_cover_is_said() -> None:
    found = describe(
        chat(
            Message(speaker="Ada", text="like this", files=2),
            Message(speaker="Ada", text="", deleted=True),
            Message(speaker="Ada", text="left", edited=True),
            left_out=("You created this group",),
        )
    )
    assert (found.text, found.messages) == ("like this\nleft\n", 2)
    notes = "; ".join(found.notes)
    for part in ("2 file(s)", "taken back", "edited", "You created this group"):
        assert part in notes


def test_a_describer_without_text_is_refused() -> None:
    with pytest.raises(DescriberError, match="no text that counts"):
        describe(chat(Message(speaker="Ada", text="", files=1)))


@pytest.mark.parametrize("module", [counting, json_formats])
def test_documented_examples_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
