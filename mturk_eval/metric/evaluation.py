"""Metrics compared on the votes of originals that were held out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.compared import ComparedMetric, refuse_same_names
from mturk_eval.metric.comparison import (
    Breakdown,
    BreakdownBy,
    MetricComparison,
    MetricScore,
    ScoreDifference,
)
from mturk_eval.metric.errors import MetricInputError
from mturk_eval.metric.logistic_fit import log_losses
from mturk_eval.metric.split import OriginalSplit, original_groups
from mturk_eval.metric.triplets import Triplets
from mturk_eval.metric.yardsticks import (
    BootstrappedColumns,
    HumanLine,
    agreement,
    bootstrap_originals,
    human_lines_of,
    limits_of,
)
from mturk_eval.stats.documents import number
from mturk_eval.stats.evaluation.metric_results import Estimate

_Floats = NDArray[np.float64]

_FEW_ORIGINALS: Final = 10
_LINES: Final[tuple[HumanLine, ...]] = ("plug_in", "unbiased", "majority")


def compare_metrics(
    triplets: Triplets,
    metrics: Sequence[ComparedMetric],
    *,
    split: OriginalSplit | None = None,
    resamples: int = 2_000,
    seed: int = 0,
    ci_level: float = 0.95,
) -> MetricComparison:
    """Score metrics on held-out votes: 2AFC, log-loss, human lines, break-downs, differences.

    Parameters
    ----------
    triplets : Triplets
        All of them, those to train on included.
    metrics : sequence of ComparedMetric
        On all triplets, each under a name of its own. One that lacks a value on any held-out
        triplet has no score (n/a): metrics are compared on the same triplets or not at all.
    split : OriginalSplit, optional
        The comparison is on ``split.test``; slopes for log-loss that are not known are fitted on
        ``split.train``. None compares on every triplet, as none was trained on.
    resamples, seed : int
        Of the bootstrap over originals.
    ci_level : float

    Raises
    ------
    MetricInputError
        If there is no triplet or metric, names repeat, sizes do not fit, or an option is out of
        range.
    """
    _check(triplets, metrics, ci_level)
    rows = np.arange(len(triplets)) if split is None else split.test
    if split is not None:
        metrics = [metric.with_slope(triplets, split.train) for metric in metrics]
    tested = triplets.take(rows)
    some = [metric.take(rows) for metric in metrics]
    originals = original_groups(tested)
    lines = human_lines_of(tested)
    scores = np.column_stack([agreement(metric.difference, tested.share_second) for metric in some])
    scores[:, [metric.n_missing > 0 for metric in some]] = np.nan
    columns = np.column_stack([scores, *(lines[line] for line in _LINES)])
    parts = _parts(tested)
    masks = [np.ones(len(tested), dtype=np.bool_), *(mask for _, _, mask in parts)]
    means = bootstrap_originals(
        np.column_stack([np.where(mask[:, None], columns, np.nan) for mask in masks]),
        originals,
        resamples=resamples,
        seed=seed,
    )
    losses = bootstrap_originals(
        np.column_stack([_losses(metric, tested) for metric in some]),
        originals,
        weights=tested.n_votes.astype(np.float64),
        resamples=resamples,
        seed=seed,
    )
    names = [metric.name for metric in some]
    estimates, of_losses = _estimates(means, ci_level), _estimates(losses, ci_level)
    width = columns.shape[1]
    overall = estimates[:width]
    human = dict(zip(_LINES, overall[len(some) :], strict=True))
    reachable = human["majority"].value
    return MetricComparison(
        rows=tuple(
            MetricScore(
                metric=metric.name,
                score=score,
                share_of_reachable=_share_of_reachable(score.value, reachable),
                log_loss=loss,
                n_missing=metric.n_missing,
                note=metric.note,
            )
            for metric, score, loss in zip(some, overall, of_losses, strict=False)
        ),
        human=human,
        n_triplets=len(tested),
        n_votes=int(tested.n_votes.sum()),
        n_originals=int(originals.max()) + 1,
        n_single_votes=int((tested.n_votes == 1).sum()),
        breakdowns=tuple(
            _breakdown(part, tested, names, estimates[(k + 1) * width : (k + 2) * width])
            for k, part in enumerate(parts)
        ),
        differences=_differences(names, means, ci_level),
        split=split,
        ci_level=ci_level,
        resamples=len(means.replicates),
        seed=seed,
        warnings=_warnings(tested, some, originals, split),
    )


def _losses(metric: ComparedMetric, tested: Triplets) -> _Floats:
    if metric.logit_slope is None or metric.n_missing:
        return np.full(len(tested), np.nan)
    return log_losses(metric.logit_slope * metric.difference, tested.share_second)


def _parts(tested: Triplets) -> list[tuple[BreakdownBy, str, NDArray[np.bool_]]]:
    """Rates and pairs of methods, where there is more than one."""
    found: list[tuple[BreakdownBy, str, NDArray[np.bool_]]] = []
    rates = np.unique(tested.bpp[~np.isnan(tested.bpp)])
    if len(rates) + bool(np.isnan(tested.bpp).any()) > 1:
        found += [("bpp", f"{rate:g}", tested.bpp == rate) for rate in rates]
        if np.isnan(tested.bpp).any():
            found.append(("bpp", "none", np.isnan(tested.bpp)))
    pairs = np.array(
        [
            " / ".join(sorted(two))
            for two in zip(tested.method_first, tested.method_second, strict=True)
        ]
    )
    levels = np.unique(pairs)
    if len(levels) > 1:
        found += [("methods", str(level), pairs == level) for level in levels]
    return found


def _breakdown(
    part: tuple[BreakdownBy, str, NDArray[np.bool_]],
    tested: Triplets,
    names: Sequence[str],
    estimates: Sequence[Estimate],
) -> Breakdown:
    by, level, mask = part
    return Breakdown(
        by=by,
        level=level,
        n_triplets=int(mask.sum()),
        n_votes=int(tested.n_votes[mask].sum()),
        human=dict(zip(_LINES, estimates[len(names) :], strict=True)),
        scores=dict(zip(names, estimates, strict=False)),
    )


def _estimates(columns: BootstrappedColumns, ci_level: float) -> list[Estimate]:
    low, high = columns.limits(ci_level)
    return [
        Estimate(value=number(value), ci_low=number(one), ci_high=number(other))
        for value, one, other in zip(columns.values, low, high, strict=True)
    ]


def _differences(
    names: Sequence[str], means: BootstrappedColumns, ci_level: float
) -> tuple[ScoreDifference, ...]:
    found = []
    for one, other in itertools.combinations(range(len(names)), 2):
        gaps = means.replicates[:, [one]] - means.replicates[:, [other]]
        low, high = limits_of(gaps, ci_level)
        found.append(
            ScoreDifference(
                metric=names[one],
                other=names[other],
                difference=Estimate(
                    value=number(means.values[one] - means.values[other]),
                    ci_low=number(low[0]),
                    ci_high=number(high[0]),
                ),
            )
        )
    return tuple(found)


def _share_of_reachable(score: float | None, reachable: float | None) -> float | None:
    if score is None or reachable is None or reachable <= 0.5:
        return None
    return (score - 0.5) / (reachable - 0.5)


def _warnings(
    tested: Triplets,
    metrics: Sequence[ComparedMetric],
    originals: NDArray[np.int64],
    split: OriginalSplit | None,
) -> tuple[str, ...]:
    found = list(tested.notes())
    n_originals = int(originals.max()) + 1
    if n_originals == 1:
        found.append(
            "One original was held out: no interval can be given, and nothing is said about others."
        )
    elif n_originals < _FEW_ORIGINALS:
        found.append(
            f"With {n_originals} held-out originals the intervals are rough, and rather too "
            "narrow: hold out more."
        )
    single = int((tested.n_votes == 1).sum())
    if single:
        found.append(
            f"{single} of {len(tested)} triplets have one vote and are not in the unbiased human "
            "line, which needs two."
        )
    found += [
        f"{metric.name} is n/a: it has no value on {metric.n_missing} of {len(tested)} triplets"
        f"{f' ({metric.note})' if metric.note else ''}."
        for metric in metrics
        if metric.n_missing
    ]
    found += [
        f"Votes run against {metric.name}: what it calls farther was chosen more often in "
        "training, so its log-loss is that of chance. Check its direction."
        for metric in metrics
        if metric.logit_slope == 0.0
    ]
    if split is None:
        found.append(
            "Nothing was held out here: the scores are honest only if no metric was trained on "
            "these originals."
        )
    return tuple(found)


def _check(triplets: Triplets, metrics: Sequence[ComparedMetric], ci_level: float) -> None:
    if not len(triplets) or not metrics:
        raise MetricInputError(
            f"{len(triplets)} triplets and {len(metrics)} metrics: a comparison takes at least one "
            "of both."
        )
    refuse_same_names(metrics)
    for metric in metrics:
        if len(metric.difference) != len(triplets):
            raise MetricInputError(
                f"{metric.name} has {len(metric.difference)} values for {len(triplets)} triplets."
            )
    if not 0 < ci_level < 1:
        raise MetricInputError(f"An interval's level is between 0 and 1, not {ci_level:g}.")
