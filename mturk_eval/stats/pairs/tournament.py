"""The tournament of a 2AFC study: for how many images each method is the best, at each rate.

Per image and rate, a method beats another if it has the majority of their votes; the method that
beats most others is best for that image. Such counts are easy to read and throw the margins away,
so scores (`score_methods`) belong beside them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.pairs.tournament_counts import (
    Tournament,
    best_shares,
    bootstrap_images_won,
    pair_wins,
    tie_breaks,
)
from mturk_eval.stats.pairs.vote_scores import score_methods
from mturk_eval.stats.resampling.intervals import (
    INTERVAL_NAMES,
    bounded_limits,
    percentile_limits,
)
from mturk_eval.stats.resampling.weights import GENERALISES_TO, ResamplingUnit

_FEW_RATERS_OR_IMAGES = 10

_Limits = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TournamentRow:
    """A method at a rate.

    Attributes
    ----------
    bpp : float or None
        Rate; None where the votes have none.
    n_images : int
        Images at which the method was shown at this rate.
    images_won : float
        Images for which it is best; an image that m methods share counts 1/m.
    ties : int
        Images whose first place it shares.
    ci_low, ci_high : float or None
        Of ``images_won``; None where one rater or image is all there is to draw from.
    by_head_to_head, by_vote_share, by_score : float or None
        Images won if a shared first place goes to who beats the others in it, to the largest share
        of the image's votes, or to the highest Bradley-Terry score at this rate.
    """

    bpp: float | None
    method: str
    n_images: int
    images_won: float
    ties: int
    ci_low: float | None
    ci_high: float | None
    by_head_to_head: float
    by_vote_share: float
    by_score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSummary:
    """What a reader needs beside a rate's rows.

    ``chance`` is how many images each method would win if all were alike; ``level_pairs`` of
    ``n_pairs`` pairs (of methods, at an image) had equal votes for both, and ``missing_pairs``
    none at all: both are half a win each.
    """

    bpp: float | None
    n_images: int
    n_votes: int
    chance: float
    n_pairs: int
    level_pairs: int
    missing_pairs: int
    tied_images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TournamentResult:
    """Rows by rate, then most images won first."""

    rows: tuple[TournamentRow, ...]
    rates: tuple[RateSummary, ...]
    unit: ResamplingUnit
    ci_method: str
    ci_level: float
    resamples: int
    seed: int
    warnings: tuple[str, ...]

    @property
    def n_votes(self) -> int:
        """Votes that were counted."""
        return sum(rate.n_votes for rate in self.rates)

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """What the intervals speak about."""
        return GENERALISES_TO[self.unit]

    def document(self) -> Document:
        """The JSON object of ``analyze --model tournament --json``."""
        return {
            "model": "tournament",
            "n_observations": self.n_votes,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "unit": self.unit,
            "ci_method": self.ci_method,
            "ci_level": self.ci_level,
            "resamples": self.resamples,
            "seed": self.seed,
            "rows": [
                {
                    "bpp": number(row.bpp),
                    "method": row.method,
                    "images_won": row.images_won,
                    "ties": row.ties,
                    "n_images": row.n_images,
                    "ci_low": number(row.ci_low),
                    "ci_high": number(row.ci_high),
                    "by_head_to_head": row.by_head_to_head,
                    "by_vote_share": row.by_vote_share,
                    "by_score": number(row.by_score),
                }
                for row in self.rows
            ],
            "rates": [
                {
                    "bpp": number(rate.bpp),
                    "n_images": rate.n_images,
                    "n_votes": rate.n_votes,
                    "chance": rate.chance,
                    "n_pairs": rate.n_pairs,
                    "level_pairs": rate.level_pairs,
                    "missing_pairs": rate.missing_pairs,
                    "tied_images": rate.tied_images,
                }
                for rate in self.rates
            ],
        }


def run_tournament(
    votes: pd.DataFrame,
    *,
    unit: ResamplingUnit = "image",
    ci_level: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
) -> TournamentResult:
    """Count for how many images each method is best, at each rate [1]_.

    Parameters
    ----------
    votes : DataFrame
        Columns ``rater``, ``image``, ``method_left``, ``method_right``, ``choice`` and, where there
        are several rates, ``bpp``. A vote that was not sure is half a vote for each.
    unit : {"image", "both", "rater"}
        What varies. ``image`` takes a method's shares of the images as independent and gives
        Wilson's interval with an effective number of images
        (`mturk_eval.stats.resampling.intervals.bounded_limits`); it speaks about other images, each
        with as many votes of such raters. ``both`` and ``rater`` draw raters too, by a bootstrap
        whose limits are percentiles: that leaves more pairs level than there are in the data, which
        pulls limits towards chance where a pair has few votes. In 1,000 simulated studies of 20 and
        40 images with 4 to 12 votes a pair, 95% intervals of ``image`` held the expected count in
        92-98 %, those of ``both`` in 98-100 % and were 10-30 % wider: hence the default.
    resamples, seed : int
        Of the bootstrap of ``both`` and ``rater``.

    Raises
    ------
    StatisticsError
        If no two different methods were compared.
    InvalidInputError
        If an option is out of range.

    References
    ----------
    .. [1] Patel, Appalaraju & Manmatha (2021), Saliency driven perceptual image compression, WACV.
    """
    if unit == "rating":
        raise InvalidInputError(
            "A tournament's intervals let raters, images or both vary: unit rater, image or both."
        )
    if not 0 < ci_level < 1 or resamples < 2:
        raise InvalidInputError("A level is between 0 and 1, and resamples are at least 2.")
    warnings: list[str] = []
    different = votes["method_left"].astype(str) != votes["method_right"].astype(str)
    if not different.all():
        warnings.append(
            f"{int((~different).sum())} votes between a method and itself are left out."
        )
    votes = votes[different]
    if votes.empty:
        raise StatisticsError(
            "There are no votes between two different methods. Give votes in which method_left and "
            "method_right differ."
        )
    rows: list[TournamentRow] = []
    rates: list[RateSummary] = []
    of_rate = _by_rate(votes)
    seeds = np.random.SeedSequence(seed).spawn(len(of_rate))
    for (bpp, chosen), child in zip(of_rate, seeds, strict=True):
        tournament = Tournament.of(chosen)
        if unit == "image":
            limits = _limits_over_images(tournament, ci_level)
        else:
            drawn = bootstrap_images_won(tournament, unit, resamples, np.random.default_rng(child))
            limits = percentile_limits(drawn.T, ci_level)
        if _nothing_varies(tournament, unit):
            limits = (np.full(len(limits[0]), np.nan), np.full(len(limits[1]), np.nan))
        counted = _one_rate(bpp, tournament, _scores(chosen, tournament), limits)
        rows += counted
        rates.append(_summary(bpp, tournament, len(chosen)))
    warnings += _warnings(votes, rates, unit)
    return TournamentResult(
        rows=tuple(rows),
        rates=tuple(rates),
        unit=unit,
        ci_method=INTERVAL_NAMES["bounded" if unit == "image" else "percentile"],
        ci_level=ci_level,
        resamples=0 if unit == "image" else resamples,
        seed=seed,
        warnings=tuple(warnings),
    )


def _nothing_varies(tournament: Tournament, unit: ResamplingUnit) -> bool:
    raters, images = tournament.n_raters > 1, len(tournament.images) > 1
    return not {"rater": raters, "image": images, "both": raters and images}.get(unit, False)


def _limits_over_images(tournament: Tournament, ci_level: float) -> _Limits:
    """Limits of images won where each image's share is one independent draw; NaN for one image."""
    present = tournament.present
    votes = tournament.votes_with(np.ones((1, tournament.n_raters)))[0]
    shares = best_shares(pair_wins(votes, present).sum(axis=-1), present)
    n = present.sum(axis=0)
    mean = shares.sum(axis=0) / n
    df = np.maximum(n - 1, 1)
    squares = np.where(present, (shares - mean) ** 2, 0.0).sum(axis=0)
    low, high = bounded_limits(
        mean, np.sqrt(squares / df / n), df.astype(float), n, ci_level, scale=(0.0, 1.0)
    )
    return np.where(n > 1, low * n, np.nan), np.where(n > 1, high * n, np.nan)


def _by_rate(votes: pd.DataFrame) -> list[tuple[float | None, pd.DataFrame]]:
    if "bpp" not in votes:
        return [(None, votes)]
    return [
        (None if pd.isna(rate) else float(rate), rows)  # type: ignore[arg-type]
        for rate, rows in votes.groupby("bpp", dropna=False)
    ]


def _one_rate(
    bpp: float | None,
    tournament: Tournament,
    scores: NDArray[np.float64] | None,
    limits: _Limits,
) -> list[TournamentRow]:
    votes = tournament.votes_with(np.ones((1, tournament.n_raters)))[0]
    wins = pair_wins(votes, tournament.present)
    shares = best_shares(wins.sum(axis=-1), tournament.present)
    broken = tie_breaks(tournament, votes, wins, scores)
    won = shares.sum(axis=0)
    order = np.argsort(-won, kind="stable")
    return [
        TournamentRow(
            bpp=bpp,
            method=tournament.methods[code],
            n_images=int(tournament.present[:, code].sum()),
            images_won=float(won[code]),
            ties=int(np.sum((shares[:, code] > 0) & (shares[:, code] < 1))),
            ci_low=number(limits[0][code]),
            ci_high=number(limits[1][code]),
            by_head_to_head=float(broken.head_to_head[code]),
            by_vote_share=float(broken.vote_share[code]),
            by_score=None if broken.score is None else float(broken.score[code]),
        )
        for code in map(int, order)
    ]


def _scores(votes: pd.DataFrame, tournament: Tournament) -> NDArray[np.float64] | None:
    try:
        fitted = {row.item: row.score for row in score_methods(votes, unit="rating").rows}
    except StatisticsError:
        return None
    return np.array([fitted[method] for method in tournament.methods])


def _summary(bpp: float | None, tournament: Tournament, n_votes: int) -> RateSummary:
    votes = tournament.votes_with(np.ones((1, tournament.n_raters)))[0]
    wins = pair_wins(votes, tournament.present)
    shares = best_shares(wins.sum(axis=-1), tournament.present)
    upper = np.triu(np.ones((len(tournament.methods),) * 2, dtype=bool), 1)
    compared = tournament.present[:, :, None] & tournament.present[:, None, :] & upper
    met = votes + np.swapaxes(votes, -1, -2)
    return RateSummary(
        bpp=bpp,
        n_images=len(tournament.images),
        n_votes=n_votes,
        chance=tournament.chance,
        n_pairs=int(compared.sum()),
        level_pairs=int(np.sum(compared & (wins == 0.5) & (met > 0))),
        missing_pairs=int(np.sum(compared & (met == 0))),
        tied_images=int(np.sum(shares.max(axis=-1) < 1)),
    )


def _warnings(votes: pd.DataFrame, rates: list[RateSummary], unit: ResamplingUnit) -> list[str]:
    warnings: list[str] = []
    missing, pairs = sum(r.missing_pairs for r in rates), sum(r.n_pairs for r in rates)
    if missing:
        warnings.append(
            f"{missing} of {pairs} pairs of methods have no votes at an image and count as half a "
            "win each. Collect them, or read the counts as rough."
        )
    tied, images = sum(r.tied_images for r in rates), sum(r.n_images for r in rates)
    if tied * 5 > images:
        warnings.append(
            f"First place is shared at {tied} of {images} images (each rate counted): the counts "
            "depend on how ties are broken. Compare by_head_to_head, by_vote_share and by_score."
        )
    counts = {name: votes[name].nunique() for name in ("rater", "image") if unit in {name, "both"}}
    few = [f"{n} {name}s" for name, n in counts.items() if 1 < n < _FEW_RATERS_OR_IMAGES]
    alone = [f"one {name}" for name, n in counts.items() if n == 1]
    if alone:
        warnings.append(
            f"There is {' and '.join(alone)}: no interval can be given with --unit {unit}."
        )
    elif few:
        warnings.append(
            f"With {' and '.join(few)} the intervals are rough: do not rest a claim on them alone."
        )
    return warnings
