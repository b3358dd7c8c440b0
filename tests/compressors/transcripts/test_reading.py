"""A chat is read as the people wrote it, whichever program saved it."""

from __future__ import annotations

import codecs
import json
import re
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mturk_eval.compressors.transcripts import (
    Chat,
    ChatFormat,
    TranscriptError,
    find_chats,
    read_chat,
)
from tests.compressors.transcripts.written_chats import WRITERS, Line, slack

every_writer = pytest.mark.parametrize("program", WRITERS)

WORDS = st.text(
    st.sampled_from("abc xyz ÄßЖ漢字אب😀👩‍🚀?!.,:;&<>()/\"'#@*_-=10"), min_size=1, max_size=40
)
TYPED = st.one_of(
    WORDS,
    st.sampled_from(
        [
            "https://a.org/x?y=1&z=2#q",
            "note: put it left",
            "a\n\n> quoted: b\nc",
            "<b>",
            "50 %",
            "10:30",
        ]
    ),
)


def _is_a_text(text: str) -> bool:
    """Not blank, and no line of it can be taken for the first of a message or for a link's form."""
    lines = text.split("\n")
    head = re.compile(r"\d|\[|\(")
    return text == text.strip() != "" and not any(head.match(line) for line in lines[1:])


@st.composite
def conversations(draw: st.DrawFn) -> list[Line]:
    """Some messages of two people, of one line or more."""
    texts = draw(
        st.lists(
            st.lists(TYPED, min_size=1, max_size=3)
            .map("\n".join)
            .map(str.strip)
            .filter(_is_a_text),
            min_size=1,
            max_size=8,
        )
    )
    names = draw(st.sampled_from([("Ada", "Ben"), ("Åsa Ö. Lind", "木村"), ("אדה", "O'Neil-2")]))
    first = [(names[0], "start here")]
    return first + [(draw(st.sampled_from(names)), text) for text in texts]


def read(text: str | bytes, name: str = "chat.txt", **options: object) -> Chat:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_chat(path, **options)  # type: ignore[arg-type]


def said(chat: Chat) -> list[Line]:
    return [(message.speaker, message.text) for message in chat.messages]


@every_writer
@settings(max_examples=40)
@given(lines=conversations())
@example(lines=[("Ada", "a\nb: c"), ("Ben", "see https://x.org/a:b")])
def test_a_conversation_reads_back_from_every_format(program: str, lines: list[Line]) -> None:
    chat_format, write = WRITERS[program]
    chat = read(write(lines))
    assert chat.format == chat_format
    assert said(chat) == lines
    assert said(read(write(lines), chat_format=ChatFormat(chat_format))) == lines


@every_writer
@settings(max_examples=6)
@given(lines=conversations())
def test_line_ends_and_encoding_change_nothing(program: str, lines: list[Line]) -> None:
    text = WRITERS[program][1](lines)
    windows = text.replace("\n", "\r\n")
    for data in (
        codecs.BOM_UTF8 + text.encode(),
        windows.encode(),
        codecs.BOM_UTF16_LE + windows.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    ):
        assert said(read(data)) == lines


@given(st.text(max_size=300))
@example("[" * 20_000)
@example("[12:03] Ada: " + "[12:03] " * 3000)
@example("[12:03 " * 30_000)
@example("12:03:04 From " + "a to " * 20_000)
@example("12/03/24, 12:03 - Ada: a" + " " * 30_000 + "<This message was edited")
@example('{"messages": [{"from": 3, "text": {"a": 1}}]}')
@example('[{"ts": "x"}]')
def test_any_text_is_a_chat_or_a_named_error(text: str) -> None:
    with suppress(TranscriptError):
        assert read(text.encode("utf-8", "replace")).messages


# Plain text


def test_a_text_without_times_starts_a_message_at_a_name() -> None:
    chat = read("Ada: a house\nwith https://x.org/roof\n\nBen: red?\nAda: yes\n")
    assert said(chat) == [
        ("Ada", "a house\nwith https://x.org/roof"),
        ("Ben", "red?"),
        ("Ada", "yes"),
    ]


def test_named_speakers_settle_what_a_colon_means() -> None:
    text = "Dr: Who: a house\nnote: red\nBen: ok"
    assert said(read(text, names=["Dr: Who", "Ben"])) == [
        ("Dr: Who", "a house\nnote: red"),
        ("Ben", "ok"),
    ]
    stamped = "[12:00] Dr: Who: a house\n[12:01] Ben: ok"
    assert said(read(stamped, names=["dr: who"])) == [("Dr: Who", "a house"), ("Ben", "ok")]


@pytest.mark.parametrize(
    "line",
    [
        "[12:03] Ada: hello",
        "[12:03:04 PM] Ada: hello",
        "[2024-03-12 12:03] Ada: hello",
        "[12 March 2024, 12:03] Ada: hello",
        "(12:03) Ada: hello",
        "12:03 Ada: hello",
        "12:03 - Ada: hello",
        "2024-03-12T12:03:04Z Ada: hello",
        "2024-03-12 12:03:04+01:00 Ada: hello",
        "12:03 <Ada> hello",
        "[12:03] <@Ada> hello",
        "Ada [12:03]: hello",
        "Ada (12:03 PM): hello",
        "Ada: hello",
        "Ada : hello",
    ],
)
def test_times_are_taken_out_in_many_forms(line: str) -> None:
    assert said(read(f"{line}\n")) == [("Ada", "hello")]


def test_a_quoted_message_stays_part_of_its_message() -> None:
    chat = read("[10:00:00] Ada: [09:59:00] Ben: where?\n\n<<< on the left\n[10:00:09] Ben: ok")
    assert said(chat) == [("Ada", "[09:59:00] Ben: where?\n\n<<< on the left"), ("Ben", "ok")]


def test_an_edited_message_of_skype_is_known() -> None:
    chat = read("[10:00:00 | Edited 10:00:40] Ada: left\n[10:01:00 | Removed 10:02:00] Ada: x")
    assert [(m.text, m.edited, m.deleted) for m in chat.messages] == [
        ("left", True, False),
        ("", False, True),
    ]


# WhatsApp


def test_whatsapp_files_changes_and_notices_are_no_text() -> None:
    chat = read(
        "12/03/24, 10:00 - Messages and calls are end-to-end encrypted. Tap to learn more.\n"
        "12/03/24, 10:01 - Ada: <Media omitted>\n"
        "12/03/24, 10:02 - Ada: IMG-20240312-WA0001.jpg (file attached)\nlike: this\n"
        "12/03/24, 10:03 - Ada: to the left <This message was edited>\n"
        "12/03/24, 10:04 - Ben: This message was deleted\n"
        "12/03/24, 10:05 - \u202a+49 151 2345678\u202c: ok\n"
    )
    assert [(m.speaker, m.text, m.files, m.edited, m.deleted) for m in chat.messages] == [
        ("Ada", "", 1, False, False),
        ("Ada", "like: this", 1, False, False),
        ("Ada", "to the left", 0, True, False),
        ("Ben", "", 0, False, True),
        ("+49 151 2345678", "ok", 0, False, False),
    ]
    assert len(chat.left_out) == 1


def test_ios_notices_under_a_name_are_nobodys() -> None:
    chat = read(
        "[12.03.24, 10:00:00] Ada: \u200eMessages and calls are end-to-end encrypted.\n"
        "\u200e[12.03.24, 10:00:01] Ada: \u200eimage omitted\n"
        "[12.03.24, 10:00:02] ~\u202fAda: \u05d0\u200f. hello\n"
    )
    assert [(m.speaker, m.text, m.files) for m in chat.messages] == [
        ("Ada", "", 1),
        ("Ada", "\u05d0\u200f. hello", 0),
    ]
    assert len(chat.left_out) == 1


# JSON


def test_slack_links_stand_as_they_were_sent(tmp_path: Path) -> None:
    text = (
        "see <http://www.a.org|www.a.org>, <https://b.org/?x=1&amp;y=2> "
        "&amp; <https://c.org|c> <@U1>"
    )
    channel = tmp_path / "giraffe"
    channel.mkdir()
    (tmp_path / "users.json").write_text(
        json.dumps([{"id": "U1", "name": "ada", "profile": {"display_name": "Ada"}}])
    )
    row = {"type": "message", "user": "U1", "text": text, "ts": "2.0", "files": [{}], "edited": {}}
    later = {"type": "message", "user": "U1", "text": "later", "ts": "5.0"}
    (channel / "2024-03-12.json").write_text(json.dumps([row]))
    (channel / "2024-03-13.json").write_text(json.dumps([later]))
    (message, second) = read_chat(channel).messages
    assert message.speaker == "Ada"
    assert message.text == "see www.a.org, https://b.org/?x=1&y=2 & c (https://c.org) @Ada"
    assert (message.files, message.edited, second.text) == (1, True, "later")


def test_telegram_parts_are_one_text() -> None:
    parts = [
        "see ",
        {"type": "link", "text": "a.org"},
        " and ",
        {"type": "text_link", "text": "b", "href": "https://b.org"},
    ]
    document = {"messages": [{"type": "message", "from": "Ada", "text": parts, "photo": "p.jpg"}]}
    (message,) = read(json.dumps(document)).messages
    assert (message.text, message.files) == ("see a.org and b (https://b.org)", 1)


# What is refused


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"  \n\n", "empty"),
        (b"just some words\n", "no messages"),
        (b"Ada: caf\xe9", "byte 8 is not UTF-8"),
        ("Ada: hi".encode("utf-16-le"), "zero bytes"),
        (b"\xff\xfeA", "UTF-16"),
        (b"WEBVTT\n\n00:00.000 --> 00:01.000\n<v Ada>hello", "captions of speech"),
        (b'{"messages": [', "JSON"),
        (b'{"chats": {"list": []}}', "whole Telegram account"),
        (b'{"a": 1}', "no chat of"),
        (b"[]", "no messages"),
        (b'[{"type": "message", "text": "x"}]', "no time"),
        (b'[{"type": "message", "ts": "1", "text": ["x"]}]', "message 1"),
        (b'{"messages": [{"from": "A", "type": "message", "text": "\\ud83d"}]}', "half of a"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_chat_is_refused_by_name(data: bytes, says: str) -> None:
    with pytest.raises(TranscriptError, match=r"chat\.txt") as caught:
        read(data)
    assert says in str(caught.value)


def test_a_wrong_format_is_refused() -> None:
    with pytest.raises(TranscriptError, match="JSON"):
        read("[12:00] Ada: hello", chat_format=ChatFormat.slack)
    with pytest.raises(TranscriptError, match="no messages"):
        read("[12:00] Ada: hello", chat_format=ChatFormat.zoom)


# Which file is whose


def test_chats_go_by_the_names_of_images(tmp_path: Path) -> None:
    (tmp_path / "arch.txt").write_text("Ada: x")
    (tmp_path / "notes.pdf").write_bytes(b"")
    channel = tmp_path / "face"
    channel.mkdir()
    (channel / "2024-03-12.json").write_text(slack([("Ada", "x")]))
    assert set(find_chats([tmp_path])) == {"arch", "face"}
    assert find_chats([channel]) == {"face": channel}
    with pytest.raises(TranscriptError, match="arch"):
        find_chats([tmp_path, tmp_path / "arch.txt"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(TranscriptError, match="no chats"):
        find_chats([tmp_path / "empty"])
