"""Without a true difference the default model finds one about as often as it says.

A small run with wide limits; `benchmarks/truth_by_simulation.py` is the large one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mturk_eval.stats.linear.fitting import LinearFit, fit_linear
from mturk_eval.stats.mixed.default_rule import fit_default
from mturk_eval.stats.mixed.satterthwaite import satterthwaite_df
from mturk_eval.stats.power.design import StudyDesign, Truth
from mturk_eval.stats.power.studies import SimulatedStudy, simulate_study

STUDIES = 120
MOST = 0.13  # 0.05 and 4 Monte-Carlo errors of 0.02


def rejects(fit: LinearFit) -> bool:
    contrast = np.eye(len(fit.estimates))[1:2]
    t = fit.estimates[1] / np.sqrt(fit.covariance[1, 1])
    return bool(abs(t) > stats.t.ppf(0.975, satterthwaite_df(fit, contrast)[0]))


def simulated(design: StudyDesign, truth: Truth) -> list[SimulatedStudy]:
    seeds = np.random.SeedSequence(11).spawn(STUDIES)
    return [simulate_study(design, truth, np.random.default_rng(seed)) for seed in seeds]


@pytest.mark.parametrize(
    ("design", "truth"),
    [
        (
            StudyDesign(images=13, ratings_per_cell=20, raters=60, scale=(1, 10)),
            Truth(effect=0, slope_sd=1.85),
        ),
        (
            StudyDesign(images=13, ratings_per_cell=20, raters=20),
            Truth(effect=0, slope_sd=0.5, rater_slope_sd=0.8),
        ),
    ],
    ids=["a crowd, integers", "raters differ about the effect"],
)
def test_the_default_keeps_its_level(design: StudyDesign, truth: Truth) -> None:
    found = [rejects(fit_default(study.table()).fit) for study in simulated(design, truth)]
    assert np.mean(found) < MOST


def test_intercepts_alone_do_not() -> None:
    """The mistake the default exists for: differences between images taken for one of methods."""
    design = StudyDesign(images=13, ratings_per_cell=20, raters=60)
    rejected = []
    for study in simulated(design, Truth(effect=0, slope_sd=1.85)):
        image, rater = study.blocks()
        intercept = replace(image, terms=image.terms[:1], columns=image.columns[:, :1])
        rejected.append(rejects(fit_linear(study.rating, study.fixed, [intercept, rater])))
    assert np.mean(rejected) > 0.3
