"""The reference models of R, fitted by the engine from blocks laid out here by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.linear.fitting import LinearFit, fit_linear
from tests.stats.reference import reference_models, reference_table

Array = NDArray[np.float64]

SETS = {
    "sleepstudy": 4,
    "cake": 2,
    "paperlike_100workers": 6,
    "paperlike_300workers": 6,
    "sim_balanced": 3,
    "sim_unbalanced": 3,
    "sim_slopes": 3,
    "sim_singular": 2,
    "InstEval": 3,
}
MODELS = [
    pytest.param(name, number, marks=[pytest.mark.slow] if name == "InstEval" else [])
    for name, count in SETS.items()
    for number in range(count)
]
_BAR = re.compile(r"\(([^()|]*)(\|\|?)([^()|]*)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFit:
    """What R says of a model, and our fit of it."""

    r: dict[str, Any]
    fit: LinearFit
    terms: tuple[str, ...]


@cache
def reference_fit(name: str, number: int) -> ReferenceFit:
    """Fit the model of this number."""
    models = reference_models(name)
    if number >= len(models):
        pytest.skip(f"{name} has {len(models)} models")
    r = models[number]
    table = reference_table(name)
    response, fixed, slope = _columns(name, r["formula"], table)
    blocks = [
        random_block(
            group.replace("worker", "rater"),
            table,
            slope if inside.strip() != "1" else {"(Intercept)": np.ones(len(table))},
            correlated=bar == "|",
        )
        for inside, bar, group in _BAR.findall(r["formula"].replace(" ", ""))
    ]
    fit = fit_linear(
        table[response].to_numpy(np.float64),
        np.column_stack([*fixed.values()]),
        blocks,
        reml=r["REML"],
    )
    return ReferenceFit(r=r, fit=fit, terms=tuple(fixed))


def random_block(
    group: str, table: pd.DataFrame, columns: dict[str, Array], *, correlated: bool = True
) -> RandomBlock:
    """A random term by a column, or by ``a:b``."""
    names = group.split(":")
    key = table[names[0]].astype(str)
    for name in names[1:]:
        key = key + ":" + table[name].astype(str)
    codes, levels = pd.factorize(key, sort=True)
    return RandomBlock(
        group=group,
        terms=tuple(columns),
        levels=tuple(str(level) for level in levels),
        codes=codes.astype(np.int32),
        columns=np.column_stack([*columns.values()]),
        correlated=correlated,
    )


def _columns(
    name: str, formula: str, table: pd.DataFrame
) -> tuple[str, dict[str, Array], dict[str, Array]]:
    """Response, fixed columns, and the columns of a slope term."""
    columns: dict[str, Array] = {"(Intercept)": np.ones(len(table))}
    if name == "sleepstudy":
        columns["Days"] = table["Days"].to_numpy(np.float64)
        return "Reaction", columns, columns
    if name == "InstEval":
        columns["service"] = table["service"].to_numpy(np.float64)
        return "y", columns, columns
    if name == "cake":
        temp = table["temp"].to_numpy(np.float64)
        recipes = {f"recipe{r}": _is(table["recipe"], r) for r in "BC"}
        columns |= recipes | {"temp": temp}
        if "*" in formula:
            columns |= {f"{recipe}:temp": x * temp for recipe, x in recipes.items()}
        return "angle", columns, columns
    reference = "webp" if name.startswith("paperlike") else "a"
    column = "x" if "~ x" in formula else "method"
    for method in sorted(set(table["method"]) - {reference}):
        label = column if column == "x" else f"method{method}"
        columns[label] = _is(table["method"], method)
    return "rating", columns, columns


def _is(column: pd.Series[str], value: str) -> Array:
    return np.where(column == value, 1.0, 0.0)
