"""Chats saved as text: which lines start a message, and who wrote it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mturk_eval.compressors.transcripts.messages import Chat, ChatFormat, Message

_TIME: Final = r"\d{1,2}[:.]\d{2}(?:[:.]\d{2}(?:[.,]\d{1,6})?)?(?:\s?[AaPp]\.?\s?[Mm]\b\.?)?"
_DATE: Final = r"\d{1,4}[./-]\s?\d{1,2}[./-]\s?\d{1,4}\.?"
_STAMP: Final = (
    rf"(?:{_DATE}(?:,|T|\s)\s?(?:[^\W\d]+\s)?{_TIME}(?:Z|[+-]\d\d:?\d\d)?"
    rf"|{_TIME}(?:,?\s{_DATE})?)"
)
# Inside brackets anything with a time of day is one: month names and "| Edited 10:31" come there.
_STAMPED: Final = re.compile(
    rf"(?:\[(?P<bracket>(?=[^\]]{{0,60}}\d[:.]\d\d)[^\]]{{1,60}})\]|\({_STAMP}\)"
    rf"|(?P<bare>{_STAMP})(?P<dash>\s?[-–]\s)?)\s*(?P<rest>.*)",
    re.DOTALL,
)
_STAMPED_AFTER: Final = re.compile(
    rf"(?P<name>[^\s\[(:][^\[(:]{{0,80}}?)\s?[\[(](?P<stamp>{_STAMP})[\])]\s?:\s*(?P<text>.*)"
)
_NAMED: Final = re.compile(r"(?P<name>\S.{0,99}?)\s?:(?:\s+(?P<text>.*)|$)")
_ANGLED: Final = re.compile(r"<[@+%~&]?(?P<name>[^<>]{1,100})>\s+(?P<text>.*)")
_UNSTAMPED: Final = re.compile(r"(?P<name>[^\s:][^:]{0,39}):(?:\s+(?P<text>.*)|$)")
_ZOOM: Final = re.compile(
    rf"(?:{_DATE}\s)?{_TIME}\s{{1,3}}From\s{{1,2}}(?P<name>.{{1,100}}?)\s{{1,2}}[Tt]o\s{{1,2}}"
    r".{1,100}?\s?:(?:\s+(?P<text>.*)|$)"
)
_HEADED: Final = re.compile(
    rf"(?:\[[^\]]{{0,40}}?{_TIME}[^\]]{{0,40}}\]\s(?P<after>[^:]{{1,80}})"
    rf"|(?P<before>[^\s\[].{{0,80}}?),\s\[[^\]]{{0,40}}?{_TIME}[^\]]{{0,40}}\])\s*"
)
_WHATSAPP_STAMP: Final = re.compile(
    rf"(?:\[{_DATE}(?:,|\sklo)\s.*?\]\s|{_DATE},?\s(?:[^\W\d]+\s)?{_TIME}\s[-–]\s)"
)
# Programs put these around names and before their own words; they have no shape.
_INVISIBLE: Final = "\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069\ufeff"

_ATTACHED: Final = re.compile(
    r"<(?:attached:[^<>]*|[^<>]* (?:omitted|ausgeschlossen|omitido))>"
    r"|(?:[\w ]+ )?(?:omitted|weggelassen|omitido|omitida)"
    r"|[^\n]{1,120}\.\w{2,5} \([^()]*(?:attached|angehängt|adjunto|joint)[^()]*\)",
    re.IGNORECASE,
)
_EDITED: Final = "<This message was edited>"
_DELETED: Final = re.compile(
    r"(?:This message was deleted|You deleted this message|This message has been removed)\.?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Start:
    """The first line of a message; nobody's where the program wrote it."""

    speaker: str | None
    text: str
    edited: bool = False
    deleted: bool = False


_Reader = Callable[[str], _Start | None]


def guess_text_format(text: str) -> ChatFormat:
    """Which of the text formats a chat is in; plain where nothing speaks for another."""
    lines = [line.lstrip(_INVISIBLE) for line in text.split("\n") if line.strip()]
    if any(_ZOOM.match(line) for line in lines):
        return ChatFormat.zoom
    stamped = next((line for line in lines if _STAMPED.match(line)), "")
    if _WHATSAPP_STAMP.match(stamped):
        return ChatFormat.whatsapp
    if not any(_has_name(line) for line in lines) and any(
        _HEADED.fullmatch(line) for line in lines
    ):
        return ChatFormat.copied
    return ChatFormat.plain


def read_text_chat(text: str, chat_format: ChatFormat, names: Sequence[str]) -> Chat:
    """Read a chat saved as text.

    Parameters
    ----------
    text : str
        With ``\\n`` at the ends of lines.
    chat_format : ChatFormat
        One of the text formats.
    names : sequence of str
        Names of people who write: needed where a name holds ``": "``. Where lines have no times
        and more than one name is given, no other word before a colon is taken for a name.
    """
    lines = text.split("\n")
    if chat_format is ChatFormat.zoom:
        # Zoom indents what follows the first line by a tab.
        chat = _assemble([line.removeprefix("\t") for line in lines], _zoom_start, chat_format)
    elif chat_format is ChatFormat.copied:
        chat = _assemble(lines, _headed_start, chat_format)
    else:
        chat = _assemble(lines, _line_reader(lines, names), chat_format)
    if chat_format is not ChatFormat.whatsapp:
        return chat
    return _without_notices(chat)


def _assemble(lines: Sequence[str], start: _Reader, chat_format: ChatFormat) -> Chat:
    """Join each first line with the lines below it, up to the next first line."""
    groups: list[tuple[_Start, list[str]]] = []
    left_out = []
    for line in lines:
        opened = start(line.lstrip(_INVISIBLE))
        if opened is not None:
            groups.append((opened, [opened.text]))
        elif groups:
            groups[-1][1].append(line)
        elif line.strip():
            left_out.append(line.strip())
    messages = []
    for opened, parts in groups:
        text = "\n".join(parts).strip()
        if opened.speaker is None:
            left_out.append(text)
        else:
            messages.append(
                Message(
                    speaker=opened.speaker,
                    text="" if opened.deleted else text,
                    edited=opened.edited,
                    deleted=opened.deleted,
                )
            )
    return Chat(format=chat_format, messages=tuple(messages), left_out=tuple(left_out))


def _line_reader(lines: Sequence[str], names: Sequence[str]) -> _Reader:
    """How messages start in these lines: as the first does that has a time and a name."""
    first = next((x for line in lines if _has_name(x := line.lstrip(_INVISIBLE))), None)
    if first is None:
        return lambda line: _unstamped_start(line, names)
    if _STAMPED_AFTER.match(first) and not _STAMPED.match(first):
        return _stamped_after_start
    style = _style(first)
    # A line of the text may start with a time too; it is one of another make.
    return lambda line: _stamped_start(line, names) if _style(line) == style else None


def _has_name(line: str) -> bool:
    """Whether a line has a time and then a name, or a name and then a time."""
    opened = _stamped_start(line, ())
    if opened is None:
        return _STAMPED_AFTER.match(line) is not None
    return opened.speaker is not None


def _style(line: str) -> str | None:
    """How the time stands at the head of a line."""
    found = _STAMPED.match(line)
    if found is None:
        return None
    if found["bare"] is None:
        return "bracket" if found["bracket"] is not None else "parenthesis"
    dated = "dated" if re.match(_DATE + r"(?:,|T|\s)", found["bare"]) else "timed"
    return f"{dated}{' with a dash' if found['dash'] else ''}"


def _stamped_start(line: str, names: Sequence[str]) -> _Start | None:
    found = _STAMPED.match(line)
    if found is None:
        return None
    stamp = (found["bracket"] or "").casefold()
    speaker, text = _name_and_text(found["rest"].lstrip(_INVISIBLE[:2]), names)
    return _Start(speaker, text, edited="edited" in stamp, deleted="removed" in stamp)


def _stamped_after_start(line: str) -> _Start | None:
    found = _STAMPED_AFTER.match(line)
    return None if found is None else _Start(found["name"].strip(), found["text"])


def _unstamped_start(line: str, names: Sequence[str]) -> _Start | None:
    known = _known_name(line, names)
    if known is not None:
        return _Start(*known)
    found = None if len(names) > 1 else _UNSTAMPED.match(line)
    return None if found is None else _Start(found["name"].strip(), found["text"] or "")


def _headed_start(line: str) -> _Start | None:
    found = _HEADED.fullmatch(line)
    return None if found is None else _Start((found["after"] or found["before"]).strip(), "")


def _zoom_start(line: str) -> _Start | None:
    found = _ZOOM.match(line)
    return None if found is None else _Start(found["name"].strip(), found["text"] or "")


def _name_and_text(rest: str, names: Sequence[str]) -> tuple[str | None, str]:
    known = _known_name(rest, names)
    if known is not None:
        return known
    for pattern in (_ANGLED, _NAMED):
        found = pattern.match(rest)
        if found is not None:
            name = found["name"].strip(_INVISIBLE + " \u202f\xa0").removeprefix("~").strip()
            return (name or None), found["text"] or ""
    return None, rest


def _known_name(line: str, names: Sequence[str]) -> tuple[str, str] | None:
    for name in sorted(names, key=len, reverse=True):
        length = len(name)
        if line[:length].casefold() == name.casefold() and line[length : length + 1] == ":":
            return line[:length], line[length + 1 :]
    return None


def _without_notices(chat: Chat) -> Chat:
    """Take WhatsApp's own words out of messages: files, changes, notices.

    iOS marks them by an invisible U+200E at their head, also where they stand under a name.
    """
    messages, left_out = [], list(chat.left_out)
    for message in chat.messages:
        marked = message.text.startswith("\u200e")
        text = message.text.lstrip("\u200e")
        shorter = text.removesuffix(_EDITED)
        made = replace(message, text=shorter.rstrip(" \u200e"), edited=shorter != text)
        head, _, caption = made.text.partition("\n")
        if _DELETED.fullmatch(made.text):
            made = replace(made, text="", deleted=True)
        elif (marked or head[:1] == "<" or head[-1:] == ")") and _ATTACHED.fullmatch(head.strip()):
            made = replace(made, text=caption.strip(), files=1)
        elif marked:
            left_out.append(made.text)
            continue
        messages.append(made)
    return replace(chat, messages=tuple(messages), left_out=tuple(left_out))
