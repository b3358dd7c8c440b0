"""The text of one result, by its type; each module of this folder registers those it can write."""

from __future__ import annotations

from functools import singledispatch


@singledispatch
def result_text(result: object) -> str:
    """A result for the terminal, without its warnings."""
    raise TypeError(f"no text for a {type(result).__name__}")
