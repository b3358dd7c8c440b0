"""What a report's page is made of: sections of paragraphs, figures, tables and notes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from matplotlib.figure import Figure

from mturk_eval.report.style import NARROW_IN, WIDE_IN, data_uri
from mturk_eval.report.tables import Cell, format_cell

_PIXELS_PER_INCH = 118  # the page's text column over WIDE_IN: type in figures keeps one size


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure in two widths, what it shows in words, and a caption that explains its intervals."""

    kind: ClassVar[str] = "picture"
    wide: str
    narrow: str
    wide_px: int
    alt: str
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableView:
    """A table of text; ``numeric`` columns are right-aligned. ``folded`` hides it behind a line.

    ``secondary`` columns are not shown on a phone, so that the others fit.
    """

    kind: ClassVar[str] = "table"
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    secondary: tuple[bool, ...]
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A caution that belongs beside a result."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """A paragraph of running text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    text: str


Block = Picture | TableView | Note | Paragraph | Heading


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the report; ``findings`` are its sentences for the top of the page."""

    id: str
    title: str
    blocks: tuple[Block, ...]
    findings: tuple[str, ...] = field(default=())


def picture(draw: Callable[[float], Figure], *, alt: str, caption: str) -> Picture:
    """Draw a figure for a page and for a phone; ``draw`` takes the width in inches."""
    wide = draw(WIDE_IN)
    return Picture(
        wide=data_uri(wide),
        wide_px=round(wide.get_figwidth() * _PIXELS_PER_INCH),
        narrow=data_uri(draw(NARROW_IN)),
        alt=alt,
        caption=caption,
    )


def table_view(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    digits: int = 3,
    folded: bool = False,
    secondary: Collection[str] = (),
) -> TableView:
    """Lay out a table of values."""
    numeric = tuple(
        all(not isinstance(row[column], str) or row[column] == "–" for row in rows)
        for column in range(len(header))
    )
    return TableView(
        caption=caption,
        header=tuple(header),
        rows=tuple(tuple(format_cell(cell, digits) for cell in row) for row in rows),
        numeric=numeric,
        secondary=tuple(name in secondary for name in header),
        folded=folded,
    )
