"""The nouns: who wrote what in a chat, whichever program it was held in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum


class ChatFormat(StrEnum):
    """How a chat was saved."""

    plain = "plain"
    """Text: ``[time] name: text`` and its relatives, with or without times."""
    copied = "copied"
    """Text copied out of Teams or Telegram: name and time on a line, the words below it."""
    whatsapp = "whatsapp"
    """WhatsApp's "export chat", of Android or iOS."""
    zoom = "zoom"
    """The chat that Zoom saves: ``time From name to name : text``."""
    slack = "slack"
    """A channel of a Slack export: its folder of day files, or one of them."""
    discord = "discord"
    """JSON of DiscordChatExporter."""
    telegram = "telegram"
    """One chat as Telegram Desktop exports it as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one person sent at once.

    Attributes
    ----------
    speaker : str
        The name in the chat.
    text : str
        As it was typed, links included; lines end with ``\\n``, no white space at either end.
    files : int
        Pictures, recordings and the like that were sent with it; they are not in ``text``.
    edited, deleted : bool
        Changed after it was sent, so that only the last wording is known; or taken back.
    """

    speaker: str
    text: str
    files: int = 0
    edited: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A conversation in its order.

    ``left_out`` are lines that nobody wrote: notices of the program, a heading.
    """

    format: ChatFormat
    messages: tuple[Message, ...]
    left_out: tuple[str, ...] = ()

    def speakers(self) -> Counter[str]:
        """Who wrote, and how many messages, in the order of their first ones."""
        return Counter(message.speaker for message in self.messages)
