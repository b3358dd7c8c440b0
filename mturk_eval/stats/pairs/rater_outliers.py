"""Raters whose votes are unlikely under the scale that all the others agree on.

A cruder look than `rater_reliability`, without a model of guessing; common in tone-mapping and
video studies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.pairs.choice_models import ChoiceModel
from mturk_eval.stats.pairs.maximum_likelihood import fit_pairs
from mturk_eval.stats.pairs.vote_counts import CodedVotes, VoteCounts

_FENCE = 1.5
_FEWEST_RATERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterDistance:
    """A rater's mean log-likelihood per pair seen, and how far it is below the others'.

    ``distance`` counts inter-quartile ranges below the first quartile (negative above it); beyond
    1.5 the rater is ``outlying``: worth a look at the votes, not proof of carelessness.
    """

    rater: str
    n_votes: int
    log_likelihood_per_pair: float
    distance: float

    @property
    def outlying(self) -> bool:
        return self.distance > _FENCE


def rater_distances(
    votes: pd.DataFrame, *, model: ChoiceModel = "thurstone", prior_sd: float = 1.75
) -> tuple[RaterDistance, ...]:
    """Leave each rater out, scale the others' votes, and ask how likely the rater's own are [1]_.

    Parameters
    ----------
    votes : DataFrame
        Columns ``rater``, ``method_left``, ``method_right``, ``choice``; give the images' or
        rates' methods different names where their scores may differ.
    prior_sd : float
        Standard deviation of the normal prior that keeps every scale finite.

    Returns
    -------
    tuple of RaterDistance
        Farthest first.

    Raises
    ------
    StatisticsError
        If there are fewer than four raters, whose quartiles say nothing.

    References
    ----------
    .. [1] Perez-Ortiz & Mantiuk (2017), A practical guide and software for analysing pairwise
       comparison experiments, arXiv 1712.03686.
    """
    coded = CodedVotes.of(votes)
    if coded.n_raters < _FEWEST_RATERS:
        raise StatisticsError(
            f"Outlying raters need at least {_FEWEST_RATERS} raters to compare; there are "
            f"{coded.n_raters}. Use rater_reliability, or collect votes of more raters."
        )
    names = pd.factorize(votes["rater"])[1]
    counts = coded.counts
    cells = coded.pair * 3 + coded.answer
    fitted = []
    for rater in range(coded.n_raters):
        own = np.bincount(cells[coded.rater == rater], minlength=counts.answers.size)
        answers = own.reshape(-1, 3).astype(np.float64)
        others = VoteCounts(
            items=counts.items,
            left_item=counts.left_item,
            right_item=counts.right_item,
            answers=counts.answers - answers,
        )
        fit = fit_pairs(others, model, prior_sd=prior_sd)
        if fit.tie is None:  # nobody else was ever unsure: half a vote for each
            answers = answers @ np.array([[1.0, 0, 0], [0.5, 0, 0.5], [0, 0, 1.0]])
        seen = answers.sum(axis=1) > 0
        sides = np.sort(np.column_stack([counts.left_item, counts.right_item])[seen], axis=1)
        n_pairs = len(np.unique(sides, axis=0))
        fitted.append(fit.chances(others).log_likelihood(answers) / n_pairs)
    low, high = np.quantile(fitted, [0.25, 0.75])
    spread = max(float(high - low), np.finfo(np.float64).tiny)
    rows = [
        RaterDistance(
            rater=str(names[rater]),
            n_votes=int(np.sum(coded.rater == rater)),
            log_likelihood_per_pair=value,
            distance=float(low - value) / spread,
        )
        for rater, value in enumerate(fitted)
    ]
    return tuple(sorted(rows, key=lambda row: -row.distance))
