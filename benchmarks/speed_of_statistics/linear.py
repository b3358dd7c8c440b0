"""Crossed linear mixed models: the fit by REML, and Satterthwaite df of the method's effect."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.speed_of_statistics.contenders import (
    Contender,
    Numbers,
    PythonContender,
    RContender,
    Row,
    Target,
    Task,
    Watch,
    Work,
)

INTERCEPTS = "(1 | image) + (1 | rater)"
SLOPES = "(1 + method | image) + (1 | rater)"

FIT = ("design", "fit")
FIT_AND_DF = ("design", "fit", "df")
_AGREE = ("criterion", "effect", "std_error", "df")


def ours(random_part: str, *, df: bool = True) -> PythonContender:
    """From a table with text ids and a formula, as a user has them."""

    def work(table: pd.DataFrame, watch: Watch) -> Numbers:
        from mturk_eval.stats.formulas.design import build_design
        from mturk_eval.stats.formulas.grammar import parse_formula
        from mturk_eval.stats.linear.fitting import fit_linear

        with watch("design"):
            design = build_design(parse_formula(f"rating ~ method + {random_part}"), table)
        with watch("fit"):
            fit = fit_linear(design.response, design.fixed, design.blocks)
        numbers = {
            "criterion": fit.criterion,
            "effect": fit.estimates[1],
            "std_error": np.sqrt(fit.covariance[1, 1]),
            "evaluations": fit.n_evaluations,
        }
        if df:
            from mturk_eval.stats.mixed.satterthwaite import satterthwaite_df

            with watch("df"):
                numbers["df"] = satterthwaite_df(fit, np.array([[0.0, 1.0]]))[0]
        return numbers

    return PythonContender(name="mturk-eval", work=work)


def _mixedlm(random_part: str, *, df: bool) -> Work:
    def work(table: pd.DataFrame, watch: Watch) -> Numbers:
        import mixedlm

        with watch("fit"):
            model = mixedlm.lmer(f"rating ~ method + {random_part}", table)
        numbers = {
            "criterion": mixedlm.REMLcrit(model),
            "effect": list(mixedlm.fixef(model).values())[1],
            "std_error": np.sqrt(np.asarray(model.vcov())[1, 1]),
        }
        if df:
            with watch("df"):
                numbers["df"] = mixedlm.satterthwaite_df(model).df[1]
        return numbers

    return work


def _lme_python(random_part: str) -> Work:
    """Its formulas take slopes of numbers only: method as 0 and 1."""

    def work(table: pd.DataFrame, watch: Watch) -> Numbers:
        import lme_python
        import polars

        with watch("fit"):
            frame = polars.DataFrame(
                {
                    "rating": table["rating"].to_numpy(np.float64),
                    "method": _is_second(table),
                    "image": table["image"].to_list(),
                    "rater": table["rater"].to_list(),
                }
            )
            model = lme_python.lmer(f"rating ~ method + {random_part}", data=frame, reml=True)
        with watch("df"):
            model.with_satterthwaite(frame)
        return {
            "criterion": model.reml_criterion,
            "effect": model.coefficients[1],
            "std_error": model.beta_se[1],
            "df": model.satterthwaite_dfs[1],
        }

    return work


def _gpboost(*, slope: bool) -> Work:
    def work(table: pd.DataFrame, watch: Watch) -> Numbers:
        import gpboost

        with watch("fit"):
            x = _is_second(table)
            options = (
                {"group_rand_coef_data": x, "ind_effect_group_rand_coef": [1]} if slope else {}
            )
            model = gpboost.GPModel(
                group_data=table[["image", "rater"]], likelihood="gaussian", **options
            )
            fixed = np.column_stack([np.ones(len(x)), x])
            model.fit(y=table["rating"].to_numpy(np.float64), X=fixed)
        return {"effect": float(np.asarray(model.get_coef()).ravel()[1])}

    return work


def _statsmodels(table: pd.DataFrame, watch: Watch) -> Numbers:
    """Crossed terms as variance components of one group of all rows: its documentation's way."""
    import statsmodels.formula.api as smf

    with watch("fit"):
        model = smf.mixedlm(
            "rating ~ method",
            table.assign(all_rows=1, x=_is_second(table)),
            groups="all_rows",
            vc_formula={
                "image": "0 + C(image)",
                "slope": "0 + C(image):x",
                "rater": "0 + C(rater)",
            },
        ).fit(reml=True)
    return {"effect": model.fe_params.iloc[1], "std_error": model.bse_fe.iloc[1]}


def _is_second(table: pd.DataFrame) -> NDArray[np.float64]:
    return np.asarray(table["method"] != table["method"].min(), dtype=np.float64)


def _lme4(random_part: str, *, df: bool, slow: bool = False) -> RContender:
    return RContender(
        name="lme4 + lmerTest" if df else "lme4",
        script="linear.R",
        arguments=(random_part, "df" if df else "fit"),
        slow=slow,
    )


_DIAGONAL = "ML, slopes uncorrelated with intercepts: another model"


def _rivals(
    random_part: str, *, df: bool, lme4_slow: bool = False, mixedlm_slow: bool = False
) -> tuple[Contender, ...]:
    slope = random_part == SLOPES
    return (
        _lme4(random_part, df=df, slow=lme4_slow),
        PythonContender(name="mixedlm", work=_mixedlm(random_part, df=df), slow=mixedlm_slow),
        PythonContender(
            name="gpboost", work=_gpboost(slope=slope), note=_DIAGONAL if slope else "ML, no REML"
        ),
    )


_LMERTEST = ("fit and df",)

TASKS = (
    Task(
        key="linear-2600",
        data="paperlike_300workers",
        contenders=(
            ours(SLOPES),
            *_rivals(SLOPES, df=True),
            PythonContender(name="lme-python", work=_lme_python(SLOPES.replace("1 + ", ""))),
            PythonContender(
                name="statsmodels",
                work=_statsmodels,
                note="z tests only; slopes uncorrelated with intercepts: another model",
            ),
        ),
        rows=(
            Row(
                title="2,600 ratings, by-image slope, fit + Satterthwaite",
                laps=FIT_AND_DF,
                limit_s=0.015,
                targets=(
                    Target(rival="lme4 + lmerTest", at_least=10, beyond=20, laps=_LMERTEST),
                    Target(rival="mixedlm", at_least=2, laps=("fit", "df")),
                    Target(rival="lme-python", laps=("fit", "df")),
                ),
            ),
            Row(
                title="2,600 ratings, by-image slope, fit",
                laps=FIT,
                targets=(
                    Target(rival="lme4 + lmerTest", laps=("fit",)),
                    Target(rival="mixedlm", laps=("fit",)),
                    Target(rival="gpboost", laps=("fit",)),
                    Target(rival="statsmodels", laps=("fit",)),
                ),
            ),
        ),
        compare=_AGREE,
    ),
    Task(
        key="linear-28800",
        data="ratings_28800",
        contenders=(
            ours(SLOPES),
            *_rivals(SLOPES, df=True),
        ),
        rows=(
            Row(
                title="28,800 ratings, by-image slope, fit + Satterthwaite",
                laps=FIT_AND_DF,
                targets=(
                    Target(rival="lme4 + lmerTest", at_least=15, beyond=30, laps=_LMERTEST),
                    Target(rival="mixedlm", at_least=5, laps=("fit", "df")),
                ),
            ),
            Row(
                title="28,800 ratings, by-image slope, fit",
                laps=FIT,
                targets=(
                    Target(rival="lme4 + lmerTest", laps=("fit",)),
                    Target(rival="mixedlm", at_least=5, laps=("fit",)),
                    Target(rival="gpboost", laps=("fit",)),
                ),
            ),
        ),
        compare=_AGREE,
    ),
    Task(
        key="insteval-intercepts",
        data="InstEval",
        contenders=(ours(INTERCEPTS, df=False), *_rivals(INTERCEPTS, df=False)),
        rows=(
            Row(
                title="InstEval (73,421), crossed intercepts, fit",
                laps=FIT,
                targets=(
                    Target(rival="lme4", at_least=6, beyond=10, laps=("fit",)),
                    Target(rival="mixedlm", at_least=3, laps=("fit",)),
                    Target(rival="gpboost", at_least=2, laps=("fit",)),
                ),
            ),
        ),
        compare=_AGREE,
    ),
    Task(
        key="insteval-slope",
        data="InstEval",
        contenders=(ours(SLOPES), *_rivals(SLOPES, df=False, lme4_slow=True, mixedlm_slow=True)),
        rows=(
            Row(
                title="InstEval (73,421), with slope, fit",
                laps=FIT,
                targets=(
                    Target(rival="lme4", at_least=2, beyond=5, laps=("fit",)),
                    Target(rival="mixedlm", at_least=10, laps=("fit",)),
                    Target(rival="gpboost", laps=("fit",)),
                ),
            ),
            Row(title="InstEval (73,421), with slope, fit + Satterthwaite", laps=FIT_AND_DF),
        ),
        compare=_AGREE,
    ),
    Task(
        key="million-intercepts",
        data="ratings_1000000",
        contenders=(
            ours(INTERCEPTS, df=False),
            *_rivals(INTERCEPTS, df=False, lme4_slow=True, mixedlm_slow=True),
        ),
        rows=(
            Row(
                title="1,000,000 ratings, intercepts, fit",
                laps=FIT,
                limit_gb=2.0,
                beyond_gb=1.0,
                targets=(
                    Target(rival="lme4", at_least=12, beyond=30, laps=("fit",)),
                    Target(rival="gpboost", at_least=2, laps=("fit",)),
                    Target(rival="mixedlm", laps=("fit",)),
                ),
            ),
        ),
        compare=_AGREE,
    ),
    Task(
        key="million-slope",
        data="ratings_1000000",
        contenders=(
            ours(SLOPES),
            *_rivals(SLOPES, df=False, lme4_slow=True, mixedlm_slow=True),
        ),
        rows=(
            Row(
                title="1,000,000 ratings, by-image slope, fit",
                laps=FIT,
                limit_gb=4.0,
                targets=(
                    Target(rival="lme4", at_least=10, laps=("fit",)),
                    Target(rival="mixedlm", laps=("fit",)),
                    Target(rival="gpboost", laps=("fit",)),
                ),
            ),
            Row(
                title="1,000,000 ratings, by-image slope, fit + Satterthwaite (rival: fit alone)",
                laps=FIT_AND_DF,
                targets=(Target(rival="lme4", beyond=15, laps=("fit",)),),
            ),
        ),
        slow=True,
        compare=_AGREE,
    ),
)
