"""Which chat describes which image, and the text of each that counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mturk_eval.compressors.transcripts.counting import Description, describe
from mturk_eval.compressors.transcripts.errors import (
    DescriberError,
    SessionsError,
    TranscriptError,
)
from mturk_eval.compressors.transcripts.messages import ChatFormat
from mturk_eval.compressors.transcripts.reading import read_chat


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One image that one person described to another.

    Attributes
    ----------
    image : str
        Its name: the stem of all three files.
    chat, original : Path
    reconstruction : Path, optional
        The picture on the reconstructor's screen when the describer was content.
    """

    image: str
    chat: Path
    original: Path
    reconstruction: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedSession:
    """A session and the text of it that counts."""

    session: Session
    format: ChatFormat
    description: Description


def pair_sessions(
    chats: Mapping[str, Path],
    originals: Mapping[str, Path],
    reconstructions: Mapping[str, Path] | None = None,
) -> tuple[Session, ...]:
    """Match chats, originals and final pictures by the name of the image.

    Parameters
    ----------
    chats, originals : mapping of str to Path
        See `find_chats` and `mturk_eval.stimuli.matching.find_originals`.
    reconstructions : mapping of str to Path, optional
        Without it, texts are counted only.

    Raises
    ------
    SessionsError
        If a chat lacks its original or its picture.
    """
    problems = [
        f"{path}: no original named {image}"
        for image, path in chats.items()
        if image not in originals
    ]
    if reconstructions is not None:
        problems += [
            f"{path}: no reconstruction named {image}"
            for image, path in chats.items()
            if image not in reconstructions
        ]
    if problems:
        raise SessionsError(problems)
    return tuple(
        Session(
            image=image,
            chat=path,
            original=originals[image],
            reconstruction=None if reconstructions is None else reconstructions[image],
        )
        for image, path in sorted(chats.items())
    )


def count_chats(
    sessions: Sequence[Session],
    *,
    chat_format: ChatFormat | None = None,
    describers: Sequence[str] = (),
    names: Sequence[str] = (),
) -> tuple[CountedSession, ...]:
    """Read every chat and take out the text that counts.

    Parameters
    ----------
    sessions : sequence of Session
    chat_format : ChatFormat, optional
        Default: guessed for each chat.
    describers : sequence of str
        One of whom described in each chat; see `describe`.
    names : sequence of str
        Other people who write; see `read_text_chat`.

    Raises
    ------
    SessionsError
        If a chat cannot be read or its describer cannot be told; holds all such problems.
    """
    counted, problems = [], []
    for session in sessions:
        try:
            chat = read_chat(session.chat, chat_format=chat_format, names=[*describers, *names])
            description = describe(chat, describers)
        except TranscriptError as error:
            problems.append(str(error))
        except DescriberError as error:
            problems.append(f"{session.chat} (read as {chat.format}): {error}")
        else:
            counted.append(
                CountedSession(session=session, format=chat.format, description=description)
            )
    if problems:
        raise SessionsError(problems)
    return tuple(counted)
