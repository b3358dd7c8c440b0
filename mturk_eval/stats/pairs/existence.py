"""Whether votes have finite maximum likelihood scores at all.

They have none if the likelihood rises for ever in some direction: one item never loses to the
rest, or all answers go to one side. Both choice models share the directions, since in both a
larger difference always favours the left and a larger tie parameter always favours not sure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack, vstack

from mturk_eval.stats.pairs.vote_counts import VoteCounts


def has_finite_maximum(
    answers: NDArray[np.float64], differences: csr_array, *, has_ties: bool
) -> bool:
    """Whether no direction leaves every observed answer at least as likely, and one likelier.

    A linear program after Albert & Anderson (1984), On the existence of maximum likelihood
    estimates in logistic regression models, Biometrika 71(1), with a third answer.

    Parameters
    ----------
    answers : ndarray, shape (pairs, 3)
    differences : sparse array, shape (pairs, parameters without the tie)
        Row p times the parameters is pair p's difference.
    """
    left, tie, right = (answers > 0).T
    if not has_ties:
        gains = vstack([differences[left], -differences[right]], format="csr")
    else:
        # left needs a difference above the threshold, not sure one between the two
        gains = vstack(
            [
                hstack([differences[left], _column(left.sum(), -1.0)]),
                hstack([-differences[right], _column(right.sum(), -1.0)]),
                hstack([-differences[tie], _column(tie.sum(), 1.0)]),
                hstack([differences[tie], _column(tie.sum(), 1.0)]),
            ],
            format="csr",
        )
    total = np.asarray(gains.sum(axis=0)).ravel()
    solution = linprog(
        -total, A_ub=-gains, b_ub=np.zeros(gains.shape[0]), bounds=(-1.0, 1.0), method="highs"
    )
    return solution.fun is not None and bool(-solution.fun < 1e-7)


def _column(length: int, value: float) -> csr_array:
    return csr_array(np.full((int(length), 1), value, dtype=np.float64))


def left_bias_is_identified(counts: VoteCounts) -> bool:
    """Whether a pull of the left side differs from a shift of the scores.

    It does not if scores exist that set every left item exactly 1 above its right item: then
    nobody could tell the two apart. One pair shown both ways settles it.
    """
    k = len(counts.items)
    i, j = counts.left_item, counts.right_item
    if len(np.intersect1d(i * k + j, j * k + i)):
        return True
    return not np.array_equal(_heights(k, i, j)[i], _heights(k, i, j)[j] + 1)


def _heights(k: int, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.int64]:
    """Heights that drop by 1 from left to right along a spanning forest of the pairs."""
    neighbours: list[list[tuple[int, int]]] = [[] for _ in range(k)]
    for left, right in zip(i.tolist(), j.tolist(), strict=True):
        neighbours[left].append((right, -1))
        neighbours[right].append((left, 1))
    height: list[int | None] = [None] * k
    for root in range(k):
        if height[root] is not None:
            continue
        height[root] = 0
        waiting = [root]
        while waiting:
            item = waiting.pop()
            for other, rise in neighbours[item]:
                if height[other] is None:
                    height[other] = (height[item] or 0) + rise
                    waiting.append(other)
    return np.array(height, dtype=np.int64)
