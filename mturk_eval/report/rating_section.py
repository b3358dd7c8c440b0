"""The report on ratings: means per image, their distribution, and the mixed model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mturk_eval.errors import MturkEvalError
from mturk_eval.report.blocks import Block, Note, Section, picture, table_view
from mturk_eval.report.figures_ratings import distribution_figure, means_figure
from mturk_eval.report.method_differences import Fits, difference_blocks, difference_findings
from mturk_eval.report.style import Look
from mturk_eval.report.tables import format_rate, interval
from mturk_eval.report.text.ratings import describe_mos_error, describe_mos_interval
from mturk_eval.stats.mixed.model import MixedResult, fit_mixed
from mturk_eval.stats.ratings.mos import MosResult, mean_opinion_scores
from mturk_eval.trials import HIGHEST_RATING, LOWEST_RATING


def rating_section(ratings: pd.DataFrame, styles: Mapping[str, Look]) -> Section:
    """The section on the main trials' ratings; methods stand in the order of ``styles``."""
    scale = rating_scale(ratings)
    per_image = mean_opinion_scores(ratings, unit="rater")
    both = ratings["image"].nunique() > 1 and ratings["rater"].nunique() > 1
    overall = mean_opinion_scores(ratings, unit="both") if both else per_image
    rated = {row.method for row in per_image.methods}
    methods = [method for method in styles if method in rated]
    fits = _mixed_models(ratings)
    return Section(
        id="ratings",
        title="Ratings",
        blocks=(
            *_mean_blocks(per_image, methods, styles, scale),
            *_overall_blocks(ratings, overall, methods, styles, scale),
            *difference_blocks(fits, methods),
        ),
        findings=tuple(_findings(ratings, overall, methods, fits)),
    )


def rating_scale(ratings: pd.DataFrame) -> tuple[float, float] | None:
    """1 to 10 where every rating is a whole number in it, else unknown."""
    values = ratings["rating"].to_numpy(np.float64)
    whole = bool(np.all(values == np.round(values)))
    inside = bool(values.min() >= LOWEST_RATING and values.max() <= HIGHEST_RATING)
    return (float(LOWEST_RATING), float(HIGHEST_RATING)) if whole and inside else None


def _mixed_models(
    ratings: pd.DataFrame,
) -> list[tuple[float | None, MixedResult | MturkEvalError]]:
    """The default model per rate as ``analyze --model mixed`` fits it, or why there is none."""
    fits: list[tuple[float | None, MixedResult | MturkEvalError]] = []
    rates = ratings["bpp"].astype(float)
    for rate in sorted(rates.unique(), key=lambda value: (np.isnan(value), value)):
        rows = ratings[rates.isna() if np.isnan(rate) else rates == rate]
        label = None if np.isnan(rate) else float(rate)
        try:
            fits.append((label, fit_mixed(rows)))
        except MturkEvalError as error:
            fits.append((label, error))
    return fits


# --- means ----------------------------------------------------------------------------------------


def _mean_blocks(
    result: MosResult,
    methods: Sequence[str],
    styles: Mapping[str, Look],
    scale: tuple[float, float] | None,
) -> list[Block]:
    order = (
        f"Images are ordered by the difference {methods[0]} − {methods[-1]}."
        if len(methods) > 1
        else "Images are ordered by their mean."
    )
    level = f"{result.ci_level:.0%}"
    caption = (
        f"Mean rating of every image and method; bars are {level} intervals. {order} "
        f"Intervals: {describe_mos_interval(result)}"
    )
    rows = [
        [row.image, row.method, *([format_rate(row.bpp)] if result.has_rates else []),
         row.mean, interval(row.ci_low, row.ci_high), row.std_error, row.n]
        for row in sorted(result.rows, key=lambda r: (str(r.image), methods.index(r.method)))
    ]  # fmt: skip
    best = max(result.rows, key=lambda row: row.mean)
    worst = min(result.rows, key=lambda row: row.mean)
    return [
        picture(
            lambda width: means_figure(result, styles, scale, width_in=width),
            alt=(
                f"Mean ratings of {len({row.image for row in result.rows})} images for "
                f"{' and '.join(methods)}, from {worst.mean:.2f} ({worst.image}, {worst.method}) "
                f"to {best.mean:.2f} ({best.image}, {best.method}). The table below has all values."
            ),
            caption=caption,
        ),
        table_view(
            f"Means per image. {describe_mos_interval(result)} {describe_mos_error(result)}",
            ["image", "method", *(["bpp"] if result.has_rates else []), "mean",
             f"{level} interval", "SE", "n"],
            rows,
            digits=2,
            secondary=("SE", "n"),
            folded=True,
        ),
    ]  # fmt: skip


def _overall_blocks(
    ratings: pd.DataFrame,
    overall: MosResult,
    methods: Sequence[str],
    styles: Mapping[str, Look],
    scale: tuple[float, float] | None,
) -> list[Block]:
    level = f"{overall.ci_level:.0%} interval"
    rows = [
        [row.method, *([format_rate(row.bpp)] if overall.has_rates else []),
         row.mean, interval(row.ci_low, row.ci_high), row.std_error, row.n_images, row.n]
        for row in sorted(overall.methods, key=lambda r: (r.bpp or 0.0, methods.index(r.method)))
    ]  # fmt: skip
    return [
        table_view(
            f"Means per method, each image counting the same. {describe_mos_interval(overall)} "
            f"{describe_mos_error(overall)}",
            ["method", *(["bpp"] if overall.has_rates else []), "mean", level, "SE", "images",
             "ratings"],
            rows,
            digits=2,
            secondary=("SE", "ratings"),
        ),
        *(Note(text=text) for text in overall.warnings if "--unit" not in text),
        picture(
            lambda width: distribution_figure(ratings, methods, styles, scale, width_in=width),
            alt="Histograms of the ratings of " + ", ".join(methods) + ".",
            caption=(
                "Share of every rating, per method; the line marks the mean. These are counts of "
                "all main ratings; there is no interval."
            ),
        ),
    ]  # fmt: skip


# --- the top of the page --------------------------------------------------------------------------


def _findings(
    ratings: pd.DataFrame,
    overall: MosResult,
    methods: Sequence[str],
    fits: Fits,
) -> list[str]:
    if len(methods) < 2:
        row = overall.methods[0]
        return [f"{row.method} was rated {row.mean:.2f} on average (ratings: {row.n:,})."]
    found = []
    best, worst = methods[0], methods[-1]
    if overall.has_rates:
        found.append(f"Averaged over rates, {best} was rated highest and {worst} lowest.")
    else:
        mean = {row.method: row.mean for row in overall.methods}
        listed = ", ".join(f"{method} {mean[method]:.2f}" for method in methods)
        found.append(f"Mean ratings, each image counting the same: {listed}.")
    if overall.incomplete is not None:
        found.append(f"Compare these means with care: {overall.incomplete}")
    means = ratings.groupby(["image", "method"])["rating"].mean().unstack("method")
    pair = means[[best, worst]].dropna() if {best, worst} <= set(means.columns) else means.iloc[:0]
    if len(pair) > 1:
        ahead = int((pair[best] > pair[worst]).sum())
        found.append(f"{best} was rated above {worst} for {ahead} of {len(pair)} images.")
    return [*found, *difference_findings(fits, methods)]
