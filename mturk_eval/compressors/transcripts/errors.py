"""What can be wrong with a chat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mturk_eval.errors import InvalidInputError


class TranscriptError(InvalidInputError):
    """A file is not a chat that can be counted."""

    def __init__(self, source: Path, problem: str) -> None:
        self.source = source
        super().__init__(f"{source}: {problem}")


class DescriberError(InvalidInputError):
    """It cannot be told whose text counts, or they sent none."""


class SessionsError(InvalidInputError):
    """Chats, originals and reconstructions do not fit; holds every problem, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        number = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        listed = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{number}; nothing was written.\n{listed}")
