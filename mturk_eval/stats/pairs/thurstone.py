"""Thurstone's case V scores (JOD after division) from votes between pairs, by probit.

Each item is felt with normal noise of equal variance; the felt difference of i on the left and j on
the right has mean s_i - s_j + g and standard deviation 1.
"""

from __future__ import annotations

from mturk_eval.stats.pairs.maximum_likelihood import PairFit, fit_pairs
from mturk_eval.stats.pairs.vote_counts import VoteCounts


def fit_thurstone(
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
        Standard deviation of a normal prior with mean 0 on every parameter, in standard deviations
        of a felt difference, for votes that are unanimous or leave items unconnected.

    Returns
    -------
    PairFit
        ``scores`` in standard deviations of a felt difference (times 1.4826 is JOD);
        ``covariance`` by the expected information; ``tie`` is the threshold below which a felt
        difference becomes "not sure".

    Raises
    ------
    StatisticsError
        If there are fewer than two items, no finite maximum without a prior, or no convergence.

    References
    ----------
    .. [1] Perez-Ortiz & Mantiuk (2017), A practical guide and software for analysing pairwise
       comparison experiments, arXiv 1712.03686.
    .. [2] Glenn & David (1960), Ties in paired-comparison experiments using a modified
       Thurstone-Mosteller model, Biometrics 16(1).

    Examples
    --------
    >>> import numpy as np
    >>> wins = np.array([[0.0, 3.0], [1.0, 0.0]])  # 75 % prefer a: 1 JOD
    >>> fit = fit_thurstone(VoteCounts.from_wins(["a", "b"], wins))
    >>> round(float(fit.scores[0] - fit.scores[1]) * 1.4826, 4)
    1.0
    """
    return fit_pairs(counts, "thurstone", left_bias=left_bias, prior_sd=prior_sd)
