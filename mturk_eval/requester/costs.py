"""What a study costs. Money is Decimal, in US dollars; fees are rounded half up to the cent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any, Final

from mturk_eval.batch import Batch
from mturk_eval.config import FeeSchedule
from mturk_eval.wire.qualifications import MASTERS_IDS

_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of a number of HITs, all assignments done and approved."""

    fees: FeeSchedule
    n_hits: int
    assignments_per_hit: int
    n_responses: int
    reward_usd: Decimal
    fee_usd: Decimal
    expected_seconds_per_assignment: float

    @property
    def n_assignments(self) -> int:
        """Assignments to pay."""
        return self.n_hits * self.assignments_per_hit

    @property
    def rewards_usd(self) -> Decimal:
        """What workers get."""
        return self.n_assignments * self.reward_usd

    @property
    def fees_usd(self) -> Decimal:
        """What the marketplace gets."""
        return self.n_assignments * self.fee_usd

    @property
    def total_usd(self) -> Decimal:
        """Rewards and fees."""
        return self.rewards_usd + self.fees_usd

    @property
    def hourly_usd(self) -> Decimal:
        """What a worker who takes the expected time earns in an hour."""
        seconds = Decimal(str(self.expected_seconds_per_assignment))
        return (self.reward_usd * 3600 / seconds).quantize(_CENT, ROUND_HALF_UP)

    def reward_for(self, hourly_usd: Decimal) -> Decimal:
        """The reward that pays an hourly wage, rounded up to the cent."""
        seconds = Decimal(str(self.expected_seconds_per_assignment))
        return (hourly_usd * seconds / 3600).quantize(_CENT, ROUND_CEILING)

    def document(self) -> dict[str, Any]:
        """The cost as JSON; money as decimal text."""
        per_response = self.total_usd / self.n_responses if self.n_responses else Decimal(0)
        return {
            "fees": self.fees,
            "hits": self.n_hits,
            "assignments_per_hit": self.assignments_per_hit,
            "assignments": self.n_assignments,
            "responses": self.n_responses,
            "reward_usd": f"{self.reward_usd:.2f}",
            "fee_per_assignment_usd": f"{self.fee_usd:.2f}",
            "rewards_usd": f"{self.rewards_usd:.2f}",
            "fees_usd": f"{self.fees_usd:.2f}",
            "total_usd": f"{self.total_usd:.2f}",
            "per_response_usd": f"{per_response:.4f}",
            "expected_seconds_per_assignment": self.expected_seconds_per_assignment,
            "expected_hourly_usd": f"{self.hourly_usd:.2f}",
        }


def fee_per_assignment(
    reward_usd: Decimal, assignments_per_hit: int, fees: FeeSchedule, *, masters: bool = False
) -> Decimal:
    """The marketplace's fee on one assignment.

    MTurk's schedule: 20 % of the reward, a further 20 % from 10 assignments a HIT, a further 5 %
    for Masters, at least one cent.

    Examples
    --------
    >>> [str(fee_per_assignment(Decimal("0.50"), n, "mturk")) for n in (9, 10)]
    ['0.10', '0.20']
    """
    if fees == "none":
        return Decimal("0.00")
    share = Decimal("0.20")
    if assignments_per_hit >= 10:
        share += Decimal("0.20")
    if masters:
        share += Decimal("0.05")
    return max(_CENT, (reward_usd * share).quantize(_CENT, ROUND_HALF_UP))


def batch_cost(batch: Batch, fees: FeeSchedule, *, n_hits: int | None = None) -> Cost:
    """The cost of a batch, or of some of its HITs.

    Parameters
    ----------
    batch : Batch
    fees : {"none", "mturk"}
    n_hits : int, optional
        How many of its HITs; without it all.
    """
    settings = batch.settings
    masters = any(
        requirement.get("QualificationTypeId") in MASTERS_IDS
        for requirement in settings.hit.qualifications
    )
    assignments = settings.hit.assignments
    count = len(batch.hits) if n_hits is None else n_hits
    trials_per_hit = len(batch.trials) / len(batch.hits) if batch.hits else 0.0
    return Cost(
        fees=fees,
        n_hits=count,
        assignments_per_hit=assignments,
        n_responses=round(count * trials_per_hit) * assignments,
        reward_usd=settings.payment.reward_usd,
        fee_usd=fee_per_assignment(settings.payment.reward_usd, assignments, fees, masters=masters),
        expected_seconds_per_assignment=trials_per_hit
        * settings.payment.expected_seconds_per_trial,
    )
