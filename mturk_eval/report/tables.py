"""Results as plain text for a terminal: aligned tables, one sentence on what an interval is."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import assert_never

from mturk_eval.report.models import Analysis, Result
from mturk_eval.stats.mixed.model import MixedResult
from mturk_eval.stats.pairs.vote_scores import VoteScores
from mturk_eval.stats.ratings.mos import MosResult, MosRow

_WIDTH = 96
Cell = str | int | float | None


def analysis_text(analysis: Analysis) -> str:
    """An analysis for the terminal."""
    parts = [f"Data: {analysis.source}"]
    for warning in analysis.table_warnings:
        parts.append(_wrapped("Note: ", warning))
    for group in analysis.groups:
        if analysis.by is not None:
            value = "(empty)" if group.value is None else group.value
            parts.append(f"\n=== {analysis.by} = {value} ===")
        parts.append(_result_text(group.result))
    return "\n".join(parts)


def text_table(header: Sequence[str], rows: Sequence[Sequence[Cell]], *, digits: int = 3) -> str:
    """Columns aligned: text left, numbers right; ``–`` where there is none.

    Examples
    --------
    >>> print(text_table(["method", "mean"], [["jxl", 5.25], ["webp", None]], digits=2))
    method  mean
    ------  ----
    jxl     5.25
    webp       –
    """
    numeric = [
        all(isinstance(row[column], int | float | None) for row in rows)
        for column in range(len(header))
    ]
    shown = [[format_cell(cell, digits) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *shown, strict=True)]

    def line(cells: Sequence[str]) -> str:
        aligned = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, numeric, strict=True)
        )
        return "  ".join(aligned).rstrip()

    return "\n".join([line(header), line(["-" * width for width in widths]), *map(line, shown)])


def format_cell(cell: Cell, digits: int = 3) -> str:
    """One cell as shown to people."""
    match cell:
        case None:
            return "–"
        case str():
            return cell
        case bool() | int():
            return f"{cell:,}"
        case float():
            return decimal(cell, digits) if math.isfinite(cell) else "–"
        case _:
            assert_never(cell)


def decimal(value: float, digits: int, *, sign: bool = False) -> str:
    """A number with so many decimals, and no minus sign before a zero.

    Examples
    --------
    >>> decimal(-0.0004, 3), decimal(-0.0006, 3), decimal(-0.001, 2, sign=True)
    ('0.000', '-0.001', '+0.00')
    """
    rounded = round(value, digits) + 0.0  # -0.0 + 0.0 is 0.0
    return f"{rounded:+.{digits}f}" if sign else f"{rounded:.{digits}f}"


def format_rate(bpp: float | None) -> str:
    """A target rate as it was asked for."""
    return "–" if bpp is None else f"{bpp:g}"


def format_p(p: float | None) -> str:
    """A p value as papers print it."""
    if p is None:
        return "–"
    if p > 0.9995:  # rounds to 1
        return "1"
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """``[low, high]``, or ``–`` where there is none."""
    if low is None or high is None:
        return "–"
    return f"[{decimal(low, digits)}, {decimal(high, digits)}]"


def _wrapped(lead: str, text: str) -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False
    )


def _result_text(result: Result) -> str:
    if isinstance(result, MosResult):
        body = _mos_text(result)
    elif isinstance(result, MixedResult):
        body = _mixed_text(result)
    elif isinstance(result, VoteScores):
        body = _votes_text(result)
    else:
        body = str(result.document())
    warnings = [_wrapped("Warning: ", warning) for warning in result.warnings]
    return "\n".join([body, *warnings])


# --- means -------------------------------------------------------------------------------------


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
            _wrapped("", f"{describe_mos_interval(result)} {describe_mos_error(result)}"),
        ]
    )


# --- the mixed model ---------------------------------------------------------------------------


def _mixed_text(result: MixedResult) -> str:
    level = f"{result.ci_level:.0%} interval"
    fixed = text_table(
        ["term", "estimate", "SE", "z", "p", level],
        [
            [e.term, e.estimate, e.std_error, e.t, format_p(e.p), interval(e.ci_low, e.ci_high)]
            for e in result.fixed_effects
        ],
    )
    components: list[list[Cell]] = [
        [c.group, c.term, c.variance, c.std_dev] for c in result.components
    ]
    residual = result.residual_variance
    components.append(["residual", "", residual, residual**0.5])
    groups = ", ".join(f"{n} {name}s" for name, n in result.groups.items())
    state = [
        "converged" if result.converged else "NOT CONVERGED",
        *(["singular"] if result.singular else []),
    ]
    parts = [
        f"\nLinear mixed model, {result.estimation.upper()}: {result.formula}",
        f"{result.n_observations:,} observations; {groups}; {', '.join(state)}\n",
        fixed,
        "",
        text_table(["group", "component", "variance", "SD"], components),
        "",
        f"{_criterion_name(result)} {result.criterion:.4f}",
    ]
    if result.balanced_check:
        parts += [
            "\nBalanced check: paired t tests over image means, every pair of methods\n",
            _paired_text(result),
            "",
            *(
                _wrapped("", f"{test.method} - {test.reference} has no test: {test.reason}.")
                for test in result.balanced_check
                if test.reason is not None
            ),
            _wrapped(
                "",
                "t and p are of single tests over the images that both methods have; p Holm is "
                "adjusted for all pairs. The z of the table above takes the variances as known, "
                "which is too confident with few images: where they disagree, go by t.",
            ),
        ]
    units = " and ".join(result.generalises_to)
    parts += [
        "",
        _wrapped(
            "",
            f"{result.ci_level:.0%} Wald intervals from the normal distribution. Random: {units}; "
            "that is what the estimates generalise to.",
        ),
        *(_wrapped("Note: ", note) for note in result.notes),
    ]
    return "\n".join(parts)


def _criterion_name(result: MixedResult) -> str:
    return "REML criterion" if result.estimation == "reml" else "Deviance"


def _paired_text(result: MixedResult) -> str:
    return text_table(
        [
            "difference",
            "images",
            "mean",
            "SE",
            "df",
            "t",
            "p",
            "p Holm",
            f"{result.ci_level:.0%} interval",
        ],
        [
            [
                f"{test.method} - {test.reference}",
                test.n_images,
                test.mean_difference,
                test.std_error,
                test.df,
                test.t,
                format_p(test.p),
                format_p(test.p_holm),
                interval(test.ci_low, test.ci_high),
            ]
            for test in result.balanced_check
        ],
    )


# --- votes -------------------------------------------------------------------------------------


def describe_vote_interval(result: VoteScores) -> str:
    """What the intervals of scores are, in a sentence or two."""
    if result.ci_method == "none":
        return "There are no intervals: nothing varies that they could speak about."
    speaks = {
        "rater": "They speak about other raters and these images.",
        "rating": "They take every vote as independent of every other.",
        "image": "They speak about other images and these raters.",
        "both": "They speak about other raters and other images.",
    }[result.unit]
    return f"{result.ci_level:.0%} intervals, {result.ci_method}. {speaks}"


def _votes_text(result: VoteScores) -> str:
    level = f"{result.ci_level:.0%} interval"
    items = result.counts.items
    scores = text_table(
        ["item", "score", "SE", level],
        [[r.item, r.score, r.std_error, interval(r.ci_low, r.ci_high)] for r in result.rows],
    )
    pairs = text_table(
        ["comparison", "difference", "SE", level, "chosen"],
        [
            [
                f"{pair.item} over {pair.over}",
                pair.difference,
                pair.std_error,
                interval(pair.ci_low, pair.ci_high),
                f"{pair.probability:.1%}",
            ]
            for pair in result.comparisons
        ],
    )
    wins = text_table(
        ["chosen over", *items],
        [
            [item, *(None if i == j else int(result.counts.wins[i, j]) for j in range(len(items)))]
            for i, item in enumerate(items)
        ],
    )
    bias = (
        "not estimable"
        if result.left_bias is None
        else f"{decimal(result.left_bias, 3, sign=True)} logit"
    )
    if result.left_bias_std_error is not None:
        bias += f" (SE {result.left_bias_std_error:.3f})"
    votes = f"{result.counts.n_votes:,} votes, {int(result.counts.tie.sum()):,} not sure"
    return "\n".join(
        [
            f"\nBradley-Terry scores in logits, mean 0 ({votes})\n",
            scores,
            "\nDifferences\n",
            pairs,
            "\nWins: row chosen over column\n",
            wins,
            f"\nLeft bias: {bias}\n",
            _wrapped("", describe_vote_interval(result)),
        ]
    )
