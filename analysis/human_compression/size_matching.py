"""WebP files as large as the paper's chats, of photographs that stand in for its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd
from PIL import Image, ImageOps

import mturk_eval
from mturk_eval.errors import StimuliError
from mturk_eval.parallel import map_tasks
from mturk_eval.stimuli.codecs import find_codec
from mturk_eval.stimuli.images import open_for_display
from mturk_eval.stimuli.rate_matching import Miss, PictureFiles

PHOTOGRAPHS: Final = Path(mturk_eval.__file__).parent / "demo" / "photographs"
STAND_INS: Final = ("astronaut", "cat", "coffee", "galaxies", "retina", "rocket")
BYTES_PER_KB: Final = 1000  # the paper does not say; with 1024 every ratio stays the same


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLine:
    """A row of Table 2: an image's resolution and chat, and the WebP file matched to it.

    Attributes
    ----------
    image, photograph : str
        The paper's image, and what stands in for it.
    width, height : int
        Of the original in pixels, as published.
    chat_bytes : int
        As published.
    webp_width, webp_height, webp_bytes : int
        Of the file made here, at quality 0.
    encodes : int
        Files made to find it.
    """

    image: str
    photograph: str
    width: int
    height: int
    chat_bytes: int
    webp_width: int
    webp_height: int
    webp_bytes: int
    encodes: int

    @property
    def ratio(self) -> float:
        """WebP by chat, in bytes; at least 1."""
        return self.webp_bytes / self.chat_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    image: str
    photograph: str
    size: tuple[int, int]
    chat_bytes: int


def match_sizes(published: pd.DataFrame, *, workers: int = 1) -> tuple[SizeLine, ...]:
    """Match WebP to the published size of every chat, always at or over it.

    Parameters
    ----------
    published : DataFrame
        Columns image, original_width, original_height, human_kb.
    workers : int, default 1
        Processes.
    """
    tasks = [
        _Task(
            image=str(row["image"]),
            photograph=STAND_INS[number % len(STAND_INS)],
            size=(int(row["original_width"]), int(row["original_height"])),
            chat_bytes=round(row["human_kb"] * BYTES_PER_KB),
        )
        for number, row in published.iterrows()
        if isinstance(number, int)
    ]
    return tuple(map_tasks(_match_one, tasks, workers=workers))


def encoder() -> str:
    """What wrote the files."""
    return find_codec("webp").encoder()


def published_ratios(published: pd.DataFrame) -> Sequence[float]:
    """WebP by chat in print."""
    return [float(ratio) for ratio in published["webp_kb"] / published["human_kb"]]


def _match_one(task: _Task) -> SizeLine:
    photograph = open_for_display(PHOTOGRAPHS / f"{task.photograph}.webp", (128, 128, 128))
    original = ImageOps.fit(photograph, task.size, Image.Resampling.LANCZOS)
    match = PictureFiles(original, find_codec("webp")).match(task.chat_bytes, side="over")
    if isinstance(match, Miss):
        raise StimuliError(f"{task.image}: {match.reason}")
    return SizeLine(
        image=task.image,
        photograph=task.photograph,
        width=task.size[0],
        height=task.size[1],
        chat_bytes=task.chat_bytes,
        webp_width=match.coded_size[0],
        webp_height=match.coded_size[1],
        webp_bytes=len(match.coded),
        encodes=match.encodes,
    )
