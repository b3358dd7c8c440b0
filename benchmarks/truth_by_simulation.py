"""Does the default model reject true nulls as rarely as it says? Simulated studies with no effect.

For every design: how often the default of ``mturk-eval analyze --model mixed`` finds an effect that
is not there, how often its interval covers the truth, and the same of other ways to analyze the
same ratings. Prints the table as Markdown; `truth_by_simulation.md` is what it printed.

    python benchmarks/truth_by_simulation.py --workers 2 --out benchmarks/truth_by_simulation.md
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray
from scipy import stats

from mturk_eval.errors import StatisticsError
from mturk_eval.parallel import map_tasks
from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.linear.fitting import LinearFit, fit_linear
from mturk_eval.stats.mixed.default_rule import fit_default
from mturk_eval.stats.mixed.kenward_roger import kenward_roger
from mturk_eval.stats.mixed.satterthwaite import satterthwaite_df
from mturk_eval.stats.power.design import StudyDesign, Truth
from mturk_eval.stats.power.studies import SimulatedStudy, simulate_study
from mturk_eval.stats.ratings.differences import method_difference
from mturk_eval.stats.resampling.weights import ResamplingUnit

LEVEL = 0.05
NOMINAL = (0.03, 0.07)
"""Where the type I error of the default must lie in every row."""
OTHER_TESTS = ("kenward_roger", "z", "slopes", "intercepts", "paired")
RESAMPLES = 1_000
UNITS: tuple[ResamplingUnit, ...] = ("rating", "rater", "image", "both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One design, and what is true in it."""

    label: str
    design: StudyDesign
    truth: Truth


def row(
    label: str,
    *,
    slope_sd: float,
    images: int = 13,
    methods: int = 2,
    ratings: int = 100,
    raters: int = 300,
    scale: tuple[int, int] | None = None,
    correlation: float = 0.0,
    rater_slope_sd: float = 0.0,
) -> Row:
    """The human-compression study, but for what is named."""
    return Row(
        label=label,
        design=StudyDesign(
            images=images, methods=methods, ratings_per_cell=ratings, raters=raters, scale=scale
        ),
        truth=Truth(
            effect=0.0,
            slope_sd=slope_sd,
            image_sd=0.9,
            slope_correlation=correlation,
            rater_sd=1.0,
            rater_slope_sd=rater_slope_sd,
            residual_sd=2.0,
        ),
    )


ROWS = (
    row("slope sd 0", slope_sd=0.0),
    row("slope sd 0.3", slope_sd=0.3),
    row("slope sd 0.7", slope_sd=0.7),
    row("slope sd 1.85, as in the paper", slope_sd=1.85),
    row("slope sd 0.7, 50 images", slope_sd=0.7, images=50),
    row("slope sd 0.7, correlation -0.6", slope_sd=0.7, correlation=-0.6),
    row("slope sd 0.7, everyone rates everything", slope_sd=0.7, raters=100),
    row(
        "slope sd 0.7, by-rater slope sd 0.5, everyone rates everything",
        slope_sd=0.7, raters=100, rater_slope_sd=0.5,
    ),
    row(
        "slope sd 0.3, by-rater slope sd 1, 30 raters, everyone rates everything",
        slope_sd=0.3, ratings=30, raters=30, rater_slope_sd=1.0,
    ),
    row("slope sd 0.7, by-rater slope sd 0.5", slope_sd=0.7, rater_slope_sd=0.5),
    row("slope sd 0.7, 10 ratings a cell of 30 raters", slope_sd=0.7, ratings=10, raters=30),
    row("slope sd 0.7, 6 images", slope_sd=0.7, images=6),
    row("slope sd 1.85, integers 1 to 10", slope_sd=1.85, scale=(1, 10)),
    row("slope sd 0.7, three methods", slope_sd=0.7, methods=3),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Of one study: does each test reject, does each interval cover? nan: not computed."""

    default: float
    default_covers: float
    z: float
    kenward_roger: float
    slopes: float
    intercepts: float
    paired: float
    boots: tuple[float, ...]  # as UNITS
    kept_image_slopes: float
    kept_rater_slopes: float


def judge(
    design: StudyDesign, truth: Truth, task: tuple[np.random.SeedSequence, bool]
) -> Verdicts | None:
    """Simulate one study and analyze it in all ways; None if the default model cannot be had."""
    seed, with_bootstrap = task
    study = simulate_study(design, truth, np.random.default_rng(seed))
    table = study.table()
    try:
        chosen = fit_default(table)
    except StatisticsError:
        return None
    fit = chosen.fit
    estimate, error = _second_effect(fit, fit.covariance)
    half = _critical(satterthwaite_df(fit, _contrast(fit))[0]) * error
    slopes, intercepts = (fit_linear(study.rating, study.fixed, b) for b in _fixed_models(study))
    by_group = {block.group: block.n_terms > 1 for block in fit.blocks}
    return Verdicts(
        default=float(abs(estimate) > half),
        default_covers=float(abs(estimate - truth.effect) <= half),
        z=float(abs(estimate) > _critical(np.inf) * error),
        kenward_roger=_kenward_roger_rejects(fit),
        slopes=_rejects(slopes),
        intercepts=_rejects(intercepts),
        paired=_paired_rejects(study),
        boots=tuple(
            _bootstrap_covers(table, unit, truth.effect) if with_bootstrap else np.nan
            for unit in UNITS
        ),
        kept_image_slopes=float(by_group["image"]),
        kept_rater_slopes=float(by_group.get("rater", False)),
    )


def _contrast(fit: LinearFit) -> NDArray[np.float64]:
    """The second method against the first."""
    contrast = np.zeros((1, len(fit.estimates)))
    contrast[0, 1] = 1.0
    return contrast


def _second_effect(fit: LinearFit, covariance: NDArray[np.float64]) -> tuple[float, float]:
    return float(fit.estimates[1]), float(np.sqrt(covariance[1, 1]))


def _critical(df: float) -> float:
    return float(stats.t.ppf(1 - LEVEL / 2, df))


def _rejects(fit: LinearFit) -> float:
    estimate, error = _second_effect(fit, fit.covariance)
    return float(abs(estimate) > _critical(satterthwaite_df(fit, _contrast(fit))[0]) * error)


def _kenward_roger_rejects(fit: LinearFit) -> float:
    adjusted = kenward_roger(fit)
    estimate, error = _second_effect(fit, adjusted.covariance)
    return float(abs(estimate) > _critical(adjusted.df(_contrast(fit))[0]) * error)


def _fixed_models(study: SimulatedStudy) -> Sequence[Sequence[RandomBlock]]:
    """By-image slopes whatever the data say, and intercepts alone."""
    image, rater = study.blocks()
    intercept = replace(image, terms=image.terms[:1], columns=image.columns[:, :1])
    return (image, rater), (intercept, rater)


def _paired_rejects(study: SimulatedStudy) -> float:
    cell = study.image * study.n_methods + study.method
    means = (np.bincount(cell, study.rating) / np.bincount(cell)).reshape(-1, study.n_methods)
    return float(stats.ttest_rel(means[:, 1], means[:, 0]).pvalue < LEVEL)


def _bootstrap_covers(table: pd.DataFrame, unit: ResamplingUnit, effect: float) -> float:
    found = method_difference(table, "method2", "method1", unit=unit, resamples=RESAMPLES)
    if found.ci_low is None or found.ci_high is None:
        return np.nan
    return float(found.ci_low <= effect <= found.ci_high)


def simulate_row(
    index: int, *, studies: int, bootstraps: int, seed: int, workers: int, dask: str | None
) -> list[Verdicts | None]:
    """All studies of one row; the first ``bootstraps`` of them also with bootstrap intervals."""
    chosen = ROWS[index]
    children = np.random.SeedSequence([seed, index]).spawn(studies)

    def show(done: int, total: int) -> None:
        if done % 500 == 0:
            print(f"  {chosen.label}: {done} of {total}", file=sys.stderr, flush=True)

    return map_tasks(
        partial(judge, chosen.design, chosen.truth),
        [(child, number < bootstraps) for number, child in enumerate(children)],
        workers=workers,
        dask=dask,
        progress=show,
    )


def share(verdicts: Sequence[Verdicts], name: str) -> float:
    """The share of studies for which a verdict is true."""
    return float(np.mean([getattr(verdict, name) for verdict in verdicts]))


def test_line(label: str, verdicts: Sequence[Verdicts], n_failed: int) -> str:
    """Type I errors of one row; what lies outside the limits is marked."""
    level = share(verdicts, "default")
    error = np.sqrt(level * (1 - level) / len(verdicts))
    mark = "" if NOMINAL[0] <= level <= NOMINAL[1] else " **outside**"
    cells = [
        label,
        f"{len(verdicts):,}" + (f" ({n_failed} not fitted)" if n_failed else ""),
        f"**{level:.3f}** ± {error:.3f}{mark}",
        *(f"{share(verdicts, name):.3f}" for name in OTHER_TESTS),
        f"{share(verdicts, 'kept_image_slopes'):.2f}",
        f"{share(verdicts, 'kept_rater_slopes'):.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def interval_line(label: str, verdicts: Sequence[Verdicts]) -> str:
    """Coverage of the intervals of one row."""
    boots = np.array([verdict.boots for verdict in verdicts])
    boots = boots[~np.isnan(boots).any(axis=1)]
    covers = boots.mean(axis=0) if len(boots) else np.full(len(UNITS), np.nan)
    cells = [
        label,
        f"**{share(verdicts, 'default_covers'):.3f}**",
        f"{len(boots):,}",
        *(f"{cover:.3f}" for cover in covers),
    ]
    return f"| {' | '.join(cells)} |"


def markdown(results: dict[int, list[Verdicts | None]], *, seed: int, bootstraps: int) -> str:
    """Both tables, and what they were made with."""
    done = {
        index: [verdict for verdict in verdicts if verdict is not None]
        for index, verdicts in results.items()
    }
    levels = [share(verdicts, "default") for verdicts in done.values()]
    n_outside = sum(not NOMINAL[0] <= level <= NOMINAL[1] for level in levels)
    studies = max(len(verdicts) for verdicts in results.values())
    return "\n".join(
        [
            "# Truth by simulation",
            "",
            f"Written by `python benchmarks/truth_by_simulation.py --studies {studies} "
            f"--bootstraps {bootstraps} --seed {seed}` with NumPy {np.__version__}, SciPy "
            f"{scipy.__version__}.",
            "",
            "Studies without any true difference between the methods. Unless a row says "
            "otherwise: 13 images, 2 methods, 100 ratings of each image and method by a random "
            "part of 300 raters; standard deviations (rating points) 0.9 between images, 1 between "
            "raters, 2 between single ratings; ratings continuous; no correlation of image means "
            "and slopes, no by-rater slopes. The slope sd is how much the difference between the "
            "methods varies from image to image.",
            "",
            "## How often a difference is found that is not there (nominal: 0.05)",
            "",
            "*Default*: `analyze --model mixed` as it is, t test with Satterthwaite's degrees of "
            "freedom, ± its Monte-Carlo error; a row outside 0.03 to 0.07 is marked. Then, of the "
            "same model, Kenward and Roger's test and z; the model `(1 + method | image) + "
            "(1 | rater)` whatever the data say; intercepts only; the paired t test of image "
            "means. Last, the shares of studies in which the default kept by-image slopes and "
            "added by-rater slopes.",
            "",
            "| design | studies | default | Kenward-Roger | z | always by-image slopes | "
            "intercepts only | paired t | by-image slopes | by-rater slopes |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *(
                test_line(ROWS[index].label, verdicts, len(results[index]) - len(verdicts))
                for index, verdicts in done.items()
            ),
            "",
            f"Rows outside 0.03 to 0.07: {n_outside} of {len(levels)}. Mean of the default over "
            f"the rows: {np.mean(levels):.3f}.",
            "",
            "## How often 95% intervals cover the true difference",
            "",
            "*Default*: the t interval of the model above. Then percentile bootstrap intervals of "
            f"the difference of means, {RESAMPLES:,} resamples, by what is resampled.",
            "",
            "| design | default | studies with bootstrap | ratings | raters | images | "
            "raters and images |",
            "|---|---|---|---|---|---|---|",
            *(interval_line(ROWS[index].label, verdicts) for index, verdicts in done.items()),
            "",
        ]
    )


def main() -> None:
    """Simulate the rows asked for, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=4_000, help="per row")
    parser.add_argument("--bootstraps", type=int, default=1_000, help="of them with bootstrap")
    parser.add_argument("--rows", type=int, nargs="*", help="numbers from 0; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--dask", help="local, or a scheduler's address")
    parser.add_argument("--out", type=Path, help="default: stdout")
    options = parser.parse_args()
    results = {}
    for index in range(len(ROWS)) if options.rows is None else options.rows:
        started = time.perf_counter()
        results[index] = simulate_row(
            index,
            studies=options.studies,
            bootstraps=options.bootstraps,
            seed=options.seed,
            workers=options.workers,
            dask=options.dask,
        )
        seconds = time.perf_counter() - started
        print(f"{seconds:7.1f} s  {ROWS[index].label}", file=sys.stderr, flush=True)
        text = markdown(results, seed=options.seed, bootstraps=options.bootstraps)
        if options.out is not None:
            options.out.write_text(text)  # after each row: stopping keeps what is done
    if options.out is None:
        print(text)


if __name__ == "__main__":
    main()
