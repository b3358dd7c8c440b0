"""Collecting never loses: raw answers are stored first, then parsed; twice gives the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from mturk_eval.errors import LedgerError, MturkEvalError
from mturk_eval.hits.responses import read_responses
from mturk_eval.ledger import Ledger, PublishedBatch, PublishedHit
from mturk_eval.requester.client import Marketplace
from mturk_eval.trials import Assignment, Trial
from mturk_eval.wire.answers import AnswerXmlError, read_answers

_OVER: Final = frozenset({"Reviewable", "Reviewing", "Disposed"})

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What one round of collecting brought for one batch."""

    batch: str
    n_hits: int
    n_finished: int
    n_new: int
    n_assignments: int
    n_planned: int
    problems: tuple[tuple[str, str], ...]

    @property
    def complete(self) -> bool:
        """Whether no further answer can come."""
        return self.n_finished == self.n_hits

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "batch": self.batch,
            "hits": self.n_hits,
            "hits_finished": self.n_finished,
            "new_assignments": self.n_new,
            "assignments": self.n_assignments,
            "planned_assignments": self.n_planned,
            "complete": self.complete,
            "unreadable": [
                {"assignment": assignment, "problem": problem}
                for assignment, problem in self.problems
            ],
        }


def collect(
    ledger: Ledger,
    marketplace: Marketplace,
    *,
    endpoint: str,
    batches: Sequence[str] = (),
    progress: Progress = lambda _done, _all: None,
) -> list[Collected]:
    """Fetch what is new of the published batches into the ledger.

    HITs that can bring nothing more, and whose assignments are all decided, are not asked again.

    Raises
    ------
    LedgerError
        If nothing was published, a batch's name is unknown, or it was published elsewhere.
    """
    chosen = ledger.batches(batches)
    if not chosen:
        raise LedgerError("Nothing was published from this ledger yet; run `mturk-eval publish`.")
    elsewhere = [batch for batch in chosen if batch.endpoint != endpoint]
    if elsewhere:
        raise LedgerError(
            f"Batch {elsewhere[0].name!r} was published to {elsewhere[0].endpoint}, not "
            f"{endpoint}. Give that --endpoint, or --batch with the batches published here."
        )
    return [_collect_batch(ledger, marketplace, batch, progress) for batch in chosen]


def _collect_batch(
    ledger: Ledger, marketplace: Marketplace, batch: PublishedBatch, progress: Progress
) -> Collected:
    hits = [hit for hit in ledger.hits(batch.id).values() if hit.hit_id is not None]
    undecided = ledger.undecided_hits(batch.id)
    open_hits = [hit for hit in hits if not hit.finished or hit.name in undecided]
    n_new = 0
    for number, (hit, over, found) in enumerate(_fetch(marketplace, open_hits), start=1):
        n_new += len(ledger.store_assignments(batch.id, hit.name, found))
        if over and not hit.finished:
            ledger.finish_hit(batch.id, hit.name)
        progress(number, len(open_hits))
    _parse(ledger, batch, ledger.trials(batch.id))
    return Collected(
        batch=batch.name,
        n_hits=len(hits),
        n_finished=sum(hit.finished for hit in ledger.hits(batch.id).values()),
        n_new=n_new,
        n_assignments=sum(ledger.assignments_by_state(batch.id).values()),
        n_planned=len(hits) * batch.assignments,
        problems=tuple(ledger.problems(batch.id)),
    )


def _fetch(
    marketplace: Marketplace, hits: Sequence[PublishedHit]
) -> Iterator[tuple[PublishedHit, bool, list[Assignment]]]:
    def fetch(hit: PublishedHit) -> tuple[PublishedHit, bool, list[Assignment]]:
        assert hit.hit_id is not None  # noqa: S101  # chosen so by the caller
        # The state is asked first: an answer that arrives in between is fetched all the same.
        over = not hit.finished and marketplace.hit_state(hit.hit_id).status in _OVER
        return hit, over, list(marketplace.assignments(hit.hit_id))

    with ThreadPoolExecutor(max_workers=4) as pool:
        try:
            yield from pool.map(fetch, hits)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _parse(ledger: Ledger, batch: PublishedBatch, trials: Mapping[str, Sequence[Trial]]) -> None:
    """Make responses of raw answers; one that cannot be read is kept and stops no other."""
    for assignment_id, hit, answer_xml in ledger.unparsed(batch.id):
        try:
            responses = read_responses(read_answers(answer_xml), trials[hit])
        except (AnswerXmlError, MturkEvalError) as error:
            ledger.record_problem(assignment_id, str(error))
        else:
            ledger.store_responses(assignment_id, responses)
