"""Assignments in the database: taken, returned, submitted, decided; and what time alone changes.

Every function works inside the caller's transaction. Those that change an assignment bring its
HIT's status up to date before they return.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, auto
from typing import Any, Final

import sqlalchemy as sa

from mturk_eval.server import gates
from mturk_eval.server.lifecycle import (
    ASSIGNMENT_TRANSITIONS,
    HIT_TRANSITIONS,
    SUBMITTED_OR_LATER,
    TAKEN,
    AssignmentEvent,
    AssignmentStatus,
    HitEvent,
    HitStatus,
    Slots,
    advance,
    due_hit_event,
)
from mturk_eval.server.store import (
    Record,
    account,
    assignment,
    hit,
    hit_type,
    new_id,
    payment,
    quarantine,
    worker_block,
)

MAX_HELD: Final = 25  # assignments a worker may hold at once, as on MTurk
# A page sent in the last second is still on its way at the deadline. Its slot is held meanwhile, so
# that a HIT which a requester has seen finished gets no further answer.
GRACE: Final = timedelta(seconds=30)
_MAX_QUARANTINED: Final = 3  # per assignment


class UnavailableError(Exception):
    """The worker cannot have this HIT; the message is a sentence for the worker."""


# --- slots and status ----------------------------------------------------------------------------


def slots_of(db: sa.Connection, hits: Iterable[Record], now: datetime) -> dict[str, Slots]:
    """The slots of several HITs by HIT id; each record needs id, max_assignments, expires_at."""
    hits = list(hits)
    counts: dict[str, dict[str, int]] = {record["id"]: {} for record in hits}
    rows = db.execute(
        sa.select(assignment.c.hit_id, assignment.c.status, sa.func.count().label("n"))
        .where(assignment.c.hit_id.in_(list(counts)))
        .group_by(assignment.c.hit_id, assignment.c.status)
    )
    for row in rows:
        counts[row.hit_id][row.status] = row.n
    return {
        record["id"]: Slots(
            maximum=record["max_assignments"],
            pending=counts[record["id"]].get(AssignmentStatus.ACCEPTED, 0),
            undecided=counts[record["id"]].get(AssignmentStatus.SUBMITTED, 0),
            completed=counts[record["id"]].get(AssignmentStatus.APPROVED, 0)
            + counts[record["id"]].get(AssignmentStatus.REJECTED, 0),
            expired=record["expires_at"] <= now,
        )
        for record in hits
    }


def refresh_hit(db: sa.Connection, hit_id: str, now: datetime) -> None:
    """Bring the status of a HIT up to date with its slots and its expiry."""
    record = db.execute(sa.select(hit).where(hit.c.id == hit_id)).mappings().one()
    event = due_hit_event(HitStatus(record["status"]), slots_of(db, [record], now)[hit_id])
    if event is not None:
        step_hit(db, record, event)


def step_hit(db: sa.Connection, record: Record, event: HitEvent) -> None:
    """Move a HIT on by one event; IllegalStepError if its life cycle does not allow it."""
    status = advance(HIT_TRANSITIONS, HitStatus(record["status"]), event)
    db.execute(hit.update().where(hit.c.id == record["id"]).values(status=status))


def _step(
    db: sa.Connection, record: Record, event: AssignmentEvent, now: datetime, **changes: object
) -> None:
    status = advance(ASSIGNMENT_TRANSITIONS, AssignmentStatus(record["status"]), event)
    db.execute(
        assignment.update().where(assignment.c.id == record["id"]).values(status=status, **changes)
    )
    refresh_hit(db, record["hit_id"], now)


# --- time ----------------------------------------------------------------------------------------


def _overdue(now: datetime) -> sa.Select[Any]:
    return sa.select(assignment).where(
        assignment.c.status == AssignmentStatus.ACCEPTED, assignment.c.deadline <= now - GRACE
    )


def _expired(now: datetime) -> sa.Select[Any]:
    # An Unassignable HIT changes when its last held assignment does, not when it expires.
    return sa.select(hit.c.id).where(hit.c.status == HitStatus.ASSIGNABLE, hit.c.expires_at <= now)


def _undecided(now: datetime) -> sa.Select[Any]:
    return sa.select(assignment).where(
        assignment.c.status == AssignmentStatus.SUBMITTED, assignment.c.auto_approval_at <= now
    )


def is_due(db: sa.Connection, now: datetime) -> bool:
    """Whether time has changed anything that the database does not show yet."""
    return any(
        db.execute(query(now).limit(1)).first() is not None
        for query in (_overdue, _expired, _undecided)
    )


def settle(db: sa.Connection, now: datetime) -> None:
    """Apply what time has changed: deadlines, expiry, approval by default."""
    for record in db.execute(_overdue(now)).mappings().all():
        _step(db, record, AssignmentEvent.ABANDON, now)
    for record in db.execute(_undecided(now)).mappings().all():
        approve(db, record, now=record["auto_approval_at"], event=AssignmentEvent.APPROVE)
    # Last, since an approval that was due earlier looks at its HIT as of then.
    for hit_id in db.scalars(_expired(now)).all():
        refresh_hit(db, hit_id, now)


# --- the worker ----------------------------------------------------------------------------------


def open_hits(worker_id: str, now: datetime) -> sa.Select[Any]:
    """HITs with a slot that this worker has not taken; qualifications are not looked at."""
    mine = sa.exists().where(
        assignment.c.hit_id == hit.c.id,
        assignment.c.worker_id == worker_id,
        assignment.c.status.in_(TAKEN),
    )
    blocked = sa.exists().where(
        worker_block.c.account == hit.c.account, worker_block.c.worker_id == worker_id
    )
    return (
        sa.select(hit.c.id)
        .join(hit_type, hit_type.c.id == hit.c.type_id)
        .where(hit.c.status == HitStatus.ASSIGNABLE, hit.c.expires_at > now, ~mine, ~blocked)
    )


def next_hit(db: sa.Connection, worker_id: str, group: str, now: datetime) -> str | None:
    """The HIT of a group that this worker should do next, or None.

    HITs with the fewest answers come first, so that a study which ends early is even; HITs that
    the worker returned come last.
    """
    of_hit = assignment.c.hit_id == hit.c.id
    given_back = sa.exists().where(of_hit, assignment.c.worker_id == worker_id)
    taken = (
        sa.select(sa.func.count()).where(of_hit, assignment.c.status.in_(TAKEN)).scalar_subquery()
    )
    found: str | None = db.scalar(
        open_hits(worker_id, now)
        .where(sa.or_(hit_type.c.id == group, hit_type.c.group_id == group))
        .order_by(given_back, taken, hit.c.seq)
        .limit(1)
    )
    return found


def accept(db: sa.Connection, worker_id: str, hit_id: str, now: datetime) -> str:
    """Take a slot of a HIT and return the assignment id; what the worker holds is given again.

    Raises
    ------
    UnavailableError
        If the worker cannot have it.
    """
    record = (
        db.execute(
            sa.select(hit, hit_type.c.duration_s, hit_type.c.requirements)
            .join(hit_type, hit_type.c.id == hit.c.type_id)
            .where(hit.c.id == hit_id)
        )
        .mappings()
        .one()
    )
    blocked = sa.select(worker_block.c.seq).where(
        worker_block.c.account == record["account"], worker_block.c.worker_id == worker_id
    )
    mine = db.execute(
        sa.select(assignment.c.id, assignment.c.status).where(
            assignment.c.hit_id == hit_id,
            assignment.c.worker_id == worker_id,
            assignment.c.status.in_(TAKEN),
        )
    ).one_or_none()
    if mine is not None and mine.status == AssignmentStatus.ACCEPTED:
        return str(mine.id)
    if mine is not None:
        raise UnavailableError("You have done this task already.")
    if db.execute(blocked).first() is not None:
        raise UnavailableError("This requester's tasks are not available to you.")
    if record["expires_at"] <= now or record["status"] == HitStatus.DISPOSED:
        raise UnavailableError("This task has ended.")
    if record["status"] != HitStatus.ASSIGNABLE:
        raise UnavailableError("All places of this task are taken.")
    if not gates.may(
        gates.Action.ACCEPT, record["requirements"], gates.worker_values(db, worker_id)
    ):
        raise UnavailableError(
            "This task is for workers with a qualification that you do not have."
        )
    held = sa.select(sa.func.count()).where(
        assignment.c.worker_id == worker_id, assignment.c.status == AssignmentStatus.ACCEPTED
    )
    if (db.scalar(held) or 0) >= MAX_HELD:
        raise UnavailableError(f"You hold {MAX_HELD} tasks. Finish or return one first.")
    assignment_id = new_id()
    db.execute(
        assignment.insert().values(
            id=assignment_id,
            hit_id=hit_id,
            worker_id=worker_id,
            status=AssignmentStatus.ACCEPTED,
            accepted_at=now,
            deadline=now + timedelta(seconds=record["duration_s"]),
        )
    )
    refresh_hit(db, hit_id, now)
    return assignment_id


def give_back(db: sa.Connection, record: Record, now: datetime) -> None:
    """Return a held assignment; its slot opens again unless the HIT has expired."""
    _step(db, record, AssignmentEvent.RETURN, now)


class Outcome(Enum):
    """What became of a submission."""

    STORED = auto()
    REPEATED = auto()  # the same again, e.g. a double click: nothing changed
    CONFLICTING = auto()  # another answer than the one that stands
    TOO_LATE = auto()  # no longer held; the answer is kept in quarantine


def submit(db: sa.Connection, record: Record, answer: str, now: datetime) -> Outcome:
    """Store the answer of an assignment if it is held; what is overdue has been settled before."""
    status = AssignmentStatus(record["status"])
    if status in SUBMITTED_OR_LATER:
        return Outcome.REPEATED if record["answer"] == answer else Outcome.CONFLICTING
    if status is not AssignmentStatus.ACCEPTED:
        _keep_in_quarantine(db, record, answer, now)
        return Outcome.TOO_LATE
    delay = db.scalar(
        sa.select(hit_type.c.auto_approval_delay_s)
        .join(hit, hit.c.type_id == hit_type.c.id)
        .where(hit.c.id == record["hit_id"])
    )
    due = now + timedelta(seconds=delay or 0)
    changes = {"answer": answer, "submitted_at": now, "auto_approval_at": due}
    _step(db, record, AssignmentEvent.SUBMIT, now, **changes)
    settle(db, now)  # a delay of 0 approves at once
    return Outcome.STORED


def _keep_in_quarantine(db: sa.Connection, record: Record, answer: str, now: datetime) -> None:
    kept = db.scalars(
        sa.select(quarantine.c.answer).where(quarantine.c.assignment_id == record["id"])
    ).all()
    if answer not in kept and len(kept) < _MAX_QUARANTINED:
        db.execute(
            quarantine.insert().values(assignment_id=record["id"], answer=answer, received_at=now)
        )


# --- the requester -------------------------------------------------------------------------------


def approve(
    db: sa.Connection,
    record: Record,
    *,
    now: datetime,
    event: AssignmentEvent,
    feedback: str | None = None,
) -> None:
    """Approve an assignment (``event``: APPROVE or OVERRIDE) and pay its reward."""
    feedback = feedback if feedback is not None else record["feedback"]
    _step(db, record, event, now, approved_at=now, rejected_at=None, feedback=feedback)
    reward = db.execute(
        sa.select(hit.c.account, hit_type.c.reward_usd)
        .join(hit_type, hit_type.c.id == hit.c.type_id)
        .where(hit.c.id == record["hit_id"])
    ).one()
    pay(db, record, payer=reward.account, kind="reward", amount_usd=reward.reward_usd, now=now)


def reject(db: sa.Connection, record: Record, *, now: datetime, feedback: str) -> None:
    """Reject an assignment; its slot stays taken."""
    _step(db, record, AssignmentEvent.REJECT, now, rejected_at=now, feedback=feedback)


def pay(
    db: sa.Connection,
    record: Record,
    *,
    payer: str,
    kind: str,
    amount_usd: Decimal,
    now: datetime,
    reason: str | None = None,
) -> None:
    """Record a payment to the worker of an assignment; no real money moves."""
    db.execute(
        payment.insert().values(
            account=payer,
            kind=kind,
            worker_id=record["worker_id"],
            assignment_id=record["id"],
            amount_usd=amount_usd,
            reason=reason,
            paid_at=now,
        )
    )
    db.execute(
        account.update()
        .where(account.c.access_key == payer)
        .values(spent_usd=account.c.spent_usd + amount_usd)
    )
