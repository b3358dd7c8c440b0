"""Reading and writing the ledger; each method is one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, case, func, insert, select, update

from mturk_eval.batch import Batch
from mturk_eval.errors import BudgetExceededError, LedgerError, UnknownBatchError
from mturk_eval.ledger import rows, schema
from mturk_eval.ledger.records import PublishedBatch, PublishedHit
from mturk_eval.trials import Assignment, Response, Trial


class Ledger:
    """The study's memory behind one database connection pool."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(begin="IMMEDIATE")

    # --- batches and HITs -----------------------------------------------------------------------

    def check_batch(self, new: PublishedBatch, *, budget_usd: Decimal | None) -> None:
        """Raise what `add_batch` would; nothing is written."""
        with self._engine.connect() as db:
            _check(new, _batches(db), budget_usd)

    def add_batch(
        self, batch: Batch, new: PublishedBatch, *, budget_usd: Decimal | None = None
    ) -> None:
        """Remember a batch that is about to be published, and reserve its money.

        A batch that is known already is fine.

        Raises
        ------
        LedgerError
            If another batch has this name, this one was published elsewhere, or its pages changed.
        BudgetExceededError
            If this batch and all others cost more than the budget.
        """
        with self._writer.begin() as db:
            batches = _batches(db)
            _check(new, batches, budget_usd)
            if any(known.id == new.id for known in batches):
                return
            db.execute(insert(schema.batch).values(asdict(new)))
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

    def batches(self, names: Sequence[str] = ()) -> list[PublishedBatch]:
        """The batches of these names, or all of them, in the order published.

        Raises
        ------
        UnknownBatchError
            If a name is not in the ledger.
        """
        with self._engine.connect() as db:
            found = _batches(db)
        missing = set(names) - {batch.name for batch in found}
        if missing:
            known = ", ".join(batch.name for batch in found) or "none"
            raise UnknownBatchError(
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
        with self._writer.begin() as db:
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
        with self._writer.begin() as db:
            db.execute(
                update(schema.hit)
                .where(schema.hit.c.batch_id == batch_id, schema.hit.c.name == name)
                .values(hit_id=hit_id, hit_type_id=hit_type_id, posted_at=_now())
            )

    def set_finished(self, batch_id: str, name: str, *, finished: bool) -> None:
        """Write down whether anybody can still answer a HIT."""
        with self._writer.begin() as db:
            db.execute(
                update(schema.hit)
                .where(schema.hit.c.batch_id == batch_id, schema.hit.c.name == name)
                .values(finished=finished)
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
        with self._writer.begin() as db:
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
        """Keep what an assignment's answer says, once; done before is fine."""
        columns = schema.assignment.c
        with self._writer.begin() as db:
            if db.scalar(select(columns.parsed).where(columns.id == assignment_id)):
                return
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
        with self._writer.begin() as db:
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

    def decided(self, batch_id: str) -> dict[str, tuple[int, int]]:
        """Assignments collected of each HIT, by its name: approved or rejected, and all."""
        columns = schema.assignment.c
        is_decided = case((columns.status == "Submitted", 0), else_=1)
        query = (
            select(columns.hit, func.sum(is_decided).label("decided"), func.count().label("n"))
            .where(columns.batch_id == batch_id)
            .group_by(columns.hit)
        )
        with self._engine.connect() as db:
            return {row.hit: (row.decided, row.n) for row in db.execute(query)}

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


def _batches(db: Connection) -> list[PublishedBatch]:
    query = select(schema.batch).order_by(schema.batch.c.published_at)
    return [PublishedBatch(**row._mapping) for row in db.execute(query)]


def _check(
    new: PublishedBatch, batches: Sequence[PublishedBatch], budget_usd: Decimal | None
) -> None:
    """Whether a batch may be published beside those of the ledger."""
    for known in batches:
        if known.name == new.name:
            _check_same(known, new)
    committed = sum((b.cost_usd for b in batches if b.name != new.name), Decimal(0))
    if budget_usd is not None and committed + new.cost_usd > budget_usd:
        raise BudgetExceededError(
            cost_usd=new.cost_usd, committed_usd=committed, budget_usd=budget_usd
        )


def _check_same(known: PublishedBatch, new: PublishedBatch) -> None:
    if known.id != new.id:
        raise LedgerError(
            f"A batch named {new.name!r} with other contents was published before. Give this one "
            "another name (`generate --name`), or undo the changes."
        )
    if known.endpoint != new.endpoint:
        raise LedgerError(
            f"Batch {new.name!r} was published to {known.endpoint}, not {new.endpoint}. Use "
            "another --ledger for another endpoint, so that answers of a rehearsal stay apart."
        )
    if known.pages_sha256 != new.pages_sha256:
        raise LedgerError(
            f"The page templates have changed since part of batch {new.name!r} was published. Undo "
            "the changes, or generate the batch under another name."
        )


def _name_rater(db: Connection, worker_id: str) -> None:
    """Give a worker a pseudonym, in the order of first appearance."""
    raters = schema.rater
    if db.scalar(select(raters.c.pseudonym).where(raters.c.worker_id == worker_id)) is None:
        number = (db.scalar(select(func.count()).select_from(raters)) or 0) + 1
        db.execute(insert(raters).values(worker_id=worker_id, pseudonym=f"rater-{number:04d}"))


def _now() -> datetime:
    return datetime.now(UTC)
