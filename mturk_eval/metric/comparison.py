"""What a comparison of metrics on held-out votes says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mturk_eval.metric.combination import Combination
from mturk_eval.metric.split import OriginalSplit
from mturk_eval.metric.training import TrainedWeights
from mturk_eval.metric.yardsticks import HUMAN_LINE_MEANINGS, HumanLine
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.evaluation.metric_results import Estimate

BreakdownBy = Literal["bpp", "methods"]
"""Part of the triplets: of one target rate, or of one pair of methods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricScore:
    """How one metric agrees with raters.

    Attributes
    ----------
    score : Estimate
        2AFC score, ties at 1/2; None (n/a) where the metric lacks a value on a triplet.
    share_of_reachable : float or None
        (score - 1/2) / (majority line - 1/2).
    log_loss : Estimate
        Per vote in nats; chance is 0.693. None where no slope was known or fitted.
    n_missing : int
        Triplets without a value.
    """

    metric: str
    score: Estimate
    share_of_reachable: float | None
    log_loss: Estimate
    n_missing: int
    note: str

    def document(self) -> Document:
        """As JSON."""
        return {
            "metric": self.metric,
            "score": self.score.document(),
            "share_of_reachable": number(self.share_of_reachable),
            "log_loss": self.log_loss.document(),
            "n_missing": self.n_missing,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """Scores on a part of the triplets.

    Attributes
    ----------
    by, level
        Which part, such as ``bpp`` and ``0.5``, or ``methods`` and ``jxl / webp``.
    human : mapping of line to Estimate
    scores : mapping of metric to Estimate
    """

    by: BreakdownBy
    level: str
    n_triplets: int
    n_votes: int
    human: Mapping[HumanLine, Estimate]
    scores: Mapping[str, Estimate]

    def document(self) -> Document:
        """As JSON."""
        return {
            "by": self.by,
            "level": self.level,
            "n_triplets": self.n_triplets,
            "n_votes": self.n_votes,
            "human": {line: estimate.document() for line, estimate in self.human.items()},
            "rows": [
                {"metric": metric, "score": estimate.document()}
                for metric, estimate in self.scores.items()
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDifference:
    """By how much ``metric`` exceeds ``other`` in 2AFC score, on the same resamples."""

    metric: str
    other: str
    difference: Estimate

    def document(self) -> Document:
        """As JSON."""
        return {
            "metric": self.metric,
            "other": self.other,
            "difference": self.difference.document(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodLeftOut:
    """Does a metric that never saw a method judge it as well as one that did?

    Attributes
    ----------
    n_train, n_test : int
        Training triplets without the method, held-out triplets with it.
    without, with_method : Estimate
        2AFC scores on those held-out triplets.
    difference : Estimate
        ``without`` less ``with_method``, on the same resamples.
    """

    method: str
    n_train: int
    n_test: int
    without: Estimate
    with_method: Estimate
    difference: Estimate

    def document(self) -> Document:
        """As JSON."""
        return {
            "method": self.method,
            "n_train": self.n_train,
            "n_test": self.n_test,
            "without": self.without.document(),
            "with_method": self.with_method.document(),
            "difference": self.difference.document(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricComparison:
    """Metrics against votes on triplets that none of them was trained on.

    Attributes
    ----------
    rows : tuple of MetricScore
    human : mapping of line to Estimate
        For what each means see `HUMAN_LINE_MEANINGS`.
    n_single_votes : int
        Triplets with one vote, which the unbiased human line cannot use.
    breakdowns : tuple of Breakdown
    differences : tuple of ScoreDifference
        Every pair of metrics.
    split : OriginalSplit or None
        What was held out; None where every triplet given is new to the metrics.
    trained : tuple of TrainedWeights
        What was fitted on the training triplets.
    """

    rows: tuple[MetricScore, ...]
    human: Mapping[HumanLine, Estimate]
    n_triplets: int
    n_votes: int
    n_originals: int
    n_single_votes: int
    breakdowns: tuple[Breakdown, ...]
    differences: tuple[ScoreDifference, ...]
    split: OriginalSplit | None
    ci_level: float
    resamples: int
    seed: int
    warnings: tuple[str, ...]
    trained: tuple[TrainedWeights, ...] = ()
    combinations: tuple[Combination, ...] = ()
    left_out: tuple[MethodLeftOut, ...] = ()

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """Originals are what is resampled."""
        return ("images",)

    def row(self, metric: str) -> MetricScore:
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
        """The JSON object of ``mturk-eval metric evaluate --json``."""
        return {
            "model": "metric",
            "n_observations": self.n_votes,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "n_triplets": self.n_triplets,
            "n_originals": self.n_originals,
            "ci_method": "percentile bootstrap over originals",
            "ci_level": self.ci_level,
            "resamples": self.resamples,
            "seed": self.seed,
            "held_out": None if self.split is None else self.split.document(),
            "human": {
                line: {**estimate.document(), "meaning": HUMAN_LINE_MEANINGS[line]}
                for line, estimate in self.human.items()
            },
            "n_single_votes": self.n_single_votes,
            "rows": [row.document() for row in self.rows],
            "differences": [row.document() for row in self.differences],
            "breakdowns": [row.document() for row in self.breakdowns],
            "trained": [weights.document() for weights in self.trained],
            "combinations": [combination.document() for combination in self.combinations],
            "leave_one_method_out": [row.document() for row in self.left_out],
        }
