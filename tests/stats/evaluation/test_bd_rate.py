"""BD-rate: published figures, scipy's interpolators, known savings, and honest refusals."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import interpolate, optimize

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.evaluation.bd_rate import bd_rate
from mturk_eval.stats.evaluation.rate_curves import (
    INTERPOLATIONS,
    Interpolation,
    distinct_points,
    integral,
    rising,
)
from mturk_eval.stats.evaluation.rate_differences import bjontegaard_rate

RATES = np.array([0.1, 0.2, 0.4, 0.8, 1.6])
# a published pair of curves of a video codec (kbit/s, dB)
ANCHOR = (
    np.array([9487.76, 4593.60, 2486.44, 1358.24]),
    np.array([40.037, 38.615, 36.845, 34.851]),
)
TEST = (np.array([9787.80, 4469.00, 2451.52, 1356.24]), np.array([40.121, 38.651, 36.970, 34.987]))


@pytest.mark.parametrize(
    ("interpolation", "percent"), [("cubic", -4.4205), ("pchip", -4.4175), ("akima", -4.4252)]
)
def test_the_published_figures(interpolation: Interpolation, percent: float) -> None:
    found = bjontegaard_rate(*ANCHOR, *TEST, interpolation=interpolation)
    assert found == pytest.approx(percent, abs=5e-5)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_saving_at_every_quality_is_that_saving(interpolation: Interpolation) -> None:
    rate, quality = ANCHOR
    found = bjontegaard_rate(rate, quality, 0.7 * rate, quality, interpolation=interpolation)
    assert found == pytest.approx(-30.0)
    back = bjontegaard_rate(0.7 * rate, quality, rate, quality, interpolation=interpolation)
    assert back == pytest.approx(100 * (1 / 0.7 - 1))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@given(seed=st.integers(0, 10_000), points=st.integers(4, 8))
@settings(max_examples=40, deadline=None)
def test_integrals_are_scipy_s(interpolation: Interpolation, seed: int, points: int) -> None:
    rng = np.random.default_rng(seed)
    quality = np.cumsum(rng.uniform(0.1, 1.5, points))
    log_rate = np.cumsum(rng.normal(0.3, 0.4, points))
    low, high = np.sort(rng.uniform(quality[0], quality[-1], 2))
    curve: interpolate.PPoly | np.polynomial.Polynomial
    if interpolation == "cubic":
        antiderivative = np.polynomial.Polynomial.fit(quality, log_rate, 3).integ()
        expected = antiderivative(high) - antiderivative(low)
    else:
        if interpolation == "pchip":
            curve = interpolate.PchipInterpolator(quality, log_rate)
        else:
            curve = interpolate.Akima1DInterpolator(quality, log_rate)
        expected = curve.integrate(low, high)
    found = integral(
        quality[None], log_rate[None], np.array([low]), np.array([high]), interpolation
    )
    assert found[0] == pytest.approx(float(expected), abs=1e-8)


@given(
    values=st.lists(st.integers(1, 10), min_size=1, max_size=7),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=60, deadline=None)
def test_rising_curves_are_isotonic_regressions(values: list[int], seed: int) -> None:
    weights = np.random.default_rng(seed).integers(1, 5, len(values)).astype(float)
    found = rising(np.array([values], dtype=float), weights[None])[0]
    expected = optimize.isotonic_regression(values, weights=weights).x
    np.testing.assert_allclose(found, expected)


def test_points_without_answers_do_not_bend_a_curve() -> None:
    quality, weights = np.array([[2.0, 99.0, 1.0, 5.0]]), np.array([[1.0, 0.0, 1.0, 1.0]])
    smooth = rising(quality, weights)
    np.testing.assert_allclose(smooth[0, [0, 2, 3]], [1.5, 1.5, 5.0])
    points, rates, n = distinct_points(smooth, np.array([[0.0, 1.0, 2.0, 3.0]]), weights)
    assert n.tolist() == [2]
    np.testing.assert_allclose(points[0, :2], [1.5, 5.0])
    np.testing.assert_allclose(rates[0, :2], [1.0, 3.0])  # the pooled point: the mean log rate


def _study(
    seed: int,
    *,
    images: int = 12,
    raters: int = 30,
    noise_sd: float = 0.5,
    saving: float = 0.2,
    saving_sd: float = 0.05,
) -> pd.DataFrame:
    """Everyone rates five rates of two methods; webp needs ``saving`` less rate."""
    rng = np.random.default_rng(seed)
    shift = np.log10(1 - saving) + rng.normal(0, saving_sd, images)
    level = rng.normal(0, 0.1, images)
    bias = rng.normal(0, 0.5, raters)
    rows = [
        (f"r{r}", f"i{i}", method, rate, mean + bias[r] + rng.normal(0, noise_sd))
        for i in range(images)
        for method, moved in (("jpeg", 0.0), ("webp", shift[i]))
        for rate in RATES
        for mean in [5.5 + 4 * np.tanh(0.8 * (np.log10(rate) - moved + 0.4 + level[i]))]
        for r in range(raters)
    ]
    return pd.DataFrame(rows, columns=["rater", "image", "method", "bpp", "rating"])


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_known_saving_is_found(interpolation: Interpolation) -> None:
    result = bd_rate(
        _study(1, saving_sd=0, noise_sd=0.01),
        anchor="jpeg",
        interpolation=interpolation,
        resamples=20,
    )
    assert result.rows[0].bd_rate_percent == pytest.approx(-20, abs=0.3)
    assert {image.refused for image in result.images} == {None}


def test_images_are_averaged_in_log_rate() -> None:
    result = bd_rate(_study(2), anchor="jpeg", resamples=20)
    logs = [np.log1p(image.bd_rate_percent / 100) for image in result.images]  # type: ignore[operator]
    expected = 100 * np.expm1(np.mean(logs))
    assert result.rows[0].bd_rate_percent == pytest.approx(expected)


def test_an_image_s_rate_is_bjontegaard_s_of_its_mean_ratings() -> None:
    study = _study(3, noise_sd=0.1)
    means = study.groupby(["image", "method", "bpp"])["rating"].mean()
    for image in bd_rate(study, anchor="jpeg", resamples=5).images:
        one, other = (means[image.image, method].to_numpy() for method in ("jpeg", "webp"))
        expected = bjontegaard_rate(RATES, one, RATES, other)
        assert image.bd_rate_percent == pytest.approx(expected)


def test_intervals_over_raters_and_images_cover_a_known_saving() -> None:
    covered = []
    for seed in range(40):
        row = bd_rate(
            _study(seed, raters=12, images=15, saving_sd=0.08), anchor="jpeg", resamples=200
        ).rows[0]
        assert row.ci_low is not None
        assert row.ci_high is not None
        covered.append(row.ci_low <= -20 <= row.ci_high)
    assert np.mean(covered) >= 0.85


def test_a_resample_is_the_whole_computation_on_the_drawn_raters() -> None:
    """With two raters a resample is one of them twice, or both: three values, all computable."""
    study = _study(4, images=3, raters=2, noise_sd=0.3)
    alone = [
        bd_rate(part, anchor="jpeg", resamples=1).rows[0].bd_rate_percent
        for _, part in study.groupby("rater")
    ]
    both = bd_rate(study, anchor="jpeg", unit="rater", resamples=300, ci_level=0.999).rows[0]
    assert both.bd_rate_percent is not None
    values = sorted(value for value in [*alone, both.bd_rate_percent] if value is not None)
    assert both.ci_low == pytest.approx(values[0], abs=0.2)
    assert both.ci_high == pytest.approx(values[-1], abs=0.2)


def test_rates_as_coded_are_used_where_they_are_known() -> None:
    study = _study(5)
    actual = study.assign(actual_bpp=study["bpp"] * np.where(study["method"] == "webp", 0.9, 1.0))
    plain, coded = (bd_rate(table, anchor="jpeg", resamples=5).rows[0] for table in (study, actual))
    assert plain.bd_rate_percent is not None
    expected = 100 * (0.9 * (1 + plain.bd_rate_percent / 100) - 1)
    assert coded.bd_rate_percent == pytest.approx(expected)


def test_rows_may_come_in_any_order() -> None:
    study = _study(6, images=4)
    one = bd_rate(study, anchor="jpeg", resamples=9)
    two = bd_rate(study.sample(frac=1, random_state=0), anchor="jpeg", resamples=9)
    assert one.rows[0].bd_rate_percent == pytest.approx(two.rows[0].bd_rate_percent)
    assert one.rows[0].ci_low == pytest.approx(two.rows[0].ci_low)


def _only(study: pd.DataFrame, image: str, method: str) -> NDArray[np.bool_]:
    return ((study["image"] == image) & (study["method"] == method)).to_numpy()


def test_images_without_a_rate_are_refused_with_the_reason_and_counted() -> None:
    study = _study(7, images=12, noise_sd=0.1)
    fewer = _only(study, "i0", "webp") & (study["bpp"] > 0.3).to_numpy()
    study = study[~fewer]
    study.loc[_only(study, "i1", "webp"), "rating"] = 5.0
    study.loc[_only(study, "i2", "webp"), "rating"] += 20.0
    far = _only(study, "i3", "webp")
    study["actual_bpp"] = study["bpp"].where(~far, study["bpp"] / 30)
    result = bd_rate(study, anchor="jpeg", resamples=50)
    reasons = {image.image: image.refused or "" for image in result.images if image.refused}
    assert set(reasons) == {"i0", "i1", "i2", "i3"}
    for image, words in zip(reasons, ("fewer than 4", "not rise", "less than 25%", "factor of 10"),
                            strict=True):  # fmt: skip
        assert words in reasons[image]
    assert (result.rows[0].n_images, result.rows[0].n_refused) == (8, 4)
    assert sum("1 of 12 image x method comparisons" in said for said in result.warnings) == 4


def test_curves_that_fall_are_smoothed_and_said() -> None:
    study = _study(8, images=10, noise_sd=0.1)
    dip = _only(study, "i0", "jpeg") & (study["bpp"] == 0.4).to_numpy()
    study.loc[dip, "rating"] -= 4.0
    result = bd_rate(study, anchor="jpeg", resamples=50)
    assert result.rows[0].n_refused == 0
    assert any("In 1 of 20 curves" in warning for warning in result.warnings)


def test_when_all_images_are_refused_there_is_no_number() -> None:
    study = _study(9, images=3)
    row = bd_rate(study[study["bpp"] < 0.5], anchor="jpeg", resamples=20).rows[0]
    assert (row.bd_rate_percent, row.ci_low, row.n_images, row.n_refused) == (None, None, 0, 3)


def test_one_image_has_an_interval_over_raters_only() -> None:
    study = _study(10, images=1)
    assert bd_rate(study, anchor="jpeg", resamples=50).rows[0].ci_low is None
    assert bd_rate(study, anchor="jpeg", unit="rater", resamples=50).rows[0].ci_low is not None


def test_every_method_but_the_anchor_has_a_row() -> None:
    study = _study(11, images=4)
    third = study[study["method"] == "webp"].assign(method="jxl", bpp=lambda d: d["bpp"] * 0.5)
    result = bd_rate(pd.concat([study, third]), anchor="webp", resamples=9)
    assert [row.method for row in result.rows] == ["jpeg", "jxl"]
    assert result.rows[1].bd_rate_percent == pytest.approx(-50)


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (_study(1, images=1, raters=2).drop(columns="bpp"), "no rates"),
        (_study(1, images=1, raters=2).assign(bpp=0.0), "above 0"),
        (_study(1, images=1, raters=2).replace({"method": {"jpeg": "png"}}), "no rated method"),
        (_study(1, images=1, raters=2).query("method == 'jpeg'"), "only method"),
        (_study(1, images=1, raters=2).assign(rating=np.nan), "missing"),
    ],
)
def test_tables_without_curves_are_refused(study: pd.DataFrame, message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        bd_rate(study, anchor="jpeg")


def test_curves_that_share_no_quality_are_refused() -> None:
    rate, quality = ANCHOR
    with pytest.raises(StatisticsError, match="share less than"):
        bjontegaard_rate(rate, quality, rate, quality + 50)
    with pytest.raises(StatisticsError, match="above 0"):
        bjontegaard_rate(-rate, quality, rate, quality)


def test_the_document_is_json() -> None:
    document = bd_rate(_study(1, images=3, raters=4), anchor="jpeg", resamples=9).document()
    assert {"model", "n_observations", "generalises_to", "warnings", "rows"} <= set(document)
    assert document["generalises_to"] == ["raters", "images"]
    json.dumps(document, allow_nan=False)
