"""No original is on both sides, under whatever name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mturk_eval.metric.errors import MetricInputError
from mturk_eval.metric.split import (
    all_to_train,
    folds_by_original,
    original_groups,
    refuse_leak,
    split_by_original,
    split_listed,
)
from tests.metric.simulated_triplets import bare_triplets, simulated_study


@given(seed=st.integers(0, 1_000), share=st.floats(0.01, 0.99), originals=st.integers(2, 8))
def test_originals_are_never_on_both_sides(seed: int, share: float, originals: int) -> None:
    triplets = simulated_study(originals=originals, layer_sizes=(1,)).triplets
    split = split_by_original(triplets, test_share=share, seed=seed)
    assert not set(split.train_images) & set(split.test_images)
    assert sorted([*split.train, *split.test]) == list(range(len(triplets)))
    assert split.train_images
    assert split.test_images


def test_the_paper_s_design_gives_the_paper_s_split() -> None:
    """200 originals x 4 rates x 6 pairs: 3,840 triplets to train and 960 to test."""
    split = split_by_original(simulated_study(originals=200, layer_sizes=(1,)).triplets)
    assert (len(split.train), len(split.test), len(split.test_images)) == (3_840, 960, 40)
    assert "40 originals (960 triplets) held out" in split.describe()
    assert split.document()["unit"] == "original"


def test_all_originals_can_be_trained_on() -> None:
    triplets = simulated_study(originals=3, layer_sizes=(1,)).triplets
    split = all_to_train(triplets)
    assert (len(split.train), len(split.test), split.test_images) == (len(triplets), 0, ())
    assert split.describe().startswith("No original held out: 3 originals (")


def test_a_seed_gives_the_same_split_again_and_another_seed_another() -> None:
    triplets = simulated_study(originals=30, layer_sizes=(1,)).triplets
    one, again, other = (split_by_original(triplets, seed=seed) for seed in (1, 1, 2))
    assert one.test_images == again.test_images != other.test_images


def test_two_names_of_the_same_pixels_are_one_original() -> None:
    triplets = bare_triplets([1] * 4, [1] * 4)
    triplets = replace(triplets, original=np.array(["x", "y", "x", "z"]))
    assert original_groups(triplets).tolist() == [0, 1, 0, 2]
    for seed in range(10):
        split = split_by_original(triplets, test_share=0.4, seed=seed)
        assert len({"i0", "i2"} & set(split.test_images)) in (0, 2)
    with pytest.raises(MetricInputError, match="'i2' is trained on and 'i0' is held out"):
        split_listed(triplets, ["i0"])
    assert split_listed(triplets, ["i0", "i2"]).test.tolist() == [0, 2]


def test_a_leaking_split_is_refused() -> None:
    triplets = simulated_study(originals=4, layer_sizes=(1,)).triplets
    rows = np.arange(len(triplets))
    with pytest.raises(MetricInputError, match="both trained on and held out"):
        refuse_leak(triplets.take(rows % 2 == 0), triplets.take(rows % 2 == 1))


@pytest.mark.parametrize("names", [["image000", "image001"], ["image009"]])
def test_a_list_that_leaves_nothing_or_names_nobody_is_refused(names: list[str]) -> None:
    triplets = simulated_study(originals=2, layer_sizes=(1,)).triplets
    with pytest.raises(MetricInputError, match=r"no original to train on|first 'image009'"):
        split_listed(triplets, names)


def test_one_original_cannot_be_split() -> None:
    with pytest.raises(MetricInputError, match="There is 1 original"):
        split_by_original(simulated_study(originals=1, layer_sizes=(1,)).triplets)


@given(seed=st.integers(0, 100))
def test_folds_follow_originals_and_depend_on_neither_order_nor_sides(seed: int) -> None:
    triplets = simulated_study(originals=7, layer_sizes=(1,)).triplets
    order = np.random.default_rng(seed).permutation(len(triplets))
    fold = folds_by_original(triplets, 3)
    assert np.array_equal(folds_by_original(triplets.take(order).swapped(), 3), fold[order])
    assert all(len(set(fold[triplets.image == image])) == 1 for image in set(triplets.image))
    assert sorted(np.bincount(fold) // 24) == [2, 2, 3]
