"""The prompts: one file each, a study's own folder before ours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from mturk_eval.compressors.micro_bpp.errors import PromptError

# What each step's prompt must leave to be filled in.
BLANKS: Final[Mapping[str, frozenset[str]]] = {
    "describe": frozenset(),
    "select": frozenset({"words", "description"}),
    "shorten": frozenset({"words"}),
    "expand": frozenset({"text"}),
    "generate": frozenset({"description"}),
    "compare": frozenset({"seen", "wanted"}),
    "change": frozenset({"change"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The text of each step's prompt, with ``${blanks}`` to fill in."""

    texts: Mapping[str, str]

    def fill(self, step: str, **blanks: object) -> str:
        """The prompt of a step.

        Examples
        --------
        >>> load_prompts().fill("change", change="red sky").splitlines()[-1]
        'Keep everything in this picture as it is, but make this change: red sky'
        """
        return Template(self.texts[step]).substitute({k: str(v) for k, v in blanks.items()})

    @property
    def digest(self) -> str:
        """Short digest of all prompts, for a stimulus's settings."""
        joined = "\0".join(f"{step}\0{self.texts[step]}" for step in sorted(self.texts))
        return hashlib.sha256(joined.encode()).hexdigest()[:8]


def load_prompts(folder: Path | None = None) -> Prompts:
    """Read ``STEP.txt`` for every step, from a study's folder where it has one.

    Raises
    ------
    PromptError
        If a file in the folder is no step's, is not text, or lacks a blank or has one too many.
    """
    shipped = files("mturk_eval.compressors.micro_bpp").joinpath("prompts")
    texts = {step: shipped.joinpath(f"{step}.txt").read_text(encoding="utf-8") for step in BLANKS}
    if folder is not None:
        texts |= _own_texts(folder)
    return Prompts(texts={step: text.strip() for step, text in texts.items()})


def _own_texts(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise PromptError(f"{folder} is not a folder of prompts (--prompts).")
    paths = sorted(folder.glob("*.txt"))
    if not paths:
        raise PromptError(f"{folder}: no prompts; files are named {_file_names()}.")
    own = {}
    for path in paths:
        if path.stem not in BLANKS:
            raise PromptError(f"{path}: no step has this name; files are named {_file_names()}.")
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise PromptError(f"{path}: not a text that can be read ({error}).") from error
        _check(path, text, BLANKS[path.stem])
        own[path.stem] = text
    return own


def _check(path: Path, text: str, blanks: frozenset[str]) -> None:
    if not text.strip():
        raise PromptError(f"{path} is empty.")
    template = Template(text)
    if not template.is_valid():
        raise PromptError(f"{path} holds a dollar sign that begins no ${{blank}}; write it as $$.")
    found = set(template.get_identifiers())
    for blank in sorted(blanks - found):
        raise PromptError(f"{path}: ${{{blank}}} is missing, where the {blank} is filled in.")
    for blank in sorted(found - blanks):
        raise PromptError(
            f"{path}: nothing fills in ${{{blank}}}; this prompt has "
            f"{', '.join(f'${{{name}}}' for name in sorted(blanks)) or 'no blanks'}."
        )


def _file_names() -> str:
    return ", ".join(f"{step}.txt" for step in BLANKS)
