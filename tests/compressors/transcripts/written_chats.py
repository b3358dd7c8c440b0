"""One conversation as each chat program saves it."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence
from typing import Any

Line = tuple[str, str]
"""Who, and what."""


def _clock(number: int) -> tuple[int, int, int]:
    return 9 + number // 3600 % 12, number // 60 % 60, number % 60


def _twelve_hours(number: int, space: str) -> str:
    hour, minute, _ = _clock(number)
    return f"{(hour - 1) % 12 + 1}:{minute:02}{space}{'AM' if hour < 12 else 'PM'}"


def bracketed(lines: Sequence[Line]) -> str:
    return "\n".join(f"[{h:02}:{m:02}] {who}: {text}" for (h, m, _), who, text in _timed(lines))


def skype(lines: Sequence[Line]) -> str:
    return "\n".join(
        f"[3/12/2019 {h}:{m:02}:{s:02} PM] {who}: {text}" for (h, m, s), who, text in _timed(lines)
    )


def irc(lines: Sequence[Line]) -> str:
    return "\n".join(f"{h:02}:{m:02} <{who}> {text}" for (h, m, _), who, text in _timed(lines))


def tabbed(lines: Sequence[Line]) -> str:
    return "\n".join(
        f"{h:02}:{m:02}:{s:02}\t{who}:\t{text}" for (h, m, s), who, text in _timed(lines)
    )


def android(lines: Sequence[Line]) -> str:
    head = "12/03/2024, 08:59 - Messages and calls are end-to-end encrypted.\n"
    return head + "\n".join(
        f"12/03/2024, {h:02}:{m:02} - {who}: {text}" for (h, m, _), who, text in _timed(lines)
    )


def android_in_america(lines: Sequence[Line]) -> str:
    return "\n".join(
        f"3/12/24, {_twelve_hours(number, chr(0x202F))} - {who}: {text}"
        for number, (who, text) in enumerate(lines)
    )


def android_in_germany(lines: Sequence[Line]) -> str:
    return "\n".join(
        f"12.03.24, {h:02}:{m:02} - {who}: {text}" for (h, m, _), who, text in _timed(lines)
    )


def ios(lines: Sequence[Line]) -> str:
    head = f"[12.03.24, 08:59:00] {lines[0][0]}: \u200eMessages are end-to-end encrypted.\n"
    return head + "\n".join(
        f"[12.03.24, {h:02}:{m:02}:{s:02}] {who}: {text}" for (h, m, s), who, text in _timed(lines)
    )


def ios_in_america(lines: Sequence[Line]) -> str:
    return "\n".join(
        f"[3/12/24, {h}:{m:02}:{s:02}\u202fAM] {who}: {text}"
        for (h, m, s), who, text in _timed(lines)
    )


def zoom(lines: Sequence[Line]) -> str:
    return "\n".join(
        f"{h:02}:{m:02}:{s:02} From {who} to Everyone:\n\t" + text.replace("\n", "\n\t")
        for (h, m, s), who, text in _timed(lines)
    )


def older_zoom(lines: Sequence[Line]) -> str:
    return "\n".join(
        f"{h:02}:{m:02}:{s:02}\t From  {who}  to  Everyone : {text}"
        for (h, m, s), who, text in _timed(lines)
    )


def teams(lines: Sequence[Line]) -> str:
    return "\n".join(f"[{h:02}:{m:02}] {who}\n{text}" for (h, m, _), who, text in _timed(lines))


def copied_from_telegram(lines: Sequence[Line]) -> str:
    return "\n\n".join(
        f"{who}, [12.03.24 {h:02}:{m:02}]\n{text}" for (h, m, _), who, text in _timed(lines)
    )


def slack(lines: Sequence[Line]) -> str:
    rows = [
        {
            "type": "message",
            "user": f"U{who}",
            "text": html.escape(text, quote=False),
            "ts": f"{1_700_000_000 + number}.000100",
            "user_profile": {"real_name": who, "display_name": ""},
        }
        for number, (who, text) in enumerate(lines)
    ]
    joined = {"type": "message", "subtype": "channel_join", "text": "has joined", "ts": "1.0"}
    return json.dumps([*reversed(rows), joined])


def discord(lines: Sequence[Line]) -> str:
    rows: list[dict[str, Any]] = [
        {
            "id": str(number),
            "type": "Default",
            "timestamp": "2024-03-12T09:00:00+00:00",
            "timestampEdited": None,
            "content": text,
            "author": {"id": "1", "name": who.lower(), "nickname": who},
            "attachments": [],
            "stickers": [],
        }
        for number, (who, text) in enumerate(lines)
    ]
    joined = {"type": "GuildMemberJoin", "content": "joined", "author": {"name": "x"}}
    return json.dumps({"guild": {}, "channel": {}, "messages": [joined, *rows]}, indent=2)


def telegram(lines: Sequence[Line]) -> str:
    rows: list[dict[str, Any]] = [
        {
            "id": number,
            "type": "message",
            "date": "2024-03-12T09:00:00",
            "from": who,
            "from_id": "user1",
            "text": _parts(text),
        }
        for number, (who, text) in enumerate(lines)
    ]
    created = {"id": 0, "type": "service", "action": "create_group", "text": ""}
    return json.dumps({"name": "x", "type": "private_group", "messages": [created, *rows]})


def _parts(text: str) -> str | list[object]:
    """Telegram cuts a text where its form changes."""
    head, space, tail = text.partition(" ")
    return [head + space, {"type": "bold", "text": tail}] if tail else text


def _timed(lines: Sequence[Line]) -> list[tuple[tuple[int, int, int], str, str]]:
    return [(_clock(number), who, text) for number, (who, text) in enumerate(lines)]


WRITERS: dict[str, tuple[str, Callable[[Sequence[Line]], str]]] = {
    "bracketed": ("plain", bracketed),
    "skype": ("plain", skype),
    "irc": ("plain", irc),
    "tabbed": ("plain", tabbed),
    "android": ("whatsapp", android),
    "android in America": ("whatsapp", android_in_america),
    "android in Germany": ("whatsapp", android_in_germany),
    "iOS": ("whatsapp", ios),
    "iOS in America": ("whatsapp", ios_in_america),
    "zoom": ("zoom", zoom),
    "older zoom": ("zoom", older_zoom),
    "teams": ("copied", teams),
    "copied from telegram": ("copied", copied_from_telegram),
    "slack": ("slack", slack),
    "discord": ("discord", discord),
    "telegram": ("telegram", telegram),
}
