"""From pair features and votes to one weight per channel.

The default recipe is the convex fit of `logistic_fit`; beside it stand the two small models that a
learned metric must beat: every channel the same weight, and one weight per layer.

Scale. Votes do not tell how long a unit of distance is, so it is set: the mean distance between the
training originals and their reconstructions is 1 (each triplet counted by its votes).
``logit_slope`` keeps what votes do tell: the logit of choosing the second reconstruction is
``logit_slope * (distance of the first - distance of the second)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.errors import MetricError, MetricInputError
from mturk_eval.metric.logistic_fit import (
    CrossValidation,
    LogisticFit,
    Rule,
    fit_non_negative_logistic,
    fit_slope,
    log_losses,
)
from mturk_eval.metric.triplets import Triplets
from mturk_eval.stats.documents import Document, number

Recipe = Literal["logistic", "lpips", "equal", "layers"]
"""The convex fit, the published ranking network, every weight the same, one weight per layer."""

Features = NDArray[np.float32]
"""Pair features, shape (n, C): mean squared differences of unit-normalised activations."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedWeights:
    """Weights of a distance ``features @ weights`` and how they came about.

    Attributes
    ----------
    recipe : {"logistic", "lpips", "equal", "layers"}
    weights : ndarray, shape (C,)
        At least 0; the mean distance on the training pairs is 1.
    logit_slope : float
        Logit of choosing the second per unit by which the first is farther; 0 where votes run
        against the distance.
    training_log_loss : float
        Per vote in nats; chance is ln 2 = 0.693.
    l2 : float or None
        Penalty on scaled weights; None for recipes without one.
    cross_validation : CrossValidation or None
        How ``l2`` was chosen; None where it was given.
    seed : int or None
        Of the published recipe; the convex fit has none.
    settings : mapping
        What else the recipe was told, for provenance.
    """

    recipe: Recipe
    weights: _Floats
    logit_slope: float
    training_log_loss: float
    n_triplets: int
    n_votes: int
    l2: float | None = None
    cross_validation: CrossValidation | None = None
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def distance(self, features: Features | _Floats) -> _Floats:
        """Distances of pairs from their features, shape (m, C) to (m,)."""
        return np.asarray(features.astype(np.float64) @ self.weights)

    def document(self) -> Document:
        """As JSON, without the weights, which are in the metric's file."""
        return {
            "recipe": self.recipe,
            "n_triplets": self.n_triplets,
            "n_votes": self.n_votes,
            "n_weights": len(self.weights),
            "n_weights_above_zero": int((self.weights > 0).sum()),
            "scale": "mean distance on the training pairs = 1",
            "logit_slope": number(self.logit_slope),
            "training_log_loss": number(self.training_log_loss),
            "l2": number(self.l2),
            "cross_validation": (
                None if self.cross_validation is None else self.cross_validation.document()
            ),
            "seed": self.seed,
            "settings": dict(self.settings),
            "warnings": list(self.warnings),
        }


def fit_logistic(
    triplets: Triplets,
    features_first: Features,
    features_second: Features,
    *,
    l2: float | None = None,
    n_folds: int = 5,
    rule: Rule = "minimum",
    start: _Floats | None = None,
) -> TrainedWeights:
    """Train one weight per channel by the non-negative, antisymmetric logistic fit.

    Votes weigh triplets; "not sure" counts half for either side. The same votes give the same
    weights: there is no seed. For the objective see `fit_non_negative_logistic`.

    Parameters
    ----------
    triplets : Triplets
        n triplets, all of them to train on.
    features_first, features_second : ndarray of float32, shape (n, C)
        Pair features of (original, first) and (original, second).
    l2 : float, optional
        Penalty; by default chosen by cross-validation over originals, at the smallest held-out
        log-loss. (``rule="one-standard-error"`` takes the strongest within one standard error of
        it, which shrinks distances more than votes ask for.)
    n_folds : int
    start : ndarray, shape (C,), optional
        Of the search; the answer does not depend on it.

    Raises
    ------
    MetricInputError
        If shapes do not fit, a feature is negative or not finite, or an option is out of range.
    MetricError
        If no weight above zero helps to predict the votes, or the fit does not converge.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> z = rng.random((2, 60, 2), dtype=np.float32)  # channel 0 is what raters see
    >>> second = (z[0, :, 0] > z[1, :, 0]).astype(np.int64) * 5
    >>> name = np.array([f"i{k}" for k in range(60)])
    >>> votes = Triplets(image=name, bpp=np.full(60, 0.5), method_first=name, method_second=name,
    ...     original=name, first=name, second=name, votes_first=5 - second, votes_second=second,
    ...     votes_not_sure=0 * second)
    >>> bool(np.greater(*fit_logistic(votes, z[0], z[1], l2=0.01).weights))
    True
    """
    _check(triplets, features_first, features_second, n_folds=n_folds, l2=l2)
    found = fit_non_negative_logistic(
        features_first - features_second, triplets, l2=l2, n_folds=n_folds, rule=rule, start=start
    )
    return _trained("logistic", triplets, features_first, features_second, found, found.weights)


def fit_layer_weights(
    triplets: Triplets,
    features_first: Features,
    features_second: Features,
    *,
    layer_sizes: Sequence[int],
    l2: float | None = None,
    n_folds: int = 5,
) -> TrainedWeights:
    """Train one weight per layer: the same fit on the sums over each layer's channels.

    Parameters
    ----------
    layer_sizes : sequence of int
        Channels of every layer, in the order of the features; they add up to C.
    """
    _check(triplets, features_first, features_second, n_folds=n_folds, l2=l2)
    if sum(layer_sizes) != features_first.shape[1] or min(layer_sizes, default=0) < 1:
        raise MetricInputError(
            f"Layers of {', '.join(map(str, layer_sizes))} channels do not make up "
            f"{features_first.shape[1]} features. Give the backbone's layers."
        )
    starts = np.concatenate([[0], np.cumsum(layer_sizes)[:-1]])
    first, second = (np.add.reduceat(z, starts, axis=1) for z in (features_first, features_second))
    found = fit_non_negative_logistic(first - second, triplets, l2=l2, n_folds=n_folds)
    weights = np.repeat(found.weights, layer_sizes)
    return _trained("layers", triplets, features_first, features_second, found, weights)


def fit_equal_weights(
    triplets: Triplets, features_first: Features, features_second: Features
) -> TrainedWeights:
    """Weigh every channel the same, as the paper's "VGG" and "AlexNet"; fit the scale."""
    _check(triplets, features_first, features_second)
    weights = np.ones(features_first.shape[1])
    return _trained("equal", triplets, features_first, features_second, None, weights)


def scaled_weights(
    recipe: Recipe,
    weights: _Floats,
    triplets: Triplets,
    features_first: Features,
    features_second: Features,
    *,
    seed: int | None = None,
    settings: Mapping[str, Any] | None = None,
    warnings: tuple[str, ...] = (),
) -> TrainedWeights:
    """Bring any weights to the scale of training pairs and fit their slope.

    For weights that come without a scale: the published recipe's, or a published file's.

    Raises
    ------
    MetricError
        If all training distances are zero.
    """
    _check(triplets, features_first, features_second)
    first, second = (z.astype(np.float64) @ weights for z in (features_first, features_second))
    mean = _mean_distance(first, second, triplets)
    difference = (first - second) / mean
    slope = fit_slope(difference, triplets)
    return TrainedWeights(
        recipe=recipe,
        weights=np.asarray(weights / mean),
        logit_slope=slope,
        training_log_loss=_log_loss(slope * difference, triplets),
        n_triplets=len(triplets),
        n_votes=int(triplets.n_votes.sum()),
        seed=seed,
        settings=dict(settings or {}),
        warnings=warnings if slope > 0 else (*warnings, _AGAINST),
    )


_AGAINST = (
    "The votes run against this distance: what it calls farther is chosen more often. Check which "
    "reconstruction the votes are for."
)


def _trained(
    recipe: Recipe,
    triplets: Triplets,
    features_first: Features,
    features_second: Features,
    fit: LogisticFit | None,
    weights: _Floats,
) -> TrainedWeights:
    if fit is None:
        return scaled_weights(recipe, weights, triplets, features_first, features_second)
    if not weights.any():
        if (triplets.share_second == 0.5).all():
            raise MetricError(
                "On every triplet the votes are split evenly, so they say nothing about any "
                "channel. Collect more votes."
            )
        raise MetricError(
            "No weight above zero helps to predict the votes: raters chose, on the whole, what "
            "every channel calls farther from the original. Check which reconstruction the votes "
            "are for."
        )
    first, second = (z.astype(np.float64) @ weights for z in (features_first, features_second))
    mean = _mean_distance(first, second, triplets)
    return TrainedWeights(
        recipe=recipe,
        weights=np.asarray(weights / mean),
        logit_slope=mean,
        training_log_loss=_log_loss(first - second, triplets),
        n_triplets=len(triplets),
        n_votes=int(triplets.n_votes.sum()),
        l2=fit.l2,
        cross_validation=fit.cross_validation,
        settings={"iterations": fit.iterations, "largest_gradient": fit.largest_gradient},
    )


def _mean_distance(first: _Floats, second: _Floats, triplets: Triplets) -> float:
    n = triplets.n_votes
    mean = float((n * (first + second) / 2).sum() / n.sum())
    if not mean > 0:
        raise MetricError(
            "Every training distance is zero, so the metric has no scale: the reconstructions "
            "equal their originals in every weighted channel. Check the pictures."
        )
    return mean


def _log_loss(logit: _Floats, triplets: Triplets) -> float:
    n = triplets.n_votes
    return float((n * log_losses(logit, triplets.share_second)).sum() / n.sum())


def _check(
    triplets: Triplets,
    first: Features,
    second: Features,
    *,
    n_folds: int = 5,
    l2: float | None = None,
) -> None:
    if len(triplets) == 0:
        raise MetricInputError("There are no triplets to train on. Add votes.")
    if first.shape != second.shape or first.ndim != 2 or len(first) != len(triplets):
        raise MetricInputError(
            f"{len(triplets)} triplets with features of shapes {first.shape} and {second.shape}: "
            "give one row of features per triplet for either side."
        )
    for side, features in (("first", first), ("second", second)):
        # a minimum is NaN where any value is, and quicker than a mask
        if not (features.min(initial=0.0) >= 0 and np.isfinite(features.max(initial=0.0))):
            row = int(np.flatnonzero(~(np.isfinite(features) & (features >= 0)).all(axis=1))[0])
            raise MetricInputError(
                f"The features of the {side} reconstruction of triplet {row + 1} (image "
                f"{triplets.image[row]}) are negative or not finite: mean squared differences are "
                "at least 0. Compute them again."
            )
    if l2 is not None and not (np.isfinite(l2) and l2 > 0):
        raise MetricInputError(f"l2 is {l2:g}: give a penalty above 0, or none to choose one.")
    if n_folds < 2:
        raise MetricInputError(f"Cross-validation takes 2 folds or more, not {n_folds}.")
