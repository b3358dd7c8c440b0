"""Time against the number of ratings, images and raters fixed: a figure and its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.speed_of_statistics.contenders import Watch
from benchmarks.speed_of_statistics.linear import FIT, INTERCEPTS, SLOPES, ours
from benchmarks.speed_of_statistics.tables import CHECKOUT, simulated_ratings

_IMAGES, _RATERS = 200, 2_000
_SIZES = (62_500, 125_000, 250_000, 500_000, 1_000_000, 2_000_000)
_REPEATS = 3
_MODELS = {"random intercepts": INTERCEPTS, "by-image slopes of the method": SLOPES}
FIGURE = CHECKOUT / "docs" / "pictures" / "time-by-ratings.svg"


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Seconds of a fit at each size, and the line through them."""

    model: str
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def line(self) -> tuple[float, float]:
        """Seconds at no ratings, and per million more."""
        slope, intercept = np.polyfit(np.array(self.sizes) / 1e6, self.seconds, 1)
        return float(intercept), float(slope)

    @property
    def r_squared(self) -> float:
        """Share of the variance over sizes that the line explains."""
        return float(np.corrcoef(self.sizes, self.seconds)[0, 1] ** 2)


def measure_growth(sizes: tuple[int, ...] = _SIZES) -> list[Growth]:
    """Fit both models at every size; medians of three."""
    seconds: dict[str, list[float]] = {model: [] for model in _MODELS}
    for size in (sizes[0], *sizes):  # the first size twice: the first time warms up
        table = simulated_ratings(size, images=_IMAGES, raters=_RATERS)
        for model, random_part in _MODELS.items():
            times = [_once(table, random_part) for _ in range(_REPEATS)]
            seconds[model].append(float(np.median(times)))
    return [
        Growth(model=model, sizes=sizes, seconds=tuple(found[1:]))
        for model, found in seconds.items()
    ]


def _once(table: pd.DataFrame, random_part: str) -> float:
    watch = Watch()
    ours(random_part, df=False).work(table, watch)
    return sum(watch.laps[lap] for lap in FIT)


def growth_table(growths: list[Growth]) -> str:
    """Markdown: seconds by size and model, and the straight lines through them."""
    sizes = growths[0].sizes
    lines = [
        f"{_IMAGES} images and {_RATERS:,} raters throughout; from a table of text ids to the fit.",
        "",
        "| ratings | " + " | ".join(f"{growth.model}, s" for growth in growths) + " |",
        "|--:|" + "--:|" * len(growths),
    ]
    for index, size in enumerate(sizes):
        times = " | ".join(f"{growth.seconds[index]:.3f}" for growth in growths)
        lines.append(f"| {size:,} | {times} |")
    lines.append("")
    for growth in growths:
        start, per_million = growth.line
        lines.append(
            f"- {growth.model}: {start:.2f} s + {per_million:.2f} s per million ratings "
            f"(R² {growth.r_squared:.3f})"
        )
    lines += [
        "",
        "While raters saw few of the cells, the sums over raters that slopes need are sparse and",
        "cost the pairs of cells a rater saw; once a dense product is cheaper, it costs the same",
        "at any number of ratings.",
    ]
    return "\n".join(lines)


def draw_growth(growths: list[Growth], path: Path = FIGURE) -> None:
    """Seconds as measured on plain axes: a straight line is linear growth."""
    from mturk_eval.report.style import legend_above, looks, new_figure, paper_style, svg_bytes

    with paper_style():
        figure = new_figure(5.0, 3.0)
        axes = figure.subplots()
        for growth, look in zip(growths, looks(list(_MODELS)).values(), strict=True):
            millions = np.array(growth.sizes) / 1e6
            axes.plot(
                millions,
                growth.seconds,
                look.marker + "-",
                color=look.colour,
                label=growth.model,
                markersize=5,
                linewidth=1.0,
            )
        axes.set_xlabel(f"million ratings of {_IMAGES} images by {_RATERS:,} raters")
        axes.set_ylabel("seconds from the table to the fit")
        axes.set_xlim(0.0)
        axes.set_ylim(0.0)
        legend_above(figure, axes, 5.0)
    path.write_bytes(svg_bytes(figure))
