"""Figure of where a reconstruction differs from its original, for a learned metric."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mturk_eval.metric.difference_maps import DifferenceMaps, scale_end
from mturk_eval.report.metric.scores import footer_lines, write_footer
from mturk_eval.report.style import MUTED, WIDE_IN, new_figure, paper_style

_COLOURS: Final = "magma"  # its lightness alone tells the order
_TITLE_IN: Final = 0.22
_LANDSCAPE: Final = 1.15

Pixels = NDArray[np.uint8]


def maps_figure(
    original: Pixels,
    reconstruction: Pixels,
    maps: DifferenceMaps,
    footer: str,
    *,
    width_in: float = WIDE_IN,
) -> Figure:
    """The pictures, the map of the distance, and the map of every layer, all at one size.

    Two colour scales, from 0 and by the square root, so that faint layers show: one for the sum,
    and one that all layers share.
    """
    height, width, _ = original.shape
    n = len(maps.layer_names)
    columns = 3 if width > _LANDSCAPE * height else max(3, -(-n // 2))
    rows = 1 + -(-n // columns)
    cell_in = (width_in - 0.75) / columns
    total, distance = maps.total, maps.distance
    ends = scale_end(total), scale_end(maps.layers)
    with paper_style():
        notes = footer_lines(footer, width_in)
        figure = new_figure(
            width_in,
            rows * (cell_in * height / width + _TITLE_IN) + 0.1 + 0.13 * (notes.count("\n") + 1),
        )
        axes = figure.subplots(rows, columns, squeeze=False)
        for cell in axes.ravel():
            cell.set_axis_off()
        _show(axes[0, 0], original, "Original")
        _show(axes[0, 1], reconstruction, "Reconstruction")
        _show(axes[0, 2], total, f"All layers: {distance:.3g}", ends[0])
        for layer, cell in enumerate(axes[1:].ravel()[:n]):
            part = maps.layer_distances[layer]
            share = f" ({part / distance:.0%})" if distance > 0 else ""
            _show(cell, maps.layers[layer], f"Layer {layer + 1}: {part:.3g}{share}", ends[1])
        _bar(figure, axes[0], ends[0], "all layers")
        _bar(figure, axes[1:], ends[1], "one layer")
        write_footer(figure, notes)
    return figure


def _show(axes: Axes, pixels: NDArray[np.generic], title: str, end: float | None = None) -> None:
    axes.set_title(title, fontsize=8)
    if end is None:
        axes.imshow(pixels, interpolation="nearest")
    else:
        axes.imshow(pixels, cmap=_COLOURS, norm=_norm(end), interpolation="nearest")


def _bar(figure: Figure, axes: NDArray[np.object_], end: float, label: str) -> None:
    bar = figure.colorbar(
        ScalarMappable(_norm(end), _COLOURS), ax=list(axes.ravel()), extend="max", pad=0.01,
        fraction=0.03, aspect=14,
    )  # fmt: skip
    bar.locator = MaxNLocator(nbins=5, min_n_ticks=3)
    bar.update_ticks()
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=7)
    bar.set_label(label, fontsize=7.5, color=MUTED)


def _norm(end: float) -> Normalize:
    return PowerNorm(0.5, 0.0, end if end > 0 else 1.0)
