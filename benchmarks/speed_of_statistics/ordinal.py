"""Crossed cumulative-link mixed models by Laplace's approximation, with standard errors."""

from __future__ import annotations

from typing import Literal

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
    Work,
)
from benchmarks.speed_of_statistics.linear import SLOPES


def _ours(link: Literal["logit", "probit"]) -> Work:
    def work(table: pd.DataFrame, watch: Watch) -> Numbers:
        from mturk_eval.stats.formulas.design import build_design
        from mturk_eval.stats.formulas.grammar import parse_formula
        from mturk_eval.stats.ordinal.fitting import fit_ordinal

        with watch("fit and SE"):
            design = build_design(parse_formula(f"rating ~ method + {SLOPES}"), table)
            fit = fit_ordinal(design.response, design.fixed[:, 1:], design.blocks, link=link)
        return {
            "log_likelihood": fit.log_likelihood,
            "effect": fit.coefficients[-1],
            "std_error": np.sqrt(fit.covariance[-1, -1]),
        }

    return work


def _clmm(link: str) -> RContender:
    return RContender(name="ordinal::clmm", script="ordinal.R", arguments=(SLOPES, link), slow=True)


_AGREE = ("log_likelihood", "effect", "std_error")

TASKS = (
    Task(
        key="ordinal-2600",
        data="paperlike_300workers",
        contenders=(PythonContender(name="mturk-eval", work=_ours("logit")), _clmm("logit")),
        rows=(
            Row(
                title="crossed ordinal slope model, 2,600 ratings, logit, fit + SE",
                laps=("fit and SE",),
                limit_s=0.5,
                targets=(Target(rival="ordinal::clmm", at_least=40),),
            ),
        ),
        compare=_AGREE,
    ),
    Task(
        key="ordinal-2600-probit",
        data="paperlike_300workers",
        contenders=(PythonContender(name="mturk-eval", work=_ours("probit")), _clmm("probit")),
        rows=(
            Row(
                title="crossed ordinal slope model, 2,600 ratings, probit, fit + SE",
                laps=("fit and SE",),
                targets=(Target(rival="ordinal::clmm", at_least=40),),
            ),
        ),
        compare=_AGREE,
    ),
    Task(
        key="ordinal-100000",
        data="ratings_100000",
        contenders=(PythonContender(name="mturk-eval", work=_ours("logit")),),
        rows=(
            Row(
                title="crossed ordinal slope model, 100,000 ratings "
                "(200 images, 2,000 raters), fit + SE",
                laps=("fit and SE",),
                limit_s=30.0,
            ),
        ),
    ),
)
