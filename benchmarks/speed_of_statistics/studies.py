"""1,000 simulated studies of the human-compression paper's size, each fitted and tested."""

from __future__ import annotations

import os

import pandas as pd

from benchmarks.speed_of_statistics.contenders import Numbers, PythonContender, Row, Task, Watch

_STUDIES = 1_000
_WORKERS = 2


def _ours(table: pd.DataFrame, watch: Watch) -> Numbers:
    """The table gives the number of images and raters only; what is true is the paper's."""
    from mturk_eval.stats.power.design import StudyDesign, Truth
    from mturk_eval.stats.power.simulation import power

    design = StudyDesign(
        images=table["image"].nunique(), ratings_per_cell=100, raters=300, scale=(1, 10)
    )
    truth = Truth(
        effect=0.97, slope_sd=1.89, image_sd=0.74, slope_correlation=-0.72, rater_sd=1.08,
        residual_sd=1.93,
    )  # fmt: skip
    for workers in (1, min(_WORKERS, os.cpu_count() or 1)):
        with watch(f"{workers} processes"):
            found = power(design, truth, studies=_STUDIES, seed=0, workers=workers)
    simulated = found.simulated
    if simulated is None or found.n_failed:
        raise RuntimeError(f"{found.n_failed} studies could not be fitted")
    return {"power": simulated.power, "coverage": simulated.coverage}


TASKS = (
    Task(
        key="simulated-studies",
        data="paperlike_300workers",
        contenders=(PythonContender(name="mturk-eval", work=_ours),),
        rows=(
            Row(
                title="1,000 simulated studies (13 images × 2 methods × 100 ratings), "
                "slopes + Satterthwaite, two processes",
                laps=("2 processes",),
                limit_s=60.0,
                beyond_s=15.0,
            ),
            Row(title="the same, one process", laps=("1 processes",)),
        ),
    ),
)
