"""Human compression: what one person types to another until a picture is rebuilt.

After Bhown et al. (2019): the describer's side of a chat, without times and compressed by bzip2,
is the coded image; the reconstructor's final picture is what it decodes to. A chat comes from the
export of a chat program; a session held elsewhere yields the same two things, a transcript and a
picture, and enters by `CountedSession`.
"""

from __future__ import annotations

from mturk_eval.compressors.transcripts.counting import Description, counted_text, describe
from mturk_eval.compressors.transcripts.errors import (
    DescriberError,
    SessionsError,
    TranscriptError,
)
from mturk_eval.compressors.transcripts.files import Outcome, Rate, write_stimuli
from mturk_eval.compressors.transcripts.messages import Chat, ChatFormat, Message
from mturk_eval.compressors.transcripts.reading import find_chats, read_chat
from mturk_eval.compressors.transcripts.sessions import (
    CountedSession,
    Session,
    count_chats,
    pair_sessions,
)

__all__ = [
    "Chat",
    "ChatFormat",
    "CountedSession",
    "DescriberError",
    "Description",
    "Message",
    "Outcome",
    "Rate",
    "Session",
    "SessionsError",
    "TranscriptError",
    "count_chats",
    "counted_text",
    "describe",
    "find_chats",
    "pair_sessions",
    "read_chat",
    "write_stimuli",
]
