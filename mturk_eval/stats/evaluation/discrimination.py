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

_CHUNK_ENTRIES = 500_000


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

    def sorted_by(
        self, score: NDArray[np.float64], chosen: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], PairWeights]:
        """The chosen pairs' scores in rising order, and what weighs those pairs."""
        kept = np.flatnonzero(chosen)
        kept = kept[np.argsort(score[kept], kind="stable")]
        one, other = self.image_first[kept], self.image_second[kept]
        return score[kept], PairWeights(one=one, other=other, same=np.flatnonzero(one == other))


@dataclass(frozen=True, slots=True, kw_only=True)
class PairWeights:
    """Images of pairs: ``one`` and ``other``, shape (pairs,), and where they are the ``same``."""

    one: NDArray[np.int64]
    other: NDArray[np.int64]
    same: NDArray[np.int64]

    def of(self, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        """How often each pair occurs, shape (pairs, m), with images ``drawn`` (images, m) times."""
        weights = drawn[self.one]
        within = weights[self.same]
        weights *= drawn[self.other]
        weights[self.same] = within
        return weights


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
    apart, of_apart = pairs.sorted_by(size, pairs.different)
    alike, of_alike = pairs.sorted_by(size, ~pairs.different)
    signed, of_signed = pairs.sorted_by(difference, pairs.different)
    right = np.where(signed > 0, 1.0, np.where(signed == 0, 0.5, 0.0))
    # the same pairs shown worse first have the opposite scores, in the opposite order
    better_or_worse = ScoreOrder.of(signed, -signed[::-1])
    apart_or_alike = ScoreOrder.of(apart, alike)
    parts = []
    for rows in _chunks(len(drawn), len(size)):
        images = np.ascontiguousarray(drawn[rows].T)
        weights = of_signed.of(images)
        with np.errstate(divide="ignore", invalid="ignore"):
            correct = (right @ weights) / _total(weights)
        better = better_or_worse.auc(weights, weights[::-1])
        different = apart_or_alike.auc(of_apart.of(images), of_alike.of(images))
        parts.append((different, better, correct))
    found = (np.concatenate(column) for column in zip(*parts, strict=True))
    different, better, correct = found
    return Discrimination(auc_different=different, auc_better=better, correct=correct)


def resolution(pairs: StimulusPairs, metric: NDArray[np.float64]) -> float:
    """The metric difference that 95 % of the pairs which raters do not tell apart stay below."""
    size = np.abs(metric[pairs.first] - metric[pairs.second])[~pairs.different]
    return float(np.quantile(size, 0.95)) if len(size) else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOrder:
    """How many negative cases lie below each positive one, and how many not above it.

    Both are in rising order of their scores. ``tied`` are the positive cases that equal a negative.
    """

    below: NDArray[np.int64]
    through: NDArray[np.int64]
    tied: NDArray[np.int64]

    @classmethod
    def of(cls, positive: NDArray[np.float64], negative: NDArray[np.float64]) -> ScoreOrder:
        """Of the scores of positive and of negative cases, each in rising order."""
        below = np.searchsorted(negative, positive, side="left")
        through = np.searchsorted(negative, positive, side="right")
        return cls(below=below, through=through, tied=np.flatnonzero(below != through))

    def auc(
        self, positive_weights: NDArray[np.float64], negative_weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Chance that a positive case scores above a negative one; a tie counts half.

        Parameters
        ----------
        positive_weights, negative_weights : ndarray, shapes (p, m) and (q, m)
            m sets of weights.

        Returns
        -------
        ndarray, shape (m,)
            Area under the ROC curve; NaN where no positive or no negative case has weight.

        Examples
        --------
        >>> order = ScoreOrder.of(np.array([2.0, 3.0]), np.array([1.0, 3.0]))
        >>> order.auc(np.ones((2, 1)), np.ones((2, 1)))
        array([0.625])
        """
        cumulated = np.zeros((len(negative_weights) + 1, negative_weights.shape[1]))
        np.cumsum(negative_weights, axis=0, out=cumulated[1:])
        area = np.einsum("pm,pm->m", positive_weights, cumulated[self.below])
        if len(self.tied):
            shares = cumulated[self.through[self.tied]] - cumulated[self.below[self.tied]]
            area += 0.5 * np.einsum("pm,pm->m", positive_weights[self.tied], shares)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(area / _total(positive_weights) / cumulated[-1])


def _total(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Column sums; as a product they take a third of the time."""
    return np.ones(len(weights)) @ weights


def _chunks(rows: int, columns: int) -> Iterator[slice]:
    step = max(8, _CHUNK_ENTRIES // max(1, columns))  # 8 doubles fill a line of the cache
    for start in range(0, rows, step):
        yield slice(start, start + step)
