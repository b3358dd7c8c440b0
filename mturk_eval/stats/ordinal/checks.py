"""Which data a cumulative model can be fitted to, and what to say of the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.ordinal.layout import Layout

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

MOST_CATEGORIES = 101
"""A slider from 0 to 100; more distinct values are a continuous scale."""

_MOST_KEPT = 8_000
_COLLINEAR = 1e-9
_ALWAYS = 5
"""Answers of one level, all in an end category, that are worth a word."""
_NAMED = 3


def checked_arrays(
    response: ArrayLike, fixed: ArrayLike, blocks: Sequence[RandomBlock]
) -> tuple[Vector, Matrix]:
    """Response (n,) and fixed columns (n, p) as floats.

    Raises
    ------
    InvalidInputError
        If shapes differ or a value is not finite.
    """
    values, columns = np.asarray(response, np.float64), np.asarray(fixed, np.float64)
    if values.ndim != 1 or columns.ndim != 2 or len(columns) != len(values) or not len(values):
        raise InvalidInputError(
            f"The response has shape {values.shape} and the fixed columns {columns.shape}; they "
            "must be (n,) and (n, p) with n of at least 1."
        )
    for what, array in (("response", values), ("fixed columns", columns)):
        wrong = np.argwhere(~np.isfinite(array))
        if len(wrong):
            raise InvalidInputError(
                f"The {what} must be finite numbers; row {wrong[0][0] + 1} is not. Leave out or "
                "correct the rows with missing values."
            )
    for block in blocks:
        if len(block.codes) != len(values) or block.columns.shape != (len(values), block.n_terms):
            raise InvalidInputError(
                f"The random term by {block.group} has {len(block.codes)} rows, the response "
                f"{len(values)}."
            )
        if len(np.unique(block.codes)) != block.n_levels or block.codes.min() != 0:
            raise InvalidInputError(
                f"The codes of the random term by {block.group} must be 0 to {block.n_levels - 1}, "
                "each of which occurs."
            )
        if not np.isfinite(block.columns).all():
            raise InvalidInputError(
                f"The columns of the random term by {block.group} must be finite numbers."
            )
    return values, columns


def check_categories(categories: Vector) -> None:
    """Refuse one category, and what is no ordered scale.

    Raises
    ------
    StatisticsError
    """
    if len(categories) == 1:
        raise StatisticsError(
            f"Every answer is {categories[0]:g}: there is no variation to model. Report that."
        )
    if len(categories) > MOST_CATEGORIES:
        raise StatisticsError(
            f"The response has {len(categories)} distinct values, and an ordinal model estimates a "
            f"threshold between any two neighbours (at most {MOST_CATEGORIES} values). Use "
            "--model mixed for a continuous response."
        )


def check_fixed(columns: Matrix, names: Sequence[str]) -> None:
    """Refuse columns that are constant or combinations of others.

    Raises
    ------
    StatisticsError
    """
    if columns.shape[1] == 0:
        return
    spread = columns.std(axis=0)
    size = np.maximum(np.abs(columns).max(axis=0), 1e-300)
    constant = [name for name, s, m in zip(names, spread, size, strict=True) if s <= 1e-12 * m]
    if constant:
        raise StatisticsError(
            f"{' and '.join(constant)} has one value in all rows: its effect cannot be told from "
            "the thresholds. Leave it out of --formula."
        )
    scaled = (columns - columns.mean(axis=0)) / spread
    correlation = scaled.T @ scaled / len(scaled)
    if np.linalg.eigvalsh(correlation)[0] < _COLLINEAR:
        raise StatisticsError(
            f"The fixed effects cannot be told apart: one of {', '.join(names)} is a combination "
            "of the others in these data. Leave it out of --formula."
        )


def check_block(block: RandomBlock, n_rows: int) -> None:
    """Refuse a group whose variance the data say nothing about.

    Raises
    ------
    StatisticsError
    """
    if block.n_levels < 2:
        raise StatisticsError(
            f"There is one {block.group}: its variance needs at least two. Leave the random term "
            f"out with --formula; the result then says nothing about other {block.group}s."
        )
    if block.n_coefficients >= n_rows:
        raise StatisticsError(
            f"The random term by {block.group} has {block.n_coefficients} coefficients for "
            f"{n_rows} answers: each is as good as unknown, and the Laplace approximation fails. "
            "Leave its slopes or the whole term out with --formula."
        )


def check_kept_size(layout: Layout) -> None:
    """Refuse what would need a dense matrix too large for memory.

    Raises
    ------
    StatisticsError
    """
    size = sum(term.levels * term.columns for term in layout.terms[1:])
    if size > _MOST_KEPT:
        raise StatisticsError(
            f"Besides the largest one, the random terms have {size:,} coefficients; the dense "
            f"matrix over them is limited to {_MOST_KEPT:,}. Leave slopes out with --formula, or "
            "fit a part of the images."
        )


def gap_warnings(categories: Vector) -> list[str]:
    """Say which whole numbers between the lowest and the highest answer nobody gave."""
    if np.any(categories != np.round(categories)):
        return []
    present = set(categories.astype(int).tolist())
    absent = sorted(set(range(min(present), max(present) + 1)) - present)
    if not absent or len(absent) >= len(present):  # 0, 10, 20 … is a scale without gaps
        return []
    shown = ", ".join(map(str, absent))
    return [
        f"No answer is {shown}: the data cannot place thresholds around a category that nobody "
        "chose, so the model has none for it and gives it probability zero. Effects are not "
        "changed by this."
    ]


def extreme_level_warnings(
    codes: NDArray[np.intp], n_categories: int, blocks: Sequence[RandomBlock]
) -> list[str]:
    """Say which levels of a group have all their answers in one end category."""
    found = []
    for block in {block.group: block for block in reversed(blocks)}.values():
        sizes = np.bincount(block.codes, minlength=block.n_levels)
        for end, word in ((0, "lowest"), (n_categories - 1, "highest")):
            at_end = np.bincount(block.codes, codes == end, block.n_levels)
            always = np.flatnonzero((at_end == sizes) & (sizes >= _ALWAYS))
            if not len(always):
                continue
            shown = ", ".join(block.levels[level] for level in always[:_NAMED])
            if len(always) > _NAMED:
                shown += f" and {len(always) - _NAMED} more"
            found.append(
                f"Every answer of {block.group} {shown} is the {word} category: where such a level "
                "lies is known from the assumed normal distribution of levels alone. Check these "
                "answers, and compare with a fit without them."
            )
    return found
