"""Metrics against mean ratings: scipy's numbers, a slow Krasula, known truths, and refusals."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import optimize, special, stats

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.evaluation.discrimination import discriminate, stimulus_pairs
from mturk_eval.stats.evaluation.logistic import Mapping, fit_mapping, mapped_resamples
from mturk_eval.stats.evaluation.metric_results import Direction, MetricEvaluation
from mturk_eval.stats.evaluation.metrics import evaluate_metrics

_Tables = tuple[pd.DataFrame, pd.DataFrame]


def _study(seed: int, *, images: int = 15, methods: int = 4, noise_sd: float = 0.4) -> _Tables:
    """``good`` follows quality, ``fair`` (lower is better) with image noise, ``bad`` nothing."""
    rng = np.random.default_rng(seed)
    quality = rng.normal(0, 1, (images, methods))
    keys = pd.DataFrame(
        {
            "image": np.repeat([f"i{i}" for i in range(images)], methods),
            "method": np.tile([f"m{j}" for j in range(methods)], images),
        }
    )
    mos = 5.5 + 3.5 * np.tanh(quality) + rng.normal(0, 0.2, quality.shape)
    content = rng.normal(0, 0.9, (images, 1))
    metrics = keys.assign(
        good=(quality + rng.normal(0, noise_sd, quality.shape)).ravel(),
        fair=-(quality + content + rng.normal(0, noise_sd, quality.shape)).ravel(),
        bad=rng.normal(0, 1, quality.size),
    )
    return keys.assign(mean=mos.ravel(), std_error=0.2, n=25), metrics


DIRECTIONS: dict[str, Direction] = {"good": "higher", "fair": "lower", "bad": "higher"}


def _evaluated(tables: _Tables, resamples: int = 60) -> MetricEvaluation:
    return evaluate_metrics(*tables, directions=DIRECTIONS, resamples=resamples)


def _four(x: NDArray[np.float64], *b: float) -> NDArray[np.float64]:
    return np.asarray(b[1] + (b[0] - b[1]) * special.expit((x - b[2]) / abs(b[3])))


def _five(x: NDArray[np.float64], *b: float) -> NDArray[np.float64]:
    return np.asarray(b[0] * (0.5 - 1 / (1 + np.exp(b[1] * (x - b[2])))) + b[3] * x + b[4])


def test_correlations_are_scipy_s() -> None:
    tables = _study(1)
    for row in _evaluated(tables).rows:
        sign = 1 if row.direction == "higher" else -1
        metric, mos = sign * tables[1][row.metric], tables[0]["mean"]
        assert row.srocc.value == pytest.approx(stats.spearmanr(metric, mos).statistic)
        assert row.krocc.value == pytest.approx(stats.kendalltau(metric, mos).statistic)


@pytest.mark.parametrize("n", [12, 60])
@pytest.mark.parametrize("noise_sd", [0.05, 0.5, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_four_parameter_fit_is_never_worse_than_scipy_s(
    seed: int, noise_sd: float, n: int
) -> None:
    rng = np.random.default_rng(seed)
    metric = rng.normal(30, 5, n)
    mos = 5 + 3 * np.tanh((metric - 31) / 4) + rng.normal(0, noise_sd, n)
    found = ((mos - fit_mapping(metric, mos, "logistic-4").predicted) ** 2).sum()
    start = [mos.max(), mos.min(), metric.mean(), metric.std() / 4]
    try:
        scipy, _ = optimize.curve_fit(_four, metric, mos, start, maxfev=20_000)
    except RuntimeError:
        pytest.skip("curve_fit gives up")
    assert found <= ((mos - _four(metric, *scipy)) ** 2).sum() * (1 + 1e-6)


def test_a_logistic_is_found_exactly() -> None:
    metric = np.linspace(20, 45, 30)
    mos = _four(metric, 9.0, 1.5, 33.0, 2.5)
    fit = fit_mapping(metric, mos, "logistic-4")
    np.testing.assert_allclose(fit.predicted, mos, atol=1e-6)
    mos = _five(metric, 5.0, 0.4, 31.0, 0.1, 2.0)
    np.testing.assert_allclose(fit_mapping(metric, mos, "logistic-5").predicted, mos, atol=1e-5)


@pytest.mark.parametrize("mapping", ["logistic-4", "logistic-5", "linear"])
def test_resamples_are_fitted_like_repeated_data(mapping: Mapping) -> None:
    tables = _study(2, images=30)
    metric, mos = (
        tables[1]["good"].to_numpy(np.float64),
        tables[0]["mean"].to_numpy(np.float64),
    )
    fit = fit_mapping(metric, mos, mapping)
    weights = np.random.default_rng(0).integers(0, 3, (4, len(mos))).astype(float)
    for row, predicted in zip(weights, mapped_resamples(fit, metric, mos, weights), strict=True):
        chosen = np.repeat(np.arange(len(mos)), row.astype(int))
        again = fit_mapping(metric[chosen], mos[chosen], fit.mapping)
        squares = ((mos[chosen] - again.predicted) ** 2).sum()
        assert (row * (mos - predicted) ** 2).sum() == pytest.approx(squares, rel=1e-4)


def test_a_curve_that_turns_is_replaced_by_a_monotone_one_and_named() -> None:
    metric = np.linspace(-2, 2, 40)
    mos = 5 + np.sin(2.5 * metric)
    fit = fit_mapping(metric, mos, "logistic-5")
    assert fit.mapping == "logistic-4"
    assert fit.fallback is not None
    assert "monotone" in fit.fallback
    rises = np.diff(fit.predicted)
    assert (rises >= 0).all() or (rises <= 0).all()


def test_plcc_rmse_and_outliers_are_those_of_the_mapped_metric() -> None:
    tables = _study(3)
    row = _evaluated(tables).row("good")
    mos = tables[0]["mean"].to_numpy()
    predicted = fit_mapping(tables[1]["good"].to_numpy(), mos, "logistic-4").predicted
    assert row.plcc.value == pytest.approx(stats.pearsonr(predicted, mos).statistic)
    assert row.rmse.value == pytest.approx(np.sqrt(((mos - predicted) ** 2).sum() / (60 - 4)))
    outside = np.abs(mos - predicted) > stats.t.ppf(0.975, 24) * 0.2
    assert row.outlier_ratio.value == pytest.approx(outside.mean())


def _slow_krasula(
    mos: NDArray[np.float64],
    error: NDArray[np.float64],
    metric: NDArray[np.float64],
    image: NDArray[np.int64],
    scope: str,
) -> tuple[float, float, float]:
    apart, alike, signed = [], [], []
    for a, b in itertools.permutations(range(len(mos)), 2):
        same = image[a] == image[b]
        if (scope == "within" and not same) or (scope == "across" and same) or a > b:
            continue
        z = (mos[a] - mos[b]) / np.hypot(error[a], error[b])
        if abs(z) > 2:
            apart.append(abs(metric[a] - metric[b]))
            signed.append((metric[a] - metric[b]) * np.sign(z))
        else:
            alike.append(abs(metric[a] - metric[b]))
    different = np.mean([(x > y) + 0.5 * (x == y) for x in apart for y in alike])
    better = np.mean([(x > -y) + 0.5 * (x == -y) for x in signed for y in signed])
    correct = np.mean([(x > 0) + 0.5 * (x == 0) for x in signed])
    return float(different), float(better), float(correct)


@pytest.mark.parametrize("scope", ["all", "within", "across"])
@pytest.mark.parametrize("ties", [False, True])
def test_krasula_s_numbers_are_those_of_pairs_counted_one_by_one(scope: str, ties: bool) -> None:
    mos_table, metric_table = _study(4, images=6)
    metric = metric_table["fair"].to_numpy()
    if ties:
        metric_table = metric_table.assign(fair=metric.round())
    result = _evaluated((mos_table, metric_table))
    row = next(part for part in result.row("fair").discrimination if part.pairs == scope)
    expected = _slow_krasula(
        mos_table["mean"].to_numpy(),
        mos_table["std_error"].to_numpy(),
        -metric_table["fair"].to_numpy(),
        pd.factorize(mos_table["image"])[0],
        scope,
    )
    found = (row.auc_different.value, row.auc_better.value, row.correct.value)
    assert found == pytest.approx(expected, abs=1e-12)


def test_a_resample_of_images_counts_their_pairs() -> None:
    """Images drawn once or not at all: the same as leaving the others out."""
    mos_table, metric_table = _study(5, images=6)
    mos, error = mos_table["mean"].to_numpy(), mos_table["std_error"].to_numpy()
    metric = metric_table["good"].to_numpy()
    image = pd.factorize(mos_table["image"])[0].astype(np.int64)
    pairs = stimulus_pairs(mos, error, image, "all")
    found = discriminate(pairs, metric, np.array([[1.0, 0, 1, 1, 0, 1]]))
    kept = np.isin(image, [0, 2, 3, 5])
    expected = _slow_krasula(mos[kept], error[kept], metric[kept], image[kept], "all")
    assert (
        found.auc_different[0],
        found.auc_better[0],
        found.correct[0],
    ) == pytest.approx(expected, abs=1e-12)


def test_a_perfect_metric_is_perfect_and_a_worthless_one_is_not() -> None:
    mos, metrics = _study(6, images=30)
    result = _evaluated((mos, metrics.assign(good=mos["mean"])), resamples=200)
    perfect, worthless = result.row("good"), result.row("bad")
    assert perfect.srocc.value == pytest.approx(1.0)
    assert perfect.plcc.value == pytest.approx(1.0, abs=1e-3)
    assert {part.correct.value for part in perfect.discrimination} == {1.0}
    assert worthless.srocc.ci_low is not None
    assert worthless.srocc.ci_high is not None
    assert worthless.srocc.ci_low < 0 < worthless.srocc.ci_high
    everything = worthless.discrimination[0]
    assert everything.auc_better.value == pytest.approx(0.5, abs=0.15)


def test_differences_are_paired_and_tell_a_better_metric() -> None:
    result = _evaluated(_study(7, images=40), resamples=200)
    found = {(row.statistic, row.metric, row.other): row for row in result.differences}
    row = found["srocc", "good", "fair"]
    values = [result.row(name).srocc.value for name in ("good", "fair")]
    assert row.difference == pytest.approx(values[0] - values[1])  # type: ignore[operator]
    assert row.ci_low is not None
    assert row.p_adjusted is not None
    assert row.ci_low > 0
    assert row.p_adjusted < 0.05
    same = evaluate_metrics(
        _study(7)[0], _study(7)[1].assign(copy=lambda d: d["good"]), metrics=["good", "copy"],
        directions={"good": "higher", "copy": "higher"}, resamples=50,
    )  # fmt: skip
    assert {(row.difference, row.p) for row in same.differences} == {(0.0, 1.0)}


def test_intervals_by_image_cover_the_population_s_srocc_where_those_by_stimulus_do_not() -> None:
    """Errors shared by an image's stimuli: 60 studies against one of 20,000 stimuli."""
    mos, metrics = _study(0, images=5_000)
    truth = -stats.spearmanr(metrics["fair"], mos["mean"]).statistic
    covered: dict[str, list[bool]] = {"image": [], "stimulus": []}
    for seed in range(1, 61):
        mos, metrics = _study(seed, images=25, methods=4)
        for unit, found in covered.items():
            keys = mos["image"] if unit == "image" else mos["image"] + mos["method"]
            row = evaluate_metrics(
                mos.assign(image=keys).drop(columns="std_error"), metrics.assign(image=keys),
                metrics=["fair"], directions={"fair": "lower"}, mapping="linear", resamples=150,
            ).row("fair").srocc  # fmt: skip
            assert row.ci_low is not None
            assert row.ci_high is not None
            found.append(bool(row.ci_low <= truth <= row.ci_high))
    assert np.mean(covered["image"]) >= 0.85
    assert np.mean(covered["stimulus"]) < np.mean(covered["image"])


def test_a_direction_is_read_off_the_data_and_said() -> None:
    mos, metrics = _study(8)
    result = evaluate_metrics(mos, metrics, metrics=["fair"], resamples=9)
    row = result.row("fair")
    assert (row.direction, row.direction_source) == ("lower", "detected")
    assert any("read off these data" in warning for warning in result.warnings)


def test_a_metric_that_runs_against_its_direction_is_negative_and_named() -> None:
    mos, metrics = _study(9)
    result = evaluate_metrics(
        mos, metrics, metrics=["good"], directions={"good": "lower"}, resamples=20
    )
    row = result.row("good")
    assert row.srocc.value is not None
    assert row.plcc.value is not None
    assert row.srocc.value < -0.5
    assert row.plcc.value < -0.5
    assert any("runs against its direction" in warning for warning in result.warnings)


def test_metrics_may_come_in_rows() -> None:
    mos, metrics = _study(1)
    long = metrics.melt(["image", "method"], var_name="metric", value_name="value")
    wide, rows = _evaluated((mos, metrics)), _evaluated((mos, long.sample(frac=1, random_state=0)))
    assert rows.row("fair") == wide.row("fair")


def test_a_constant_metric_has_no_statistics_and_says_so() -> None:
    mos, metrics = _study(1)
    result = _evaluated((mos, metrics.assign(bad=3.0)))
    row = result.row("bad")
    assert (row.srocc.value, row.plcc.value, row.rmse.value) == (None, None, None)
    assert result.row("good").srocc.value is not None
    assert any("bad is 3 for every stimulus" in warning for warning in result.warnings)


def test_one_image_has_values_and_no_intervals() -> None:
    result = _evaluated(_study(1, images=1, methods=8))
    row = result.row("good")
    assert row.srocc.value is not None
    assert row.srocc.ci_low is None
    assert all(difference.p is None for difference in result.differences)
    assert any("one image" in warning for warning in result.warnings)


def test_too_few_stimuli_for_a_curve_are_mapped_by_a_line_and_said() -> None:
    result = _evaluated(_study(1, images=2, methods=2))
    assert result.row("good").mapping == "linear"
    assert any("4 stimuli cannot determine" in warning for warning in result.warnings)


def test_without_standard_errors_krasula_s_numbers_are_left_out_and_said() -> None:
    mos, metrics = _study(1)
    result = _evaluated((mos.drop(columns="std_error"), metrics))
    assert result.row("good").discrimination == ()
    assert result.row("good").outlier_ratio.value is None
    assert sum("left out" in warning for warning in result.warnings) == 2


def test_metric_rows_of_other_stimuli_are_counted() -> None:
    mos, metrics = _study(1)
    assert any("4 rows of metrics" in said for said in _evaluated((mos[4:], metrics)).warnings)


_MOS, _METRICS = _study(1)


@pytest.mark.parametrize(
    ("mos", "metrics", "error", "message"),
    [
        (_MOS, _METRICS[1:], InvalidInputError, "image i0, method m0"),
        (_MOS, _METRICS.assign(good=np.inf), InvalidInputError, "good is inf for image i0"),
        (_MOS.assign(mean=np.nan), _METRICS, InvalidInputError, "mean is nan"),
        (_MOS, pd.concat([_METRICS, _METRICS[:1]]), InvalidInputError, "more than one metric"),
        (pd.concat([_MOS, _MOS[:1]]), _METRICS, InvalidInputError, "more than one mean opinion"),
        (_MOS.drop(columns="mean"), _METRICS, InvalidInputError, "no column mean"),
        (_MOS.assign(bpp=0.5), _METRICS, InvalidInputError, "no column bpp"),
        (_MOS, _METRICS[["image", "method"]], InvalidInputError, "no column of numbers"),
        (_MOS[:2], _METRICS, StatisticsError, "2 stimuli"),
        (_MOS.assign(mean=5.0), _METRICS, StatisticsError, "equal"),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    mos: pd.DataFrame, metrics: pd.DataFrame, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        evaluate_metrics(mos, metrics, resamples=5)


def test_directions_of_no_metric_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="no metric"):
        evaluate_metrics(_MOS, _METRICS, directions={"psnr": "higher"})
    with pytest.raises(InvalidInputError, match="'higher' or 'lower'"):
        evaluate_metrics(_MOS, _METRICS, directions={"good": "up"})  # type: ignore[dict-item]


def test_the_document_is_json() -> None:
    document = _evaluated(_study(1)).document()
    assert {"model", "n_observations", "generalises_to", "warnings", "rows"} <= set(document)
    assert {"metric", "direction", "mapping", "plcc", "srocc", "krocc"} <= set(document["rows"][0])
    json.dumps(document, allow_nan=False)
