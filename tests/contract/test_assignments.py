"""Work through boto3: slots, decisions, money, answers. Protocol, appendix C 4, 6, 7, 8."""

from __future__ import annotations

import xml.dom.minidom
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from xml.etree import ElementTree

import httpx
import pytest

from mturk_eval.wire.answers import ANSWERS_NAMESPACE, read_answers
from tests.contract.test_hits import counts, told
from tests.market import Market


def status_of(market: Market, assignment_id: str) -> str:
    found = market.mturk.get_assignment(AssignmentId=assignment_id)["Assignment"]
    return str(found["AssignmentStatus"])


def balance(market: Market) -> str:
    return str(market.mturk.get_account_balance()["AvailableBalance"])


def test_two_hundred_accepts_on_nine_slots(market: Market) -> None:
    """From 100 workers, each twice at once: nine get one, and nobody gets two."""
    hit = market.create_hit(MaxAssignments=9)
    workers = [market.worker(str(i)) for i in range(100)]
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda worker: (worker, worker.accept(hit)), workers * 2))
    taken = {r.headers["location"]: w for w, r in replies if r.status_code == 303}
    assert {r.status_code for _, r in replies} == {303, 409}
    assert len(taken) == 9  # an accept sent again leads to the same assignment
    assert len({id(worker) for worker in taken.values()}) == 9
    assert counts(market.hit(hit)) == ("Unassignable", 9, 0, 0)


def test_unsubmitted_work_is_not_shown(market: Market) -> None:
    hit = market.create_hit()
    held = market.worker("w").hold(hit)
    _, message, code = told(market.mturk.get_assignment, AssignmentId=held)
    expected = "This operation can be called with a status of: Reviewable,Approved,Rejected"
    assert expected in message
    assert code == "AWS.MechanicalTurk.InvalidAssignmentState"
    assert market.mturk.list_assignments_for_hit(HITId=hit["HITId"])["Assignments"] == []
    bonus = {"WorkerId": "A1", "AssignmentId": held, "BonusAmount": "1", "Reason": "r"}
    assert 'The value "A1" is not valid for' in told(market.mturk.send_bonus, **bonus)[1]
    message = told(market.mturk.get_assignment, AssignmentId="3NONE")[1]
    assert message.startswith("Assignment 3NONE does not exist. (")


def test_a_submitted_assignment(market: Market) -> None:
    hit = market.create_hit(AutoApprovalDelayInSeconds=3600)
    assignment_id = market.worker("w").do(hit, colour="blue")
    reply = market.mturk.get_assignment(AssignmentId=assignment_id)
    work = reply["Assignment"]
    assert reply["HIT"] == market.hit(hit)
    assert market.mturk.list_assignments_for_hit(HITId=hit["HITId"])["Assignments"] == [work]
    assert read_answers(work["Answer"]) == {"colour": "blue"}
    assert work["AutoApprovalTime"] - work["SubmitTime"] == timedelta(hours=1)
    assert work["AcceptTime"] < work["SubmitTime"]
    assert work["WorkerId"].startswith("A")
    assert not {"ApprovalTime", "RejectionTime", "RequesterFeedback"} & set(work)


def test_decisions_and_money(market: Market) -> None:
    hit = market.create_hit(MaxAssignments=3)
    first, second, third = (market.worker(str(i)).do(hit) for i in range(3))
    approve, reject = market.mturk.approve_assignment, market.mturk.reject_assignment
    assert set(approve(AssignmentId=first, RequesterFeedback="Thanks")) == {"ResponseMetadata"}
    assert balance(market) == "9999.90"
    _, message, code = told(approve, AssignmentId=first)
    assert "This operation can be called with a status of: Submitted" in message
    assert code == "AWS.MechanicalTurk.InvalidAssignmentState"
    told(reject, AssignmentId=first, RequesterFeedback="no")
    reject(AssignmentId=second, RequesterFeedback="")
    told(approve, AssignmentId=second)
    rejected = market.mturk.get_assignment(AssignmentId=second)["Assignment"]
    assert "RejectionTime" in rejected
    assert "ApprovalTime" not in rejected
    assert balance(market) == "9999.90"
    approve(AssignmentId=second, OverrideRejection=True)
    overridden = market.mturk.get_assignment(AssignmentId=second)["Assignment"]
    assert "RejectionTime" not in overridden
    assert overridden["AssignmentStatus"] == "Approved"
    approve(AssignmentId=third, OverrideRejection=True)  # on submitted work it simply approves
    assert balance(market) == "9999.70"
    assert told(reject, AssignmentId=third, RequesterFeedback="x" * 1025)[0]
    refused = told(reject, AssignmentId=third, RequesterFeedback="\x07")
    assert refused[0] == "ParameterValidationError"
    listed = market.mturk.list_assignments_for_hit(
        HITId=hit["HITId"], AssignmentStatuses=["Submitted", "Rejected"]
    )
    assert listed["NumResults"] == 0


def test_a_rejection_is_overridden_for_thirty_days(market: Market) -> None:
    hit = market.create_hit(MaxAssignments=2)
    first, second = (market.worker(str(i)).do(hit) for i in range(2))
    for assignment_id in (first, second):
        market.mturk.reject_assignment(AssignmentId=assignment_id, RequesterFeedback="no")
    market.clock.advance(days=29)
    market.mturk.approve_assignment(AssignmentId=first, OverrideRejection=True)
    market.clock.advance(days=2)
    told(market.mturk.approve_assignment, AssignmentId=second, OverrideRejection=True)
    assert status_of(market, second) == "Rejected"


def test_approval_by_default(market: Market) -> None:
    at_once = market.worker("w").do(market.create_hit(AutoApprovalDelayInSeconds=0))
    assert status_of(market, at_once) == "Approved"
    hit = market.create_hit()  # 30 days
    assignment_id = market.worker("w").do(hit)
    market.clock.advance(days=29.9)
    assert status_of(market, assignment_id) == "Submitted"
    market.clock.advance(days=0.2)
    work = market.mturk.get_assignment(AssignmentId=assignment_id)["Assignment"]
    assert work["AssignmentStatus"] == "Approved"
    assert work["ApprovalTime"] == work["AutoApprovalTime"]
    assert counts(market.hit(hit)) == ("Reviewable", 0, 0, 1)
    assert balance(market) == "9999.80"


def test_bonuses(market: Market) -> None:
    hit = market.create_hit(MaxAssignments=2)
    assignment_id, other = (market.worker(str(i)).do(hit) for i in range(2))
    worker_id = market.mturk.get_assignment(AssignmentId=assignment_id)["Assignment"]["WorkerId"]
    bonus = {
        "WorkerId": worker_id,
        "AssignmentId": assignment_id,
        "BonusAmount": "1.5",
        "Reason": "good work",
        "UniqueRequestToken": "bonus",
    }
    send = market.mturk.send_bonus
    assert set(send(**bonus)) == {"ResponseMetadata"}
    _, message, code = told(send, **bonus)
    assert 'The idempotency token "bonus" has already been processed.' in message
    assert code == "AWS.MechanicalTurk.DuplicateRequest"
    told(send, **{**bonus, "AssignmentId": other, "UniqueRequestToken": "b2"})  # another worker's
    told(send, **{**bonus, "BonusAmount": "20000", "UniqueRequestToken": "b3"})
    assert balance(market) == "9998.50"
    (paid,) = market.mturk.list_bonus_payments(HITId=hit["HITId"])["BonusPayments"]
    assert (paid["BonusAmount"], paid["Reason"]) == ("1.50", "good work")
    assert market.mturk.list_bonus_payments(AssignmentId=other)["NumResults"] == 0
    assert told(market.mturk.list_bonus_payments)[0] == "InvalidParameterCombinationError"


def test_a_deadline_frees_the_slot(market: Market) -> None:
    hit = market.create_hit(AssignmentDurationInSeconds=60)
    late = market.worker("late")
    assignment_id = late.hold(hit)
    market.clock.advance(seconds=91)
    assert counts(market.hit(hit)) == ("Assignable", 0, 1, 0)
    prompt = market.worker("prompt").do(hit)
    assert late.submit(assignment_id).status_code == 409  # the slot is another's now
    listed = market.mturk.list_assignments_for_hit(HITId=hit["HITId"])["Assignments"]
    assert [work["AssignmentId"] for work in listed] == [prompt]


def test_a_slot_is_held_until_what_was_sent_at_the_last_moment_is_here(market: Market) -> None:
    short = {"AssignmentDurationInSeconds": 60, "LifetimeInSeconds": 60}
    first, second = (market.create_hit(**short) for _ in range(2))
    worker = market.worker("w")
    just, too = worker.hold(first), worker.hold(second)
    market.clock.advance(seconds=75)  # past expiry and deadline, and still not finished
    assert counts(market.hit(first)) == ("Unassignable", 1, 0, 0)
    assert worker.submit(just).status_code == 200
    assert counts(market.hit(first)) == ("Reviewable", 0, 0, 0)
    market.clock.advance(seconds=20)
    assert counts(market.hit(second)) == ("Reviewable", 0, 0, 0)
    assert worker.submit(too).status_code == 409  # who saw the HIT finished has missed nothing


def test_a_worker_does_a_hit_once_and_may_take_it_up_again(market: Market) -> None:
    hit = market.create_hit(MaxAssignments=3)
    worker = market.worker("w")
    first = worker.hold(hit)
    assert worker.hold(hit) == first  # pressed twice: the same one
    assert worker.give_back(first).status_code == 303
    second = worker.hold(hit)
    assert second != first  # ids are never used again
    assert worker.submit(second).status_code == 200
    refused = worker.accept(hit)
    assert refused.status_code == 409
    assert "You have done this task already." in refused.text
    market.mturk.reject_assignment(AssignmentId=second, RequesterFeedback="no")
    assert worker.accept(hit).status_code == 409


def test_a_worker_holds_twenty_five_at_most(market: Market) -> None:
    worker = market.worker("w")
    hits = [market.create_hit() for _ in range(26)]
    assert [worker.accept(hit).status_code for hit in hits] == [303] * 25 + [409]


@pytest.mark.parametrize("encoding", ["urlencoded", "multipart"])
def test_answers_come_back_as_they_were_written(market: Market, encoding: str) -> None:
    fields = {
        "emoji": "😀 é",
        "markup": "<&>\"' ]]>",
        "lines": "a\r\nb\rc",
        "empty": "",
        "control": "a\x0bb",
        "long": "x" * 2**20,
        "doNotRedirect": "1",
    }
    hit = market.create_hit()
    assignment_id = market.worker("w").hold(hit)
    data = {**fields, "assignmentId": assignment_id}
    url = f"{market.url}/mturk/externalSubmit"
    if encoding == "multipart":
        parts = [(name, (None, value.encode())) for name, value in data.items()]
        assert httpx.post(url, files=parts).status_code == 200
    else:
        assert httpx.post(url, data=data).status_code == 200
    answer = market.mturk.get_assignment(AssignmentId=assignment_id)["Assignment"]["Answer"]
    expected = {k: v for k, v in fields.items() if k != "doNotRedirect"}
    expected |= {"lines": "a\nb\nc", "control": "a\ufffdb"}
    assert read_answers(answer) == expected
    by_element_tree = {
        child[0].text: child[1].text or ""
        for child in ElementTree.fromstring(answer).iter(f"{{{ANSWERS_NAMESPACE}}}Answer")
    }
    assert by_element_tree == expected
    texts = xml.dom.minidom.parseString(answer).getElementsByTagName("FreeText")
    assert len(texts) == len(expected)


def test_repeated_fields_are_joined(market: Market) -> None:
    assignment_id = market.worker("w").hold(market.create_hit())
    body = f"assignmentId={assignment_id}&box=a&box=b&hitId=x&workerId=y&turkSubmitTo=z"
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    url = f"{market.url}//mturk/externalSubmit"
    assert httpx.post(url, content=body, headers=headers).status_code == 200
    answer = market.mturk.get_assignment(AssignmentId=assignment_id)["Assignment"]["Answer"]
    assert read_answers(answer) == {"box": "a|b"}
