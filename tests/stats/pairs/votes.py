"""Votes for tests: from R's tables, and simulated with a known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mturk_eval.stats.pairs.vote_counts import VoteCounts
from tests.stats.reference import reference_table


def citation_counts() -> tuple[tuple[str, ...], VoteCounts]:
    """Citations between four journals, first player on the left."""
    table = reference_table("citations")
    return _counts(table["player1"], table["player2"], table["win1"], table["win2"])


def baseball_counts() -> tuple[tuple[str, ...], VoteCounts]:
    """Games of seven teams, the home team on the left."""
    table = reference_table("baseball")
    columns = ("home.team", "away.team", "home.wins", "away.wins")
    return _counts(*(table[column] for column in columns))


def simulated_votes(
    seed: int,
    *,
    scores: tuple[float, ...] = (0.8, 0.0, -0.8),
    n_raters: int = 30,
    votes_each: int = 20,
    n_images: int = 1,
    left_bias: float = 0.3,
    rater_taste_sd: float = 0.0,
    image_taste_sd: float = 0.0,
    tie: float | None = None,
) -> pd.DataFrame:
    """Bradley-Terry votes; tastes are normal deviations of a rater's or an image's scores.

    ``tie`` is the logarithm of Davidson's parameter.
    """
    rng = np.random.default_rng(seed)
    k, n = len(scores), n_raters * votes_each
    pair = np.array([rng.permutation(k)[:2] for _ in range(n)])
    rater = np.repeat(np.arange(n_raters), votes_each)
    image = rng.integers(0, n_images, n)
    value = (
        np.array(scores)[None, :]
        + rng.normal(0, rater_taste_sd, (n_raters, k))[rater]
        + rng.normal(0, image_taste_sd, (n_images, k))[image]
    )
    rows = np.arange(n)
    half = (value[rows, pair[:, 0]] - value[rows, pair[:, 1]] + left_bias) / 2
    weight = np.exp(np.column_stack([half, np.full(n, -np.inf if tie is None else tie), -half]))
    reached = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
    answer = (rng.random(n)[:, None] > reached).sum(axis=1)
    names = np.array(list("xyzuvw"))
    return pd.DataFrame(
        {
            "rater": [f"r{r}" for r in rater],
            "image": [f"i{i}" for i in image],
            "method_left": names[pair[:, 0]],
            "method_right": names[pair[:, 1]],
            "choice": np.array(["left", "not_sure", "right"])[answer],
        }
    )


def error_of_difference(covariance: NDArray[np.float64], a: int, b: int) -> float:
    """Standard error of the difference of two estimates."""
    return float(np.sqrt(covariance[a, a] + covariance[b, b] - 2 * covariance[a, b]))


def _counts(
    left: pd.Series[str], right: pd.Series[str], wins: pd.Series[int], losses: pd.Series[int]
) -> tuple[tuple[str, ...], VoteCounts]:
    items = tuple(sorted({*left, *right}))
    counts = VoteCounts(
        items=items,
        left_item=np.array([items.index(name) for name in left], dtype=np.int64),
        right_item=np.array([items.index(name) for name in right], dtype=np.int64),
        answers=np.column_stack([wins, 0 * wins, losses]).astype(np.float64),
    )
    return items, counts
