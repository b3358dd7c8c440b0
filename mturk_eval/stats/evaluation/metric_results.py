"""What an evaluation of metrics says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.evaluation.discrimination import Scope
from mturk_eval.stats.evaluation.logistic import Mapping

Direction = Literal["higher", "lower"]
"""Which values of a metric are better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its limits; None where the data leave it undefined."""

    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None

    def document(self) -> Document:
        """As JSON."""
        return {
            "value": number(self.value),
            "ci_low": number(self.ci_low),
            "ci_high": number(self.ci_high),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscriminationRow:
    """Krasula's numbers over the pairs of one scope; ``resolution`` in units of the metric."""

    pairs: Scope
    n_pairs: int
    n_different: int
    auc_different: Estimate
    auc_better: Estimate
    correct: Estimate
    resolution: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """How one metric follows the ratings.

    ``srocc``, ``krocc`` and ``plcc`` are positive where the metric runs in its ``direction``.
    ``rmse`` is in rating points. ``direction_source`` is ``given``, or ``detected`` from the data.
    """

    metric: str
    direction: Direction
    direction_source: Literal["given", "detected"]
    mapping: Mapping
    n_stimuli: int
    plcc: Estimate
    srocc: Estimate
    krocc: Estimate
    rmse: Estimate
    outlier_ratio: Estimate
    discrimination: tuple[DiscriminationRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDifference:
    """By how much ``metric`` exceeds ``other`` in a statistic, on the same resamples.

    ``p`` is two-sided, from the bootstrap; ``p_adjusted`` controls the false discovery rate over
    the pairs of metrics (Benjamini and Hochberg).
    """

    statistic: str
    metric: str
    other: str
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    p: float | None
    p_adjusted: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricEvaluation:
    """Metrics against mean opinion scores: a row per metric, and the differences between them."""

    rows: tuple[MetricRow, ...]
    differences: tuple[MetricDifference, ...]
    n_stimuli: int
    n_images: int
    ci_level: float
    resamples: int
    seed: int
    warnings: tuple[str, ...]

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """Images are what is resampled."""
        return ("images",)

    def row(self, metric: str) -> MetricRow:
        """The row of a metric.

        Raises
        ------
        KeyError
            If there is none.
        """
        for row in self.rows:
            if row.metric == metric:
                return row
        raise KeyError(metric)

    def document(self) -> Document:
        """The result as a JSON object."""
        return {
            "model": "metrics",
            "n_observations": self.n_stimuli,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "groups": {"image": self.n_images},
            "ci_method": "percentile bootstrap over images",
            "ci_level": self.ci_level,
            "resamples": self.resamples,
            "seed": self.seed,
            "rows": [_row_document(row) for row in self.rows],
            "differences": [
                {
                    "statistic": row.statistic,
                    "metric": row.metric,
                    "other": row.other,
                    "difference": number(row.difference),
                    "ci_low": number(row.ci_low),
                    "ci_high": number(row.ci_high),
                    "p": number(row.p),
                    "p_adjusted": number(row.p_adjusted),
                }
                for row in self.differences
            ],
        }


def _row_document(row: MetricRow) -> Document:
    return {
        "metric": row.metric,
        "direction": row.direction,
        "direction_source": row.direction_source,
        "mapping": row.mapping,
        "n": row.n_stimuli,
        "plcc": row.plcc.document(),
        "srocc": row.srocc.document(),
        "krocc": row.krocc.document(),
        "rmse": row.rmse.document(),
        "outlier_ratio": row.outlier_ratio.document(),
        "discrimination": [
            {
                "pairs": part.pairs,
                "n_pairs": part.n_pairs,
                "n_different": part.n_different,
                "auc_different": part.auc_different.document(),
                "auc_better": part.auc_better.document(),
                "correct": part.correct.document(),
                "resolution": number(part.resolution),
            }
            for part in row.discrimination
        ],
    }
