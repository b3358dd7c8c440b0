"""From a file, or a Slack channel's folder, to a chat."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mturk_eval.compressors.transcripts.errors import TranscriptError
from mturk_eval.compressors.transcripts.json_formats import (
    guess_json_format,
    read_json_chat,
    slack_people,
)
from mturk_eval.compressors.transcripts.messages import Chat, ChatFormat
from mturk_eval.compressors.transcripts.text_formats import guess_text_format, read_text_chat

JSON_FORMATS: Final = frozenset({ChatFormat.slack, ChatFormat.discord, ChatFormat.telegram})
CHAT_SUFFIXES: Final = frozenset({".txt", ".json", ".log"})
_DAY_FILE: Final = re.compile(r"\d{4}-\d\d-\d\d\.json")


def find_chats(sources: Sequence[Path]) -> dict[str, Path]:
    """Find chats by the name of their image: files by stem, Slack channels by folder.

    A folder is searched one level deep; a folder of Slack's day files is one chat.

    Raises
    ------
    TranscriptError
        If a path is no chat, or two chats are of one image.
    """
    found: dict[str, Path] = {}
    for source in sources:
        paths = [source]
        if source.is_dir() and not _is_channel(source):
            paths = [
                path
                for path in sorted(source.iterdir())
                if not path.name.startswith(".") and _may_be_chat(path)
            ]
            if not paths:
                raise TranscriptError(
                    source, f"no chats in it ({', '.join(sorted(CHAT_SUFFIXES))} or Slack folders)."
                )
        for path in paths:
            image = path.name if path.is_dir() else path.stem
            if image in found:
                raise TranscriptError(path, f"{found[image]} is a chat of {image} too; keep one.")
            found[image] = path
    return found


def read_chat(
    source: Path, *, chat_format: ChatFormat | None = None, names: Sequence[str] = ()
) -> Chat:
    """Read a chat, whichever program saved it.

    Parameters
    ----------
    source : Path
        A file (UTF-8, or UTF-16 with a byte-order mark), or the folder of a Slack channel.
    chat_format : ChatFormat, optional
        Default: guessed from the content.
    names : sequence of str
        People who write in it; see `read_text_chat`.

    Raises
    ------
    TranscriptError
        If the file is not a chat; says what it looks like and what to give instead.
    """
    if source.is_dir():
        return _with_messages(source, _read_channel(source))
    text = _decoded(source)
    if not text.strip():
        raise TranscriptError(source, "it is empty.")
    if text.startswith("WEBVTT"):
        raise TranscriptError(
            source,
            "these are captions of speech (WebVTT). Only text that the describer typed counts; "
            "give the meeting's saved chat.",
        )
    document = _parsed(source, text, wanted=chat_format in JSON_FORMATS)
    if chat_format is None:
        if document is not None:
            chat_format = guess_json_format(document)
            if chat_format is None:
                raise TranscriptError(source, _unknown_document(document))
        else:
            chat_format = guess_text_format(text)
    if chat_format in JSON_FORMATS:
        return _with_messages(
            source, _read_document(source, document, chat_format, _people_near(source.parent))
        )
    return _with_messages(source, read_text_chat(text, chat_format, names))


def _with_messages(source: Path, chat: Chat) -> Chat:
    if chat.messages:
        return chat
    raise TranscriptError(
        source,
        f"no messages found in it (read as {chat.format}). Lines should look like "
        "`[12:03] Anna: more grass on the left`; or force another format (--format).",
    )


def _decoded(source: Path) -> str:
    try:
        data = source.read_bytes()
    except OSError as error:
        raise TranscriptError(source, f"cannot be read ({error.strerror}).") from error
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise TranscriptError(
            source,
            f"byte {error.start:,} is not {'UTF-16' if wide else 'UTF-8'} text. Save the chat "
            "again as UTF-8.",
        ) from error
    if "\0" in text:
        raise TranscriptError(source, "it holds zero bytes, so it is no text. Save it as UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _parsed(source: Path, text: str, *, wanted: bool) -> Any:
    """The JSON document in a file; None where it is plain text."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise TranscriptError(source, "its JSON is nested too deeply.") from error
    except ValueError as error:
        # "[12:03] Anna: hello" starts like JSON and is none.
        if wanted or text.lstrip()[:1] == "{" or source.suffix.lower() == ".json":
            raise TranscriptError(source, f"not readable as JSON ({error}).") from error
        return None


def _unknown_document(document: object) -> str:
    if isinstance(document, dict) and "chats" in document:
        return "this is the export of a whole Telegram account; export one chat."
    return "JSON, but no chat of Slack, DiscordChatExporter or Telegram."


def _read_document(
    source: Path, document: Any, chat_format: ChatFormat, people: dict[str, str]
) -> Chat:
    try:
        chat = read_json_chat(document, chat_format, people)
    except ValueError as error:
        raise TranscriptError(source, f"not a {chat_format} chat: {error}.") from error
    for number, message in enumerate(chat.messages, start=1):
        if any("\ud800" <= sign <= "\udfff" for sign in message.speaker + message.text):
            raise TranscriptError(source, f"message {number} holds half of a character (\\ud…).")
    return chat


def _read_channel(folder: Path) -> Chat:
    rows: list[Any] = []
    for day in sorted(folder.glob("*.json")):
        document = _parsed(day, _decoded(day), wanted=True)
        if not isinstance(document, list):
            raise TranscriptError(day, "not a day of a Slack export: no list of messages.")
        rows += document
    return _read_document(folder, rows, ChatFormat.slack, _people_near(folder))


def _people_near(folder: Path) -> dict[str, str]:
    """Slack's users.json, in the export's root: this folder or the one above."""
    for place in (folder, folder.parent):
        users = place / "users.json"
        if users.is_file():
            return slack_people(_parsed(users, _decoded(users), wanted=True))
    return {}


def _is_channel(folder: Path) -> bool:
    return any(_DAY_FILE.fullmatch(path.name) for path in folder.iterdir())


def _may_be_chat(path: Path) -> bool:
    if path.is_dir():
        return _is_channel(path)
    return path.suffix.lower() in CHAT_SUFFIXES and path.name not in ("users.json", "channels.json")
