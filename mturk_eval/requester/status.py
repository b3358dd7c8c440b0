"""Where a study stands, from the ledger alone."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mturk_eval.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStatus:
    """One batch: HITs, assignments by state, responses, money in US dollars."""

    batch: str
    kind: str
    endpoint: str
    n_hits: int
    n_hits_finished: int
    n_hits_not_posted: int
    assignments_by_state: dict[str, int]
    n_planned: int
    n_responses: int
    n_unreadable: int
    spent_usd: Decimal
    committed_usd: Decimal

    def document(self) -> dict[str, Any]:
        """The status as JSON; money as decimal text."""
        return {
            "batch": self.batch,
            "kind": self.kind,
            "endpoint": self.endpoint,
            "hits": self.n_hits,
            "hits_finished": self.n_hits_finished,
            "hits_not_posted": self.n_hits_not_posted,
            "assignments": {
                state: self.assignments_by_state.get(state, 0)
                for state in ("Submitted", "Approved", "Rejected")
            },
            "planned_assignments": self.n_planned,
            "responses": self.n_responses,
            "unreadable": self.n_unreadable,
            "spent_usd": f"{self.spent_usd:.2f}",
            "committed_usd": f"{self.committed_usd:.2f}",
        }


def study_status(ledger: Ledger) -> list[BatchStatus]:
    """The state of every batch as of the last collect.

    ``spent_usd`` counts approved assignments with fees; ``committed_usd`` what the batch costs
    if every assignment is done and approved.
    """
    found = []
    for batch in ledger.batches():
        hits = ledger.hits(batch.id)
        posted = [hit for hit in hits.values() if hit.hit_id is not None]
        states = ledger.assignments_by_state(batch.id)
        found.append(
            BatchStatus(
                batch=batch.name,
                kind=batch.kind,
                endpoint=batch.endpoint,
                n_hits=len(posted),
                n_hits_finished=sum(hit.finished for hit in posted),
                n_hits_not_posted=batch.hits - len(posted),
                assignments_by_state=states,
                n_planned=batch.hits * batch.assignments,
                n_responses=len(ledger.responses(batch.id)),
                n_unreadable=len(ledger.problems(batch.id)),
                spent_usd=states.get("Approved", 0) * batch.price_usd,
                committed_usd=batch.cost_usd,
            )
        )
    return found
