"""Kenward-Roger standard error and df of the method's effect, the fit not counted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.speed_of_statistics.contenders import (
    Numbers,
    PythonContender,
    RContender,
    Row,
    Target,
    Task,
    Watch,
)
from benchmarks.speed_of_statistics.linear import SLOPES


def _ours(table: pd.DataFrame, watch: Watch) -> Numbers:
    from mturk_eval.stats.formulas.design import build_design
    from mturk_eval.stats.formulas.grammar import parse_formula
    from mturk_eval.stats.linear.fitting import fit_linear
    from mturk_eval.stats.mixed.kenward_roger import kenward_roger

    design = build_design(parse_formula(f"rating ~ method + {SLOPES}"), table)
    fit = fit_linear(design.response, design.fixed, design.blocks)
    with watch("kenward-roger"):
        adjusted = kenward_roger(fit)
        df = adjusted.df(np.array([[0.0, 1.0]]))[0]
    return {"df": df, "std_error": np.sqrt(adjusted.covariance[1, 1])}


TASKS = (
    Task(
        key="kenward-roger",
        data="paperlike_300workers",
        contenders=(
            PythonContender(name="mturk-eval", work=_ours),
            RContender(name="pbkrtest", script="kenward_roger.R", arguments=(SLOPES,), slow=True),
        ),
        rows=(
            Row(
                title="Kenward–Roger, 2,600 ratings, by-image slope",
                laps=("kenward-roger",),
                limit_s=0.05,
                targets=(Target(rival="pbkrtest", at_least=1000),),
            ),
        ),
        compare=("df", "std_error"),
    ),
)
