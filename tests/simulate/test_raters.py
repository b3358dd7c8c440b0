"""Simulated raters have the tastes they were given, and the same ones every time."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mturk_eval.errors import TableError
from mturk_eval.simulate.raters import PROFILES, Profile, make_raters, pixel_quality, read_truth
from tests.samples import make_batch

EXACT = Profile(bias_sd=0, noise_sd=0, lapse_rate=0)


@given(st.integers(1, 10), st.text(min_size=1))
def test_without_noise_a_rating_is_the_quality(quality: int, trial: str) -> None:
    (rater,) = make_raters(1, seed=0, profile=EXACT)
    assert rater.rate(trial, float(quality)) == quality


@given(st.floats(1, 10), st.floats(1, 10), st.text(min_size=1))
def test_without_noise_the_better_one_is_chosen(left: float, right: float, trial: str) -> None:
    (rater,) = make_raters(1, seed=0, profile=EXACT)
    if left != right:
        assert rater.choose(trial, left, right) == ("left" if left > right else "right")


@given(st.sampled_from(sorted(PROFILES)), st.floats(1, 10), st.integers(0, 999))
def test_ratings_stay_on_the_scale(profile: str, quality: float, seed: int) -> None:
    (rater,) = make_raters(1, seed=seed, profile=PROFILES[profile])
    assert 1 <= rater.rate("t", quality) <= 10


def test_the_mean_of_many_raters_is_the_true_quality() -> None:
    raters = make_raters(4000, seed=3, profile=PROFILES["typical"])
    mean = statistics.mean(rater.rate("trial", 5.0) for rater in raters)
    # SE of the mean: sqrt(0.8² + 1.4² + 1/12) / sqrt(4000) = 0.026
    assert mean == pytest.approx(5.0, abs=0.1)


def test_choices_follow_thurstone() -> None:
    raters = make_raters(4000, seed=3, profile=PROFILES["typical"])
    share = statistics.mean(rater.choose("trial", 6.4, 5.0) == "left" for rater in raters)
    # Φ(1.4 / (√2 · 1.4)) = .7602, with 1 % lapses .7576; SE .0068
    assert share == pytest.approx(0.7576, abs=0.027)


def test_names_and_answers_are_the_same_at_every_call() -> None:
    first, second = (make_raters(3, seed=5, profile=PROFILES["typical"]) for _ in range(2))
    assert [rater.name for rater in first] == ["sim-0001", "sim-0002", "sim-0003"]
    assert [r.rate("t", 5) for r in first] == [r.rate("t", 5) for r in second]
    # More raters are more of the same; the order of trials does not matter.
    more = make_raters(9, seed=5, profile=PROFILES["typical"])
    assert more[1].rate("u", 5) == first[1].rate("u", 5)


def test_a_taste_made_of_pixels_prefers_the_original(tmp_path: Path) -> None:
    batch, folder = make_batch(tmp_path, "2afc", design__catch=1.0)
    qualities = pixel_quality(batch, folder)
    for stimulus in batch.stimuli:
        if stimulus.role == "original":
            assert qualities[stimulus.id] == 10
        else:
            assert 1 <= qualities[stimulus.id] < 10
    assert all(qualities[s.id] < 4 for s in batch.stimuli if s.method == "catch-degraded")


def test_true_qualities_from_a_table(tmp_path: Path) -> None:
    batch, _ = make_batch(tmp_path, "satisfaction", images=1, design__catch=1.0)
    table = tmp_path / "truth.csv"
    table.write_text("image,method,quality\nimage0,blur,3.5\nimage0,jpeg,7\n")
    truth = read_truth(table, batch)
    assert (truth["image0/blur"], truth["image0/jpeg"], truth["image0"]) == (3.5, 7.0, 10.0)
    table.write_text("image,method,quality\nimage0,blur,3.5\n")
    with pytest.raises(TableError, match="no quality for image0, jpeg"):
        read_truth(table, batch)
    table.write_text("image,method,quality\nimage0,blur,good\n")
    with pytest.raises(TableError, match=r"row 2: .*'good'"):
        read_truth(table, batch)
