"""Mean opinion scores and metric values of the same stimuli, joined and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.errors import StatisticsError, TableError

LEAST_STIMULI = 3
_KEYS = ("image", "method", "bpp")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredStimuli:
    """Stimuli with their mean opinion scores and metrics.

    Attributes
    ----------
    mos : ndarray, shape (n,)
    std_error, ci_low, ci_high : ndarray or None, shape (n,)
        None where the table does not have them for every stimulus.
    image : ndarray of int, shape (n,)
        Code of the stimulus's image, 0 … n_images - 1.
    metrics : dict of str to ndarray, each of shape (n,)
    n_unused : int
        Metric rows about stimuli that have no mean opinion score.
    """

    mos: NDArray[np.float64]
    std_error: NDArray[np.float64] | None
    ci_low: NDArray[np.float64] | None
    ci_high: NDArray[np.float64] | None
    image: NDArray[np.int64]
    n_images: int
    metrics: dict[str, NDArray[np.float64]]
    n_unused: int


def join_tables(
    mos_table: pd.DataFrame,
    metric_table: pd.DataFrame,
    *,
    metrics: Sequence[str] | None,
    ci_level: float,
) -> ScoredStimuli:
    """Find every rated stimulus's metric values.

    Parameters
    ----------
    mos_table : DataFrame
        Columns ``image``, ``mean`` and, where there are, ``method``, ``bpp``, ``std_error``, ``n``,
        ``ci_low``, ``ci_high``.
    metric_table : DataFrame
        The same key columns with a column per metric, or with columns ``metric`` and ``value``.
    metrics : sequence of str or None
        Which metrics; None takes every numeric column.
    ci_level : float
        Of the intervals computed from standard errors where ``ci_low`` is not there.

    Raises
    ------
    TableError
        If a column is missing, a stimulus occurs twice or has no metric value, or a value is not a
        finite number.
    StatisticsError
        If there are fewer than three stimuli, or all have the same mean opinion score.
    """
    keys = [key for key in _KEYS if key in mos_table and bool(mos_table[key].notna().any())]
    _check_columns(mos_table, ["image", "mean"], "of mean opinion scores")
    _check_columns(metric_table, keys, "of metrics")
    if {"metric", "value"} <= set(metric_table.columns):
        metric_table = _wide(metric_table, keys)
    names = _metric_names(metric_table, metrics)
    rated, scored = _index(mos_table, keys), _index(metric_table, keys)
    for index, what in ((rated, "mean opinion score"), (scored, "metric value")):
        if index.has_duplicates:
            raise TableError(
                f"{_name(index[index.duplicated()][0], keys)} has more than one {what}. Keep one "
                "row per stimulus."
            )
    place = scored.get_indexer(rated)
    absent = np.flatnonzero(place < 0)
    if len(absent):
        raise TableError(
            f"{len(absent)} of {len(rated)} rated stimuli have no metric values (the first: "
            f"{_name(rated[absent[0]], keys)}). Compute the metrics for them, or leave them out of "
            "the mean opinion scores."
        )
    mos = mos_table["mean"].to_numpy(np.float64)
    _check_finite(mos, "mean", rated, keys)
    values = {name: metric_table[name].to_numpy(np.float64)[place] for name in names}
    for name, of_metric in values.items():
        _check_finite(of_metric, name, rated, keys)
    if len(mos) < LEAST_STIMULI:
        raise StatisticsError(
            f"{len(mos)} stimuli: a metric is compared with ratings over at least {LEAST_STIMULI}, "
            "and usefully over dozens. Rate more stimuli."
        )
    if float(np.ptp(mos)) == 0.0:
        raise StatisticsError(
            "All mean opinion scores are equal: no metric can follow what does not vary."
        )
    image, images = pd.factorize(mos_table["image"], sort=True)
    std_error, ci_low, ci_high = _uncertainty(mos_table, mos, ci_level)
    return ScoredStimuli(
        mos=mos,
        std_error=std_error,
        ci_low=ci_low,
        ci_high=ci_high,
        image=np.asarray(image, dtype=np.int64),
        n_images=len(images),
        metrics=values,
        n_unused=len(scored) - len(rated),
    )


def _check_columns(table: pd.DataFrame, needed: Sequence[str], which: str) -> None:
    missing = [name for name in needed if name not in table]
    if missing:
        raise TableError(
            f"The table {which} has no column {', '.join(missing)}; it has "
            f"{', '.join(map(str, table.columns))}."
        )


def _wide(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    repeated = table.duplicated([*keys, "metric"])
    if repeated.any():
        row = table.loc[repeated].iloc[0]
        raise TableError(
            f"{_name(tuple(row[list(keys)]), keys)} has more than one value of {row['metric']}. "
            "Keep one row per stimulus and metric."
        )
    return table.pivot(index=list(keys), columns="metric", values="value").reset_index()


def _metric_names(table: pd.DataFrame, metrics: Sequence[str] | None) -> list[str]:
    if metrics is not None:
        _check_columns(table, metrics, "of metrics")
        text = [name for name in metrics if not pd.api.types.is_numeric_dtype(table[name])]
        if text:
            raise TableError(f"The metric {text[0]} is no column of numbers.")
        return list(metrics)
    names = [
        str(name)
        for name in table.columns
        if name not in _KEYS
        and pd.api.types.is_numeric_dtype(table[name])
        and not pd.api.types.is_bool_dtype(table[name])
    ]
    if not names:
        raise TableError(
            "The table of metrics has no column of numbers beside "
            f"{', '.join(_KEYS)}. Give one column per metric."
        )
    return names


def _index(table: pd.DataFrame, keys: Sequence[str]) -> pd.Index:
    columns = [
        table[key].astype(float).round(9) if key == "bpp" else table[key].astype(str)
        for key in keys
    ]
    return pd.Index(columns[0]) if len(keys) == 1 else pd.MultiIndex.from_arrays(columns)


def _name(stimulus: object, keys: Sequence[str]) -> str:
    parts = stimulus if isinstance(stimulus, tuple) else (stimulus,)
    return ", ".join(f"{key} {part}" for key, part in zip(keys, parts, strict=True))


def _check_finite(
    values: NDArray[np.float64], column: str, rated: pd.Index, keys: Sequence[str]
) -> None:
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise TableError(
            f"{column} is {values[wrong[0]]} for {_name(rated[wrong[0]], keys)}, and {len(wrong)} "
            "stimuli in all have no finite value. Leave these stimuli out (the PSNR of an image "
            "with itself, for one, is infinite)."
        )


def _uncertainty(
    table: pd.DataFrame, mos: NDArray[np.float64], ci_level: float
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None, NDArray[np.float64] | None]:
    def column(name: str) -> NDArray[np.float64] | None:
        if name not in table:
            return None
        values = np.asarray(table[name], dtype=np.float64)
        return values if np.isfinite(values).all() else None

    std_error, low, high, n = (column(name) for name in ("std_error", "ci_low", "ci_high", "n"))
    if (low is None or high is None) and std_error is not None:
        df = np.inf if n is None else np.maximum(n - 1, 1)
        half = np.asarray(stats.t.ppf(0.5 + ci_level / 2, df)) * std_error
        low, high = np.asarray(mos - half), np.asarray(mos + half)
    return std_error, low, high
