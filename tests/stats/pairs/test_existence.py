"""When scores exist: the linear program against the fit itself, and when a left bias is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mturk_eval.stats.pairs.choice_models import ChoiceModel
from mturk_eval.stats.pairs.existence import has_finite_maximum, left_bias_is_identified
from mturk_eval.stats.pairs.maximum_likelihood import maximise, problem_of
from mturk_eval.stats.pairs.vote_counts import VoteCounts


def _counts(cells: list[int], *, ties: bool) -> VoteCounts:
    table = np.array(cells, dtype=float).reshape(6, 3) * [1, float(ties), 1]
    pairs = [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)]
    seen = table.sum(axis=1) > 0
    i, j = np.array(pairs, dtype=np.int64)[seen].T
    return VoteCounts(items=("a", "b", "c"), left_item=i, right_item=j, answers=table[seen])


@pytest.mark.parametrize("model", ["bradley-terry", "thurstone"])
@given(cells=st.lists(st.sampled_from([0, 0, 1, 2]), min_size=18, max_size=18), ties=st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_maximum_is_found_exactly_where_one_exists(
    model: ChoiceModel, cells: list[int], ties: bool
) -> None:
    counts = _counts(cells, ties=ties)
    if not counts.n_votes or len({*counts.left_item, *counts.right_item}) < 3:
        return
    problem = problem_of(counts, model, left_bias=True)
    exists = counts.connected and has_finite_maximum(
        counts.answers, problem.differences, has_ties=problem.has_ties
    )
    assert (maximise(problem, counts.answers, 0.0) is not None) == exists


def _shown(k: int, *pairs: tuple[int, int]) -> VoteCounts:
    i, j = np.array(pairs, dtype=np.int64).T
    items = tuple("abcdef"[:k])
    return VoteCounts(items=items, left_item=i, right_item=j, answers=np.ones((len(pairs), 3)))


def test_a_pair_shown_both_ways_tells_of_the_left_side() -> None:
    assert left_bias_is_identified(_shown(2, (0, 1), (1, 0)))
    assert not left_bias_is_identified(_shown(2, (0, 1)))


def test_so_does_a_round_that_scores_cannot_follow() -> None:
    assert left_bias_is_identified(_shown(3, (0, 1), (1, 2), (0, 2)))
    assert left_bias_is_identified(_shown(3, (0, 1), (1, 2), (2, 0)))


def test_a_ladder_of_sides_could_as_well_be_scores() -> None:
    assert not left_bias_is_identified(_shown(4, (0, 1), (1, 2), (2, 3)))
    assert not left_bias_is_identified(_shown(4, (0, 1), (0, 2), (1, 3), (2, 3)))
    assert not left_bias_is_identified(_shown(4, (0, 1), (2, 3)))
