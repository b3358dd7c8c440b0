"""Votes become triplets: sides merged, "not sure" halved, every bad row named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mturk_eval.errors import InvalidInputError, TableError
from mturk_eval.metric.triplets import Triplets, picture_pairs, triplets_from_votes
from tests.metric.simulated_triplets import bare_triplets, simulated_study

ORIGINALS = {"a": "original-a", "b": "original-b"}
PICTURES: dict[tuple[str, str, float | None], str] = {
    (image, method, bpp): f"{image}-{method}-{bpp}"
    for image in "ab"
    for method in ("jxl", "webp", "bpg")
    for bpp in (0.25, 0.5)
}

one_vote = st.tuples(
    st.sampled_from("ab"),
    st.sampled_from([0.25, 0.5]),
    st.permutations(["jxl", "webp", "bpg"]),
    st.sampled_from(["left", "right", "not_sure"]),
)


def _votes(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    return pd.DataFrame(
        [("r", image, bpp, methods[0], methods[1], choice) for image, bpp, methods, choice in rows],
        columns=["rater", "image", "bpp", "method_left", "method_right", "choice"],
    )


def _counted(votes: pd.DataFrame, **options: Any) -> Triplets:
    return triplets_from_votes(votes, PICTURES, ORIGINALS, **options)


def _equal(one: Triplets, other: Triplets) -> bool:
    names = Triplets.__dataclass_fields__
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@given(rows=st.lists(one_vote, min_size=1, max_size=30), seed=st.integers(0, 99))
def test_which_side_a_reconstruction_stood_on_and_the_order_of_rows_do_not_matter(
    rows: list[tuple[Any, ...]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    other = {"left": "right", "right": "left", "not_sure": "not_sure"}
    turned = [
        (image, bpp, [methods[1], methods[0]], other[choice]) if rng.random() < 0.5 else row
        for row in rows
        for image, bpp, methods, choice in [row]
    ]
    shuffled = [turned[k] for k in rng.permutation(len(turned))]
    assert _equal(_counted(_votes(rows)), _counted(_votes(shuffled)))


@given(rows=st.lists(one_vote, min_size=1, max_size=30))
def test_no_vote_is_lost_and_each_is_counted_for_the_method_that_was_chosen(
    rows: list[tuple[Any, ...]],
) -> None:
    found = _counted(_votes(rows))
    assert found.n_votes.sum() == len(rows)
    for method in ("jxl", "webp", "bpg"):
        chosen = found.votes_first[found.method_first == method].sum()
        chosen += found.votes_second[found.method_second == method].sum()
        side = {"left": 0, "right": 1}
        assert chosen == sum(
            choice in side and methods[side[choice]] == method for _, _, methods, choice in rows
        )


def test_a_vote_that_is_not_sure_is_half_a_vote_for_either() -> None:
    found = _counted(
        _votes([("a", 0.5, ["jxl", "webp"], choice) for choice in ("left", "not_sure", "right")])
    )
    assert found.share_second.tolist() == [0.5]
    assert found.n_votes.tolist() == [3]
    assert "1 of 3 votes were 'not sure'" in found.notes()[0]


def test_pictures_are_found_by_image_method_and_rate() -> None:
    found = _counted(_votes([("b", 0.25, ["webp", "bpg"], "left")]))
    assert (found.original[0], found.first[0], found.second[0]) == (
        "original-b",
        "b-bpg-0.25",
        "b-webp-0.25",
    )
    assert found.votes_second.tolist() == [1]


def test_votes_without_rates_need_no_rate() -> None:
    votes = _votes([("a", None, ["jxl", "webp"], "left")])
    pictures: dict[tuple[str, str, float | None], str] = {
        ("a", "jxl", None): "x",
        ("a", "webp", float("nan")): "y",
    }
    for table in (votes, votes.drop(columns="bpp")):
        found = triplets_from_votes(table, pictures, ORIGINALS)
        assert (found.first[0], found.second[0], np.isnan(found.bpp[0])) == ("x", "y", True)


def test_triplets_below_the_minimum_of_votes_are_left_out() -> None:
    rows: list[tuple[Any, ...]] = [("a", 0.5, ["jxl", "webp"], "left")] * 3
    rows += [("b", 0.5, ["jxl", "webp"], "left")]
    assert _counted(_votes(rows), minimum_votes=2).image.tolist() == ["a"]
    with pytest.raises(InvalidInputError, match="No triplet has 4 votes or more"):
        _counted(_votes(rows), minimum_votes=4)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("image", "c", "Row 3 of the votes is about image c, of which no original was given"),
        ("method_left", "hific", "Row 3 .* column method_left: no reconstruction .* by hific at"),
        ("method_right", "hific", "Row 3 .* column method_right"),
        ("bpp", 0.75, "Row 3 .* at 0.75 bpp"),
        ("choice", "middle", "Row 3 of the votes has a choice that is none of left"),
        ("choice", None, "Row 3 of the votes has no choice"),
        ("method_right", "jxl", "Row 3 of the votes compares a method with itself"),
    ],
)
def test_a_bad_row_is_named_by_its_index(column: str, value: object, message: str) -> None:
    votes = _votes([("a", 0.5, ["jxl", "webp"], "left")] * 4).astype(object)
    votes.index = pd.RangeIndex(2, 6)
    votes = votes.assign(**{column: votes[column].where(votes.index != 3, value)})
    with pytest.raises(TableError, match=message):
        _counted(votes)


def test_a_rate_in_words_and_a_missing_column_are_refused() -> None:
    votes = _votes([("a", 0.5, ["jxl", "webp"], "left")])
    with pytest.raises(TableError, match="has a bpp that is no number"):
        _counted(votes.assign(bpp="low"))
    with pytest.raises(TableError, match="no column choice"):
        _counted(votes.drop(columns="choice"))


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"Triplet 2 of 2 .* votes \[0, 0, 0\]"):
        bare_triplets([1, 0], [1, 0])
    with pytest.raises(InvalidInputError, match="counts of at least 0"):
        bare_triplets([-1], [2])


def test_every_pair_of_pictures_is_listed_once_and_those_of_an_original_together() -> None:
    triplets = simulated_study(originals=3).triplets
    found = picture_pairs(triplets)
    assert len(set(found.pairs)) == len(found.pairs) == 3 * 4 * 4
    assert [found.pairs[k] for k in found.second] == list(
        zip(triplets.original.tolist(), triplets.second.tolist(), strict=True)
    )
    assert [found.pairs[k][1] for k in found.first] == triplets.first.tolist()
    runs = 1 + sum(one[0] != two[0] for one, two in zip(found.pairs, found.pairs[1:], strict=False))
    assert runs == 3


def test_unequal_vote_numbers_and_equal_pictures_are_stated() -> None:
    triplets = bare_triplets([1, 3], [1, 0])
    assert "2 to 3 votes" in triplets.notes()[0]
    same = Triplets(
        **{
            name: getattr(triplets, name)
            for name in Triplets.__dataclass_fields__
            if name != "second"
        },
        second=triplets.first,
    )
    assert "In 2 of 2 triplets both reconstructions have the same pixels" in same.notes()[-1]
