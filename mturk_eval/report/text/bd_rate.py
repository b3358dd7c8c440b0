"""BD-rates on mean ratings, as text."""

from __future__ import annotations

from mturk_eval.report.tables import Cell, decimal, text_table, wrapped
from mturk_eval.report.text.result import first_rows, result_text
from mturk_eval.stats.evaluation.bd_rate import BdRateResult


def describe_bd_rate_interval(result: BdRateResult) -> str:
    """What the intervals of BD-rates are, in a sentence or two."""
    if all(row.ci_low is None for row in result.rows):
        return "There are no intervals: nothing varies that they could speak about."
    drawn, speaks = {
        "rater": ("raters", "other raters and these images"),
        "image": ("images", "other images and these raters"),
        "both": ("raters and images", "other raters and other images"),
    }[result.unit]
    return (
        f"{result.ci_level:.0%} percentile bootstrap intervals; {drawn} resampled "
        f"{result.resamples:,} times (seed {result.seed}), every step repeated. They speak about "
        f"{speaks}."
    )


@result_text.register
def _bd_rate_text(result: BdRateResult) -> str:
    rows: list[list[Cell]] = [
        [
            row.method, _percent(row.bd_rate_percent), _limits(row.ci_low, row.ci_high),
            row.n_images, row.n_refused,
        ]
        for row in result.rows
    ]  # fmt: skip
    over_images = text_table(
        ["method", "BD-rate", f"{result.ci_level:.0%} interval", "images", "left out"], rows
    )
    per_image: list[list[Cell]] = [
        [
            image.image, image.method, _percent(image.bd_rate_percent),
            "–" if image.overlap is None else f"{image.overlap:.0%}", image.refused or "",
        ]
        for image in result.images
    ]  # fmt: skip
    left_out = any(image.refused for image in result.images)
    header = ["image", "method", "BD-rate", "overlap", "left out because" if left_out else ""]
    width = len(header) if left_out else len(header) - 1
    return "\n".join(
        [
            f"\nBD-rate on mean ratings against {result.anchor} "
            f"({result.n_observations:,} ratings)\n",
            over_images,
            "\nImage by image\n",
            first_rows(header[:width], [row[:width] for row in per_image], "images and methods"),
            "",
            wrapped(
                f"BD-rate: how much more (+) or less (-) rate a method needs than {result.anchor} "
                "for the same mean rating, averaged over the ratings that both reach, and then "
                "over images in log rate; below 0 % is better. overlap: the shared range of mean "
                f"ratings over the wider one. Curves by {result.interpolation} interpolation."
            ),
            wrapped(describe_bd_rate_interval(result)),
        ]
    )


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{decimal(value, 1, sign=True)} %"


def _limits(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "–"
    return f"[{decimal(low, 1, sign=True)}, {decimal(high, 1, sign=True)}] %"
