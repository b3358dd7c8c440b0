"""Bradley-Terry scores from votes between pairs, with a side bias and Davidson's ties.

A vote of someone who sees i on the left and j on the right is decided by s_i - s_j + g, with g the
pull of the left side.
"""

from __future__ import annotations

from mturk_eval.stats.pairs.maximum_likelihood import PairFit, fit_pairs
from mturk_eval.stats.pairs.vote_counts import VoteCounts


def fit_bradley_terry(
    counts: VoteCounts,
    *,
    left_bias: bool = True,
    prior_sd: float | None = None,
) -> PairFit:
    """Scale K items from counts of pairwise choices by maximum likelihood [1]_ [2]_.

    Parameters
    ----------
    counts : VoteCounts
        How often which item was chosen, by pair and side.
    left_bias : bool
        Whether to estimate the pull of the left side; ignored where votes cannot tell it.
    prior_sd : float, optional
        Standard deviation in logits of a normal prior with mean 0 on every parameter, for votes
        that are unanimous or leave items unconnected.

    Returns
    -------
    PairFit
        ``scores`` in logits, ``covariance`` by the expected information; ``tie`` is the logarithm
        of Davidson's parameter.

    Raises
    ------
    StatisticsError
        If there are fewer than two items, no finite maximum without a prior, or no convergence.

    References
    ----------
    .. [1] Hunter (2004), MM algorithms for generalized Bradley-Terry models, Ann. Statist. 32(1).
    .. [2] Davidson (1970), On extending the Bradley-Terry model to accommodate ties, JASA 65(329).

    Examples
    --------
    >>> import numpy as np
    >>> wins = np.array([[0.0, 1.0], [3.0, 0.0]])
    >>> fit = fit_bradley_terry(VoteCounts.from_wins(["a", "b"], wins))
    >>> round(float(np.diff(fit.scores)[0]), 4)  # log(3 / 1)
    1.0986
    """
    return fit_pairs(counts, "bradley-terry", left_bias=left_bias, prior_sd=prior_sd)
