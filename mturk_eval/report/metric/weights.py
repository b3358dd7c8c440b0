"""Figure of learned weights: every channel, and what each layer adds to distances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, PercentFormatter
from numpy.typing import NDArray

from mturk_eval.metric.architectures import LayerSlices
from mturk_eval.report.metric.scores import (
    LEARNED_COLOUR,
    OTHER_COLOUR,
    footer_lines,
    write_footer,
)
from mturk_eval.report.style import (
    NARROW_IN,
    WIDE_IN,
    new_figure,
    only_grid,
    paper_style,
)

_Floats = NDArray[np.float64]
_PANELS_HIGH_IN: Final = 1.35


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelWeights:
    """A metric's weights beside the features that they weigh.

    Attributes
    ----------
    layers : LayerSlices
    weights : ndarray, shape (C,)
        Not negative.
    mean_features : ndarray, shape (C,)
        Mean over pairs of pictures of every channel's squared difference: ``weights *
        mean_features`` is what a channel adds to the mean distance.
    """

    layers: LayerSlices
    weights: _Floats
    mean_features: _Floats

    def of_layer(self, layer: int) -> _Floats:
        """Weights of a layer, the largest first."""
        return np.sort(self.weights[self.layers.slices[layer]])[::-1]

    def shares(self) -> _Floats:
        """Each layer's share of the mean distance, shape (layers,); zeros where that is zero."""
        return _shares(self.weights * self.mean_features, self.layers)

    def equal_shares(self) -> _Floats:
        """The same if all weights were equal."""
        return _shares(self.mean_features, self.layers)


def weights_figure(weights: ChannelWeights, footer: str, *, width_in: float = WIDE_IN) -> Figure:
    """One panel per layer with its weights in falling order, and the layers' shares below.

    All panels have one logarithmic scale, so that the layers can be compared; weights of 0 are
    left blank. Grey: the share that a layer
    would have if all weights were equal.
    """
    n = len(weights.layers.names)
    wide = width_in > NARROW_IN
    columns = n if wide else 2
    rows = -(-n // columns)
    with paper_style():
        notes = footer_lines(footer, width_in)
        shares_in = 0.27 * n + 0.65
        figure = new_figure(
            width_in,
            rows * (_PANELS_HIGH_IN + 0.4) + shares_in + 0.2 + 0.13 * (notes.count("\n") + 1),
        )
        grid = figure.add_gridspec(
            rows + 1, columns, height_ratios=[*[_PANELS_HIGH_IN + 0.4] * rows, shares_in]
        )
        first: Axes | None = None
        for layer in range(n):
            row, column = divmod(layer, columns)
            panel = figure.add_subplot(grid[row, column], sharey=first)
            first = panel if first is None else first
            _draw_layer(panel, weights, layer, labelled=column == 0)
        _draw_shares(figure.add_subplot(grid[rows, :]), weights)
        write_footer(figure, notes)
    return figure


def _draw_layer(axes: Axes, weights: ChannelWeights, layer: int, *, labelled: bool) -> None:
    values = weights.of_layer(layer)
    above = int((values > 0).sum())
    low, high = _limits(weights.weights)
    axes.set_yscale("log")
    axes.fill_between(
        np.arange(above + 1), low, np.append(values[:above], values[above - 1 : above]),
        step="post", color=LEARNED_COLOUR, alpha=0.85, linewidth=0,
    )  # fmt: skip
    axes.set_xlim(0, len(values))
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_title(f"Layer {layer + 1}", fontsize=8.5)
    axes.set_xticks([])
    axes.set_xlabel(f"{len(values)} channels\n{above} above 0", fontsize=7.5)
    axes.tick_params(labelleft=labelled)
    only_grid(axes, "y")
    if labelled:
        axes.set_ylabel("weight")


def _limits(weights: _Floats) -> tuple[float, float]:
    """Decades that hold all weights above 0 but the smallest hundredth."""
    above = weights[weights > 0]
    if not len(above):
        return 0.1, 1.0
    low, high = np.log10(np.quantile(above, 0.01)), np.log10(above.max())
    return float(10 ** np.floor(low)), float(10 ** (high + 0.05 * max(high - low, 1.0)))


def _draw_shares(axes: Axes, weights: ChannelWeights) -> None:
    learned, equal = weights.shares(), weights.equal_shares()
    places = np.arange(len(learned))
    axes.barh(places - 0.2, learned, 0.36, color=LEARNED_COLOUR, alpha=0.85, label="learned")
    axes.barh(places + 0.2, equal, 0.36, color=OTHER_COLOUR, alpha=0.85, label="equal weights")
    for place, share in zip(places, learned, strict=True):
        axes.annotate(
            f"{share:.0%}", (share, place - 0.2), xytext=(3, 0), textcoords="offset points",
            va="center", fontsize=7,
        )  # fmt: skip
    names = [f"Layer {layer + 1} ({name})" for layer, name in enumerate(weights.layers.names)]
    axes.set_yticks(places, names)
    axes.set_ylim(len(learned) - 0.5, -0.5)
    axes.set_xlim(0, max(0.05, float(learned.max()), float(equal.max())) * 1.12)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    only_grid(axes, "x")
    axes.set_xlabel("Share of the mean distance")
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 0.99), ncols=2, fontsize=7.5, borderpad=0.1,
        columnspacing=1.2,
    )  # fmt: skip


def _shares(parts: _Floats, layers: LayerSlices) -> _Floats:
    sums = np.array([parts[part].sum() for part in layers.slices])
    total = sums.sum()
    return sums / total if total > 0 else sums
