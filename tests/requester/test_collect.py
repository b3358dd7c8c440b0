"""Collecting: nothing is lost, twice is once, and what cannot be read stops nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from mturk_eval.errors import LedgerError, UnknownBatchError
from tests.requester.conftest import Study
from tests.requester.test_publish import Interrupted


def everything(study: Study) -> list[Any]:
    batch_id = study.batches["study"][0].id
    return [
        study.ledger.responses(batch_id),
        study.ledger.assignments_by_state(batch_id),
        study.ledger.problems(batch_id),
        study.ledger.hits(batch_id),
    ]


def answers(study: Study) -> Counter[str]:
    return Counter(r["rater"] for r in study.ledger.responses(study.batches["study"][0].id))


@pytest.mark.parametrize("kind", ["satisfaction", "2afc"])
def test_each_answer_becomes_one_response(study: Study, kind: Any) -> None:
    batch = study.generate(kind, hit__assignments=3, design__trials_per_hit=2)
    study.publish()
    assert study.simulate(3) == 3 * len(batch.hits)
    (found,) = study.collect()
    assert (found.n_new, found.n_planned, found.complete) == (
        3 * len(batch.hits),
        3 * len(batch.hits),
        True,
    )
    assert answers(study) == {f"rater-000{n}": len(batch.trials) for n in (1, 2, 3)}


def test_collected_twice_nothing_changes(study: Study) -> None:
    study.generate("2afc", hit__assignments=2)
    study.publish()
    study.simulate(2)
    study.collect()
    before = everything(study)
    assert [one.n_new for one in study.collect()] == [0]
    assert everything(study) == before


def test_a_batch_is_complete_only_when_no_answer_can_come(study: Study) -> None:
    study.generate("2afc", hit__assignments=3)
    study.publish()
    study.simulate(2)
    (found,) = study.collect()
    assert (found.n_assignments, found.complete) == (2, False)
    study.market.clock.advance(days=8)  # the HIT's lifetime is over
    (found,) = study.collect()
    assert (found.n_assignments, found.complete) == (2, True)


def test_an_answer_that_cannot_be_read_is_kept_and_stops_no_other(study: Study) -> None:
    batch = study.generate("satisfaction", hit__assignments=2, design__trials_per_hit=10)
    study.publish()
    hit = study.posted()[0]
    fields = {f"{trial.id}.rating": "5" for trial in batch.trials} | {
        f"{batch.trials[0].id}.rating": "eleven"
    }
    study.market.worker("odd").do(hit, **fields)
    study.simulate(1)
    (found,) = study.collect()
    assert (found.n_new, len(found.unreadable)) == (2, 1)
    assert "'eleven'" in found.unreadable[0][1]
    assert len(answers(study)) == 1
    # The raw answer is there, and it is said again until it can be read.
    (again,) = study.collect()
    assert again.unreadable == found.unreadable


def test_any_text_a_worker_sends_arrives(study: Study) -> None:
    batch = study.generate("satisfaction", hit__assignments=1)
    study.publish()
    fields = {f"{trial.id}.rating": "7" for trial in batch.trials}
    study.market.worker("ünï").do(study.posted()[0], **fields, comment="<&>\"'\r\n日本語 🐈 \x0b")
    (found,) = study.collect()
    assert (found.n_assignments, found.unreadable) == (1, ())


def test_an_extended_hit_is_collected_again(study: Study) -> None:
    batch = study.generate("satisfaction", hit__assignments=1, design__trials_per_hit=10)
    study.publish()
    study.simulate(1)
    assert study.collect()[0].complete
    hit = study.posted()[0]
    study.market.mturk.create_additional_assignments_for_hit(
        HITId=hit["HITId"], NumberOfAdditionalAssignments=1
    )
    fields = {f"{trial.id}.rating": "4" for trial in batch.trials}
    study.market.worker("late").do(hit, **fields)
    (found,) = study.collect()
    assert (found.n_new, found.n_assignments) == (1, 2)


def test_a_decision_made_elsewhere_is_seen(study: Study) -> None:
    study.generate("2afc", hit__assignments=1)
    study.publish()
    study.simulate(1)
    study.collect()
    (hit,) = study.posted()
    (work,) = study.market.mturk.list_assignments_for_hit(HITId=hit["HITId"])["Assignments"]
    study.market.mturk.approve_assignment(AssignmentId=work["AssignmentId"])
    study.collect()
    batch_id = study.batches["study"][0].id
    assert study.ledger.assignments_by_state(batch_id) == {"Approved": 1}


def test_a_hit_that_is_gone_stops_no_other(study: Study) -> None:
    study.generate("2afc", hit__assignments=1, design__trials_per_hit=1)
    study.publish()
    study.simulate(1)
    batch_id = study.batches["study"][0].id
    gone = study.ledger.hits(batch_id)["hit-001"]
    study.ledger.record_hit(batch_id, "hit-001", hit_id="3" + "X" * 29, hit_type_id="T")
    (found,) = study.collect()
    assert (found.n_assignments, found.complete, found.waiting) == (2, False, False)
    assert found.unreachable[0][0] == "hit-001"
    assert "does not exist" in found.unreachable[0][1]
    study.ledger.record_hit(batch_id, "hit-001", hit_id=str(gone.hit_id), hit_type_id="T")
    assert study.collect()[0].n_assignments == 3


def test_what_was_not_posted_is_not_complete(study: Study) -> None:
    study.generate("2afc", hit__assignments=1, design__trials_per_hit=1)
    with pytest.raises(KeyboardInterrupt):
        study.publish(marketplace=Interrupted(study.marketplace, at=1, after=False))
    (found,) = study.collect()
    assert found.n_not_posted >= 1
    assert not found.complete
    assert found.n_planned == 3


def test_two_processes_collect_the_same_answers_once(study: Study) -> None:
    study.generate("2afc", hit__assignments=5, design__trials_per_hit=1)
    study.publish()
    study.simulate(5)
    command = [
        *(sys.executable, "-m", "mturk_eval", "collect", "--endpoint", study.market.url),
        *("--ledger", study.settings.ledger),
    ]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)
        for _ in range(3)
    ]
    for process in running:
        _, message = process.communicate()
        assert process.returncode == 0, message
    assert answers(study) == {f"rater-000{n}": 3 for n in range(1, 6)}


def test_nothing_published_says_what_to_do(study: Study) -> None:
    with pytest.raises(LedgerError, match="run `mturk-eval publish`"):
        study.collect()


def test_an_unknown_batch_is_named_with_those_known(study: Study) -> None:
    study.generate("2afc")
    study.publish()
    with pytest.raises(UnknownBatchError, match="No batch named 'x' in the ledger; known: study"):
        study.collect(["x"])
