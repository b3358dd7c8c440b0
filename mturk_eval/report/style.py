"""How figures look: colours that colour-blind readers can tell apart, a marker for each, one type.

Figures are drawn without pyplot, so nothing is global, and come out as SVG with text as shapes:
they look the same in every browser and in a paper.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDE_IN = 7.0
"""Width of a figure across a page's two columns."""
NARROW_IN = 3.6
"""Width of a figure in one column, or on a phone."""

INK = "#1b1f24"
MUTED = "#5b6470"
GRID = "#dfe3e8"
BAND = "#eef1f4"

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "X", "P")

_STYLE: dict[Any, Any] = {  # matplotlib types its keys as one long Literal
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.4,
    "svg.fonttype": "path",
    "svg.hashsalt": "mturk-eval",
    "pdf.fonttype": 42,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@dataclass(frozen=True, slots=True)
class Look:
    """A method's colour and marker, the same in every figure."""

    colour: str
    marker: str


def looks(methods: Sequence[str]) -> dict[str, Look]:
    """A look for every method; beyond seven the markers shift against the colours."""
    n = len(_COLOURS)
    return {
        method: Look(_COLOURS[index % n], _MARKERS[(index + index // n) % n])
        for index, method in enumerate(methods)
    }


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw inside this."""
    with mpl.rc_context(_STYLE):
        yield


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure that lays itself out."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def svg_bytes(figure: Figure) -> bytes:
    """The figure as SVG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with paper_style():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def data_uri(figure: Figure) -> str:
    """The figure as an address that holds it, for ``<img src>``."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg_bytes(figure)).decode("ascii")


def shortened(names: Sequence[str], width_in: float) -> list[str]:
    """Names that leave room for the figure: long ones lose their middle, if they stay distinct.

    Examples
    --------
    >>> shortened(["kodim01", "a-photograph-of-an-old-lighthouse"], NARROW_IN)
    ['kodim01', 'a-photo…hthouse']
    """
    limit = 30 if width_in > NARROW_IN else 15
    for room in range(limit, max(map(len, names), default=0) + 1):
        start = room // 2
        short = [n if len(n) <= room else f"{n[:start]}…{n[start + 1 - room :]}" for n in names]
        if len(set(short)) == len(set(names)):
            return short
    return list(names)


def legend_above(figure: Figure, axes: Axes, width_in: float) -> None:
    """One legend for the figure, above its panels."""
    handles, names = axes.get_legend_handles_labels()
    labels = shortened(names, width_in)
    columns = max(1, int(width_in * 12 / (max(map(len, labels), default=1) + 5)))
    figure.legend(
        handles,
        labels,
        loc="outside upper left",
        ncols=min(columns, max(1, len(labels))),
        handletextpad=0.4,
        columnspacing=1.4,
        borderpad=0.1,
    )


def only_grid(axes: Axes, axis: str) -> None:
    """Grid lines along one axis only."""
    axes.grid(visible=False, axis="x" if axis == "y" else "y")
