"""Reading and writing the ledger; each method is one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from mturk_eval.batch import Batch
from mturk_eval.config import FeeSchedule
from mturk_eval.errors import LedgerError
from mturk_eval.ledger import rows, schema
from mturk_eval.trials import Assignment, Kind, Response, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedBatch:
    """A batch as the ledger knows it."""

    id: str
    name: str
    kind: Kind
    endpoint: str
    fees: FeeSchedule
    reward_usd: Decimal
    assignments: int
    published_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedHit:
    """A HIT as the ledger knows it; ``hit_id`` is None while it is only intended."""

    batch_id: str
    name: str
    token: str
    hit_id: str | None
    hit_type_id: str | None
    finished: bool


class Ledger:
    """The study's memory behind one database connection pool."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # --- batches and HITs -----------------------------------------------------------------------

    def add_batch(self, batch: Batch, *, endpoint: str, fees: str) -> None:
        """Remember a batch that is about to be published; known already is fine.

        Raises
        ------
        LedgerError
            If another batch has this name, or this one was published elsewhere.
        """
        with self._engine.begin() as db:
            known = db.execute(
                select(schema.batch).where(schema.batch.c.name == batch.name)
            ).one_or_none()
            if known is not None:
                _check_same(known, batch, endpoint)
                return
            db.execute(
                insert(schema.batch).values(
                    id=batch.id,
                    name=batch.name,
                    kind=batch.kind,
                    endpoint=endpoint,
                    fees=fees,
                    reward_usd=batch.settings.payment.reward_usd,
                    assignments=batch.settings.hit.assignments,
                    published_at=_now(),
                )
            )
            db.execute(
                insert(schema.stimulus), [rows.stimulus_row(batch.id, s) for s in batch.stimuli]
            )
            db.execute(
                insert(schema.trial),
                [
                    rows.trial_row(batch, hit, position, trial)
                    for hit in batch.hits
                    for position, trial in enumerate(hit.trials, start=1)
                ],
            )

    def check_batch(self, batch: Batch, *, endpoint: str) -> None:
        """Raise `LedgerError` if `add_batch` would."""
        with self._engine.connect() as db:
            known = db.execute(
                select(schema.batch).where(schema.batch.c.name == batch.name)
            ).one_or_none()
        if known is not None:
            _check_same(known, batch, endpoint)

    def batches(self, names: Sequence[str] = ()) -> list[PublishedBatch]:
        """The batches of these names, or all of them, in the order published.

        Raises
        ------
        LedgerError
            If a name is not in the ledger.
        """
        with self._engine.connect() as db:
            query = select(schema.batch).order_by(schema.batch.c.published_at)
            found = [PublishedBatch(**row._mapping) for row in db.execute(query)]
        missing = set(names) - {batch.name for batch in found}
        if missing:
            known = ", ".join(batch.name for batch in found) or "none"
            raise LedgerError(
                f"No batch named {sorted(missing)[0]!r} in the ledger; known: {known}."
            )
        return [batch for batch in found if not names or batch.name in names]

    def hits(self, batch_id: str) -> dict[str, PublishedHit]:
        """The HITs of a batch that were intended or posted, by name."""
        columns = schema.hit.c
        query = select(
            columns.batch_id,
            columns.name,
            columns.token,
            columns.hit_id,
            columns.hit_type_id,
            columns.finished,
        ).where(columns.batch_id == batch_id)
        with self._engine.connect() as db:
            return {
                row.name: PublishedHit(**row._mapping)
                for row in db.execute(query.order_by(columns.name))
            }

    def intend_hit(self, batch_id: str, name: str, token: str) -> None:
        """Write down that a HIT is about to be posted; again is fine."""
        with self._engine.begin() as db:
            known = db.execute(
                select(schema.hit.c.name).where(
                    schema.hit.c.batch_id == batch_id, schema.hit.c.name == name
                )
            ).first()
            if known is None:
                db.execute(
                    insert(schema.hit).values(
                        batch_id=batch_id, name=name, token=token, intended_at=_now()
                    )
                )

    def record_hit(self, batch_id: str, name: str, *, hit_id: str, hit_type_id: str) -> None:
        """Write down the id of a HIT that was posted."""
        with self._engine.begin() as db:
            db.execute(
                update(schema.hit)
                .where(schema.hit.c.batch_id == batch_id, schema.hit.c.name == name)
                .values(hit_id=hit_id, hit_type_id=hit_type_id, posted_at=_now())
            )

    def finish_hit(self, batch_id: str, name: str) -> None:
        """Write down that no further answer to a HIT can come."""
        with self._engine.begin() as db:
            db.execute(
                update(schema.hit)
                .where(schema.hit.c.batch_id == batch_id, schema.hit.c.name == name)
                .values(finished=True)
            )

    def trials(self, batch_id: str) -> dict[str, tuple[Trial, ...]]:
        """The trials of each HIT of a batch, by the HIT's name, in the order shown."""
        with self._engine.connect() as db:
            stimuli = {
                row.id: rows.stimulus(row)
                for row in db.execute(
                    select(schema.stimulus).where(schema.stimulus.c.batch_id == batch_id)
                )
            }
            found = db.execute(
                select(schema.trial)
                .where(schema.trial.c.batch_id == batch_id)
                .order_by(schema.trial.c.hit, schema.trial.c.position)
            ).all()
        hits: dict[str, list[Trial]] = defaultdict(list)
        for row in found:
            hits[row.hit].append(rows.trial(row, stimuli))
        return {name: tuple(trials) for name, trials in hits.items()}

    def catch_answers(self, batch_id: str) -> dict[str, str]:
        """The right answers of a batch's catch trials, by trial id."""
        columns = schema.trial.c
        with self._engine.connect() as db:
            found = db.execute(
                select(columns.id, columns.expected).where(
                    columns.batch_id == batch_id, columns.expected.is_not(None)
                )
            )
            return {row.id: row.expected for row in found}

    # --- answers --------------------------------------------------------------------------------

    def store_assignments(
        self, batch_id: str, hit: str, assignments: Sequence[Assignment]
    ) -> list[Assignment]:
        """Keep raw answers before anything is made of them; the new ones are returned.

        An assignment that is known keeps its answer; its status is brought up to date.
        """
        with self._engine.begin() as db:
            known = set(
                db.scalars(
                    select(schema.assignment.c.id).where(
                        schema.assignment.c.batch_id == batch_id, schema.assignment.c.hit == hit
                    )
                )
            )
            new = [a for a in assignments if a.id not in known]
            for a in assignments:
                if a.id in known:
                    db.execute(
                        update(schema.assignment)
                        .where(schema.assignment.c.id == a.id)
                        .values(status=a.status)
                    )
            for a in new:
                _name_rater(db, a.worker_id)
                db.execute(
                    insert(schema.assignment).values(
                        id=a.id,
                        batch_id=batch_id,
                        hit=hit,
                        worker_id=a.worker_id,
                        status=a.status,
                        accepted_at=a.accepted_at,
                        submitted_at=a.submitted_at,
                        collected_at=_now(),
                        answer_xml=a.answer_xml,
                    )
                )
        return new

    def unparsed(self, batch_id: str) -> list[tuple[str, str, str]]:
        """Raw answers that are not responses yet: assignment id, HIT's name, answer XML."""
        columns = schema.assignment.c
        with self._engine.connect() as db:
            found = db.execute(
                select(columns.id, columns.hit, columns.answer_xml)
                .where(columns.batch_id == batch_id, columns.parsed.is_(False))
                .order_by(columns.submitted_at)
            )
            return [(row.id, row.hit, row.answer_xml) for row in found]

    def store_responses(self, assignment_id: str, responses: Sequence[Response]) -> None:
        """Keep what an assignment's answer says, once."""
        with self._engine.begin() as db:
            db.execute(
                insert(schema.response),
                [
                    {
                        "assignment_id": assignment_id,
                        "trial_id": r.trial_id,
                        "answer": r.answer,
                        "first_paint_ms": r.first_paint_ms,
                        "answered_ms": r.answered_ms,
                        "magnifier_ms": r.magnifier_ms,
                    }
                    for r in responses
                ],
            )
            db.execute(
                update(schema.assignment)
                .where(schema.assignment.c.id == assignment_id)
                .values(parsed=True, problem=None)
            )

    def record_problem(self, assignment_id: str, problem: str) -> None:
        """Keep why an answer could not be read; it stays raw and is tried again next time."""
        with self._engine.begin() as db:
            db.execute(
                update(schema.assignment)
                .where(schema.assignment.c.id == assignment_id)
                .values(problem=problem)
            )

    def problems(self, batch_id: str) -> list[tuple[str, str]]:
        """Assignments whose answer could not be read, with the reason."""
        columns = schema.assignment.c
        with self._engine.connect() as db:
            found = db.execute(
                select(columns.id, columns.problem).where(
                    columns.batch_id == batch_id, columns.problem.is_not(None)
                )
            )
            return [(row.id, row.problem) for row in found]

    def assignments_by_state(self, batch_id: str) -> dict[str, int]:
        """How many assignments were collected in each state."""
        columns = schema.assignment.c
        with self._engine.connect() as db:
            found = db.execute(
                select(columns.status, func.count().label("n"))
                .where(columns.batch_id == batch_id)
                .group_by(columns.status)
            )
            return {row.status: row.n for row in found}

    def undecided_hits(self, batch_id: str) -> set[str]:
        """HITs (by name) with an assignment that is neither approved nor rejected."""
        columns = schema.assignment.c
        with self._engine.connect() as db:
            return set(
                db.scalars(
                    select(columns.hit)
                    .where(columns.batch_id == batch_id, columns.status == "Submitted")
                    .distinct()
                )
            )

    def responses(self, batch_id: str) -> list[Mapping[str, Any]]:
        """Every response of a batch with rater, trial id, HIT and times, in the order submitted."""
        a, r = schema.assignment.c, schema.response.c
        query = (
            select(
                schema.rater.c.pseudonym.label("rater"),
                r.trial_id,
                a.hit,
                r.answer,
                r.first_paint_ms,
                r.answered_ms,
                r.magnifier_ms,
                a.submitted_at,
                a.status,
            )
            .select_from(schema.response)
            .join(schema.assignment, a.id == r.assignment_id)
            .join(schema.rater, schema.rater.c.worker_id == a.worker_id)
            .where(a.batch_id == batch_id)
            .order_by(a.submitted_at, a.id, r.trial_id)
        )
        with self._engine.connect() as db:
            return [dict(row._mapping) for row in db.execute(query)]


def _check_same(known: Row[Any], batch: Batch, endpoint: str) -> None:
    if known.id != batch.id:
        raise LedgerError(
            f"A batch named {batch.name!r} with other contents was published before. Give this one "
            "another name (`generate --name`), or undo the changes."
        )
    if known.endpoint != endpoint:
        raise LedgerError(
            f"Batch {batch.name!r} was published to {known.endpoint}, not {endpoint}. Use another "
            "--ledger for another endpoint, so that answers of a rehearsal stay apart."
        )


def _name_rater(db: Connection, worker_id: str) -> None:
    """Give a worker a pseudonym, in the order of first appearance."""
    raters = schema.rater
    if db.scalar(select(raters.c.pseudonym).where(raters.c.worker_id == worker_id)) is None:
        number = (db.scalar(select(func.count()).select_from(raters)) or 0) + 1
        db.execute(insert(raters).values(worker_id=worker_id, pseudonym=f"rater-{number:04d}"))


def _now() -> datetime:
    return datetime.now(UTC)
