"""Cluster bootstrap: 1,000 resamples of whole raters, the means of two methods."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.speed_of_statistics.contenders import (
    Numbers,
    PythonContender,
    Row,
    Target,
    Task,
    Watch,
)

_RESAMPLES = 1_000
_LOOPED = 10
"""Resamples that the pandas loop really does; its time is multiplied."""

_Labels = pd.Series | NDArray[np.int64]


def _text_ids(table: pd.DataFrame) -> tuple[_Labels, _Labels]:
    return table["rater"], table["method"]


def _numbered(table: pd.DataFrame) -> tuple[_Labels, _Labels]:
    return pd.factorize(table["rater"])[0], pd.factorize(table["method"], sort=True)[0]


_FORMS = {"from text ids": _text_ids, "from numbers": _numbered}


def _ours(table: pd.DataFrame, watch: Watch) -> Numbers:
    from mturk_eval.stats.resampling.cluster_sums import cluster_bootstrap_means

    for lap, given in _FORMS.items():
        raters, methods = given(table)
        with watch(lap):
            found = cluster_bootstrap_means(
                table["rating"].to_numpy(), clusters=raters, groups=methods,
                resamples=_RESAMPLES, seed=0,
            )  # fmt: skip
            difference = found.replicates[:, 1] - found.replicates[:, 0]
            low, high = np.quantile(difference, [0.025, 0.975])
    return {"interval_width": high - low}


def _scipy(table: pd.DataFrame, watch: Watch) -> Numbers:
    """Its fastest form: sums and counts per rater, resampled as pairs."""
    from scipy.stats import bootstrap

    for lap, given in _FORMS.items():
        raters, methods = given(table)
        with watch(lap):
            sums_and_counts = _rater_sums(table["rating"].to_numpy(), raters, methods)
            found = bootstrap(
                sums_and_counts, _difference, paired=True, vectorized=True, n_resamples=_RESAMPLES,
                method="percentile", batch=100, rng=np.random.default_rng(0),
            )  # fmt: skip
            limits = found.confidence_interval
    return {"interval_width": limits.high - limits.low}


def _rater_sums(
    ratings: NDArray[np.int64], raters: _Labels, methods: _Labels
) -> list[NDArray[np.float64]]:
    """Per rater: sum and count under method a, sum and count under b."""
    rater, names = pd.factorize(raters)
    method, _ = pd.factorize(methods, sort=True)
    cell, size = method * len(names) + rater, 2 * len(names)
    sums = np.bincount(cell, ratings, size).reshape(2, -1)
    counts = np.bincount(cell, minlength=size).astype(np.float64).reshape(2, -1)
    return [sums[0], counts[0], sums[1], counts[1]]


def _difference(
    sum_a: NDArray[np.float64],
    count_a: NDArray[np.float64],
    sum_b: NDArray[np.float64],
    count_b: NDArray[np.float64],
    axis: int = -1,
) -> NDArray[np.float64]:
    return np.asarray(sum_b.sum(axis) / count_b.sum(axis) - sum_a.sum(axis) / count_a.sum(axis))


def _pandas_loop(table: pd.DataFrame, watch: Watch) -> Numbers:
    """Rows of the drawn raters taken together, and their means by method."""
    rng = np.random.default_rng(0)
    rows = list(table.groupby("rater").indices.values())
    differences = []
    with watch("from numbers"):
        for _ in range(_LOOPED):
            drawn = rng.integers(0, len(rows), len(rows))
            resample = table.iloc[np.concatenate([rows[rater] for rater in drawn])]
            means = resample.groupby("method")["rating"].mean()
            differences.append(means["b"] - means["a"])
    watch.laps["from numbers"] *= _RESAMPLES / _LOOPED
    return {"interval_width": 2 * 1.96 * float(np.std(differences, ddof=1))}


TASKS = (
    Task(
        key="bootstrap",
        data="ratings_1000000",
        warm_up="ratings_28800",
        contenders=(
            PythonContender(name="mturk-eval", work=_ours),
            PythonContender(name="scipy.stats.bootstrap", work=_scipy),
            PythonContender(
                name="pandas loop",
                work=_pandas_loop,
                note=f"{_LOOPED} resamples measured, times {_RESAMPLES // _LOOPED}",
            ),
        ),
        rows=(
            Row(
                title="cluster bootstrap of workers, 1,000 resamples, 1,000,000 ratings",
                laps=("from numbers",),
                limit_s=0.25,
                targets=(
                    Target(rival="scipy.stats.bootstrap", at_least=4),
                    Target(rival="pandas loop", at_least=100),
                ),
            ),
            Row(
                title="the same, from text ids",
                laps=("from text ids",),
                targets=(Target(rival="scipy.stats.bootstrap"),),
            ),
        ),
        compare=("interval_width",),
    ),
)
