"""Simulated studies are what their design and their truth say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mturk_eval.stats.power.design import StudyDesign, Truth
from mturk_eval.stats.power.studies import SimulatedStudy, simulate_study

PLAIN = Truth(effect=1.0, slope_sd=0.7)


def simulate(design: StudyDesign, truth: Truth = PLAIN, seed: int = 0) -> SimulatedStudy:
    return simulate_study(design, truth, np.random.default_rng(seed))


@given(
    images=st.integers(2, 6),
    methods=st.integers(2, 4),
    ratings=st.integers(1, 8),
    more_raters=st.integers(0, 20),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_each_cell_has_its_ratings_each_by_another_rater(
    images: int, methods: int, ratings: int, more_raters: int, seed: int
) -> None:
    design = StudyDesign(
        images=images,
        methods=methods,
        ratings_per_cell=ratings,
        raters=max(2, ratings + more_raters),
    )
    study = simulate(design, seed=seed)
    cell = study.image * methods + study.method
    assert np.array_equal(np.bincount(cell), np.full(images * methods, ratings))
    assert len(set(zip(cell.tolist(), study.rater.tolist(), strict=True))) == len(study.rating)
    assert np.array_equal(np.unique(study.rater), np.arange(study.n_raters))  # no gaps
    for block in study.blocks(rater_slopes=True):
        assert np.array_equal(np.unique(block.codes), np.arange(block.n_levels))
        assert block.columns.shape == (len(study.rating), block.n_terms)


def test_the_same_seed_gives_the_same_study() -> None:
    design = StudyDesign(images=3, ratings_per_cell=5, raters=9)
    once, again, other = (simulate(design, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(once.rating, again.rating)
    assert np.array_equal(once.rater, again.rater)
    assert not np.array_equal(once.rating, other.rating)


def test_on_a_crowd_platform_each_cell_draws_its_own_raters() -> None:
    """100 of 300 for each picture: as the published design, about 166 different ones an image."""
    study = simulate(StudyDesign(images=13, ratings_per_cell=100, raters=300))
    distinct = [len(np.unique(study.rater[study.image == image])) for image in range(13)]
    assert 155 < np.mean(distinct) < 177  # 300 (1 - (2/3)^2) = 166.7


def cell_means(study: SimulatedStudy) -> NDArray[np.float64]:
    cell = study.image * study.n_methods + study.method
    means = np.bincount(cell, study.rating) / np.bincount(cell)
    return np.asarray(means).reshape(-1, study.n_methods)


def test_images_vary_as_they_should() -> None:
    """4,000 images with little noise: mean, sds and correlation come back."""
    design = StudyDesign(images=4_000, methods=3, ratings_per_cell=2, raters=2)
    truth = Truth(
        effect=0.8, slope_sd=1.5, image_sd=0.6, slope_correlation=-0.5, rater_sd=0,
        residual_sd=0.01, mean=6,
    )  # fmt: skip
    means = cell_means(simulate(design, truth))
    slopes = means[:, 1:] - means[:, :1]
    assert means[:, 0].mean() == pytest.approx(6, abs=0.04)
    assert means[:, 0].std() == pytest.approx(0.6, rel=0.04)
    assert slopes.mean(axis=0) == pytest.approx([0.8, 0.8], abs=0.1)
    assert slopes.std(axis=0) == pytest.approx([1.5, 1.5], rel=0.04)
    assert np.corrcoef(means[:, 0], slopes[:, 0])[0, 1] == pytest.approx(-0.5, abs=0.05)


def test_raters_and_noise_vary_as_they_should() -> None:
    design = StudyDesign(images=2, ratings_per_cell=4_000, raters=4_000)
    truth = Truth(effect=0, slope_sd=0, image_sd=0, rater_sd=1.2, rater_slope_sd=0.5, residual_sd=2)
    study = simulate(design, truth)
    by_cell = study.rating.reshape(4, 4_000)  # image 1 methods 1, 2; image 2 methods 1, 2
    covariance = np.cov(by_cell)
    assert covariance[0, 0] == pytest.approx(1.2**2 + 4, rel=0.08)
    assert covariance[0, 2] == pytest.approx(1.2**2, rel=0.12)
    assert covariance[1, 3] == pytest.approx(1.2**2 + 0.5**2, rel=0.12)


def test_a_scale_rounds_and_clips() -> None:
    design = StudyDesign(images=5, ratings_per_cell=50, raters=50, scale=(1, 10))
    study = simulate(design, Truth(effect=2, slope_sd=3, mean=8))
    assert set(study.rating) <= set(range(1, 11))
    assert study.rating.max() == 10


def test_as_a_table_it_is_tidy() -> None:
    table = simulate(StudyDesign(images=12, ratings_per_cell=3, raters=3)).table()
    assert list(table.columns) == ["rater", "image", "method", "rating"]
    assert sorted(table["image"].unique())[:2] == ["image01", "image02"]
    assert list(table["method"].unique()) == ["method1", "method2"]
    assert table.groupby(["image", "method"]).size().eq(3).all()
