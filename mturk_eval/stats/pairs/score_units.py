"""Units of scores: linear views of one fit, so that tests and orders never depend on them."""

from __future__ import annotations

from math import log
from typing import Literal

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.pairs.choice_models import ChoiceModel

ScoreUnit = Literal["logit", "probit", "JOD", "Elo"]

JOD_PER_PROBIT = 1.482602218505602
"""1 / the normal quantile of .75: an item 1 JOD (just objectionable difference) above another is
preferred 75 % of the time."""
ELO_PER_LOGIT = 400.0 / log(10.0)

_FACTORS: dict[ChoiceModel, dict[ScoreUnit, float]] = {
    "bradley-terry": {"logit": 1.0, "JOD": 1.0 / log(3.0), "Elo": ELO_PER_LOGIT},
    "thurstone": {"JOD": JOD_PER_PROBIT, "probit": 1.0},
}


def default_unit(model: ChoiceModel) -> ScoreUnit:
    """The logit for Bradley-Terry, JOD for Thurstone."""
    return next(iter(_FACTORS[model]))


def unit_factor(model: ChoiceModel, unit: ScoreUnit) -> float:
    """What to multiply a model's scores with to have them in a unit.

    Raises
    ------
    InvalidInputError
        If the unit belongs to the other model: Elo and logits are logistic, probits normal.

    Examples
    --------
    >>> round(unit_factor("bradley-terry", "Elo"), 2)
    173.72
    """
    factors = _FACTORS[model]
    if unit not in factors:
        raise InvalidInputError(
            f"Scores of {model} have no unit {unit}; choose one of {', '.join(factors)}."
        )
    return factors[unit]
