"""Replicates are the statistic of the resampled rows, however they are computed in parts."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.stats.resampling import replicates
from mturk_eval.stats.resampling.cells import Cells, Items, difference_items, method_items
from mturk_eval.stats.resampling.weights import ResamplingUnit, cluster_weights
from tests.stats.reference import crossed_study


def _bootstrap(
    cells: Cells, items: Items, unit: ResamplingUnit, resamples: int = 40
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    of_items = np.full((items.n_items, resamples), np.nan)

    def keep(part: slice, found: NDArray[np.float64]) -> None:
        of_items[part] = found

    groups = replicates.bootstrap(cells, items, unit, resamples=resamples, seed=3, each_part=keep)
    return of_items, groups


def test_the_pigeonhole_weighs_every_rating_by_its_rater_s_and_its_image_s_count() -> None:
    """By hand, on a study with holes: cell means by rater weights, then images by theirs."""
    study = crossed_study(1, images=5, raters=6).sample(45, random_state=1)
    cells = Cells.of(study)
    items, names = method_items(cells)
    _, groups = _bootstrap(cells, items, "both")
    raters = sorted(study["rater"].unique())
    images = sorted(study["image"].unique())
    rater_weights = cluster_weights(len(raters), 40, np.random.default_rng([3, 0]))
    image_weights = cluster_weights(len(images), 40, np.random.default_rng([3, 1]))
    for b in range(40):
        weight = study["rater"].map(dict(zip(raters, rater_weights[b], strict=True)))
        rows = study.assign(weight=weight, product=weight * study["rating"])
        sums = rows.groupby(["method", "image"])[["product", "weight"]].sum()
        means = (sums["product"] / sums["weight"]).dropna()  # a cell without a drawn rater is out
        by_image = dict(zip(images, image_weights[b], strict=True))
        for code, (method, _) in enumerate(names):
            own = means[method]
            counted = own.index.map(by_image).to_numpy(float)
            expected = (own.to_numpy() * counted).sum() / counted.sum()
            assert groups[code, b] == pytest.approx(expected)


@pytest.mark.parametrize("unit", get_args(ResamplingUnit))
@pytest.mark.parametrize("statistic", ["means", "difference"])
def test_parts_give_the_digits_of_the_whole(
    unit: ResamplingUnit, statistic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = crossed_study(2, images=7).sample(120, random_state=2)
    cells = Cells.of(study)
    items = method_items(cells)[0] if statistic == "means" else difference_items(cells, "b", "a")
    whole = _bootstrap(cells, items, unit)
    monkeypatch.setattr(replicates, "_REPLICATES_AT_ONCE", 3 * 40)  # three items at a time
    parts = _bootstrap(cells, items, unit)
    np.testing.assert_allclose(parts[0], whole[0])
    np.testing.assert_allclose(parts[1], whole[1])


def test_a_difference_drops_an_image_whose_cell_is_empty_in_a_resample() -> None:
    study = pd.DataFrame(
        {
            "rater": ["ann", "ann", "bob", "bob"],
            "image": ["sky", "sky", "sea", "sea"],
            "method": ["a", "b", "a", "b"],
            "rating": [4, 6, 1, 9],
        }
    )
    cells = Cells.of(study)
    of_items, group = _bootstrap(cells, difference_items(cells, "b", "a"), "rater", 200)
    assert set(group[0]) == {2.0, 5.0, 8.0}
    # sea first, then sky: each is missing where its only rater was not drawn.
    assert set(of_items[0][~np.isnan(of_items[0])]) == {8.0}
    assert set(group[0][np.isnan(of_items[0])]) == {2.0}


@pytest.mark.parametrize("step", [1.0, 0.5])
def test_drawing_ratings_of_few_steps_or_of_many_has_the_same_distribution(step: float) -> None:
    """Sums of whole ratings are drawn, or counts of steps where ratings repeat, or ratings."""
    rng = np.random.default_rng(4)
    steps = step * np.repeat([1.0, 4.0, 10.0], [10, 20, 10]) + (1 - step)
    nearly = steps + rng.normal(0, 1e-6, 40)
    one = replicates._resampled_mean(steps, 20_000, rng)
    other = replicates._resampled_mean(nearly, 20_000, rng)
    quantiles = [0.025, 0.25, 0.5, 0.75, 0.975]
    np.testing.assert_allclose(
        np.quantile(one, quantiles), np.quantile(other, quantiles), atol=0.06
    )
    assert one.std() == pytest.approx(steps.std() / np.sqrt(40), rel=0.03)


def test_sums_of_draws_have_their_exact_distribution() -> None:
    """Of two values it is binomial; the tails are drawn as they come."""
    sums = replicates._drawn_sums(np.array([0.7, 0.3]), 12, 100_000, np.random.default_rng(1))
    observed = np.bincount(sums, minlength=13)
    expected = stats.binom.pmf(np.arange(13), 12, 0.3) * len(sums)
    common = expected > 5
    assert stats.chisquare(
        np.append(observed[common], observed[~common].sum()),
        np.append(expected[common], expected[~common].sum()),
        sum_check=False,
    ).pvalue > 0.001  # fmt: skip


@pytest.mark.parametrize("rating", [-2.0, 0.0, 7.0])
def test_equal_ratings_have_their_mean_in_every_resample(rating: float) -> None:
    rng = np.random.default_rng(1)
    assert set(replicates._resampled_mean(np.full(9, rating), 50, rng)) == {rating}
    assert set(replicates._resampled_mean(np.array([rating]), 5, rng)) == {rating}


def test_means_of_resampled_ratings_are_among_those_that_can_be() -> None:
    rng = np.random.default_rng(2)
    means = replicates._resampled_mean(np.array([3.0, 5.0, 9.0]), 4_000, rng)
    assert set(np.rint(means * 3)) == {9, 11, 13, 15, 17, 19, 21, 23, 27}


def test_cells_are_numbered_alike_whatever_the_labels_are() -> None:
    """Numbers as names are the same names as text; the order is that of text."""
    study = pd.DataFrame(
        {"rater": [7, "7", "x"], "image": [10, 9, 9], "method": "jxl", "rating": [1, 2, 3]}
    )
    cells = Cells.of(study)
    assert (cells.images, cells.n_raters) == (("10", "9"), 2)
    assert cells.means.tolist() == [1.0, 2.5]
    as_category = study.astype({"rater": str, "image": str}).astype("category")
    as_category["rating"] = study["rating"]
    assert Cells.of(as_category).means.tolist() == [1.0, 2.5]
