"""A method's effect: the paired t test where there is one, and intervals that hold the truth."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.ratings.differences import method_difference
from tests.stats.reference import crossed_study, reference_table


def test_t_over_images_is_the_paper_s_paired_test() -> None:
    """Human against WebP: t = 1.833 on 12 degrees of freedom, mean 0.967."""
    table = reference_table("paperlike_300workers")
    found = method_difference(table, "human", "webp", unit="image", interval="t")
    assert found.std_error is not None
    assert found.difference == pytest.approx(0.967, abs=5e-4)
    assert found.difference / found.std_error == pytest.approx(1.833, abs=5e-4)
    means = table.groupby(["image", "method"])["rating"].mean().unstack()
    theirs = stats.ttest_rel(means["human"], means["webp"]).confidence_interval(0.95)
    assert (found.ci_low, found.ci_high) == pytest.approx((theirs.low, theirs.high))


def test_t_over_raters_is_the_paired_test_of_their_means_when_everyone_rated_all() -> None:
    study = crossed_study(1)
    found = method_difference(study, "b", "a", unit="rater", interval="t")
    means = study.groupby(["rater", "method"])["rating"].mean().unstack()
    theirs = stats.ttest_rel(means["b"], means["a"]).confidence_interval(0.95)
    assert (found.ci_low, found.ci_high) == pytest.approx((theirs.low, theirs.high))
    image = study[study["image"] == found.rows[0].image]
    cell = image.pivot_table(index="rater", columns="method", values="rating")
    theirs = stats.ttest_rel(cell["b"], cell["a"]).confidence_interval(0.95)
    assert (found.rows[0].ci_low, found.rows[0].ci_high) == pytest.approx((theirs.low, theirs.high))


def test_swapping_the_methods_turns_the_interval_around() -> None:
    study = crossed_study(2)
    for kind in ("percentile", "bca"):
        one = method_difference(study, "b", "a", interval=kind, resamples=500)
        other = method_difference(study, "a", "b", interval=kind, resamples=500)
        assert one.difference == pytest.approx(-other.difference)
        assert one.ci_low == pytest.approx(-(other.ci_high or 0.0))
        assert one.std_error == pytest.approx(other.std_error)


def test_what_a_rater_adds_to_all_ratings_changes_nothing() -> None:
    """A rater who is drawn brings both methods along, so their bias cancels."""
    study = crossed_study(3)
    shifted = study.assign(rating=study["rating"] + study["rater"].str[1:].astype(int))
    one, other = (method_difference(s, "b", "a", resamples=200) for s in (study, shifted))
    assert one.difference == pytest.approx(other.difference)
    assert (one.ci_low, one.ci_high) == pytest.approx((other.ci_low, other.ci_high))


def test_intervals_over_raters_and_images_hold_the_effect_and_those_over_raters_do_not() -> None:
    """100 studies of 15 images x 15 raters, effect .8, image slopes .7."""
    studies = [crossed_study(s, images=15, raters=15, rater_sd=0.5) for s in range(100)]

    def covered(**choice: Any) -> float:
        found = [method_difference(s, "b", "a", resamples=300, **choice) for s in studies]
        return float(np.mean([(f.ci_low or 0) <= 0.8 <= (f.ci_high or 0) for f in found]))

    assert covered(unit="both") >= 0.9
    assert 0.88 <= covered(unit="image", interval="t") <= 0.995
    assert covered(unit="rater") < 0.85


def test_pairing_uses_only_raters_of_both_methods() -> None:
    study = crossed_study(4, images=3)
    extra = pd.DataFrame({"rater": "late", "image": ["i0", "i1"], "method": "a", "rating": 99.0})
    everyone = pd.concat([study, extra])
    paired = method_difference(everyone, "b", "a", unit="rater", interval="t", paired=True)
    without = method_difference(study, "b", "a", unit="rater", interval="t")
    assert paired.difference == pytest.approx(without.difference)
    assert paired.ci_low == pytest.approx(without.ci_low)
    assert method_difference(everyone, "b", "a", unit="rater", interval="t").difference < 0


def test_images_of_one_method_only_are_left_out_and_counted() -> None:
    study = crossed_study(5).query("not (image == 'i0' and method == 'b')")
    found = method_difference(study, "b", "a", resamples=20)
    assert (found.n_images, len(found.rows)) == (7, 7)
    assert any("1 of 8 images" in warning for warning in found.warnings)


def test_rates_are_compared_each_with_itself() -> None:
    low, high = crossed_study(6).assign(bpp=0.1), crossed_study(7).assign(bpp=0.5)
    both = method_difference(pd.concat([low, high]), "b", "a", resamples=20)
    alone = [method_difference(s, "b", "a", resamples=20).difference for s in (low, high)]
    assert both.difference == pytest.approx(np.mean(alone))
    assert {row.bpp for row in both.rows} == {0.1, 0.5}


def test_the_same_seed_gives_the_same_digits() -> None:
    study = crossed_study(8)
    assert method_difference(study, "b", "a", seed=3) == method_difference(study, "b", "a", seed=3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"method": "a"}, "two different methods"),
        ({"method": "c"}, "the methods are a, b"),
        ({"interval": "bounded"}, "a difference has none"),
        ({"interval": "t"}, "no degrees of freedom"),
    ],
)
def test_wrong_choices_are_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        method_difference(crossed_study(1), **{"method": "b", "reference": "a"} | arguments)


def test_methods_that_share_no_image_or_no_rater_are_refused() -> None:
    study = crossed_study(1)
    apart = study[(study["method"] == "a") == study["image"].isin(["i0", "i1"])]
    with pytest.raises(StatisticsError, match="No image was rated under both"):
        method_difference(apart, "b", "a")
    split = study.assign(rater=study["rater"] + study["method"])
    assert method_difference(split, "b", "a", resamples=20).n_raters == 24
    with pytest.raises(StatisticsError, match="nothing is paired"):
        method_difference(split, "b", "a", paired=True)


@pytest.mark.parametrize("study", [crossed_study(1, images=1), crossed_study(1, raters=1)])
def test_one_image_or_one_rater_has_a_difference_without_an_interval(study: pd.DataFrame) -> None:
    found = method_difference(study, "b", "a", resamples=20)
    assert found.ci_low is None
    assert found.std_error is None
    assert any("nothing to resample" in warning for warning in found.warnings)
    json.dumps(found.document(), allow_nan=False)


def test_the_document_says_what_it_speaks_about() -> None:
    document = method_difference(crossed_study(1), "b", "a", resamples=20).document()
    assert document["generalises_to"] == ["raters", "images"]
    assert {"model", "n_observations", "warnings", "rows", "difference", "ci_method"} <= set(
        document
    )
