"""A comparison on held-out originals: numbers by hand, break-downs that add up, honest refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from mturk_eval.metric.compared import ComparedMetric
from mturk_eval.metric.comparison import MetricComparison
from mturk_eval.metric.errors import MetricInputError
from mturk_eval.metric.evaluation import compare_metrics
from mturk_eval.metric.split import OriginalSplit, split_by_original, split_listed
from mturk_eval.metric.study import EQUAL, LEARNED, PER_LAYER, MetricStudy, study_metric
from tests.metric.simulated_triplets import METHODS, SimulatedStudy, bare_triplets, simulated_study

LAYERS = (8, 12, 20)


@pytest.fixture(scope="module")
def study() -> SimulatedStudy:
    return simulated_study(7, originals=50)


@pytest.fixture(scope="module")
def split(study: SimulatedStudy) -> OriginalSplit:
    return split_by_original(study.triplets, test_share=0.3, seed=1)


def _others(study: SimulatedStudy) -> list[ComparedMetric]:
    """PSNR sees one channel; MS-SSIM has no value on small pictures."""
    psnr = [-10 * np.log10(z[:, 0].astype(np.float64)) for z in (study.first, study.second)]
    missing = np.full(len(study.triplets), np.nan)
    return [
        ComparedMetric.of("PSNR", psnr[0], psnr[1], "higher"),
        ComparedMetric(name="MS-SSIM", difference=missing, note="n/a below 161 px"),
    ]


@pytest.fixture(scope="module")
def found(study: SimulatedStudy, split: OriginalSplit) -> MetricStudy:
    return study_metric(
        study.triplets,
        study.first,
        study.second,
        split=split,
        layer_sizes=LAYERS,
        others=_others(study),
        leave_methods_out=True,
        resamples=200,
    )


def test_scores_and_lines_are_those_computed_by_hand() -> None:
    triplets = bare_triplets([5, 1, 2], [1, 5, 4])
    metrics = [
        ComparedMetric(name="right", difference=np.array([-1.0, 1.0, 1.0]), logit_slope=0.0),
        ComparedMetric(name="tied", difference=np.zeros(3)),
    ]
    result = compare_metrics(triplets, metrics, resamples=20)
    assert result.row("right").score.value == pytest.approx((5 + 5 + 4) / 18)
    assert result.row("tied").score.value == 0.5
    assert result.row("right").share_of_reachable == pytest.approx(1)
    assert result.row("right").log_loss.value == pytest.approx(np.log(2))
    assert result.row("tied").log_loss.value is None
    assert result.human["majority"].value == pytest.approx(14 / 18)
    assert result.human["unbiased"].value == pytest.approx((20 / 30 + 20 / 30 + 14 / 30) / 3)
    assert "Nothing was held out here" in result.warnings[-1]


def test_only_held_out_triplets_are_scored(found: MetricStudy, split: OriginalSplit) -> None:
    comparison = found.comparison
    assert comparison.n_triplets == len(split.test)
    assert comparison.n_originals == len(split.test_images) == 15
    assert found.trained.n_triplets == len(split.train)
    assert comparison.document()["held_out"]["test_images"] == list(split.test_images)


def test_votes_of_held_out_originals_change_no_weight(
    study: SimulatedStudy, split: OriginalSplit, found: MetricStudy
) -> None:
    held_out = np.isin(np.arange(len(study.triplets)), split.test)
    others = study.triplets.swapped()
    changed = replace(
        study.triplets,
        votes_first=np.where(held_out, others.votes_first, study.triplets.votes_first),
        votes_second=np.where(held_out, others.votes_second, study.triplets.votes_second),
    )
    again = study_metric(
        changed, study.first, study.second, split=split, layer_sizes=LAYERS, resamples=2
    )
    assert np.array_equal(again.trained.weights, found.trained.weights)


def test_the_learned_metric_beats_the_small_models_and_stays_below_majority(
    found: MetricStudy,
) -> None:
    scores = {row.metric: row.score.value for row in found.comparison.rows}
    learned, majority = scores[LEARNED], found.comparison.human["majority"].value
    assert learned is not None
    assert majority is not None
    for other in (EQUAL, PER_LAYER, "PSNR"):
        value = scores[other]
        assert value is not None
        assert value < learned < majority
    loss = found.comparison.row(LEARNED).log_loss.value
    assert loss is not None
    assert loss < np.log(2)


def test_a_metric_without_a_value_everywhere_is_not_scored(found: MetricStudy) -> None:
    row = found.comparison.row("MS-SSIM")
    assert (row.score.value, row.log_loss.value) == (None, None)
    assert any("MS-SSIM is n/a" in warning for warning in found.comparison.warnings)
    assert [combination.name for combination in found.comparison.combinations] == [
        f"{LEARNED} + PSNR"
    ]


def test_parts_add_up_to_the_whole(found: MetricStudy) -> None:
    comparison = found.comparison
    for by, n_levels in (("bpp", 4), ("methods", 6)):
        parts = [part for part in comparison.breakdowns if part.by == by]
        assert len(parts) == n_levels
        assert sum(part.n_triplets for part in parts) == comparison.n_triplets
        total = sum((part.scores[LEARNED].value or 0) * part.n_triplets for part in parts)
        assert total / comparison.n_triplets == pytest.approx(comparison.rows[0].score.value)
        lines = sum((part.human["unbiased"].value or 0) * part.n_triplets for part in parts)
        assert lines / comparison.n_triplets == pytest.approx(comparison.human["unbiased"].value)


def test_differences_are_paired_so_narrower_than_the_scores_intervals(found: MetricStudy) -> None:
    rows = {(row.metric, row.other): row.difference for row in found.comparison.differences}
    gap = rows[LEARNED, PER_LAYER]
    one, other = (found.comparison.row(name).score for name in (LEARNED, PER_LAYER))
    assert gap.value == pytest.approx((one.value or 0) - (other.value or 0))
    assert _width(gap) < _width(one)


def _width(estimate: object) -> float:
    low, high = (getattr(estimate, name) for name in ("ci_low", "ci_high"))
    return float(high - low)


def test_each_method_is_left_out_in_turn(found: MetricStudy) -> None:
    rows = found.comparison.left_out
    assert [row.method for row in rows] == list(METHODS)
    for row in rows:
        assert row.n_train == found.trained.n_triplets // 2  # 3 of 6 pairs are without a method
        assert row.n_test == found.comparison.n_triplets // 2
        assert row.without.value is not None
        assert row.with_method.value is not None
        assert row.difference.value == pytest.approx(row.without.value - row.with_method.value)


def test_exchanging_all_sides_changes_no_score(
    study: SimulatedStudy, split: OriginalSplit, found: MetricStudy
) -> None:
    psnr = _others(study)[0]
    again = study_metric(
        study.triplets.swapped(),
        study.second,
        study.first,
        split=split,
        layer_sizes=LAYERS,
        others=[replace(psnr, difference=-psnr.difference)],
        resamples=200,
    ).comparison
    for row in again.rows:
        before = found.comparison.row(row.metric)
        assert row.score.value == pytest.approx(before.score.value)
        assert row.log_loss.value == pytest.approx(before.log_loss.value, rel=1e-4)
    assert {part.level for part in again.breakdowns} == {
        part.level for part in found.comparison.breakdowns
    }


def test_the_document_is_json_and_says_which_line_is_which(found: MetricStudy) -> None:
    document = json.loads(json.dumps(found.comparison.document(), allow_nan=False))
    assert document["model"] == "metric"
    assert document["generalises_to"] == ["images"]
    assert "published convention" in document["human"]["plug_in"]["meaning"].lower()
    assert [row["metric"] for row in document["rows"]][:3] == [LEARNED, PER_LAYER, EQUAL]
    assert [trained["recipe"] for trained in document["trained"]] == ["logistic", "layers", "equal"]
    assert len(document["leave_one_method_out"]) == 4


def test_ransac_is_added_on_request(study: SimulatedStudy, split: OriginalSplit) -> None:
    pytest.importorskip("sklearn")
    result = study_metric(
        study.triplets,
        study.first,
        study.second,
        split=split,
        layer_sizes=LAYERS,
        others=_others(study)[:1],
        ransac=True,
        resamples=2,
    ).comparison
    assert result.row(f"{LEARNED} + PSNR (RANSAC)").note == "weights by RANSAC, as in the paper"
    assert [combination.seed for combination in result.combinations] == [None, 0]


def test_few_originals_single_votes_and_wrong_directions_are_stated() -> None:
    study = simulated_study(8, originals=6, votes=(1, 4))
    split = split_listed(study.triplets, ["image000", "image001"])
    against = ComparedMetric(name="against", difference=(study.second - study.first).sum(axis=1))
    result = compare_metrics(study.triplets, [against], split=split, resamples=20)
    text = " ".join(result.warnings)
    assert "With 2 held-out originals the intervals are rough" in text
    assert "have one vote and are not in the unbiased human line" in text
    assert "Votes run against against" in text
    assert "Triplets have 1 to 3 votes" in text


def test_one_held_out_original_has_scores_without_intervals() -> None:
    study = simulated_study(9, originals=3)
    split = split_listed(study.triplets, ["image001"])
    metric = ComparedMetric(name="all", difference=(study.first - study.second).sum(axis=1))
    result: MetricComparison = compare_metrics(study.triplets, [metric], split=split)
    assert result.row("all").score.ci_low is None
    assert result.resamples == 0
    assert "no interval can be given" in " ".join(result.warnings)


def test_what_cannot_be_compared_is_refused(study: SimulatedStudy) -> None:
    metric = ComparedMetric(name="one", difference=np.zeros(len(study.triplets)))
    with pytest.raises(MetricInputError, match="Two metrics are called 'one'"):
        compare_metrics(study.triplets, [metric, metric])
    with pytest.raises(MetricInputError, match="and 0 metrics"):
        compare_metrics(study.triplets, [])
    with pytest.raises(MetricInputError, match="one has 1200 values for 3 triplets"):
        compare_metrics(study.triplets.take(np.arange(3)), [metric])
    with pytest.raises(MetricInputError, match="level is between 0 and 1"):
        compare_metrics(study.triplets, [metric], ci_level=95)
