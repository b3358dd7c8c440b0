"""Chats exported as JSON: Slack's day files, DiscordChatExporter, Telegram Desktop."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mturk_eval.compressors.transcripts.messages import Chat, ChatFormat, Message

# What people write, in Slack's words; every other subtype is a notice.
_SLACK_WRITTEN: Final = frozenset(
    {None, "", "bot_message", "file_share", "me_message", "thread_broadcast", "tombstone"}
)
_DISCORD_WRITTEN: Final = frozenset({"Default", "Reply", "0", "19", 0, 19})
_SLACK_TOKEN: Final = re.compile(r"<(?P<target>[^<>|]+)(?:\|(?P<label>[^<>]*))?>")


def guess_json_format(document: object) -> ChatFormat | None:
    """Which program wrote a JSON document; None where it is not a chat we know."""
    if isinstance(document, dict):
        rows = document.get("messages")
        if not isinstance(rows, list):
            return None
        found = [row for row in rows if isinstance(row, dict)]
        if any(isinstance(row.get("author"), dict) for row in found) or "guild" in document:
            return ChatFormat.discord
        if any("ts" in row for row in found):
            return ChatFormat.slack
        is_telegram = any({"from", "from_id", "date_unixtime"} & set(row) for row in found)
        return ChatFormat.telegram if is_telegram else None
    if isinstance(document, list) and all(isinstance(row, dict) for row in document):
        return ChatFormat.slack
    return None


def read_json_chat(
    document: Any, chat_format: ChatFormat, people: Mapping[str, str] | None = None
) -> Chat:
    """Read a chat out of a JSON document.

    Parameters
    ----------
    document : object
        As parsed.
    chat_format : ChatFormat
        One of the JSON formats.
    people : mapping, optional
        Slack: names by user id, from the export's users.json.

    Raises
    ------
    ValueError
        If the document is not shaped as this format's; says where.
    """
    rows = document.get("messages") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise ValueError("no list of messages")
    messages: list[Message] = []
    left_out: list[str] = []
    if chat_format is ChatFormat.slack:
        rows = sorted(rows, key=_slack_time)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise ValueError(f"message {number} is not an object")
        try:
            if chat_format is ChatFormat.slack:
                made = _slack_message(row, people or {})
            elif chat_format is ChatFormat.discord:
                made = _discord_message(row)
            else:
                made = _telegram_message(row)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"message {number} is not as it writes them ({error})") from error
        if isinstance(made, Message):
            messages.append(made)
        else:
            left_out.append(made)
    return Chat(format=chat_format, messages=tuple(messages), left_out=tuple(left_out))


def slack_people(users: object) -> dict[str, str]:
    """Names by user id from an export's users.json; empty where it is not one."""
    if not isinstance(users, list):
        return {}
    return {
        user["id"]: _slack_name(user.get("profile"), user.get("real_name"), user.get("name"))
        or user["id"]
        for user in users
        if isinstance(user, dict) and isinstance(user.get("id"), str)
    }


def _slack_time(row: Any) -> float:
    try:
        return float(row["ts"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError("a message has no time `ts`") from error


def _slack_name(profile: Any, *others: Any) -> str:
    profile = profile if isinstance(profile, dict) else {}
    names = (profile.get("display_name"), profile.get("real_name"), *others)
    return next((name for name in names if isinstance(name, str) and name), "")


def _slack_message(row: Mapping[str, Any], people: Mapping[str, str]) -> Message | str:
    text = _slack_text(_string(row.get("text"), "text"), people)
    subtype = row.get("subtype")
    if row.get("type", "message") != "message" or subtype not in _SLACK_WRITTEN:
        return text or str(subtype)
    user = row.get("user") or row.get("bot_id") or ""
    name = people.get(user) or _slack_name(row.get("user_profile"), row.get("username"), user)
    deleted = subtype == "tombstone"
    return Message(
        speaker=name or "(unknown)",
        text="" if deleted else text,
        files=len(row.get("files") or ()),
        edited="edited" in row,
        deleted=deleted,
    )


def _slack_text(text: str, people: Mapping[str, str]) -> str:
    """Undo Slack's escapes, so that links and signs stand as they were sent.

    Examples
    --------
    >>> _slack_text("see <http://www.foo.com|www.foo.com> &amp; <https://a.org/?x=1&amp;y=2>", {})
    'see www.foo.com & https://a.org/?x=1&y=2'
    """

    def plain(token: re.Match[str]) -> str:
        target, label = token["target"], token["label"]
        if target[0] in "@#!":
            shown = label or people.get(target[1:], target[1:])
            return f"{'#' if target[0] == '#' else '@'}{shown.lstrip('@#')}"
        if label is None or label == target:
            return target.removeprefix("mailto:")
        # A bare "www.foo.com" comes as link and words; a link under other words was sent as both.
        return label if target.rstrip("/").endswith(label.rstrip("/")) else f"{label} ({target})"

    return html.unescape(_SLACK_TOKEN.sub(plain, text)).strip()


def _discord_message(row: Mapping[str, Any]) -> Message | str:
    text = _string(row.get("content"), "content").strip()
    if row.get("type", "Default") not in _DISCORD_WRITTEN:
        return text or str(row["type"])
    author = row["author"]
    return Message(
        speaker=str(author.get("nickname") or author["name"]),
        text=text,
        files=len(row.get("attachments") or ()) + len(row.get("stickers") or ()),
        edited=bool(row.get("timestampEdited")),
    )


def _telegram_message(row: Mapping[str, Any]) -> Message | str:
    text = _telegram_text(row.get("text", ""))
    if row.get("type", "message") != "message":
        return text or str(row.get("action", row["type"]))
    files = sum(bool(row.get(key)) for key in ("photo", "file", "location_information", "poll"))
    return Message(
        speaker=str(row.get("from") or row.get("from_id") or "(deleted account)"),
        text=text,
        files=files,
        edited=bool(row.get("edited")),
    )


def _telegram_text(parts: object) -> str:
    """Words in a row; a link under other words was sent as both."""
    if isinstance(parts, str):
        return parts.strip()
    if not isinstance(parts, Sequence):
        raise TypeError("text")
    words = []
    for part in parts:
        if isinstance(part, str):
            words.append(part)
            continue
        link = part.get("href", "")
        words.append(f"{part['text']} ({link})" if link else _string(part["text"], "text"))
    return "".join(words).strip()


def _string(value: object, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(name)
    return value.replace("\r\n", "\n").replace("\r", "\n")
