"""Metrics held against mean opinion scores, as text."""

from __future__ import annotations

from mturk_eval.report.tables import Cell, format_p, interval, text_table, wrapped
from mturk_eval.report.text.result import first_rows, result_text
from mturk_eval.stats.evaluation.discrimination import Scope
from mturk_eval.stats.evaluation.metric_results import Estimate, MetricEvaluation

_SCOPES: dict[Scope, str] = {"all": "all", "within": "one image", "across": "two images"}
_STATISTICS = {
    "plcc": "PLCC",
    "srocc": "SROCC",
    "krocc": "KROCC",
    "rmse": "RMSE",
    "auc_different": "AUC different",
    "auc_better": "AUC better",
    "correct": "order correct",
}


@result_text.register
def _metrics_text(result: MetricEvaluation) -> str:
    parts = [
        f"\nMetrics against mean opinion scores ({result.n_stimuli:,} stimuli of "
        f"{result.n_images} images)\n",
        _correlations_text(result),
        "\nErrors of prediction\n",
        _errors_text(result),
    ]
    if any(row.discrimination for row in result.rows):
        parts += ["\nTelling stimuli apart\n", _discrimination_text(result)]
    if result.differences:
        parts += ["\nDifferences between metrics\n", _differences_text(result)]
    return "\n".join([*parts, "", *_meaning(result)])


def _correlations_text(result: MetricEvaluation) -> str:
    level = f"{result.ci_level:.0%} interval"
    return text_table(
        ["metric", "better", "SROCC", level, "PLCC", level, "KROCC", level],
        [
            [row.metric, row.direction, *_cells(row.srocc), *_cells(row.plcc), *_cells(row.krocc)]
            for row in result.rows
        ],
    )


def _errors_text(result: MetricEvaluation) -> str:
    level = f"{result.ci_level:.0%} interval"
    return text_table(
        ["metric", "mapping", "RMSE", level, "outlier ratio", level],
        [
            [row.metric, row.mapping, *_cells(row.rmse), *_cells(row.outlier_ratio)]
            for row in result.rows
        ],
    )


def _discrimination_text(result: MetricEvaluation) -> str:
    level = f"{result.ci_level:.0%} interval"
    return text_table(
        ["metric", "pairs", "n", "differ", "AUC diff.", level, "AUC better", level, "correct"],
        [
            [
                row.metric, _SCOPES[part.pairs], part.n_pairs, part.n_different,
                *_cells(part.auc_different), *_cells(part.auc_better),
                None if part.correct.value is None else f"{part.correct.value:.0%}",
            ]
            for row in result.rows
            for part in row.discrimination
        ],
    )  # fmt: skip


def _differences_text(result: MetricEvaluation) -> str:
    rows: list[list[Cell]] = [
        [
            _STATISTICS.get(row.statistic, row.statistic), f"{row.metric} - {row.other}",
            row.difference, interval(row.ci_low, row.ci_high, 3), format_p(row.p),
            format_p(row.p_adjusted),
        ]
        for row in result.differences
    ]  # fmt: skip
    return first_rows(
        [
            "statistic",
            "metrics",
            "difference",
            f"{result.ci_level:.0%} interval",
            "p",
            "p adjusted",
        ],
        rows,
        "differences",
    )


def _cells(estimate: Estimate) -> list[Cell]:
    return [estimate.value, interval(estimate.ci_low, estimate.ci_high)]


def _meaning(result: MetricEvaluation) -> list[str]:
    parts = [
        "SROCC and KROCC compare orders; PLCC, RMSE (in rating points) and the outlier ratio "
        "(predicted rating outside the interval of the mean) are of ratings predicted by the "
        "mapping from the metric. Correlations are above 0 where the metric runs in its direction."
    ]
    if any(row.discrimination for row in result.rows):
        parts.append(
            "AUC different: how well the metric tells pairs whose means differ clearly from those "
            "that do not; AUC better and correct: which of two clearly different stimuli is the "
            "better one. .5 is guessing (Krasula et al. 2016)."
        )
    if result.differences:
        parts.append(
            "p: bootstrap test on the same resamples; p adjusted: false discovery rate over the "
            "pairs of metrics (Benjamini and Hochberg)."
        )
    parts.append(
        f"{result.ci_level:.0%} percentile bootstrap intervals; images resampled with all their "
        f"stimuli {result.resamples:,} times (seed {result.seed}). They speak about other images."
        if result.resamples
        else "There are no intervals: one image says nothing of others."
    )
    return [wrapped(part) for part in parts]
