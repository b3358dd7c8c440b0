"""Feature vectors on disk: never lost, never mixed up, never half there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mturk_eval.metric.backbones import random_backbone
from mturk_eval.metric.errors import MetricError, MetricFileError
from mturk_eval.metric.feature_store import FeatureStore, PairKey

BACKBONE = random_backbone("squeezenet1_1", seed=1)
N_CHANNELS = 2240


def key(number: int) -> PairKey:
    return f"{number:064x}", f"{number + 1:064x}"


def vectors(*numbers: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.stack([np.full(N_CHANNELS, number, np.float32) for number in numbers])


def test_what_was_added_is_there_again(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "new" / "folder", BACKBONE)
    assert store.missing([key(1), key(2), key(1)]) == [key(1), key(2)]
    store.add([key(1), key(2)], vectors(1, 2))
    store.add([key(2), key(3)], vectors(99, 3))  # the second was known
    again = FeatureStore(tmp_path / "new" / "folder", BACKBONE)
    assert len(again) == 3
    assert key(3) in again
    assert again.missing([key(4), key(3)]) == [key(4)]
    np.testing.assert_array_equal(again.get([key(3), key(1), key(2), key(3)]), vectors(3, 1, 2, 3))
    assert again.get([]).shape == (0, N_CHANNELS)


def test_a_vector_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, BACKBONE)
    with pytest.raises(MetricError, match=r"no feature vector of 1 of 1 pairs.* metric features"):
        store.get([key(1)])


def test_backbones_do_not_share_vectors(tmp_path: Path) -> None:
    FeatureStore(tmp_path, BACKBONE).add([key(1)], vectors(1))
    other = FeatureStore(tmp_path, random_backbone("squeezenet1_1", seed=2))
    assert len(other) == 0


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    store = FeatureStore(tmp_path_factory.mktemp("store"), BACKBONE)
    store.add([key(1), key(2)], vectors(1, 2))
    return store


@settings(max_examples=40)
@given(lost=st.integers(0, 20_000))
def test_a_crash_costs_at_most_the_records_it_cut(written: FeatureStore, lost: int) -> None:
    """Whatever length the file has left, it opens, and takes new vectors."""
    whole = written.path.read_bytes()
    try:
        written.path.write_bytes(whole[: max(0, len(whole) - lost)])
        cut = FeatureStore(written.path.parent, BACKBONE)
        assert len(cut) == 2 - min(2, -(-lost // (64 + 4 * N_CHANNELS + 4)))
        cut.add([key(1), key(2), key(3)], vectors(1, 2, 3))
        again = FeatureStore(written.path.parent, BACKBONE)
        np.testing.assert_array_equal(again.get([key(1), key(2), key(3)]), vectors(1, 2, 3))
    finally:
        written.path.write_bytes(whole)


def test_a_damaged_record_counts_as_missing(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, BACKBONE)
    store.add([key(1), key(2)], vectors(1, 2))
    content = bytearray(store.path.read_bytes())
    content[-10] ^= 1  # in the second vector
    store.path.write_bytes(content)
    assert FeatureStore(tmp_path, BACKBONE).missing([key(1), key(2)]) == [key(2)]


def test_two_processes_append_to_one_file(tmp_path: Path) -> None:
    one, other = FeatureStore(tmp_path, BACKBONE), FeatureStore(tmp_path, BACKBONE)
    one.add([key(1)], vectors(1))
    other.add([key(2)], vectors(2))
    one.add([key(3)], vectors(3))
    assert len(FeatureStore(tmp_path, BACKBONE)) == 3


def test_impossible_vectors_are_not_stored(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, BACKBONE)
    with pytest.raises(MetricError, match="negative or not finite"):
        store.add([key(1)], vectors(-1))
    with pytest.raises(MetricError, match="negative or not finite"):
        store.add([key(1)], vectors(1) * np.nan)
    with pytest.raises(MetricError, match=r"need vectors of shape \(1, 2240\)"):
        store.add([key(1)], vectors(1)[:, :5])
    assert len(FeatureStore(tmp_path, BACKBONE)) == 0


def test_another_file_in_its_place_is_refused(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, BACKBONE)
    store.path.write_text("image,bpp\n" * 100)
    with pytest.raises(MetricFileError, match="not the features of this backbone"):
        FeatureStore(tmp_path, BACKBONE)
