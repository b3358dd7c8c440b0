"""Collecting never loses: raw answers are stored first, then parsed; twice gives the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from mturk_eval.errors import LedgerError, MarketplaceError, UnreadableAnswerError
from mturk_eval.hits.responses import read_responses
from mturk_eval.ledger import Ledger, PublishedBatch, PublishedHit
from mturk_eval.requester.client import Marketplace
from mturk_eval.trials import Assignment, Trial
from mturk_eval.wire.answers import AnswerXmlError, read_answers

_OVER: Final = frozenset({"Reviewable", "Reviewing", "Disposed"})

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What one round of collecting brought for one batch.

    ``unreadable`` holds assignments (by id) whose answer could not be read, ``unreachable`` HITs
    (by name) that the marketplace would not show, each with the reason.
    """

    batch: str
    n_hits: int
    n_not_posted: int
    n_finished: int
    n_new: int
    n_assignments: int
    n_planned: int
    unreadable: tuple[tuple[str, str], ...]
    unreachable: tuple[tuple[str, str], ...]

    @property
    def complete(self) -> bool:
        """Whether every HIT is posted and nobody can answer any more."""
        return self.n_finished == self.n_hits

    @property
    def waiting(self) -> bool:
        """Whether asking again later may bring more."""
        return self.n_finished + self.n_not_posted + len(self.unreachable) < self.n_hits

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "batch": self.batch,
            "hits": self.n_hits,
            "hits_not_posted": self.n_not_posted,
            "hits_finished": self.n_finished,
            "new_assignments": self.n_new,
            "assignments": self.n_assignments,
            "planned_assignments": self.n_planned,
            "complete": self.complete,
            "unreadable": [
                {"assignment": assignment, "problem": problem}
                for assignment, problem in self.unreadable
            ],
            "unreachable": [{"hit": hit, "problem": problem} for hit, problem in self.unreachable],
        }


def batches_at(
    ledger: Ledger, endpoint: str, names: Sequence[str] = ()
) -> tuple[list[PublishedBatch], list[PublishedBatch]]:
    """The batches to collect at an endpoint, and those that were published elsewhere.

    Raises
    ------
    LedgerError
        If nothing was published there, or a batch asked for by name was published elsewhere.
    UnknownBatchError
        If a name is not in the ledger.
    """
    batches = ledger.batches(names)
    if not batches:
        raise LedgerError("Nothing was published from this ledger yet; run `mturk-eval publish`.")
    here = [batch for batch in batches if batch.endpoint == endpoint]
    elsewhere = [batch for batch in batches if batch.endpoint != endpoint]
    if elsewhere and (names or not here):
        raise LedgerError(
            f"Batch {elsewhere[0].name!r} was published to {elsewhere[0].endpoint}, not to "
            f"{endpoint}. Give that --endpoint."
        )
    return here, elsewhere


def collect(
    ledger: Ledger,
    marketplace: Marketplace,
    batches: Sequence[PublishedBatch],
    *,
    ask_finished: bool = True,
    progress: Progress = lambda _done, _all: None,
) -> list[Collected]:
    """Fetch what is new of published batches into the ledger.

    Parameters
    ----------
    ask_finished : bool, default True
        Whether HITs that were finished when last looked at are looked at again: they may have been
        extended, or their assignments decided otherwise. Rounds that follow soon need not.

    Returns
    -------
    list of Collected
        One for each batch. A HIT that the marketplace would not show stops no other.
    """
    return [_collect_batch(ledger, marketplace, one, ask_finished, progress) for one in batches]


def _collect_batch(
    ledger: Ledger,
    marketplace: Marketplace,
    batch: PublishedBatch,
    ask_finished: bool,
    progress: Progress,
) -> Collected:
    posted = [hit for hit in ledger.hits(batch.id).values() if hit.hit_id is not None]
    asked = [hit for hit in posted if ask_finished or not hit.finished]
    known = ledger.decided(batch.id)
    n_new, unreachable = 0, []
    for number, look in enumerate(_look_at(marketplace, asked, known), start=1):
        if isinstance(look, _Unreachable):
            unreachable.append((look.hit.name, look.problem))
        else:
            n_new += len(ledger.store_assignments(batch.id, look.hit.name, look.assignments))
            if look.over != look.hit.finished:
                ledger.set_finished(batch.id, look.hit.name, finished=look.over)
        progress(number, len(asked))
    _parse(ledger, batch, ledger.trials(batch.id))
    return Collected(
        batch=batch.name,
        n_hits=batch.hits,
        n_not_posted=batch.hits - len(posted),
        n_finished=sum(hit.finished for hit in ledger.hits(batch.id).values()),
        n_new=n_new,
        n_assignments=sum(ledger.assignments_by_state(batch.id).values()),
        n_planned=batch.hits * batch.assignments,
        unreadable=tuple(ledger.problems(batch.id)),
        unreachable=tuple(unreachable),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    hit: PublishedHit
    over: bool
    assignments: list[Assignment]


@dataclass(frozen=True, slots=True)
class _Unreachable:
    hit: PublishedHit
    problem: str


def _look_at(
    marketplace: Marketplace,
    hits: Sequence[PublishedHit],
    known: Mapping[str, tuple[int, int]],
) -> Iterator[_Seen | _Unreachable]:
    def look(hit: PublishedHit) -> _Seen | _Unreachable:
        assert hit.hit_id is not None  # noqa: S101  # chosen so by the caller
        try:
            # The state is asked first: an answer that arrives in between is fetched all the same.
            state = marketplace.hit_state(hit.hit_id)
            over = state.status in _OVER
            n_decided, n_known = known.get(hit.name, (0, 0))
            unchanged = hit.finished and over and state.decided == n_decided == n_known
            found = [] if unchanged else list(marketplace.assignments(hit.hit_id))
        except MarketplaceError as error:
            return _Unreachable(hit, str(error))
        return _Seen(hit, over, found)

    with ThreadPoolExecutor(max_workers=4) as pool:
        try:
            yield from pool.map(look, hits)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _parse(ledger: Ledger, batch: PublishedBatch, trials: Mapping[str, Sequence[Trial]]) -> None:
    """Make responses of raw answers; one that cannot be read is kept and stops no other."""
    for assignment_id, hit, answer_xml in ledger.unparsed(batch.id):
        try:
            responses = read_responses(read_answers(answer_xml), trials[hit])
        except (AnswerXmlError, UnreadableAnswerError) as error:
            ledger.record_problem(assignment_id, str(error))
        else:
            ledger.store_responses(assignment_id, responses)
