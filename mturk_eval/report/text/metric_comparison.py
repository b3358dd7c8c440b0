"""Metrics compared on held-out votes, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mturk_eval.metric.comparison import MetricComparison
from mturk_eval.metric.yardsticks import HUMAN_LINE_MEANINGS, HumanLine
from mturk_eval.report.tables import Cell, interval, text_table, wrapped
from mturk_eval.report.text.result import first_rows
from mturk_eval.stats.evaluation.metric_results import Estimate

LINE_NAMES: Final[Mapping[HumanLine, str]] = {
    "plug_in": "human, as published",
    "unbiased": "human, unbiased",
    "majority": "majority of these votes",
}
_DIGITS = 3
_NAME_WIDTH = 33  # of a metric in a table: with its numbers it fits a terminal
_MOST_COLUMNS = 9  # of metrics in a break-down, by their numbers


def metric_comparison_text(result: MetricComparison) -> str:
    """A comparison for the terminal, its warnings included; no line is over 100 columns.

    Metrics are numbered in the first table; the others name them by these numbers.
    """
    level = f"{result.ci_level:.0%} interval"
    parts = [
        f"\n2AFC scores on {result.n_triplets:,} held-out triplets of {result.n_originals:,} "
        f"originals ({result.n_votes:,} votes)\n",
        text_table(
            ["#", "metric", "2AFC", level, "of reachable", "log-loss", level],
            [
                [
                    number, _short(row.metric), *_cells(row.score),
                    _percent(row.share_of_reachable), *_cells(row.log_loss),
                ]
                for number, row in enumerate(result.rows, start=1)
            ],
        ),
        "\nWhat people reach\n",
        text_table(
            ["line", "agreement", level],
            [[LINE_NAMES[line], *_cells(estimate)] for line, estimate in result.human.items()],
        ),
        "",
        *(
            wrapped(f"{LINE_NAMES[line]}: {meaning}")
            for line, meaning in HUMAN_LINE_MEANINGS.items()
            if line in result.human
        ),
        *_differences(result),
        *_breakdowns(result),
        *_left_out(result),
        *_combinations(result),
        "",
        wrapped(
            "2AFC: share of votes a metric agrees with, ties counted half; .5 is guessing. Of "
            "reachable: how far it is from there to the majority line. Log-loss: per vote in "
            "nats; guessing gives 0.693, less is better."
        ),
    ]  # fmt: skip
    if result.resamples:
        parts.append(
            wrapped(
                f"{result.ci_level:.0%} percentile bootstrap intervals; originals resampled with "
                f"all their triplets {result.resamples:,} times (seed {result.seed}). They speak "
                "about other images."
            )
        )
    if result.split is not None:
        parts.append(wrapped(result.split.describe()))
    notes = [f"{row.metric}: {row.note}." for row in result.rows if row.note]
    parts += [wrapped(note, "Note: ") for note in notes]
    parts += [wrapped(warning, "Warning: ") for warning in result.warnings]
    return "\n".join(parts)


def _differences(result: MetricComparison) -> list[str]:
    """By how much the first metric exceeds the others."""
    first = result.rows[0].metric
    numbers = {row.metric: number for number, row in enumerate(result.rows, start=1)}
    rows: list[list[Cell]] = [
        [numbers[row.other], _short(row.other), *_cells(row.difference)]
        for row in result.differences
        if row.metric == first
    ]
    if not rows:
        return []
    table = first_rows(
        ["#", f"{_short(first)} less", "2AFC", f"{result.ci_level:.0%} interval"],
        rows,
        "differences",
    )
    return ["\nDifferences in 2AFC score\n", table]


def _breakdowns(result: MetricComparison) -> list[str]:
    """Parts by rows, metrics by columns, headed by their numbers."""
    if not result.breakdowns:
        return []
    shown = [row.metric for row in result.rows]
    rows: list[list[Cell]] = [
        [
            _short(part.level), part.n_triplets, part.human["unbiased"].value,
            *(part.scores[metric].value for metric in shown[:_MOST_COLUMNS]),
        ]
        for part in result.breakdowns
    ]  # fmt: skip
    numbers = [str(number) for number in range(1, len(shown) + 1)]
    header = ["part", "triplets", "human", *numbers[:_MOST_COLUMNS]]
    rest = len(shown) - _MOST_COLUMNS
    more = f"… and metrics {_MOST_COLUMNS + 1} to {len(shown)}: with --json." if rest > 0 else ""
    return [
        "\n2AFC scores by bit-rate and by pair of methods, beside human, unbiased\n",
        first_rows(header, rows, "parts"),
        *([more] if more else []),
    ]


def _left_out(result: MetricComparison) -> list[str]:
    if not result.left_out:
        return []
    level = f"{result.ci_level:.0%} interval"
    table = text_table(
        ["method left out", "2AFC without", "with", "difference", level],
        [
            [_short(row.method), row.without.value, row.with_method.value, *_cells(row.difference)]
            for row in result.left_out
        ],
    )
    return ["\nTrained without a method, scored on held-out triplets that show it\n", table]


def _combinations(result: MetricComparison) -> list[str]:
    if not result.combinations:
        return []
    table = text_table(
        ["combination", "weights (standardised)", "2AFC in training"],
        [
            [
                _short(row.name),
                ", ".join(f"{one:.2f}" for one in row.standard_weights),
                row.training_score,
            ]
            for row in result.combinations
        ],
    )
    return ["\nCombinations\n", table]


def _cells(estimate: Estimate) -> list[Cell]:
    return [estimate.value, interval(estimate.ci_low, estimate.ci_high, _DIGITS)]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _short(name: str) -> str:
    """A name that leaves room for numbers: a long one loses its middle."""
    if len(name) <= _NAME_WIDTH:
        return name
    start = _NAME_WIDTH // 2
    return f"{name[:start]}…{name[start + 1 - _NAME_WIDTH :]}"
