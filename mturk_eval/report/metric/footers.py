"""What figures of metrics say below: from which votes, on which backbone, and if it is random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mturk_eval.metric.comparison import MetricComparison
from mturk_eval.metric.difference_maps import DifferenceMaps, scale_end
from mturk_eval.metric.weights_file import BackboneRecord, MetricWeights

RANDOM_BACKBONE: Final = (
    "The backbone was drawn at random and never trained on pictures: the steps are the real ones, "
    "the scores are not what a trained backbone gives."
)


def backbone_footer(backbones: Sequence[BackboneRecord]) -> str:
    """The backbones of metrics, with what random ones are worth."""
    labels = ", ".join(dict.fromkeys(record.label for record in backbones))
    drawn = any(record.random_seed is not None for record in backbones)
    return f"Backbone: {labels}.{f' {RANDOM_BACKBONE}' if drawn else ''}"


def score_footer(result: MetricComparison, backbones: Sequence[BackboneRecord]) -> str:
    """Votes, intervals, what the human lines are, and the backbones."""
    return "\n".join(
        [
            f"{_votes(result)} {_intervals(result)}",
            "Majority: the most any metric can score on these votes. As published: p² + (1 − p)², "
            "too high with few votes. Unbiased: how often two people agree.",
            backbone_footer(backbones),
        ]
    )


def rate_footer(result: MetricComparison, backbones: Sequence[BackboneRecord]) -> str:
    """Votes, intervals and the backbones."""
    return f"{_votes(result)} {_intervals(result)}\n{backbone_footer(backbones)}"


def _votes(result: MetricComparison) -> str:
    return (
        f"{result.n_votes:,} votes on {result.n_triplets:,} triplets of {result.n_originals:,} "
        f"{'held-out ' if result.split is not None else ''}"
        f"original{'' if result.n_originals == 1 else 's'}."
    )


def _intervals(result: MetricComparison) -> str:
    if not result.resamples:
        return "No intervals: they take two originals."
    return f"Bars: {result.ci_level:.0%} intervals, originals resampled {result.resamples:,} times."


def weight_footer(name: str, result: MetricComparison, backbone: BackboneRecord) -> str:
    """Whose weights, what a weight is, on which pairs shares are, and the backbone."""
    held_out = "held-out " if result.split is not None else ""
    return "\n".join(
        [
            f"Weights of {name}, each layer's from the largest down: what the squared difference "
            "of a channel's normalised activations counts. Below: what a layer adds to the mean "
            f"distance of the {held_out}pairs, learned, and if all weights were equal.",
            backbone_footer([backbone]),
        ]
    )


def map_footer(
    metric: str, original: str, reconstruction: str, maps: DifferenceMaps, weights: MetricWeights
) -> str:
    """Which pictures, what the numbers and colours are, and the backbone."""
    height, width = maps.total.shape
    return "\n".join(
        [
            f"{original} and {reconstruction}, {width} × {height} px, by {metric}. Numbers: what "
            f"the layers add to the distance ({weights.provenance.scale}). Colours: from 0 by the "
            "square root, up to what 99.5 % of the pixels stay below: "
            f"{scale_end(maps.total):.3g} of all layers (largest {maps.total.max():.3g}), "
            f"{scale_end(maps.layers):.3g} of one (largest {maps.layers.max():.3g}).",
            backbone_footer([weights.backbone]),
        ]
    )
