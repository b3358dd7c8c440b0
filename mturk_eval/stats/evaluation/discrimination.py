"""Krasula's analysis: can a metric tell stimuli apart that raters tell apart, and which is better?

Pairs of stimuli are the cases. Under a resample of images, pairs within an image count as often as
the image was drawn, and pairs across two images as often as both were; a pair of two copies of one
image counts not at all, since the data hold no such pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Scope = Literal["all", "within", "across"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Which pairs: every one, those of one image, those of two images."""

_CHUNK_ENTRIES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StimulusPairs:
    """Pairs of stimuli, and what raters say of them.

    Attributes
    ----------
    first, second : ndarray of int, shape (pairs,)
        Stimuli of the pair, the better rated one first.
    image_first, image_second : ndarray of int, shape (pairs,)
    different : ndarray of bool, shape (pairs,)
        Whether the mean ratings differ significantly.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    image_first: NDArray[np.int64]
    image_second: NDArray[np.int64]
    different: NDArray[np.bool_]

    def weights(self, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        """How often each pair occurs when images were drawn ``drawn`` (m, images) times."""
        one = drawn[:, self.image_first]
        return np.where(
            self.image_first == self.image_second, one, one * drawn[:, self.image_second]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrimination:
    """Krasula's three numbers of one metric, each of shape (m,), NaN where pairs lack."""

    auc_different: NDArray[np.float64]
    auc_better: NDArray[np.float64]
    correct: NDArray[np.float64]


def stimulus_pairs(
    mos: NDArray[np.float64],
    std_error: NDArray[np.float64],
    image: NDArray[np.int64],
    scope: Scope,
    *,
    threshold: float = 2.0,
) -> StimulusPairs:
    """All pairs of a scope; different where the means are ``threshold`` standard errors apart.

    Parameters
    ----------
    mos, std_error : ndarray, shape (n,)
        Mean ratings and their standard errors.
    image : ndarray of int, shape (n,)
        Image of every stimulus.
    """
    first, second = np.triu_indices(len(mos), 1)
    if scope != "all":
        same = image[first] == image[second]
        chosen = same if scope == "within" else ~same
        first, second = first[chosen], second[chosen]
    swap = mos[first] < mos[second]
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    error = np.hypot(std_error[first], std_error[second])
    return StimulusPairs(
        first=first,
        second=second,
        image_first=image[first],
        image_second=image[second],
        different=mos[first] - mos[second] > threshold * error,
    )


def discriminate(
    pairs: StimulusPairs, metric: NDArray[np.float64], drawn: NDArray[np.float64]
) -> Discrimination:
    """AUC different/similar, AUC better/worse and CC0 of a metric [1]_, for every resample.

    Parameters
    ----------
    metric : ndarray, shape (n,)
        Higher is better.
    drawn : ndarray, shape (m, images)
        How often each image is in each resample.

    Returns
    -------
    Discrimination
        ``auc_different``: the chance that the metric differs more in a pair that raters tell apart
        than in one they do not. ``auc_better``: the chance that its difference is larger in a pair
        shown better first than in one shown worse first; each pair is taken in both orders.
        ``correct`` (CC0): how often it calls the better one better; a tie counts half.

    References
    ----------
    .. [1] Krasula, Fliegel, Le Callet & Klima (2016), On the accuracy of objective image and video
       quality models: new methodology for performance evaluation, QoMEX.
    """
    difference = metric[pairs.first] - metric[pairs.second]
    size = np.abs(difference)
    signed = difference[pairs.different]
    both_orders = np.concatenate([signed, -signed])
    is_better = np.arange(len(both_orders)) < len(signed)
    right = np.where(signed > 0, 1.0, np.where(signed == 0, 0.5, 0.0))
    parts = []
    for rows in _chunks(len(drawn), len(size)):
        weights = pairs.weights(drawn[rows])
        of_different = weights[:, pairs.different]
        with np.errstate(divide="ignore", invalid="ignore"):
            correct = (of_different @ right) / of_different.sum(axis=1)
        parts.append(
            (
                weighted_auc(size, pairs.different, weights),
                weighted_auc(both_orders, is_better, np.tile(of_different, 2)),
                correct,
            )
        )
    different, better, correct = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Discrimination(auc_different=different, auc_better=better, correct=correct)


def resolution(pairs: StimulusPairs, metric: NDArray[np.float64]) -> float:
    """The metric difference that 95 % of the pairs which raters do not tell apart stay below."""
    size = np.abs(metric[pairs.first] - metric[pairs.second])[~pairs.different]
    return float(np.quantile(size, 0.95)) if len(size) else float("nan")


def weighted_auc(
    score: NDArray[np.float64], positive: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Area under the ROC curve for every row of weights; ties count half.

    Parameters
    ----------
    score : ndarray, shape (n,)
        Higher speaks for positive.
    positive : ndarray of bool, shape (n,)
    weights : ndarray, shape (m, n)

    Returns
    -------
    ndarray, shape (m,)
        NaN where a row has no positive or no negative case.

    Examples
    --------
    >>> weighted_auc(np.array([1.0, 2, 3]), np.array([False, True, True]), np.ones((1, 3)))
    array([1.])
    """
    if len(score) == 0:
        return np.full(len(weights), np.nan)
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sorted_weights, is_positive = weights[:, order], positive[order]
    of_positive = np.add.reduceat(sorted_weights * is_positive, starts, axis=1)
    of_negative = np.add.reduceat(sorted_weights * ~is_positive, starts, axis=1)
    below = np.cumsum(of_negative, axis=1) - of_negative / 2.0
    with np.errstate(divide="ignore", invalid="ignore"):
        area = (of_positive * below).sum(axis=1) / of_positive.sum(axis=1)
        return np.asarray(area / of_negative.sum(axis=1))


def _chunks(rows: int, columns: int) -> Iterator[slice]:
    step = max(1, _CHUNK_ENTRIES // max(1, columns))
    for start in range(0, rows, step):
        yield slice(start, start + step)
