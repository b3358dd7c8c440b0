"""Who wins which image, as arrays: rows are images, then methods against methods.

Everything is written for a stack of resamples, of which the data are the first and only one when
nothing is resampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mturk_eval.stats.pairs.vote_counts import codes_of_answers
from mturk_eval.stats.resampling.weights import ResamplingUnit, cluster_weights

_LEVEL = 1e-9
"""Counts closer than this are equal: halves and thirds are not exact."""
_CELLS_AT_ONCE = 4_000_000  # resamples x images x methods x methods: bounds memory at 32 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Tournament:
    """Votes of one rate as (image, method, method) cells.

    Attributes
    ----------
    methods, images : tuple of str
    credit : sparse array, shape (images x K x K, raters)
        How often a rater chose the first method over the second at an image; a vote that was not
        sure is half a choice for each.
    present : ndarray of bool, shape (images, K)
        Whether a method was shown at an image.
    """

    methods: tuple[str, ...]
    images: tuple[str, ...]
    credit: csr_array
    present: NDArray[np.bool_]
    n_raters: int

    @classmethod
    def of(cls, votes: pd.DataFrame) -> Tournament:
        """From columns rater, image, method_left, method_right, choice; sides always differ."""
        both = pd.concat([votes["method_left"], votes["method_right"]], ignore_index=True)
        method, methods = pd.factorize(both.astype(str), sort=True)
        left, right = np.split(np.asarray(method, dtype=np.int64), 2)
        image_code, images = pd.factorize(votes["image"].astype(str), sort=True)
        image = np.asarray(image_code, dtype=np.int64)
        rater_code, raters = pd.factorize(votes["rater"].astype(str))
        rater = np.asarray(rater_code, dtype=np.int64)
        for_left = 1.0 - codes_of_answers(votes["choice"]) / 2.0
        k = len(methods)
        present = np.zeros((len(images), k), dtype=bool)
        present[image, left] = present[image, right] = True
        cell = np.concatenate([(image * k + left) * k + right, (image * k + right) * k + left])
        credit = csr_array(
            (np.concatenate([for_left, 1.0 - for_left]), (cell, np.tile(rater, 2))),
            shape=(len(images) * k * k, len(raters)),
        )
        return cls(
            methods=tuple(map(str, methods)),
            images=tuple(map(str, images)),
            credit=credit,
            present=present,
            n_raters=len(raters),
        )

    def votes_with(self, rater_weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Choices of every cell with raters counted ``rater_weights`` (B, raters) times.

        Shape (B, images, K, K).
        """
        counted = np.asarray((self.credit @ rater_weights.T).T)
        k = len(self.methods)
        return counted.reshape(len(rater_weights), len(self.images), k, k)

    @property
    def chance(self) -> float:
        """Images a method would win if all were alike and shown everywhere."""
        return float(np.sum(1.0 / self.present.sum(axis=1)))


def pair_wins(votes: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """1 for the majority of a pair's votes, 0 for the minority, 1/2 each if level or not voted on.

    Parameters
    ----------
    votes : ndarray, shape (..., images, K, K)
    present : ndarray of bool, shape (images, K)
        Pairs with a method that was not shown at an image are worth nothing.
    """
    margin = votes - np.swapaxes(votes, -1, -2)
    wins = np.where(np.abs(margin) <= _LEVEL, 0.5, margin > 0)
    k = votes.shape[-1]
    compared = present[:, :, None] & present[:, None, :] & ~np.eye(k, dtype=bool)
    return np.asarray(wins * compared)


def best_shares(points: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """1 for the best of each image, 1/m each where m share the top; shape as ``points``.

    Parameters
    ----------
    points : ndarray, shape (..., images, K)
    """
    top = np.where(present, points, -np.inf)
    best = (top >= top.max(axis=-1, keepdims=True) - _LEVEL) & present
    return np.asarray(best / best.sum(axis=-1, keepdims=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class TieBreaks:
    """Images won by each method under each way to break ties at the top, shape (K,) each."""

    head_to_head: NDArray[np.float64]
    vote_share: NDArray[np.float64]
    score: NDArray[np.float64] | None


def tie_breaks(
    tournament: Tournament,
    votes: NDArray[np.float64],
    wins: NDArray[np.float64],
    scores: NDArray[np.float64] | None,
) -> TieBreaks:
    """Images won if ties at the top are broken; what stays level is shared.

    Parameters
    ----------
    votes, wins : ndarray, shape (images, K, K)
    scores : ndarray, shape (K,), or None
        Of the methods at this rate.
    """
    top = best_shares(wins.sum(axis=-1), tournament.present) > 0
    among_top = np.sum(wins * top[:, None, :], axis=-1)
    met = votes.sum(axis=-1) + votes.sum(axis=-2)
    share = np.divide(votes.sum(axis=-1), met, out=np.zeros(met.shape), where=met > 0)

    def won(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(best_shares(points, top).sum(axis=0))

    by_score = None if scores is None else won(np.broadcast_to(scores, top.shape))
    return TieBreaks(head_to_head=won(among_top), vote_share=won(share), score=by_score)


def bootstrap_images_won(
    tournament: Tournament, unit: ResamplingUnit, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Images won in resamples of raters, images, or both; ties shared. Shape (resamples, K).

    An image that is drawn twice is won twice.
    """
    n_images, k = len(tournament.images), len(tournament.methods)
    at_once = max(1, min(resamples, _CELLS_AT_ONCE // (n_images * k * k)))
    won = np.empty((resamples, k))
    everyone = np.ones((1, tournament.n_raters))
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        raters, images = everyone, np.ones((size, n_images))
        if unit in {"rater", "both"}:
            raters = cluster_weights(tournament.n_raters, size, rng)
        if unit in {"image", "both"}:
            images = cluster_weights(n_images, size, rng)
        wins = pair_wins(tournament.votes_with(raters), tournament.present)
        shares = best_shares(wins.sum(axis=-1), tournament.present)
        won[start : start + size] = np.einsum(
            "bi,bik->bk", images, np.broadcast_to(shares, (size, n_images, k))
        )
    return won
