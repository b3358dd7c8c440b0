"""What of a chat counts, and how many bytes that is.

The rule of Bhown et al. (2019): of the two people only the describer's text is sent to the decoder,
so times and the reconstructor's lines are taken out, and the rest is compressed by bzip2.
"""

from __future__ import annotations

import bz2
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mturk_eval.compressors.transcripts.errors import DescriberError
from mturk_eval.compressors.transcripts.messages import Chat, Message

BZIP2_LEVEL: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The text that one image was sent as.

    Attributes
    ----------
    describer : str
        Who wrote it.
    messages : int
        How many messages of the describer hold text.
    text : str
        Them in their order, each with one ``\\n`` at its end; no names, no times.
    coded : bytes
        ``text`` in UTF-8, compressed by bzip2 (blocks of 900 kB, the level 9 of its command).
    notes : tuple of str
        What was left out, and what the bytes do not cover.
    """

    describer: str
    messages: int
    text: str
    coded: bytes
    notes: tuple[str, ...]


def describe(chat: Chat, describers: Sequence[str] = ()) -> Description:
    """Take out the text that counts.

    Parameters
    ----------
    chat : Chat
        With at least one message.
    describers : sequence of str
        Names of describers of the study, one of whom wrote here (case does not matter). May be
        empty where one person alone wrote.

    Raises
    ------
    DescriberError
        If it cannot be told who the describer is, or they sent no text; lists who wrote how much.

    Examples
    --------
    >>> from mturk_eval.compressors.transcripts.messages import ChatFormat
    >>> chat = Chat(format=ChatFormat.plain, messages=(
    ...     Message(speaker="Ada", text="a red balloon"), Message(speaker="Ben", text="where?"),
    ...     Message(speaker="Ada", text="on the left")))
    >>> describe(chat, ["Ada"]).text
    'a red balloon\\non the left\\n'
    """
    describer = _describer(chat, describers)
    own = [message for message in chat.messages if message.speaker == describer]
    texts = [message.text for message in own if message.text]
    if not texts:
        raise DescriberError(f"{describer} sent no text that counts.")
    text = counted_text(texts)
    return Description(
        describer=describer,
        messages=len(texts),
        text=text,
        coded=bz2.compress(text.encode(), BZIP2_LEVEL),
        notes=_notes(chat, describer, own),
    )


def counted_text(texts: Sequence[str]) -> str:
    """Messages one after the other, each with one newline at its end."""
    return "".join(f"{text}\n" for text in texts)


def _describer(chat: Chat, describers: Sequence[str]) -> str:
    speakers = chat.speakers()
    listed = ", ".join(f"{name} ({count:,})" for name, count in speakers.items())
    if not describers:
        if len(speakers) == 1:
            return next(iter(speakers))
        raise DescriberError(
            f"more than one person wrote; messages: {listed}. Say who described (--describer NAME)."
        )
    wanted = {name.strip().casefold() for name in describers}
    found = [name for name in speakers if name.casefold() in wanted]
    if len(found) == 1:
        return found[0]
    problem = "several describers wrote" if found else f"{', '.join(describers)} did not write"
    raise DescriberError(
        f"{problem}; messages: {listed}. One of them described (--describer NAME)."
    )


def _notes(chat: Chat, describer: str, own: Sequence[Message]) -> tuple[str, ...]:
    notes = []
    others = {name: count for name, count in chat.speakers().items() if name != describer}
    if others:
        listed = ", ".join(f"{name} ({count:,})" for name, count in others.items())
        notes.append(f"not counted, by their writers: {listed}")
    if chat.left_out:
        first = chat.left_out[0].partition("\n")[0]
        shown = first if len(first) <= 60 else f"{first[:60]}…"
        notes.append(f"not counted, written by nobody: {len(chat.left_out)} (first: {shown!r})")
    files = sum(message.files for message in own)
    if files:
        notes.append(
            f"WARNING: {describer} sent {files} file(s), whose bytes are not counted: the rate is "
            "too small, and the picture may hold what no text said"
        )
    deleted = sum(message.deleted for message in own)
    if deleted:
        notes.append(f"WARNING: {deleted} message(s) were taken back and are not counted")
    edited = sum(message.edited for message in own)
    if edited:
        notes.append(f"{edited} message(s) were edited; their last wording is counted")
    return tuple(notes)
