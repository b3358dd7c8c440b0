"""The stages of `metric evaluate`, each from values to values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mturk_eval.cli.metric.sources import VotedPictures
from mturk_eval.cli.metric.training import BackboneChoice, Extracting, OtherMetrics
from mturk_eval.metric.errors import MetricInputError

if TYPE_CHECKING:
    from mturk_eval.metric.compared import ComparedMetric
    from mturk_eval.metric.comparison import MetricComparison
    from mturk_eval.metric.split import OriginalSplit
    from mturk_eval.metric.triplets import Triplets
    from mturk_eval.metric.weights_file import CombinationRecord, MetricWeights


def held_out(
    triplets: Triplets, metrics: Mapping[Path, MetricWeights], *, unseen: bool
) -> OriginalSplit | None:
    """Which triplets metrics may be compared on: those of originals that none was trained on.

    Returns
    -------
    OriginalSplit or None
        None where every triplet may be: no original of training is among them.

    Raises
    ------
    MetricInputError
        If the metrics held out different originals, or the votes are on none of those.
    """
    from mturk_eval.metric.split import split_listed

    if unseen:
        return None
    lists = {metric.provenance.test_originals for metric in metrics.values()}
    if len(lists) > 1:
        raise MetricInputError(
            f"{', '.join(map(str, metrics))} held out different originals in training. Train them "
            "with the same votes and --seed, or compare them one by one."
        )
    listed, images = set(lists.pop()), set(map(str, triplets.image))
    if not listed:
        raise MetricInputError(
            "Training held no original out (--test-share 0). If it was on none of the "
            f"{len(images)} originals here, say so by --unseen; else scores would be too good."
        )
    if not listed & images:
        raise MetricInputError(
            "The votes are on none of the originals that the metric held out in training "
            f"({len(listed)} are listed in its file). If it was trained on none of the "
            f"{len(images)} originals here either, say so by --unseen; else scores would be too "
            "good."
        )
    return None if images <= listed else split_listed(triplets, listed & images)


def evaluate(
    metrics: Mapping[Path, MetricWeights],
    voted: VotedPictures,
    *,
    extracting: Extracting,
    backbone_weights: Path | None,
    others: OtherMetrics,
    unseen: bool,
    resamples: int,
    seed: int,
) -> MetricComparison:
    """Compare trained metrics with simpler ones on originals they were not trained on.

    Weights per layer are fitted anew on the other originals; where there are none, they are left
    out. Combinations keep the weights of training, which their file holds.
    """
    from mturk_eval.metric.architectures import architecture_of
    from mturk_eval.metric.compared import ComparedMetric
    from mturk_eval.metric.evaluation import compare_metrics
    from mturk_eval.metric.study import EQUAL, LEARNED, PER_LAYER
    from mturk_eval.metric.training import fit_layer_weights
    from mturk_eval.metric.weights_file import check_same

    triplets = voted.triplets
    split = held_out(triplets, metrics, unseen=unseen)
    learned: list[ComparedMetric] = []
    untrained: dict[str, ComparedMetric] = {}
    classical = others.compute(voted)
    combined: list[ComparedMetric] = []
    not_combined: list[str] = []
    for path, metric in metrics.items():
        record = metric.backbone
        backbone = BackboneChoice(
            name=record.name, weights=backbone_weights, random_seed=record.random_seed
        ).open()
        check_same(metric, backbone)
        z_first, z_second, _ = extracting.vectors(voted, backbone)
        several = len(metrics) > 1
        of_file, of_backbone = (f" ({path.stem})", f" ({record.label})") if several else ("", "")
        # The slope of training: one fitted to distances that saw those votes would be too steep.
        slope = metric.provenance.logit_slope
        candidates: dict[str, tuple[NDArray[Any], float | None, str]] = {
            LEARNED + of_file: (metric.weights, slope, f"{path.name}, on {record.label}"),
        }
        if split is not None:
            fitted = fit_layer_weights(
                triplets.take(split.train),
                z_first[split.train],
                z_second[split.train],
                layer_sizes=architecture_of(record.name).layer_slices.sizes,
            )
            candidates[PER_LAYER + of_backbone] = (
                fitted.weights,
                fitted.logit_slope,
                "fitted on the other originals",
            )
        candidates[EQUAL + of_backbone] = (np.ones_like(metric.weights), None, "")
        for name, (weights, slope, note) in candidates.items():
            difference = (z_first - z_second).astype(np.float64) @ weights.astype(np.float64)
            compared = ComparedMetric(
                name=name, difference=difference, logit_slope=slope, note=note
            )
            if name.startswith(LEARNED):
                learned.append(compared)
            else:
                untrained[name] = compared
        for record_of in metric.provenance.combinations:
            found = combination_of(record_of, learned[-1], classical)
            if found is None:
                not_combined.append(record_of.name + of_file)
            else:
                combined.append(replace(found, name=record_of.name + of_file))
    comparison = compare_metrics(
        triplets,
        [*learned, *untrained.values(), *classical, *combined],
        split=split,
        resamples=resamples,
        seed=seed,
    )
    if not not_combined or not others.classical:
        return comparison
    warning = (
        f"Not compared: {', '.join(not_combined)}. A part has no value here, or was computed "
        "otherwise in training (see --colours)."
    )
    return replace(comparison, warnings=(*comparison.warnings, warning))


def combination_of(
    record: CombinationRecord, learned: ComparedMetric, others: Sequence[ComparedMetric]
) -> ComparedMetric | None:
    """A combination of training on other triplets; None if its parts are not all there."""
    from mturk_eval.metric.combination import Combination

    known = {metric.name: metric for metric in others if not metric.n_missing}
    parts = [known.get(name) for name in record.parts[1:]]
    there = [part for part in parts if part is not None]
    if [part.note for part in there] != list(record.part_notes[1:]):
        return None
    return Combination(**record.model_dump()).apply(
        [replace(learned, name=record.parts[0]), *there]
    )
