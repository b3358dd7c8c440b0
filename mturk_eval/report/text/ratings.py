"""Means and what else describes ratings, as text."""

from __future__ import annotations

from mturk_eval.report.tables import Cell, format_rate, interval, text_table, wrapped
from mturk_eval.report.text.result import first_rows, result_text
from mturk_eval.stats.ratings.bias_inconsistency import BiasInconsistency
from mturk_eval.stats.ratings.dmos import DmosResult
from mturk_eval.stats.ratings.mos import MosResult, MosRow
from mturk_eval.stats.ratings.sos import SosResult
from mturk_eval.stats.resampling.weights import ResamplingUnit

_DRAWN: dict[ResamplingUnit, str] = {
    "rater": "whole raters",
    "rating": "single ratings",
    "image": "images",
    "both": "raters and images",
}
_SPEAKS: dict[ResamplingUnit, str] = {
    "rater": "They speak about other raters and these images.",
    "rating": "They speak about other single ratings of these images.",
    "image": "They speak about other images and these raters.",
    "both": "They speak about other raters and, for the methods' means, other images.",
}


def describe_mos_interval(result: MosResult) -> str:
    """What the intervals of means are, in a sentence or two."""
    level = f"{result.ci_level:.0%}"
    if result.interval == "t":
        made = f"{level} t intervals, mean ± t × SE."
    elif result.interval == "bounded":
        made = (
            f"{level} intervals that stay on the scale (Wilson's, with the number of independent "
            "ratings that the SE amounts to)."
        )
    else:
        made = (
            f"{level} {result.ci_method} intervals; {_DRAWN[result.unit]} resampled "
            f"{result.resamples:,} times (seed {result.seed})."
        )
    return f"{made} {_SPEAKS[result.unit]}"


def describe_mos_error(result: MosResult) -> str:
    """What the standard errors of means are, in a sentence."""
    return f"SE: delete-one jackknife over {result.jackknifed} in every row."


@result_text.register
def _mos_text(result: MosResult) -> str:
    return "\n".join(
        [
            f"\nMean opinion scores ({result.n_observations:,} ratings)\n",
            _mean_tables(result, "mean"),
            "",
            _means_explained(result),
        ]
    )


@result_text.register
def _dmos_text(result: DmosResult) -> str:
    means = result.means
    return "\n".join(
        [
            f"\nDifferential opinion scores ({means.n_observations:,} ratings)\n",
            _mean_tables(means, "DMOS"),
            "",
            wrapped(
                "DMOS: the mean of rating - the same rater's rating of the hidden original + "
                f"{result.highest:g}. {result.highest:g} is as good as the original; higher is "
                "better."
            ),
            _means_explained(means),
        ]
    )


def _mean_tables(result: MosResult, name: str) -> str:
    level = f"{result.ci_level:.0%} interval"
    rate = ["bpp"] if result.has_rates else []

    def cells(row: MosRow) -> list[Cell]:
        lead: list[Cell] = [row.method, *([format_rate(row.bpp)] if result.has_rates else [])]
        return [*lead, row.n, row.mean, row.std_error, interval(row.ci_low, row.ci_high)]

    tail = ["n", name, "SE", level]
    per_image = text_table(
        ["image", "method", *rate, *tail], [[row.image, *cells(row)] for row in result.rows]
    )
    pooled = text_table(
        ["method", *rate, *tail, "images"], [[*cells(r), r.n_images] for r in result.methods]
    )
    return f"{per_image}\n\nOver images, each counting the same\n\n{pooled}"


def _means_explained(result: MosResult) -> str:
    formula = (
        " It is s / √n in a row of one image and method that every rater rated once."
        if result.unit in {"rater", "rating"}
        else ""
    )
    return wrapped(f"{describe_mos_interval(result)} {describe_mos_error(result)}{formula}")


@result_text.register
def _sos_text(result: SosResult) -> str:
    low, high = result.scale
    rates = any(row.bpp is not None for row in result.rows)
    rows: list[list[Cell]] = []
    for row in result.rows:
        expected = (result.a * max(0.0, (row.mean - low) * (high - row.mean))) ** 0.5
        rate: list[Cell] = [format_rate(row.bpp)] if rates else []
        rows.append([row.image, row.method, *rate, row.n, row.mean, row.std_dev, expected])
    header = ["image", "method", *(["bpp"] if rates else []), "n", "mean", "SD", "SD by the fit"]
    fitted = text_table(
        ["a", "SE", f"{result.ci_level:.0%} interval", "images"],
        [[result.a, result.std_error, interval(result.ci_low, result.ci_high, 3), result.n_images]],
    )
    meaning = (
        f"Fitted: variance of ratings = a × (mean - {low:g}) × ({high:g} - mean), over all cells. "
        "a is 0 where raters agree in every cell, and 1 where they use only the ends of the scale; "
        "it compares studies whose means differ."
    )
    return "\n".join(
        [
            f"\nSOS parameter: spread of opinions ({result.n_observations:,} ratings)\n",
            fitted,
            "\nCells: one image and method each\n",
            first_rows(header, rows, "cells", digits=2),
            "",
            wrapped(meaning),
            wrapped(_sos_interval(result)),
        ]
    )


def _sos_interval(result: SosResult) -> str:
    if result.ci_low is None:
        return "There is no interval, and the claim is about these images."
    kind = {"percentile": "percentile bootstrap", "bca": "BCa bootstrap", "t": "t"}[result.interval]
    drawn = (
        f"; images resampled {result.resamples:,} times with all their ratings (seed {result.seed})"
        if result.resamples
        else ", SE by leaving out one image after the other"
    )
    return (
        f"{result.ci_level:.0%} {kind} interval{drawn}. It speaks about other images and these "
        "raters."
    )


@result_text.register
def _bias_inconsistency_text(result: BiasInconsistency) -> str:
    level = f"{result.ci_level:.0%} interval"
    rate = ["bpp"] if result.has_rates else []
    stimuli = text_table(
        ["image", "method", *rate, "n", "score", "SE", level],
        [
            [
                row.image, row.method, *([format_rate(row.bpp)] if result.has_rates else []),
                row.n, row.score, row.std_error, interval(row.ci_low, row.ci_high),
            ]
            for row in result.rows
        ],
    )  # fmt: skip
    by_noise = sorted(result.raters, key=lambda rater: -rater.inconsistency)
    raters = first_rows(
        ["rater", "n", "bias", level, "inconsistency", level, ""],
        [
            [
                rater.rater, rater.n, rater.bias,
                interval(rater.bias_ci_low, rater.bias_ci_high), rater.inconsistency,
                interval(rater.inconsistency_ci_low, rater.inconsistency_ci_high),
                "held" if rater.held else "",
            ]
            for rater in by_noise
        ],
        "raters, more consistent than these",
    )  # fmt: skip
    kind = {"ml": "Maximum", "reml": "Restricted maximum"}[result.estimation]
    held = (
        " Inconsistencies marked held are not the rater's own: too few ratings tell."
        if any(rater.held for rater in result.raters)
        else ""
    )
    return "\n".join(
        [
            f"\nScores without the raters' biases ({result.n_observations:,} ratings)\n",
            stimuli,
            "\nRaters, the least consistent first\n",
            raters,
            "",
            wrapped(
                "Model (ITU-T P.910): rating = score of the stimulus + bias of the rater + noise "
                "with a standard deviation of the rater's own, the inconsistency; a bias is how "
                "much higher a rater rates than the average rater. Inconsistent raters weigh less "
                f"in the scores; nobody is left out.{held}"
            ),
            wrapped(
                f"{kind} likelihood, {result.ci_level:.0%} Wald intervals. They speak about other "
                "ratings of these images by these raters, not about other raters or images."
            ),
        ]
    )
