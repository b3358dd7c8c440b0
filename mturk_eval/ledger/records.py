"""What the ledger knows of a batch and of a HIT."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from mturk_eval.batch import Batch
from mturk_eval.config import FeeSchedule
from mturk_eval.trials import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedBatch:
    """A batch as the ledger knows it."""

    id: str
    name: str
    kind: Kind
    endpoint: str
    fees: FeeSchedule
    reward_usd: Decimal
    fee_usd: Decimal
    hits: int
    assignments: int
    pages_sha256: str
    published_at: datetime

    @classmethod
    def of(
        cls,
        batch: Batch,
        *,
        endpoint: str,
        fees: FeeSchedule,
        fee_usd: Decimal,
        pages_sha256: str,
    ) -> PublishedBatch:
        """A batch as it would stand in the ledger if it were published now."""
        return cls(
            id=batch.id,
            name=batch.name,
            kind=batch.kind,
            endpoint=endpoint,
            fees=fees,
            reward_usd=batch.settings.payment.reward_usd,
            fee_usd=fee_usd,
            hits=len(batch.hits),
            assignments=batch.settings.hit.assignments,
            pages_sha256=pages_sha256,
            published_at=datetime.now(UTC),
        )

    @property
    def price_usd(self) -> Decimal:
        """What one approved assignment costs, fee included."""
        return self.reward_usd + self.fee_usd

    @property
    def cost_usd(self) -> Decimal:
        """What the batch costs if every assignment of every HIT is done and approved."""
        return self.hits * self.assignments * self.price_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedHit:
    """A HIT as the ledger knows it; ``hit_id`` is None while it is only intended."""

    batch_id: str
    name: str
    token: str
    hit_id: str | None
    hit_type_id: str | None
    finished: bool
