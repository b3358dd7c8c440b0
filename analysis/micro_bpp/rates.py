"""The paper's rates against the bytes of files that can be read back."""

from __future__ import annotations

import bz2
from dataclasses import dataclass
from typing import Final

import pandas as pd

from mturk_eval.compressors.micro_bpp import Code, shorten, split_words

SQUARE: Final = 1024 * 1024
PAPERS_TEXT: Final = "ndn trdtln rch wndw lt shdw"
ITS_WORDS: Final = "indian traditional arch window lattice shadow"


def rate_table(published: pd.DataFrame) -> pd.DataFrame:
    """Each rate of the paper, by its number of characters, as symbols, payload and file.

    Columns ``symbol_rate``, ``payload_rate`` and ``file_rate`` are in µbpp at 1024×1024.
    """
    rows = []
    for row in published.itertuples():
        # Any text of the alphabet of that length: what it says changes nothing.
        rate = Code(text="n" * row.characters).rate(SQUARE)
        rows.append(
            {
                "example": row.example,
                "published": row.published_ubpp,
                "characters": row.characters,
                "symbol_rate": round(rate.symbol_rate, 3),
                "payload_rate": round(rate.payload_rate, 2),
                "file_rate": round(rate.file_rate, 2),
            }
        )
    return pd.DataFrame(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCost:
    """What one text costs under one way of writing it."""

    way: str
    text: str
    bits: int

    @property
    def ubpp(self) -> float:
        """Bits per pixel at 1024×1024, times 1e6."""
        return 1e6 * self.bits / SQUARE


def text_costs() -> list[TextCost]:
    """The paper's example text, with its w's counted in several ways."""
    escaped = Code(text=PAPERS_TEXT)
    replaced = Code(text=PAPERS_TEXT.replace("w", "v"))
    ours, _ = shorten(split_words(ITS_WORDS))
    return [
        TextCost(way="the paper: 4 bits each", text=PAPERS_TEXT, bits=4 * len(PAPERS_TEXT)),
        TextCost(way="w escaped: symbols", text=PAPERS_TEXT, bits=4 * len(escaped.symbols)),
        TextCost(way="w escaped: payload", text=PAPERS_TEXT, bits=8 * len(escaped.payload)),
        TextCost(way="w escaped: file", text=PAPERS_TEXT, bits=8 * len(escaped.file)),
        TextCost(way="v in place of w: file", text=replaced.text, bits=8 * len(replaced.file)),
        TextCost(way="our rule on its words: file", text=ours.text, bits=8 * len(ours.file)),
        TextCost(way="ASCII", text=PAPERS_TEXT, bits=8 * len(PAPERS_TEXT)),
        TextCost(way="bzip2", text=PAPERS_TEXT, bits=8 * len(bz2.compress(PAPERS_TEXT.encode()))),
        TextCost(way="ASCII, whole words", text=ITS_WORDS, bits=8 * len(ITS_WORDS)),
    ]


def rates_markdown(table: pd.DataFrame) -> str:
    """The rate table for a person."""
    lines = [
        "µbpp at 1024×1024",
        "",
        "| in the paper | published | characters | 4 bits a character | whole bytes | file |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    lines += [
        f"| {row.example} | {row.published} | {row.characters} | {row.symbol_rate:.3f} | "
        f"{row.payload_rate:.2f} | {row.file_rate:.2f} |"
        for row in table.itertuples()
    ]
    return "\n".join(lines) + "\n"


def costs_markdown(costs: list[TextCost]) -> str:
    """The costs of the example text for a person."""
    lines = ["| counted as | text | bits | µbpp |", "| --- | --- | --: | --: |"]
    lines += [f"| {c.way} | `{c.text}` | {c.bits} | {c.ubpp:.1f} |" for c in costs]
    return "\n".join(lines) + "\n"
