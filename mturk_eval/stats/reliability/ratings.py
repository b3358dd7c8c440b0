"""How well the raters of a rating study agree: alpha, intraclass correlations, split halves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.reliability.components import component_correlations
from mturk_eval.stats.reliability.intraclass import (
    IntraclassCorrelation,
    intraclass_correlations,
    spearman_brown,
)
from mturk_eval.stats.reliability.krippendorff import LEVELS, alpha_replicates, count_values
from mturk_eval.stats.reliability.result import ReliabilityResult, ReliabilityRow
from mturk_eval.stats.reliability.split_half import half_correlations, split_raters
from mturk_eval.stats.resampling.weights import cluster_weights

ReliabilityUnit = Literal["stimulus", "image"]
SPLITS = 100
_FEW_UNITS = 10
_STIMULUS_COLUMNS = ("image", "method", "bpp")


def rating_reliability(
    ratings: pd.DataFrame,
    *,
    unit: ReliabilityUnit = "stimulus",
    resamples: int = 1_000,
    seed: int = 0,
    ci_level: float = 0.95,
) -> ReliabilityResult:
    """Krippendorff's alpha at four levels, intraclass correlations and split-half correlations.

    Parameters
    ----------
    ratings : DataFrame
        Columns ``rater``, ``image``, ``rating`` and, where the study has them, ``method`` and
        ``bpp``; one row per answer, in any incomplete design. A stimulus is an image x method x
        bpp.
    unit : {"stimulus", "image"}
        What is drawn with replacement for the limits of alpha and split halves: single stimuli, or
        images with all their stimuli, which is wider where an image's stimuli are alike.
    resamples : int
        How many bootstrap resamples.
    seed : int
        Of the random halves and the resamples; the same seed gives the same digits.

    Returns
    -------
    ReliabilityResult
        Alpha has a row per measurement level. A complete table has the six ICCs of Shrout and
        Fleiss, with exact F limits; otherwise ``ICC(A,1)`` and ``ICC(A,k)`` are from variance
        components. ``split_half_srocc`` and ``split_half_plcc`` are means over `SPLITS` random
        halves of the raters: of ``half`` of them as observed, of ``all`` by Spearman and Brown's
        formula.

    Raises
    ------
    StatisticsError
        If there are fewer than two stimuli or raters, no stimulus has two ratings, ratings are
        missing, or all are equal.

    Examples
    --------
    >>> table = pd.DataFrame({"rater": list("ababab"), "image": list("ppqqss"),
    ...                       "rating": [1, 1, 2, 2, 3, 4]})
    >>> result = rating_reliability(table, resamples=10)
    >>> round(result.row("krippendorff_alpha", "interval").value, 4)
    0.878
    """
    answers = _Answers.of(ratings)
    rng = np.random.default_rng(seed)
    cluster, n_clusters = answers.clusters(unit)
    drawn = cluster_weights(n_clusters, resamples, rng)[:, cluster]
    warnings = _warnings(answers, n_clusters, unit)
    alphas = _alphas(answers, drawn, ci_level, warnings)
    f_tests, correlations, method = _intraclass(answers, ci_level, warnings)
    halves = _split_halves(answers, drawn, ci_level, rng, warnings)
    per_image = unit == "image" or answers.columns == ("image",)
    bootstrap = f"percentile bootstrap over {'images' if per_image else 'stimuli'}"
    return ReliabilityResult(
        rows=(*alphas, *correlations, *halves),
        n_observations=len(answers.rating),
        n_raters=answers.n_raters,
        n_units=answers.n_stimuli,
        unit_columns=answers.columns,
        generalises_to=("images",) if per_image else ("stimuli",),
        ci_methods={"krippendorff_alpha": bootstrap, "ICC": method, "split_half": bootstrap},
        ci_level=ci_level,
        resamples=resamples,
        seed=seed,
        warnings=tuple(warnings),
        f_tests=f_tests,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """Ratings with the codes of their stimulus, rater and, per stimulus, image."""

    rating: NDArray[np.float64]
    stimulus: NDArray[np.int64]
    rater: NDArray[np.int64]
    image_of_stimulus: NDArray[np.int64]
    columns: tuple[str, ...]

    @classmethod
    def of(cls, ratings: pd.DataFrame) -> _Answers:
        rating = ratings["rating"].to_numpy(np.float64)
        if len(rating) == 0:
            raise StatisticsError("There are no ratings. Collect answers first, or give a table.")
        missing = np.flatnonzero(~np.isfinite(rating))
        if len(missing):
            raise StatisticsError(
                f"{len(missing)} of {len(rating)} ratings are missing (the first in row "
                f"{missing[0] + 1}). Leave those rows out (--drop-missing)."
            )
        columns = tuple(
            name
            for name in _STIMULUS_COLUMNS
            if name == "image" or (name in ratings and int(ratings[name].nunique(dropna=False)) > 1)
        )
        stimulus = np.asarray(ratings.groupby(list(columns), dropna=False).ngroup(), dtype=np.int64)
        rater, _ = pd.factorize(ratings["rater"], sort=True)
        image, _ = pd.factorize(ratings["image"], sort=True)
        image_of_stimulus = np.empty(int(stimulus.max()) + 1, dtype=np.int64)
        image_of_stimulus[stimulus] = image
        answers = cls(
            rating=rating,
            stimulus=stimulus,
            rater=np.asarray(rater, dtype=np.int64),
            image_of_stimulus=image_of_stimulus,
            columns=columns,
        )
        answers.check()
        return answers

    def check(self) -> None:
        if self.n_stimuli < 2 or self.n_raters < 2:
            raise StatisticsError(
                f"{self.n_stimuli} stimuli by {self.n_raters} raters: agreement compares raters "
                "over stimuli that differ, so at least two of each are needed."
            )
        if self.ratings_per_stimulus.max() < 2:
            raise StatisticsError(
                "No stimulus was rated twice, and agreement compares ratings of the same "
                "stimulus. Collect at least two ratings for some of the images."
            )
        pairable = self.ratings_per_stimulus[self.stimulus] > 1
        if float(np.ptp(self.rating[pairable])) == 0.0:
            raise StatisticsError(
                "All ratings of stimuli with two or more ratings are equal: agreement beyond "
                "chance is not defined without any variation. Report the common rating."
            )

    @property
    def n_stimuli(self) -> int:
        return len(self.image_of_stimulus)

    @property
    def n_raters(self) -> int:
        return int(self.rater.max()) + 1

    @property
    def ratings_per_stimulus(self) -> NDArray[np.int64]:
        return np.bincount(self.stimulus, minlength=self.n_stimuli)

    @property
    def n_repeated(self) -> int:
        """Answers beyond a rater's first to the same stimulus."""
        cells = np.unique(self.stimulus * self.n_raters + self.rater)
        return len(self.rating) - len(cells)

    def complete_table(self) -> NDArray[np.float64] | None:
        """Ratings as stimuli x raters where every cell holds one, else None."""
        if self.n_repeated or len(self.rating) != self.n_stimuli * self.n_raters:
            return None
        table = np.empty((self.n_stimuli, self.n_raters))
        table[self.stimulus, self.rater] = self.rating
        return table

    def clusters(self, unit: ReliabilityUnit) -> tuple[NDArray[np.int64], int]:
        """Cluster of every stimulus, and how many there are."""
        if unit == "image":
            return self.image_of_stimulus, int(self.image_of_stimulus.max()) + 1
        return np.arange(self.n_stimuli), self.n_stimuli


def _alphas(
    answers: _Answers, drawn: NDArray[np.float64], ci_level: float, warnings: list[str]
) -> list[ReliabilityRow]:
    counts = count_values(answers.stimulus, answers.rating)
    everything = np.ones((1, counts.n_units))
    rows = []
    for level in LEVELS:
        try:
            value = float(alpha_replicates(counts, level, everything)[0])
        except StatisticsError as reason:
            warnings.append(f"No alpha at the {level} level. {reason}")
            rows.append(ReliabilityRow(statistic="krippendorff_alpha", level=level, value=None))
            continue
        replicates = alpha_replicates(counts, level, drawn)
        rows.append(
            ReliabilityRow.bootstrapped("krippendorff_alpha", level, value, replicates, ci_level)
        )
    return rows


def _intraclass(
    answers: _Answers, ci_level: float, warnings: list[str]
) -> tuple[tuple[IntraclassCorrelation, ...], list[ReliabilityRow], str]:
    table = answers.complete_table()
    if table is not None:
        found = intraclass_correlations(table, ci_level=ci_level)
        rows = [
            ReliabilityRow(
                statistic=icc.form,
                level="single" if icc.form.endswith(",1)") else "average",
                value=icc.value,
                ci_low=icc.ci_low,
                ci_high=icc.ci_high,
            )
            for icc in found
        ]
        return found, rows, "F distribution"
    try:
        fit = component_correlations(
            answers.rating, answers.stimulus, answers.rater, ci_level=ci_level
        )
    except StatisticsError as reason:
        warnings.append(f"No intraclass correlation. {reason}")
        rows = [
            ReliabilityRow(statistic="ICC(A,1)", level="single", value=None),
            ReliabilityRow(statistic="ICC(A,k)", level="average", value=None),
        ]
        return (), rows, "none"
    if fit.form == "ICC(1,.)":
        warnings.append(
            "Every rater rated once, so that raters cannot be told from noise: ICC(1,1) and "
            "ICC(1,k) are given. Let raters rate several images to learn how raters differ."
        )
    if not fit.converged:
        warnings.append(
            "The variance components did not converge: do not report the ICC. Look for raters or "
            "stimuli with very few ratings."
        )
    if fit.stimulus_variance == 0.0:
        warnings.append(
            "The stimuli's variance is estimated as zero, so the ICC is 0: raters do not tell "
            "these stimuli apart. Check that ratings and images belong together."
        )
    single, average = fit.form.replace(".", "1"), fit.form.replace(".", "k")
    rows = [
        ReliabilityRow(
            statistic=single,
            level="single",
            value=fit.single,
            ci_low=fit.single_limits[0],
            ci_high=fit.single_limits[1],
        ),
        ReliabilityRow(
            statistic=average,
            level="average",
            value=fit.average,
            ci_low=fit.average_limits[0],
            ci_high=fit.average_limits[1],
        ),
    ]
    return (), rows, f"variance components (REML), {fit.ci_method}"


def _split_halves(
    answers: _Answers,
    drawn: NDArray[np.float64],
    ci_level: float,
    rng: np.random.Generator,
    warnings: list[str],
) -> list[ReliabilityRow]:
    halves = split_raters(answers.rating, answers.stimulus, answers.rater, splits=SPLITS, rng=rng)
    values = half_correlations(halves, np.ones((1, answers.n_stimuli)))
    replicates = half_correlations(halves, drawn)
    if not np.isfinite(values).all():
        warnings.append(
            "Split halves have no correlation: fewer than two stimuli were rated by both halves, "
            "or a half's means do not vary. Collect more ratings a stimulus."
        )
    rows = []
    for name, value, of_resamples in zip(
        ("split_half_srocc", "split_half_plcc"), values, replicates, strict=True
    ):
        half = ReliabilityRow.bootstrapped(name, "half", float(value[0]), of_resamples, ci_level)
        rows += [half, _of_all_raters(half)]
    return rows


def _of_all_raters(half: ReliabilityRow) -> ReliabilityRow:
    """Twice as many raters; the formula is monotone, so it may be used on the limits."""

    def twice(value: float | None) -> float | None:
        return None if value is None else spearman_brown(value, 2)

    return ReliabilityRow(
        statistic=half.statistic,
        level="all",
        value=twice(half.value),
        ci_low=twice(half.ci_low),
        ci_high=twice(half.ci_high),
    )


def _warnings(answers: _Answers, n_clusters: int, unit: ReliabilityUnit) -> list[str]:
    found = []
    name = "images" if unit == "image" else "stimuli"
    if n_clusters < 2:
        found.append("There is one image, and resampling images says nothing: see --unit.")
    elif n_clusters < _FEW_UNITS:
        found.append(
            f"With {n_clusters} {name} the bootstrap limits are rough, and rather too narrow: "
            "collect ratings of more images."
        )
    alone = int((answers.ratings_per_stimulus == 1).sum())
    if alone:
        found.append(
            f"{alone} of {answers.n_stimuli} stimuli have one rating: they say nothing of "
            "agreement and do not enter alpha."
        )
    if answers.n_repeated:
        found.append(
            f"{answers.n_repeated} ratings repeat a stimulus that their rater had rated before: "
            "they count like another rater's, which makes agreement look better. Keep first "
            "answers only, unless a rater's own consistency is the question."
        )
    return found
