"""The reliability of a rating study, and what is said when it has none."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.reliability.intraclass import intraclass_correlations
from mturk_eval.stats.reliability.krippendorff import alpha_replicates, count_values
from mturk_eval.stats.reliability.ratings import rating_reliability
from mturk_eval.stats.reliability.split_half import half_correlations, split_raters
from mturk_eval.stats.resampling.weights import cluster_weights
from tests.stats.reference import crossed_study, reference_table


def _value(study: pd.DataFrame, statistic: str, level: str) -> float:
    value = rating_reliability(study, resamples=20).row(statistic, level).value
    assert value is not None
    return value


def test_a_complete_study_has_alphas_six_correlations_and_split_halves() -> None:
    result = rating_reliability(crossed_study(1), resamples=50)
    assert [(row.statistic, row.level) for row in result.rows] == [
        *(("krippendorff_alpha", level) for level in ("nominal", "ordinal", "interval", "ratio")),
        *((f"ICC({form},1)", "single") for form in "123"),
        *((f"ICC({form},k)", "average") for form in "123"),
        *((f"split_half_{r}", of) for r in ("srocc", "plcc") for of in ("half", "all")),
    ]
    for row in result.rows:
        assert row.value is not None
        assert row.ci_low is not None
        assert row.ci_high is not None
        assert row.ci_low < row.ci_high


def test_the_units_of_an_unbalanced_study_are_image_by_method() -> None:
    result = rating_reliability(reference_table("sim_unbalanced"), resamples=10)
    assert result.unit_columns == ("image", "method")
    row = result.row("krippendorff_alpha", "ordinal")
    assert row.value == pytest.approx(0.2904462078826503, abs=1e-9)
    assert result.row("ICC(A,1)", "single").value == pytest.approx(0.3047, abs=1e-4)


def test_rows_may_come_in_any_order_and_under_any_names() -> None:
    study = crossed_study(2)
    other = study.sample(frac=1, random_state=1).assign(rater=lambda d: "x" + d["rater"])
    one, two = (rating_reliability(table, resamples=5) for table in (study, other))
    for a, b in zip(one.rows[:10], two.rows[:10], strict=True):
        assert a.value == pytest.approx(b.value)


def test_split_halves_are_the_correlations_of_two_halves_means() -> None:
    study = crossed_study(3, images=9, raters=7)
    stimulus = np.asarray(study.groupby(["image", "method"]).ngroup(), dtype=np.int64)
    rater = pd.factorize(study["rater"])[0].astype(np.int64)
    rating = study["rating"].round().to_numpy(np.float64)
    halves = split_raters(rating, stimulus, rater, splits=5, rng=np.random.default_rng(0))
    assert halves.means.shape == (5, 2, 18)
    for split in range(5):
        first, second = halves.means[split]
        assert rating.reshape(7, -1).mean() == pytest.approx((3 * first + 4 * second).mean() / 7)
    rows = [
        (stats.spearmanr(*means).statistic, stats.pearsonr(*means).statistic)
        for means in halves.means
    ]
    srocc, plcc = half_correlations(halves, np.ones((1, 18)))
    assert (srocc[0], plcc[0]) == pytest.approx(tuple(np.mean(rows, axis=0)))


def test_split_halves_foretell_the_correlation_of_two_studies() -> None:
    """Spearman-Brown of halves of 20 raters, against another 20 raters on the same images."""
    rng = np.random.default_rng(4)
    quality = rng.normal(0, 1, 200)
    studies = [quality[:, None] + rng.normal(0, 3, (200, 20)) for _ in range(2)]
    table = pd.DataFrame(
        {
            "image": np.repeat(np.arange(200), 20),
            "rater": np.tile(np.arange(20), 200),
            "rating": studies[0].ravel(),
        }
    )
    truth = np.corrcoef(studies[0].mean(axis=1), studies[1].mean(axis=1))[0, 1]
    assert _value(table, "split_half_plcc", "all") == pytest.approx(truth, abs=0.08)


def test_bootstrap_limits_of_alpha_cover_it() -> None:
    """Interval alpha of ratings with a stimulus and a noise component is near their ICC, .5."""
    covered = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        ratings = 5 + rng.normal(0, 1, (60, 1)) + rng.normal(0, 1, (60, 6))
        counts = count_values(np.repeat(np.arange(60), 6), ratings.ravel())
        replicates = alpha_replicates(counts, "interval", cluster_weights(60, 300, rng))
        low, high = np.quantile(replicates, [0.025, 0.975])
        covered.append(low <= 0.5 <= high)
    assert 0.88 <= np.mean(covered) <= 0.99


def test_images_may_be_drawn_with_all_their_stimuli() -> None:
    study = crossed_study(5, images=30, image_sd=1.5, effect=0, slope_sd=0)
    by_stimulus, by_image = (
        rating_reliability(study, unit=unit, resamples=400).row("krippendorff_alpha", "interval")
        for unit in ("stimulus", "image")
    )
    widths = [row.ci_high - row.ci_low for row in (by_stimulus, by_image)]  # type: ignore[operator]
    assert by_stimulus.value == by_image.value
    assert widths[1] > 1.15 * widths[0]


def test_the_same_seed_gives_the_same_digits() -> None:
    study = crossed_study(1)
    assert rating_reliability(study, seed=1, resamples=50) == rating_reliability(
        study, seed=1, resamples=50
    )
    assert (
        rating_reliability(study, seed=1, resamples=50).rows
        != rating_reliability(study, seed=2, resamples=50).rows
    )


def test_missing_cells_are_allowed() -> None:
    study = crossed_study(1, images=20).sample(frac=0.5, random_state=1)
    result = rating_reliability(study, resamples=10)
    assert result.row("ICC(A,1)", "single").value is not None
    with pytest.raises(KeyError):
        result.row("ICC(2,1)", "single")


def test_one_rating_a_rater_gives_the_one_way_correlation_and_says_so() -> None:
    study = crossed_study(1).assign(rater=lambda d: np.arange(len(d)))
    result = rating_reliability(study, resamples=10)
    assert result.row("ICC(1,1)", "single").value is not None
    assert any("rated once" in warning for warning in result.warnings)


def test_repeated_ratings_and_lonely_stimuli_are_said() -> None:
    study = crossed_study(1, images=12)
    lonely = study[(study["image"] != "i0") | (study["rater"] == "r0")]
    said = " ".join(rating_reliability(pd.concat([lonely, lonely.tail(3)]), resamples=9).warnings)
    assert "2 of 24 stimuli have one rating" in said
    assert "3 ratings repeat" in said


def test_perfect_agreement_with_gaps_has_alpha_and_says_why_it_has_no_icc() -> None:
    study = crossed_study(1, noise_sd=0, rater_sd=0).iloc[:-1]
    result = rating_reliability(study, resamples=10)
    assert result.row("krippendorff_alpha", "interval").value == pytest.approx(1.0)
    assert result.row("ICC(A,1)", "single").value is None
    assert any("No intraclass correlation" in warning for warning in result.warnings)


def test_negative_ratings_have_no_alpha_at_the_ratio_level() -> None:
    result = rating_reliability(crossed_study(1).assign(rating=lambda d: d["rating"] - 20))
    assert result.row("krippendorff_alpha", "ratio").value is None
    assert any("ratio level" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (crossed_study(1).iloc[:0], "no ratings"),
        (crossed_study(1).assign(rating=7.0), "equal"),
        (crossed_study(1, raters=1), "two of each"),
        (crossed_study(1).query("image == 'i0' and method == 'a'"), "two of each"),
        (crossed_study(1).assign(rating=np.nan), "missing"),
        (crossed_study(1).drop_duplicates(["image", "method"]).assign(
            rater=lambda d: d["image"]), "rated twice"),
    ],
)  # fmt: skip
def test_studies_without_agreement_to_measure_are_refused(
    study: pd.DataFrame, message: str
) -> None:
    with pytest.raises(StatisticsError, match=message):
        rating_reliability(study)


def test_the_document_is_the_contract_s() -> None:
    document = rating_reliability(crossed_study(1), resamples=9, seed=3).document()
    assert {"model", "n_observations", "generalises_to", "warnings", "rows"} <= set(document)
    assert document["model"] == "reliability"
    assert set(document["rows"][0]) == {"statistic", "level", "value", "ci_low", "ci_high"}
    assert len(document["f_tests"]) == 6
    json.dumps(document, allow_nan=False)


def test_the_correlations_of_a_complete_study_are_exact() -> None:
    study = crossed_study(6)
    table = study.assign(stimulus=study["image"] + study["method"]).pivot_table(
        index="stimulus", columns="rater", values="rating"
    )
    expected = intraclass_correlations(table.to_numpy(np.float64))[1].value
    assert _value(study, "ICC(2,1)", "single") == pytest.approx(expected, abs=1e-12)
