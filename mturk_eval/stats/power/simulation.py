"""Power by simulation: how often the by-image slope model finds an effect that is there."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.parallel import Progress, map_tasks
from mturk_eval.stats.linear.fitting import fit_linear
from mturk_eval.stats.mixed.satterthwaite import satterthwaite_df
from mturk_eval.stats.power.design import StudyDesign, Truth
from mturk_eval.stats.power.planning import images_needed, planned_power
from mturk_eval.stats.power.results import PowerResult, SimulatedPower
from mturk_eval.stats.power.studies import simulate_study

_MONTE_CARLO_LEVEL = 0.95


def power(
    design: StudyDesign,
    truth: Truth,
    *,
    studies: int = 1_000,
    seed: int = 0,
    alpha: float = 0.05,
    target_power: float = 0.8,
    workers: int = 1,
    dask: str | None = None,
    progress: Progress | None = None,
) -> PowerResult:
    """Simulate studies, fit each, and count how often the test of the first effect rejects.

    The model is ``rating ~ method + (1 + method | image) + (1 | rater)`` by REML; by-rater slopes
    are in it where they are in the truth and raters rate each method twice or more on average. The
    test is Satterthwaite's two-sided t test of the second method against the first.

    Parameters
    ----------
    design : StudyDesign
    truth : Truth
        In rating points; figures of an analysis of earlier ratings (`analyze --model mixed`) are on
        the scale as observed, so leave ``design.scale`` at None with them.
    studies : int, default 1,000
        More give a narrower Monte-Carlo interval: 1,000 give about +-.03 at a power of .5.
    seed : int
        The same seed gives the same numbers, however many workers.
    alpha : float, default 0.05
        Level of the test.
    target_power : float, default 0.8
        For ``images_needed``.
    workers, dask, progress
        See `mturk_eval.parallel.map_tasks`.

    Returns
    -------
    PowerResult

    Raises
    ------
    InvalidInputError
        If there are no studies, or ``alpha`` or ``target_power`` is no share.
    """
    if studies < 1:
        raise InvalidInputError(f"{studies} studies: simulate at least 1 (--studies).")
    planned = planned_power(design, truth, alpha=alpha)
    needed = images_needed(design, truth, power=target_power, alpha=alpha)
    rater_slopes = _has_rater_slopes(design, truth)
    outcomes = map_tasks(
        partial(_analyze, design, truth, rater_slopes),
        np.random.SeedSequence(seed).spawn(studies),
        workers=workers,
        dask=dask,
        progress=progress,
    )
    fitted = np.array([outcome for outcome in outcomes if outcome is not None]).reshape(-1, 4)
    return PowerResult(
        design=design,
        truth=truth,
        formula=(
            "rating ~ method + (1 + method | image) + "
            + ("(1 + method | rater)" if rater_slopes else "(1 | rater)")
        ),
        alpha=alpha,
        studies=studies,
        seed=seed,
        n_failed=studies - len(fitted),
        simulated=_summary(fitted, truth.effect, alpha) if len(fitted) else None,
        planned=planned,
        target_power=target_power,
        images_needed=needed,
    )


def _has_rater_slopes(design: StudyDesign, truth: Truth) -> bool:
    return truth.rater_slope_sd > 0 and design.ratings_per_rater >= 2 * design.methods


def _analyze(
    design: StudyDesign, truth: Truth, rater_slopes: bool, seed: np.random.SeedSequence
) -> tuple[float, float, float, float] | None:
    """Estimate, standard error, df and singularity (0 or 1) of one study; None if none fits."""
    study = simulate_study(design, truth, np.random.default_rng(seed))
    try:
        fit = fit_linear(study.rating, study.fixed, study.blocks(rater_slopes=rater_slopes))
        contrast = np.zeros((1, design.methods))
        contrast[0, 1] = 1.0
        df = float(satterthwaite_df(fit, contrast)[0])
    except StatisticsError:
        return None
    error = math.sqrt(fit.covariance[1, 1])
    if not (fit.converged and df > 0 and error > 0):
        return None
    return float(fit.estimates[1]), error, df, float(fit.singular)


def _summary(fitted: NDArray[np.float64], effect: float, alpha: float) -> SimulatedPower:
    """Shares and means over the rows of `_analyze`."""
    estimate, error, df, singular = fitted.T
    critical = stats.t.ppf(1 - alpha / 2, df)
    rejected = int((np.abs(estimate / error) > critical).sum())
    interval = stats.binomtest(rejected, len(fitted)).proportion_ci(_MONTE_CARLO_LEVEL, "wilson")
    return SimulatedPower(
        power=rejected / len(fitted),
        ci_low=float(interval.low),
        ci_high=float(interval.high),
        coverage=float((np.abs(estimate - effect) / error <= critical).mean()),
        mean_effect=float(estimate.mean()),
        sd_effect=float(estimate.std(ddof=1)) if len(fitted) > 1 else math.nan,
        mean_std_error=float(error.mean()),
        median_df=float(np.median(df)),
        singular=float(singular.mean()),
    )
