"""Marks that several figures share."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mturk_eval.report.style import MUTED, Look
from mturk_eval.stats.ratings.mos import MosRow


def interval_mark(
    axes: Axes,
    place: float,
    value: float,
    limits: tuple[float | None, float | None],
    look: Look,
    *,
    label: str = "",
    size: float = 5.0,
) -> None:
    """A value with its horizontal interval."""
    low, high = limits
    if low is not None and high is not None:
        axes.hlines(place, low, high, color=look.colour, linewidth=1.8)
    axes.plot(
        value, place, marker=look.marker, color=look.colour, markersize=size, linestyle="none",
        markeredgecolor="white", markeredgewidth=0.6, label=label,
    )  # fmt: skip


def zero_line(axes: Axes, x: float = 0.0) -> None:
    """A dashed line where there is no difference."""
    axes.axvline(x, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)


def row_names(axes: Axes, names: Sequence[str]) -> None:
    """Rows from the top, each with its name."""
    axes.set_yticks(range(len(names)), list(names))
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def legend_on_top(figure: Figure, axes: Axes, *, columns: int = 4) -> None:
    """One legend above the figure, names in full."""
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside upper left", ncols=columns,
        handletextpad=0.4, columnspacing=1.4, borderpad=0.1,
    )  # fmt: skip


def means_over_rate(
    axes: Axes, rows: Sequence[MosRow], look: Look, *, label: str, shift: float = 1.0
) -> None:
    """Means with vertical intervals at their rates; ``shift`` keeps methods from hiding others."""
    rates = [shift * (row.bpp or 0.0) for row in rows]
    means = [row.mean for row in rows]
    low = [row.mean if row.ci_low is None else row.ci_low for row in rows]
    high = [row.mean if row.ci_high is None else row.ci_high for row in rows]
    axes.vlines(rates, low, high, color=look.colour, linewidth=1.6)
    axes.plot(
        rates, means, linestyle="none", marker=look.marker, color=look.colour, markersize=5.5,
        markeredgecolor="white", markeredgewidth=0.6, label=label,
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks([0.1, 0.2, 0.4, 0.8], ["0.1", "0.2", "0.4", "0.8"])
    axes.minorticks_off()
    axes.set_xlabel("Rate (bits per pixel)")
