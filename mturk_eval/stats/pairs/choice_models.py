"""The two laws of choice: how likely left, not sure and right are, given how far apart two items.

Both take the difference d = score of the left item - score of the right item + pull of the left
side, and a tie parameter t, one or one for each difference, that is None where nobody could be, or
was, unsure.

- Bradley-Terry with Davidson's ties [1]_: chances proportional to exp(d/2), exp(t), exp(-d/2).
- Thurstone's case V with a threshold (Glenn & David [2]_): the felt difference is normal around d
  with standard deviation 1; left if it exceeds t, right if it is below -t, else not sure.

References
----------
.. [1] Davidson (1970), On extending the Bradley-Terry model to accommodate ties, JASA 65(329).
.. [2] Glenn & David (1960), Ties in paired-comparison experiments using a modified
   Thurstone-Mosteller model, Biometrics 16(1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_ndtr, ndtr, ndtri

ChoiceModel = Literal["bradley-terry", "thurstone"]

_IMPOSSIBLE = -1e300
"""Logarithm of a chance of zero: finite, so that no answers times it are zero."""
_LOG_SQRT_2_PI = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """Of each ordered pair and answer (left, not sure, right), all of shape (pairs, 3).

    Attributes
    ----------
    log_chance
        Hugely negative where the answer cannot occur, as not sure without a tie parameter.
    by_difference, by_tie
        Derivatives of ``log_chance``; zero where the answer cannot occur.
    """

    log_chance: NDArray[np.float64]
    by_difference: NDArray[np.float64]
    by_tie: NDArray[np.float64]

    def log_likelihood(self, answers: NDArray[np.float64]) -> float:
        """Of counted answers, shape (pairs, 3)."""
        return float(np.vdot(answers, self.log_chance))


def chances(
    model: ChoiceModel, difference: NDArray[np.float64], tie: float | NDArray[np.float64] | None
) -> Chances:
    """Chances of the three answers and their derivatives, see the module's text."""
    if model == "bradley-terry":
        return _logistic(difference) if tie is None else _davidson(difference, tie)
    return _probit(difference) if tie is None else _threshold(difference, tie)


def chance_of_win(model: ChoiceModel, difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chance that the better-scored item is chosen, among decided votes and without a side."""
    return np.asarray(expit(difference) if model == "bradley-terry" else ndtr(difference))


def tie_start(model: ChoiceModel, share: float) -> float:
    """The tie parameter that gives this share of ties between equal items."""
    share = min(max(share, 1e-6), 1 - 1e-6)
    if model == "bradley-terry":
        return float(np.log(2 * share / (1 - share)))
    return float(ndtri((1 + share) / 2))


def _logistic(d: NDArray[np.float64]) -> Chances:
    left = expit(d)
    log_chance = np.full((len(d), 3), _IMPOSSIBLE)
    log_chance[:, 0], log_chance[:, 2] = log_expit(d), log_expit(-d)
    by_difference = np.zeros((len(d), 3))
    by_difference[:, 0], by_difference[:, 2] = expit(-d), -left
    return Chances(log_chance=log_chance, by_difference=by_difference, by_tie=np.zeros((len(d), 3)))


def _davidson(d: NDArray[np.float64], tie: float | NDArray[np.float64]) -> Chances:
    utility = np.column_stack([d / 2, np.full(len(d), tie), -d / 2])
    highest = utility.max(axis=1, keepdims=True)
    log_chance = utility - highest
    log_chance -= np.log(np.exp(log_chance).sum(axis=1, keepdims=True))
    chance = np.exp(log_chance)
    lean = (chance[:, [0]] - chance[:, [2]]) / 2
    return Chances(
        log_chance=log_chance,
        by_difference=np.array([0.5, 0.0, -0.5]) - lean,
        by_tie=np.array([0.0, 1.0, 0.0]) - chance[:, [1]],
    )


def _probit(d: NDArray[np.float64]) -> Chances:
    log_chance = np.full((len(d), 3), _IMPOSSIBLE)
    log_chance[:, 0], log_chance[:, 2] = log_ndtr(d), log_ndtr(-d)
    by_difference = np.zeros((len(d), 3))
    by_difference[:, 0] = _density_over(d, log_chance[:, 0])
    by_difference[:, 2] = -_density_over(d, log_chance[:, 2])
    return Chances(log_chance=log_chance, by_difference=by_difference, by_tie=np.zeros((len(d), 3)))


def _threshold(d: NDArray[np.float64], tie: float | NDArray[np.float64]) -> Chances:
    if np.min(tie) <= 0:  # outside the model: a chance of zero turns the optimiser back
        impossible = np.full((len(d), 3), _IMPOSSIBLE)
        zeros = np.zeros((len(d), 3))
        return Chances(log_chance=impossible, by_difference=zeros, by_tie=zeros)
    apart = np.abs(d)
    # both in the lower tail where items are far apart, so that their difference keeps its digits
    unsure = ndtr(tie - apart) - ndtr(-tie - apart)
    log_unsure = np.full(len(d), _IMPOSSIBLE)
    np.log(unsure, out=log_unsure, where=unsure > 0)
    log_chance = np.column_stack([log_ndtr(d - tie), log_unsure, log_ndtr(-d - tie)])
    left = _density_over(d - tie, log_chance[:, 0])
    right = _density_over(d + tie, log_chance[:, 2])
    upper = _density_over(tie - d, log_chance[:, 1])
    lower = _density_over(tie + d, log_chance[:, 1])
    return Chances(
        log_chance=log_chance,
        by_difference=np.column_stack([left, lower - upper, -right]),
        by_tie=np.column_stack([-left, lower + upper, -right]),
    )


def _density_over(z: NDArray[np.float64], log_chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal density at z divided by a chance; 0 where the chance is 0 to machine precision."""
    possible = log_chance > _IMPOSSIBLE
    exponent = np.where(possible, -0.5 * z * z - _LOG_SQRT_2_PI - log_chance, -np.inf)
    return np.asarray(np.exp(exponent))
