"""Ratings made to match a published table of means and standard errors; not anybody's data.

A table says how high the ratings of each picture are and how much they spread, and nothing about
who gave which. So every cell of the table first gets its 100 ratings (`matching_counts`), which are
the same in every design; a design then says which raters gave them, and within each cell the
lenient raters get the high ones (`matched_ratings`). Means and standard errors stay exact whatever
the design.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp, root

LOWEST, HIGHEST = 1, 10
RATINGS_PER_CELL = 100
METHODS = ("human", "webp")

RATER_SHARE = 0.25
"""Share of the variance within a cell that comes from lenient and strict raters.

The paper does not report it. A quarter is a usual value for ratings on ten points.
"""


SEED = 2019
"""Its drawings are ordinary ones; what other seeds give is the last table of results/model.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One picture of the study, with as many ratings of 1, 2, ... 10 as `matching_counts` says."""

    image: str
    method: str
    counts: NDArray[np.int64]

    @property
    def ratings(self) -> NDArray[np.int64]:
        """Its ratings in ascending order."""
        return np.repeat(np.arange(LOWEST, HIGHEST + 1), self.counts)


def cells_of(published: pd.DataFrame) -> tuple[Cell, ...]:
    """The image x method cells that match the published table, image by image."""
    return tuple(
        Cell(
            image=str(row["image"]),
            method=method,
            counts=matching_counts(row[f"mean_{method}"], row[f"std_error_{method}"]),
        )
        for row in published.to_dict("records")
        for method in METHODS
    )


def matching_counts(mean: float, std_error: float, n: int = RATINGS_PER_CELL) -> NDArray[np.int64]:
    """How many of ``n`` ratings are 1, 2, ... 10, for a published mean and standard error.

    Of all counts with exactly this mean and the standard error nearest to the published one, these
    are the closest to the distribution of largest entropy with these two moments, a discrete
    normal cut off at the ends of the scale: nothing is put in that the table does not say.

    Parameters
    ----------
    mean : float
        In rating points; ``n * mean`` must be an integer.
    std_error : float
        s / sqrt(n) with the divisor n - 1 in s, in rating points.
    n : int
        Number of ratings.

    Returns
    -------
    ndarray of int, shape (10,)

    Raises
    ------
    ValueError
        If no ``n`` integer ratings have this mean and about this standard error.

    Examples
    --------
    >>> counts = matching_counts(8.25, 0.20)
    >>> counts
    array([ 1,  1,  2,  2,  4,  7, 10, 16, 22, 35])
    >>> int(counts @ np.arange(1, 11))
    825
    """
    total = round(n * mean)
    if not np.isclose(total, n * mean, atol=1e-9):
        raise ValueError(f"The mean of {n} integer ratings cannot be {mean}.")
    ratings = np.arange(LOWEST, HIGHEST + 1)
    squares = std_error**2 * n * (n - 1) + total**2 / n
    # A rating and its square are odd or even together, and so are the sums over all ratings.
    squares = total % 2 + 2 * round((squares - total % 2) / 2)
    expected = n * _largest_entropy(ratings, total / n, squares / n)

    # The integer program has the ten counts and their ten distances from the expected ones, each
    # distance in units of a count's own spread, so that two solutions hardly ever are equally good.
    zeros, identity = np.zeros(10), np.eye(10)
    moments = np.vstack([np.r_[ratings**power, zeros] for power in (0, 1, 2)])
    solution = milp(
        c=np.r_[zeros, 1 / np.sqrt(expected)],
        integrality=np.r_[np.ones(10), zeros],
        bounds=Bounds(0, np.r_[np.full(10, n), np.full(10, np.inf)]),
        constraints=[
            LinearConstraint(moments, [n, total, squares], [n, total, squares]),
            LinearConstraint(np.hstack([identity, -identity]), -np.inf, expected),
            LinearConstraint(np.hstack([identity, identity]), expected, np.inf),
        ],
        options={"mip_rel_gap": 0.0},
    )
    if not solution.success:
        raise ValueError(
            f"No {n} ratings from {LOWEST} to {HIGHEST} have the mean {mean} and the standard "
            f"error {std_error}."
        )
    return np.rint(solution.x[:10]).astype(np.int64)


def _largest_entropy(
    ratings: NDArray[np.int64], mean: float, mean_square: float
) -> NDArray[np.float64]:
    """Shares of the ratings, proportional to exp(a z + b z²), with the given moments."""
    z = (ratings - mean) / np.sqrt(mean_square - mean**2)

    def shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        exponent = weights[0] * z + weights[1] * z**2
        unscaled = np.exp(exponent - exponent.max())
        return np.asarray(unscaled / unscaled.sum())

    def gap(weights: NDArray[np.float64]) -> list[float]:
        share = shares(weights)
        return [float(share @ z), float(share @ z**2) - 1.0]

    return shares(root(gap, [0.0, -0.5]).x)


Assignment = Callable[[np.random.Generator, str], NDArray[np.int64]]
"""Draws the raters of one cell, by their numbers, for a method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterDesign:
    """Who rated what; ``start`` draws what is fixed for a whole study."""

    title: str
    n_raters: int
    start: Callable[[np.random.Generator], Assignment]


def _everyone(_rng: np.random.Generator) -> Assignment:
    return lambda _rng, _method: np.arange(RATINGS_PER_CELL)


def _everyone_of_a_group(_rng: np.random.Generator) -> Assignment:
    first = {method: place * RATINGS_PER_CELL for place, method in enumerate(METHODS)}
    return lambda _rng, method: first[method] + np.arange(RATINGS_PER_CELL)


def _whoever_comes(rng: np.random.Generator) -> Assignment:
    """As on a marketplace: some people take a task far more often than others."""
    activity = rng.gamma(4.0, size=300)
    return lambda rng, _method: _drawn(rng, activity)


def _whoever_comes_of_a_group(rng: np.random.Generator) -> Assignment:
    activity = rng.gamma(4.0, size=300)
    group = np.arange(300) // 150
    return lambda rng, method: _drawn(rng, activity * (group == METHODS.index(method)))


def _drawn(rng: np.random.Generator, activity: NDArray[np.float64]) -> NDArray[np.int64]:
    chance = activity / activity.sum()
    return np.sort(rng.choice(len(chance), RATINGS_PER_CELL, replace=False, p=chance))


DESIGNS: Final[Mapping[str, RaterDesign]] = {
    "complete": RaterDesign(
        title="100 raters, all 26 pictures each", n_raters=100, start=_everyone
    ),
    "subsets": RaterDesign(
        title="300 raters, some pictures each", n_raters=300, start=_whoever_comes
    ),
    "split": RaterDesign(
        title="200 raters, all 13 of one method each",
        n_raters=200,
        start=_everyone_of_a_group,
    ),
    "split_subsets": RaterDesign(
        title="300 raters, some of one method each",
        n_raters=300,
        start=_whoever_comes_of_a_group,
    ),
}
"""The paper does not say who rated what; it may have been any of these."""


def matched_ratings(
    cells: tuple[Cell, ...], design: RaterDesign, *, seed: int = SEED
) -> pd.DataFrame:
    """One row per rating, as the raters of a design may have given them.

    A rater's impression of a picture is the rater's own bias plus noise. Within a cell the raters
    are ranked by impression, and the cell's ratings are handed out in that order: the cell keeps
    its ratings, and a lenient rater is lenient everywhere. Raters have no preference for a method.

    Parameters
    ----------
    cells : tuple of Cell
        The pictures and their ratings.
    design : RaterDesign
        Who rates what.
    seed : int
        The same seed gives the same ratings.

    Returns
    -------
    DataFrame
        Columns ``rater``, ``image``, ``method``, ``rating``; ratings are integers from 1 to 10.
    """
    rng = np.random.default_rng(seed)
    bias = rng.normal(0.0, np.sqrt(RATER_SHARE), design.n_raters)
    raters_of = design.start(rng)
    parts = []
    for cell in cells:
        raters = raters_of(rng, cell.method)
        impression = bias[raters] + rng.normal(0.0, np.sqrt(1.0 - RATER_SHARE), len(raters))
        rating = np.empty_like(raters)
        rating[np.argsort(impression)] = cell.ratings
        parts.append(
            pd.DataFrame(
                {
                    "rater": [f"r{number + 1:03d}" for number in raters],
                    "image": cell.image,
                    "method": cell.method,
                    "rating": rating,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
