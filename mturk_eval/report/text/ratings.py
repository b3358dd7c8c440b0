"""Means and what else describes ratings, as text."""

from __future__ import annotations

from mturk_eval.report.tables import Cell, format_rate, interval, text_table, wrapped
from mturk_eval.report.text.result import result_text
from mturk_eval.stats.ratings.mos import MosResult, MosRow


def describe_mos_interval(result: MosResult) -> str:
    """What the intervals of means are, in a sentence or two."""
    drawn = {
        "rater": "whole raters",
        "rating": "single ratings",
        "image": "images",
        "both": "raters and images",
    }[result.unit]
    speaks = {
        "rater": "They speak about other raters and these images.",
        "rating": "They speak about other single ratings of these images.",
        "image": "They speak about other images and these raters.",
        "both": "They speak about other raters and, for the methods' means, other images.",
    }[result.unit]
    return (
        f"{result.ci_level:.0%} percentile bootstrap intervals; {drawn} resampled "
        f"{result.resamples:,} times (seed {result.seed}). {speaks}"
    )


def describe_mos_error(result: MosResult) -> str:
    """What the standard errors of means are, in a sentence."""
    return (
        f"SE: delete-one jackknife over {result.jackknifed} in every row, which is s / √n where "
        "every rater rated a cell once."
    )


@result_text.register
def _mos_text(result: MosResult) -> str:
    level = f"{result.ci_level:.0%} interval"
    rate = ["bpp"] if result.has_rates else []

    def cells(row: MosRow) -> list[Cell]:
        lead: list[Cell] = [row.method, *([format_rate(row.bpp)] if result.has_rates else [])]
        return [*lead, row.n, row.mean, row.std_error, interval(row.ci_low, row.ci_high)]

    tail = ["n", "mean", "SE", level]
    per_image = text_table(
        ["image", "method", *rate, *tail], [[row.image, *cells(row)] for row in result.rows]
    )
    pooled = text_table(
        ["method", *rate, *tail, "images"], [[*cells(r), r.n_images] for r in result.methods]
    )
    return "\n".join(
        [
            f"\nMean opinion scores ({result.n_observations:,} ratings)\n",
            per_image,
            "\nOver images, each counting the same\n",
            pooled,
            "",
            wrapped(f"{describe_mos_interval(result)} {describe_mos_error(result)}"),
        ]
    )
