"""1,000 simulated studies of the human-compression paper's size, each fitted and tested."""

from __future__ import annotations

import pandas as pd

from benchmarks.speed_of_statistics.contenders import Numbers, PythonContender, Row, Task, Watch

_IMAGES = 13  # as in the paper; the warm-up table has others
_STUDIES = {True: 1_000, False: 16}
_LAPS = {"one process": 1, "two processes": 2}


def _ours(table: pd.DataFrame, watch: Watch) -> Numbers:
    """Of the table only the number of images is used; what is true is the paper's."""
    from mturk_eval.stats.power.design import StudyDesign, Truth
    from mturk_eval.stats.power.simulation import power

    images = table["image"].nunique()
    design = StudyDesign(images=images, ratings_per_cell=100, raters=300, scale=(1, 10))
    truth = Truth(
        effect=0.97, slope_sd=1.89, image_sd=0.74, slope_correlation=-0.72, rater_sd=1.08,
        residual_sd=1.93,
    )  # fmt: skip
    for lap, workers in _LAPS.items():
        with watch(lap):
            found = power(
                design, truth, studies=_STUDIES[images == _IMAGES], seed=0, workers=workers
            )
    simulated = found.simulated
    if simulated is None or found.n_failed:
        raise RuntimeError(f"{found.n_failed} studies could not be fitted")
    return {"power": simulated.power, "coverage": simulated.coverage}


TASKS = (
    Task(
        key="simulated-studies",
        data="paperlike_300workers",
        warm_up="sim_balanced",
        contenders=(PythonContender(name="mturk-eval", work=_ours),),
        rows=(
            Row(
                title="1,000 simulated studies (13 images × 2 methods × 100 ratings), "
                "slopes + Satterthwaite, two processes",
                laps=("two processes",),
                limit_s=60.0,
                beyond_s=15.0,
            ),
            Row(title="the same, one process", laps=("one process",)),
        ),
    ),
)
