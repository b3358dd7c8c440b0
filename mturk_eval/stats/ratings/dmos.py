"""Differential opinion scores: what a reconstruction is rated against its own, hidden original."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.documents import Document
from mturk_eval.stats.ratings.mean_warnings import BOUNDED_ADVICE
from mturk_eval.stats.ratings.mos import MosResult, MosRow, mean_opinion_scores
from mturk_eval.stats.resampling.intervals import IntervalKind
from mturk_eval.stats.resampling.weights import ResamplingUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class DmosResult:
    """Differential scores: ``highest`` is as good as the original, higher is better than it.

    ``means`` holds the rows per image and per method, whose means are DMOS. ``n_unmatched`` ratings
    were left out, since their rater did not rate the image's original.
    """

    means: MosResult
    highest: float
    n_unmatched: int
    warnings: tuple[str, ...]

    @property
    def rows(self) -> tuple[MosRow, ...]:
        """DMOS per image x method (x rate)."""
        return self.means.rows

    @property
    def methods(self) -> tuple[MosRow, ...]:
        """DMOS per method (x rate), each image counting the same."""
        return self.means.methods

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """What the intervals speak about."""
        return self.means.generalises_to

    def document(self) -> Document:
        """The JSON object: that of the means, its model being ``dmos``."""
        return self.means.document() | {
            "model": "dmos",
            "warnings": list(self.warnings),
            "highest": self.highest,
            "n_unmatched": self.n_unmatched,
        }


def differential_scores(
    ratings: pd.DataFrame, originals: pd.DataFrame, *, highest: float
) -> pd.DataFrame:
    """Every rating less the same rater's rating of the hidden original, plus the highest rating.

    Parameters
    ----------
    ratings : DataFrame
        Columns ``rater``, ``image``, ``rating`` and others, which are kept; of reconstructions.
    originals : DataFrame
        Columns ``rater``, ``image``, ``rating``: originals rated like any other picture. A rater's
        several ratings of one original are averaged.
    highest : float
        The best rating of the scale, H in P.910 [1]_.

    Returns
    -------
    DataFrame
        The rows of ``ratings`` whose rater rated the image's original, ``rating`` being the
        differential score and in ``original_rating`` what was subtracted.

    References
    ----------
    .. [1] ITU-T P.910 (10/2023), absolute category rating with hidden reference.

    Examples
    --------
    >>> table = pd.DataFrame({"rater": ["ann", "bob"], "image": "sky", "rating": [6, 4]})
    >>> differential_scores(table, table.assign(rating=[9, 10]), highest=10)["rating"].tolist()
    [7.0, 4.0]
    """
    for name, frame in (("ratings", ratings), ("ratings of originals", originals)):
        missing = [column for column in ("rater", "image", "rating") if column not in frame]
        if missing:
            raise StatisticsError(
                f"The {name} have no column {missing[0]}; they need rater, image and rating."
            )
    keys = ["rater", "image"]
    own = originals.groupby(keys)["rating"].mean().rename("original_rating")
    together = ratings.join(own, on=keys)
    matched = together[together["original_rating"].notna()]
    return matched.assign(rating=matched["rating"] - matched["original_rating"] + highest)


def differential_opinion_scores(
    ratings: pd.DataFrame,
    originals: pd.DataFrame,
    *,
    scale: tuple[float, float],
    unit: ResamplingUnit = "rater",
    interval: IntervalKind = "percentile",
    resamples: int = 2_000,
    seed: int = 0,
    ci_level: float = 0.95,
) -> DmosResult:
    """DMOS of every image x method (x rate), and of every method, with intervals.

    Parameters
    ----------
    ratings, originals : DataFrame
        As for `differential_scores`; ``ratings`` also needs ``method``. In our tidy tables
        originals are rows whose method is the original's, such as catch trials in which an
        original is rated like a reconstruction.
    scale : (low, high)
        The lowest and the highest rating.
    unit, interval, resamples, seed, ci_level
        As for `mturk_eval.stats.ratings.mos.mean_opinion_scores`, on the differential scores;
        ``bounded`` is refused, since they are not bounded by the scale.

    Raises
    ------
    StatisticsError
        If no rater of an image rated its original.
    InvalidInputError
        If a rating lies outside the scale, or the choices do not go together.

    References
    ----------
    .. [1] ITU-T P.910 (10/2023), absolute category rating with hidden reference.
    """
    if interval == "bounded":
        raise InvalidInputError(
            "Differential scores are not bounded by the scale: a reconstruction may be rated above "
            "its original. Take interval percentile, bca or t."
        )
    low, high = scale
    for name, frame in (("ratings", ratings), ("ratings of originals", originals)):
        if "rating" in frame and not (outside := frame[~frame["rating"].between(low, high)]).empty:
            raise InvalidInputError(
                f"{len(outside)} {name} are not on the scale {low:g} to {high:g}, first "
                f"{outside['rating'].iloc[0]}. Correct them, or give the scale they were made on."
            )
    scores = differential_scores(ratings, originals, highest=high)
    if scores.empty:
        raise StatisticsError(
            "No rater rated an image's original beside its reconstructions, so there is no "
            "difference to take. Show raters the originals too, or report plain means."
        )
    means = mean_opinion_scores(
        scores, unit=unit, interval=interval, resamples=resamples, seed=seed, ci_level=ci_level
    )
    unmatched = len(ratings) - len(scores)
    above = int((scores["rating"] > high).sum())
    # a bounded interval, which is advised for means, is refused here
    warnings = [warning.removesuffix(BOUNDED_ADVICE) for warning in means.warnings]
    if unmatched:
        warnings.append(
            f"{unmatched} of {len(ratings)} ratings are left out: their rater did not rate the "
            "image's original."
        )
    if above:
        warnings.append(
            f"{above} of {len(scores)} ratings are above the rater's own rating of the original, "
            f"so their differential scores exceed {high:g}; they are kept as they are."
        )
    return DmosResult(
        means=means, highest=float(high), n_unmatched=unmatched, warnings=tuple(warnings)
    )
