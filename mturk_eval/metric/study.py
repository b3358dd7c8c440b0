"""A whole study of a learned metric: train it, and compare it with what it must beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mturk_eval.metric.combination import Combination, CombinationMethod, combine
from mturk_eval.metric.compared import ComparedMetric
from mturk_eval.metric.comparison import MethodLeftOut, MetricComparison
from mturk_eval.metric.evaluation import compare_metrics
from mturk_eval.metric.logistic_fit import held_out_logits
from mturk_eval.metric.split import OriginalSplit, original_groups, refuse_leak
from mturk_eval.metric.training import (
    Features,
    TrainedWeights,
    fit_equal_weights,
    fit_layer_weights,
    fit_logistic,
)
from mturk_eval.metric.triplets import Triplets
from mturk_eval.metric.yardsticks import agreement, bootstrap_originals, limits_of
from mturk_eval.stats.documents import number
from mturk_eval.stats.evaluation.metric_results import Estimate

LEARNED: Final = "LPIPS-Comp"
EQUAL: Final = "equal weights"
PER_LAYER: Final = "one weight per layer"

Fit = Callable[[Triplets, Features, Features], TrainedWeights]
"""A recipe: weights from triplets and the features of their two sides."""

_COMBINED: Final = ("PSNR", "MS-SSIM")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricStudy:
    """The metric that was trained, and how it compares on originals it never saw."""

    trained: TrainedWeights
    comparison: MetricComparison


def study_metric(
    triplets: Triplets,
    features_first: Features,
    features_second: Features,
    *,
    split: OriginalSplit,
    layer_sizes: Sequence[int],
    fit: Fit = fit_logistic,
    others: Sequence[ComparedMetric] = (),
    combined: Sequence[str] = _COMBINED,
    ransac: bool = False,
    leave_methods_out: bool = False,
    resamples: int = 2_000,
    seed: int = 0,
    ci_level: float = 0.95,
) -> MetricStudy:
    """Train on ``split.train`` and compare on ``split.test``.

    Compared are the learned metric, every weight the same, one weight per layer, the ``others``,
    and the learned metric combined with each of ``combined`` and with all of them.

    Parameters
    ----------
    features_first, features_second : ndarray of float32, shape (n, C)
        Pair features of (original, first) and (original, second), of all triplets.
    layer_sizes : sequence of int
        Channels per layer of the backbone.
    fit : callable
        The recipe; by default the convex fit.
    others : sequence of ComparedMetric
        On all triplets: PSNR, MS-SSIM, the user's own.
    combined : sequence of str
        Names among ``others``; those not there, or without a value on some triplet, are left out.
    ransac : bool
        Whether to add every combination with weights by RANSAC, as in the paper (seeded by
        ``seed``; needs scikit-learn).
    leave_methods_out : bool
        Whether to train again without each method; takes as many fits as there are methods.

    Raises
    ------
    MetricInputError, MetricError
        As `fit`, `combine` and `compare_metrics`; if the split leaks.
    """
    train = triplets.take(split.train)
    refuse_leak(train, triplets.take(split.test))
    z_first, z_second = features_first[split.train], features_second[split.train]
    trained = fit(train, z_first, z_second)
    equal = fit_equal_weights(train, z_first, z_second)
    layers = fit_layer_weights(train, z_first, z_second, layer_sizes=layer_sizes)
    learned = metric_of_weights(LEARNED, trained, features_first, features_second)
    metrics = [
        learned,
        metric_of_weights(PER_LAYER, layers, features_first, features_second),
        metric_of_weights(EQUAL, equal, features_first, features_second),
        *others,
    ]
    parts = [metric for metric in others if metric.name in combined and not metric.n_missing]
    combinations: list[Combination] = []
    if parts:
        unseen = _unseen_differences(learned.take(split.train), trained, train, z_first, z_second)
        for chosen in _choices(parts):
            of_train = [unseen, *(part.take(split.train) for part in chosen)]
            for method in (None, "ransac") if ransac else (None,):
                found = _combination(of_train, train, method, seed)
                combinations.append(found)
                metrics.append(found.apply([learned, *chosen]))
    comparison = compare_metrics(
        triplets, metrics, split=split, resamples=resamples, seed=seed, ci_level=ci_level
    )
    left_out: tuple[MethodLeftOut, ...] = ()
    if leave_methods_out:
        left_out = leave_one_method_out(
            triplets,
            features_first,
            features_second,
            split=split,
            fit=fit,
            trained=trained,
            resamples=resamples,
            seed=seed,
            ci_level=ci_level,
        )
    return MetricStudy(
        trained=trained,
        comparison=replace(
            comparison,
            trained=(trained, layers, equal),
            combinations=tuple(combinations),
            left_out=left_out,
        ),
    )


def metric_of_weights(
    name: str, trained: TrainedWeights, features_first: Features, features_second: Features
) -> ComparedMetric:
    """The distance of trained weights on triplets, from the features of their sides."""
    difference = trained.distance(features_first) - trained.distance(features_second)
    n_above = int((trained.weights > 0).sum())
    return ComparedMetric(
        name=name,
        difference=difference,
        logit_slope=trained.logit_slope,
        note=f"{n_above} of {len(trained.weights)} weights above 0",
    )


def leave_one_method_out(
    triplets: Triplets,
    features_first: Features,
    features_second: Features,
    *,
    split: OriginalSplit,
    fit: Fit,
    trained: TrainedWeights,
    resamples: int = 2_000,
    seed: int = 0,
    ci_level: float = 0.95,
) -> tuple[MethodLeftOut, ...]:
    """Train without each method in turn, and score the held-out triplets that show it.

    Tells how a metric fares on a codec that was not in the study. Methods without which nothing is
    left to train on, or that no held-out triplet shows, are not in the result.

    Parameters
    ----------
    trained : TrainedWeights
        By the same recipe on all of ``split.train``, to compare with.
    """
    found = []
    for method in np.unique(np.concatenate([triplets.method_first, triplets.method_second])):
        shows = (triplets.method_first == method) | (triplets.method_second == method)
        train = split.train[~shows[split.train]]
        test = split.test[shows[split.test]]
        if not len(train) or not len(test):
            continue
        some = fit(triplets.take(train), features_first[train], features_second[train])
        tested = triplets.take(test)
        scores = [
            agreement(
                weights.distance(features_first[test]) - weights.distance(features_second[test]),
                tested.share_second,
            )
            for weights in (some, trained)
        ]
        columns = np.column_stack([*scores, scores[0] - scores[1]])
        means = bootstrap_originals(
            columns, original_groups(tested), resamples=resamples, seed=seed
        )
        low, high = limits_of(means.replicates, ci_level)
        without, with_method, difference = (
            Estimate(value=number(value), ci_low=number(one), ci_high=number(other))
            for value, one, other in zip(means.values, low, high, strict=True)
        )
        found.append(
            MethodLeftOut(
                method=str(method),
                n_train=len(train),
                n_test=len(test),
                without=without,
                with_method=with_method,
                difference=difference,
            )
        )
    return tuple(found)


def _choices(parts: Sequence[ComparedMetric]) -> list[list[ComparedMetric]]:
    """Each alone, and all together."""
    return [[part] for part in parts] + ([list(parts)] if len(parts) > 1 else [])


def _combination(
    metrics: Sequence[ComparedMetric],
    train: Triplets,
    method: CombinationMethod | None,
    seed: int,
) -> Combination:
    name = " + ".join(metric.name for metric in metrics)
    if method == "ransac":
        name = f"{name} (RANSAC)"
    return combine(metrics, train, method=method, name=name, seed=seed)


def _unseen_differences(
    learned: ComparedMetric,
    trained: TrainedWeights,
    train: Triplets,
    z_first: Features,
    z_second: Features,
) -> ComparedMetric:
    """The learned metric on its training triplets, as if it had not seen each original.

    A combination fitted on distances that were themselves fitted to the same votes would trust the
    learned metric too much. The published recipe, which is slow, is not repeated.
    """
    if trained.l2 is None or int(original_groups(train).max()) == 0:
        return learned
    logits = held_out_logits(z_first - z_second, train, l2=trained.l2)
    return replace(learned, difference=logits / trained.logit_slope)
