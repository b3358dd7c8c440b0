"""Objective metrics against mean opinion scores: correlations, errors, discrimination, differences.

All intervals are percentile bootstraps over images: an image is drawn with all its stimuli, since
those are alike. Every step is repeated in a resample, the fit of the logistic mapping included.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.documents import number
from mturk_eval.stats.evaluation.correlations import (
    weighted_kendall,
    weighted_pearson,
    weighted_spearman,
)
from mturk_eval.stats.evaluation.discrimination import (
    SCOPES,
    Scope,
    StimulusPairs,
    discriminate,
    resolution,
    stimulus_pairs,
)
from mturk_eval.stats.evaluation.logistic import (
    N_PARAMETERS,
    Mapping,
    MappingFit,
    fit_mapping,
    mapped_resamples,
)
from mturk_eval.stats.evaluation.metric_results import (
    Direction,
    DiscriminationRow,
    Estimate,
    MetricDifference,
    MetricEvaluation,
    MetricRow,
)
from mturk_eval.stats.evaluation.metric_tables import ScoredStimuli, join_tables
from mturk_eval.stats.resampling.intervals import percentile_limits
from mturk_eval.stats.resampling.weights import cluster_weights

_FEW_IMAGES = 10
_COMPARED = ("plcc", "srocc", "krocc", "rmse", "auc_different", "auc_better", "correct")

_Replicates = dict[str, NDArray[np.float64]]
"""By statistic (for discrimination ``scope.statistic``): its value, then one per resample."""


def evaluate_metrics(
    mos_table: pd.DataFrame,
    metric_table: pd.DataFrame,
    *,
    metrics: Sequence[str] | None = None,
    directions: MappingOf[str, Direction] | None = None,
    mapping: Mapping = "logistic-4",
    threshold: float = 2.0,
    resamples: int = 1_000,
    seed: int = 0,
    ci_level: float = 0.95,
) -> MetricEvaluation:
    """Compare metrics with mean opinion scores of the same stimuli.

    Parameters
    ----------
    mos_table : DataFrame
        Columns ``image``, ``mean`` and, where there are, ``method``, ``bpp``, ``std_error``, ``n``,
        ``ci_low``, ``ci_high``: the rows of `mean_opinion_scores`.
    metric_table : DataFrame
        The same key columns (``image``, ``method``, ``bpp``) with one column per metric, or with
        columns ``metric`` and ``value``.
    metrics : sequence of str, optional
        Which; by default every column of numbers.
    directions : mapping of str to {"higher", "lower"}, optional
        Which values are better. Where not given it is read off the data, and a warning says so.
    mapping : {"logistic-4", "logistic-5", "linear"}
        From metric to rating, before PLCC, RMSE and the outlier ratio.
    threshold : float
        How many standard errors apart two means are called different [1]_.
    resamples, seed : int
        Of the bootstrap over images.

    Returns
    -------
    MetricEvaluation
        ``rmse`` divides by n less the mapping's parameters. ``outlier_ratio`` is the share of
        stimuli whose predicted rating lies outside the interval of their mean. Statistics of a
        constant metric are None.

    Raises
    ------
    InvalidInputError
        If tables do not fit together, a rated stimulus has no finite metric value, or a direction
        is of no metric.
    StatisticsError
        If there are fewer than three stimuli, or mean opinion scores do not vary.

    References
    ----------
    .. [1] Krasula, Fliegel, Le Callet & Klima (2016), On the accuracy of objective image and video
       quality models: new methodology for performance evaluation, QoMEX.

    Examples
    --------
    >>> keys = {"image": list("aabbcc"), "method": ["jxl", "webp"] * 3}
    >>> mos = pd.DataFrame({**keys, "mean": [8.0, 6, 7, 5, 9, 4]})
    >>> scores = pd.DataFrame({**keys, "psnr": [40.0, 34, 36, 33, 41, 30]})
    >>> evaluate_metrics(mos, scores, directions={"psnr": "higher"}).row("psnr").srocc.value
    1.0
    """
    data = join_tables(mos_table, metric_table, metrics=metrics, ci_level=ci_level)
    given = dict(directions or {})
    _check_directions(given, data)
    warnings = _warnings(data)
    pairs = _pairs(data, threshold)
    drawn = np.ones((1, data.n_images))
    if data.n_images > 1:
        rng = np.random.default_rng(seed)
        drawn = np.concatenate([drawn, cluster_weights(data.n_images, resamples, rng)])
    found = [
        _evaluate(data, name, given.get(name), mapping, pairs, drawn, warnings)
        for name in data.metrics
    ]
    return MetricEvaluation(
        rows=tuple(_row(one, data, pairs, ci_level) for one in found),
        differences=_differences(found, ci_level),
        n_stimuli=len(data.mos),
        n_images=data.n_images,
        ci_level=ci_level,
        resamples=resamples if data.n_images > 1 else 0,
        seed=seed,
        warnings=tuple(warnings),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evaluated:
    """One metric, higher being better, with all its replicates."""

    name: str
    values: NDArray[np.float64]
    direction: Direction
    given: bool
    mapping: Mapping
    replicates: _Replicates


def _evaluate(
    data: ScoredStimuli,
    name: str,
    given: Direction | None,
    mapping: Mapping,
    pairs: MappingOf[Scope, StimulusPairs],
    drawn: NDArray[np.float64],
    warnings: list[str],
) -> _Evaluated:
    values = data.metrics[name]
    direction = given or _detected(data, values)
    better = values if direction == "higher" else -values
    replicates: _Replicates = {}
    fitted: Mapping = mapping
    if float(np.ptp(values)) == 0.0:
        warnings.append(
            f"{name} is {values[0]:g} for every stimulus: it follows nothing and has no "
            "statistics. Leave it out, or check how it was computed."
        )
    else:
        fit = fit_mapping(better, data.mos, mapping)
        fitted = fit.mapping
        if fit.fallback:
            warnings.append(f"{name} was mapped by {fitted}: {fit.fallback}.")
        replicates = _correlations(data, better, drawn) | _errors(data, better, fit, drawn)
        for scope, some in pairs.items():
            of_scope = discriminate(some, better, drawn)
            replicates[f"{scope}.auc_different"] = of_scope.auc_different
            replicates[f"{scope}.auc_better"] = of_scope.auc_better
            replicates[f"{scope}.correct"] = of_scope.correct
        if given is None:
            warnings.append(
                f"That {direction} values of {name} are better was read off these data, which "
                "makes its SROCC positive whatever it is worth. State the direction of a metric "
                f"whose worth is in doubt (--direction {name}={direction})."
            )
        elif replicates["srocc"][0] < 0:
            warnings.append(
                f"{name} runs against its direction: its SROCC is negative although {given} values "
                "are said to be better. Check the direction, and that rows belong together."
            )
        _warn_of_gaps(name, replicates, warnings)
    return _Evaluated(
        name=name,
        values=better,
        direction=direction,
        given=given is not None,
        mapping=fitted,
        replicates=replicates,
    )


def _detected(data: ScoredStimuli, values: NDArray[np.float64]) -> Direction:
    srocc = weighted_spearman(values, data.mos, np.ones((1, len(values))))[0]
    return "lower" if srocc < 0 else "higher"


def _correlations(
    data: ScoredStimuli, better: NDArray[np.float64], drawn: NDArray[np.float64]
) -> _Replicates:
    weights = drawn[:, data.image]
    return {
        "srocc": weighted_spearman(better, data.mos, weights),
        "krocc": weighted_kendall(better, data.mos, data.image, drawn),
    }


def _errors(
    data: ScoredStimuli,
    better: NDArray[np.float64],
    fit: MappingFit,
    drawn: NDArray[np.float64],
) -> _Replicates:
    weights = drawn[:, data.image]
    predicted = mapped_resamples(fit, better, data.mos, weights)
    total = weights.sum(axis=1)
    # least squares never correlates negatively with the ratings: the sign is the mapping's slope
    sign = np.sign(weighted_pearson(better, predicted, weights))
    squares = (weights * (data.mos - predicted) ** 2).sum(axis=1)
    free = total - N_PARAMETERS[fit.mapping]
    errors: _Replicates = {
        "plcc": sign * weighted_pearson(predicted, data.mos, weights),
        "rmse": np.sqrt(np.divide(squares, free, out=np.full_like(free, np.nan), where=free > 0)),
    }
    if data.ci_low is not None and data.ci_high is not None:
        outside = (predicted < data.ci_low) | (predicted > data.ci_high)
        errors["outlier_ratio"] = (weights * outside).sum(axis=1) / total
    return errors


def _pairs(data: ScoredStimuli, threshold: float) -> dict[Scope, StimulusPairs]:
    """Pairs by scope, where there are any and standard errors tell which differ."""
    if data.std_error is None:
        return {}
    found = {
        scope: stimulus_pairs(data.mos, data.std_error, data.image, scope, threshold=threshold)
        for scope in SCOPES
    }
    return {scope: pairs for scope, pairs in found.items() if len(pairs.first)}


def _estimate(replicates: _Replicates, statistic: str, ci_level: float) -> Estimate:
    values = replicates.get(statistic)
    if values is None or not np.isfinite(values[0]):
        return Estimate(value=None)
    if len(values) == 1:
        return Estimate(value=float(values[0]))
    low, high = percentile_limits(values[None, 1:], ci_level)
    return Estimate(value=float(values[0]), ci_low=number(low[0]), ci_high=number(high[0]))


def _row(
    one: _Evaluated,
    data: ScoredStimuli,
    pairs: MappingOf[Scope, StimulusPairs],
    ci_level: float,
) -> MetricRow:
    def estimate(statistic: str) -> Estimate:
        return _estimate(one.replicates, statistic, ci_level)

    return MetricRow(
        metric=one.name,
        direction=one.direction,
        direction_source="given" if one.given else "detected",
        mapping=one.mapping,
        n_stimuli=len(data.mos),
        plcc=estimate("plcc"),
        srocc=estimate("srocc"),
        krocc=estimate("krocc"),
        rmse=estimate("rmse"),
        outlier_ratio=estimate("outlier_ratio"),
        discrimination=tuple(
            DiscriminationRow(
                pairs=scope,
                n_pairs=len(some.first),
                n_different=int(some.different.sum()),
                auc_different=estimate(f"{scope}.auc_different"),
                auc_better=estimate(f"{scope}.auc_better"),
                correct=estimate(f"{scope}.correct"),
                resolution=number(resolution(some, one.values)),
            )
            for scope, some in pairs.items()
        ),
    )


def _differences(found: Sequence[_Evaluated], ci_level: float) -> tuple[MetricDifference, ...]:
    """Every pair of metrics in every statistic, with p adjusted within the statistic."""
    rows: list[MetricDifference] = []
    for statistic in _COMPARED:
        key = (
            f"all.{statistic}"
            if statistic in {"auc_different", "auc_better", "correct"}
            else statistic
        )
        pairs = [
            (one, other, one.replicates[key] - other.replicates[key])
            for one, other in itertools.combinations(found, 2)
            if key in one.replicates and key in other.replicates
        ]
        p = np.array([_bootstrap_p(difference[1:]) for _, _, difference in pairs])
        known = np.isfinite(p)
        adjusted = np.full_like(p, np.nan)
        if known.any():
            adjusted[known] = stats.false_discovery_control(p[known])
        for (one, other, difference), raw, corrected in zip(pairs, p, adjusted, strict=True):
            estimate = _estimate({statistic: difference}, statistic, ci_level)
            rows.append(
                MetricDifference(
                    statistic=statistic,
                    metric=one.name,
                    other=other.name,
                    difference=estimate.value,
                    ci_low=estimate.ci_low,
                    ci_high=estimate.ci_high,
                    p=number(raw),
                    p_adjusted=number(corrected),
                )
            )
    return tuple(rows)


def _bootstrap_p(differences: NDArray[np.float64]) -> float:
    """Two-sided: twice the smaller share of resamples on one side of zero, never exactly 0."""
    known = differences[np.isfinite(differences)]
    if len(known) == 0:
        return float("nan")
    fewer = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2.0 * (fewer + 1) / (len(known) + 1))


def _check_directions(given: MappingOf[str, Direction], data: ScoredStimuli) -> None:
    for name, direction in given.items():
        if name not in data.metrics:
            raise InvalidInputError(
                f"A direction is given for {name}, which is no metric of the table; there are "
                f"{', '.join(data.metrics)}."
            )
        if direction not in {"higher", "lower"}:
            raise InvalidInputError(
                f"The direction of {name} is {direction!r}: give 'higher' or 'lower', whichever is "
                "better."
            )


def _warn_of_gaps(name: str, replicates: _Replicates, warnings: list[str]) -> None:
    gaps = {key: float(np.isnan(values[1:]).mean()) for key, values in replicates.items()
            if len(values) > 1 and np.isfinite(values[0])}  # fmt: skip
    worst = max(gaps, key=lambda key: gaps[key], default="")
    if worst and gaps[worst] > 0:
        warnings.append(
            f"{gaps[worst]:.1%} of the resamples have no {worst.replace('.', ' ')} of {name} and "
            "are left out of its limits, which may be too narrow: add images."
        )


def _warnings(data: ScoredStimuli) -> list[str]:
    found = []
    if data.n_unused:
        found.append(
            f"{data.n_unused} rows of metrics are about stimuli without a mean opinion score and "
            "are not used."
        )
    if data.n_images == 1:
        found.append(
            "There is one image: no interval can be given, and nothing is said about other images."
        )
    elif data.n_images < _FEW_IMAGES:
        found.append(
            f"With {data.n_images} images the intervals are rough, and rather too narrow: add "
            "images."
        )
    if data.std_error is None:
        found.append(
            "Not every mean opinion score has a standard error, so pairs cannot be called "
            "different: Krasula's AUCs are left out. Give std_error for every stimulus."
        )
    if data.ci_low is None or data.ci_high is None:
        found.append(
            "Not every mean opinion score has an interval, so the outlier ratio is left out. Give "
            "ci_low and ci_high, or std_error, for every stimulus."
        )
    return found
