"""Figure 6: the mean rating of every picture with its bootstrap interval."""

from __future__ import annotations

from typing import Final

import pandas as pd
from matched_ratings import HIGHEST, LOWEST, METHODS
from matplotlib.figure import Figure

from mturk_eval.report.figures_ratings import image_order, means_figure
from mturk_eval.report.style import MUTED, NARROW_IN, WIDE_IN, looks, paper_style
from mturk_eval.stats.ratings.mos import MosResult, mean_opinion_scores

RESAMPLES: Final = 1000
WIDTHS_IN: Final = {"figure_6": WIDE_IN, "figure_6_phone": NARROW_IN}


def picture_means(ratings: pd.DataFrame) -> MosResult:
    """Means with 95 % percentile intervals, single ratings resampled within their picture."""
    return mean_opinion_scores(ratings, unit="rating", resamples=RESAMPLES, seed=0)


def draw(means: MosResult, width_in: float) -> Figure:
    """Images from the largest human - WebP difference down, the differences in the margin."""
    figure = means_figure(means, looks(METHODS), (LOWEST, HIGHEST), width_in=width_in)
    axes = figure.axes[0]
    mean = {(row.image, row.method): row.mean for row in means.rows}
    with paper_style():
        for place, image in enumerate(image_order(means.rows, METHODS)):
            difference = mean[image, "human"] - mean[image, "webp"]
            axes.annotate(
                f"{difference:+.2f}".replace("-", "−"),
                (1.02, place),
                xycoords=axes.get_yaxis_transform(),
                va="center",
                color=MUTED,
            )
        axes.annotate(
            "human\n− webp" if width_in <= NARROW_IN else "human − webp",
            (1.02, 1.01),
            xycoords="axes fraction",
            va="bottom",
            color=MUTED,
        )
    return figure
