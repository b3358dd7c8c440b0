"""HITs through boto3: types, tokens, counters, life cycle. Protocol, appendix C 2, 3, 5, 6."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mturk_eval.wire.question import (
    ExternalQuestion,
    HtmlQuestion,
    QuestionXmlError,
    parse_question,
)
from tests.market import HIT, Market, refusal

TYPE = {key: HIT[key] for key in ("Title", "Description", "Reward", "AssignmentDurationInSeconds")}


def counts(hit: dict[str, Any]) -> tuple[str, int, int, int]:
    return (
        hit["HITStatus"],
        hit["NumberOfAssignmentsPending"],
        hit["NumberOfAssignmentsAvailable"],
        hit["NumberOfAssignmentsCompleted"],
    )


def told(operation: Any, **request: Any) -> tuple[str, str, str]:
    with pytest.raises(ClientError) as caught:
        operation(**request)
    return refusal(caught.value)


def test_a_new_hit_is_returned_whole(market: Market) -> None:
    made = market.create_hit(MaxAssignments=3, RequesterAnnotation="batch=1", Keywords="a, b")
    assert made == market.hit(made)
    assert counts(made) == ("Assignable", 0, 3, 0)
    assert made["Question"] == HIT["Question"]
    assert made["QualificationRequirements"] == []
    assert (made["Reward"], made["AutoApprovalDelayInSeconds"]) == ("0.10", 2_592_000)
    assert made["Expiration"] - made["CreationTime"] == timedelta(hours=1)
    assert made["HITReviewStatus"] == "NotReviewed"
    for name in ("HITId", "HITTypeId", "HITGroupId"):
        assert len(made[name]) == 30
        assert made[name].startswith("3")
    assert "RequesterAnnotation" not in market.create_hit()


def test_equal_properties_are_one_type(market: Market) -> None:
    first = market.mturk.create_hit_type(**TYPE)["HITTypeId"]
    assert (
        market.mturk.create_hit_type(**TYPE, AutoApprovalDelayInSeconds=2_592_000)["HITTypeId"]
        == first
    )
    assert market.mturk.create_hit_type(**{**TYPE, "Reward": "0.1"})["HITTypeId"] == first
    assert market.create_hit(Title=TYPE["Title"])["HITTypeId"] == first
    assert market.mturk.create_hit_type(**{**TYPE, "Reward": "0.11"})["HITTypeId"] != first
    assert market.mturk.create_hit_type(**TYPE, Keywords="k")["HITTypeId"] != first
    posted = market.mturk.create_hit_with_hit_type(
        HITTypeId=first, LifetimeInSeconds=60, Question=HIT["Question"]
    )["HIT"]
    assert (posted["HITTypeId"], posted["Title"]) == (first, TYPE["Title"])


def test_a_token_makes_one_hit_for_a_day(market: Market) -> None:
    token = {"UniqueRequestToken": "the-token"}
    hit_id = market.create_hit(**token)["HITId"]
    kind, message, code = told(market.create_hit, **token, Reward="0.50")
    assert kind == "RequestError"
    assert f'The HIT with ID "{hit_id}" already exists.' in message
    assert "the-token" in message
    assert code == "AWS.MechanicalTurk.HitAlreadyExists"
    other_operation = market.mturk.create_hit_with_hit_type(
        HITTypeId=market.create_hit()["HITTypeId"],
        LifetimeInSeconds=60,
        Question=HIT["Question"],
        **token,
    )
    assert other_operation["HIT"]["HITId"] != hit_id
    assert market.as_requester("another").create_hit(**token)["HITId"] != hit_id
    market.clock.advance(hours=23.9)
    told(market.create_hit, **token)
    market.clock.advance(hours=0.2)
    assert market.create_hit(**token)["HITId"] != hit_id


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"Title": "t" * 129}, "ParameterValidationError"),
        ({"Title": " "}, "ParameterValidationError"),
        ({"Description": "d" * 2001}, "ParameterValidationError"),
        ({"Keywords": "k" * 1001}, "ParameterValidationError"),
        ({"RequesterAnnotation": "a" * 256}, "ParameterValidationError"),
        ({"LifetimeInSeconds": 29}, "ParameterValidationError"),
        ({"LifetimeInSeconds": 31_536_001}, "ParameterValidationError"),
        ({"AssignmentDurationInSeconds": 29}, "ParameterValidationError"),
        ({"AutoApprovalDelayInSeconds": 2_592_001}, "ParameterValidationError"),
        ({"MaxAssignments": 0}, "ParameterValidationError"),
        ({"MaxAssignments": 1_000_000_001}, "ParameterValidationError"),
        ({"Reward": "9" * 30}, "ParameterValidationError"),
        ({"Reward": "-1"}, "ValidationException"),
        ({"Reward": ".5"}, "ValidationException"),
        ({"UniqueRequestToken": "t" * 65}, "ValidationException"),
        ({"Question": "<html/>"}, "ParameterValidationError"),
        ({"Question": "not xml"}, "ParameterValidationError"),
        ({"Question": HtmlQuestion("é" * 40_000).to_xml()}, "ParameterValidationError"),
        ({"HITLayoutId": "3A"}, "InvalidParameterCombinationError"),
        ({"Reward": "5000", "MaxAssignments": 3}, "RequestError"),
    ],
)
def test_limits_are_kept(market: Market, changes: dict[str, Any], kind: str) -> None:
    assert told(market.create_hit, **changes)[0] == kind
    assert market.mturk.list_hits()["NumResults"] == 0


def test_what_is_wrong_with_a_question_is_said(market: Market) -> None:
    _, message, _ = told(market.create_hit, Question="<a>&x</a>")
    assert message.startswith("There was an error parsing the XML question or answer data in your")
    assert "Details: " in message
    _, message, code = told(market.create_hit, Reward="5000", MaxAssignments=3)
    assert message.startswith("This Requester has insufficient funds in their account to complete")
    assert code == "AWS.MechanicalTurk.InsufficientFunds"


def test_a_question_of_exactly_the_limit_is_taken(market: Market) -> None:
    room = 65_535 - len(HtmlQuestion("").to_xml())
    assert market.create_hit(Question=HtmlQuestion("x" * room).to_xml())
    told(market.create_hit, Question=HtmlQuestion("x" * (room + 1)).to_xml())
    assert market.create_hit(Question=ExternalQuestion("https://example.org/?a=1&b=2").to_xml())


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://example.org/", "https://", "/task", "http://[", "//a.b/c"]
)
def test_an_external_question_is_a_web_page(market: Market, url: str) -> None:
    with pytest.raises(QuestionXmlError, match="ExternalURL must be http"):
        parse_question(ExternalQuestion(url).to_xml())
    kind, message, _ = told(market.create_hit, Question=ExternalQuestion(url).to_xml())
    assert kind == "ParameterValidationError"
    assert f"not '{url}'" in message


@pytest.mark.parametrize("n", [0, 1, 10, 11])
def test_pages_end_for_every_kind_of_client(market: Market, n: int) -> None:
    made = [market.create_hit()["HITId"] for _ in range(n)]
    pages = list(market.mturk.get_paginator("list_hits").paginate(PaginationConfig={"PageSize": 5}))
    listed = [hit["HITId"] for page in pages for hit in page["HITs"]]
    assert listed == made[::-1]  # newest first
    for page in pages:
        assert page["NumResults"] == len(page["HITs"])
        assert ("NextToken" in page) == bool(page["HITs"])
    # Mephisto's way: the token of every page that is not empty is indexed without a look.
    reply = market.mturk.list_hits(MaxResults=5)
    seen = reply["NumResults"]
    while reply["NumResults"]:
        reply = market.mturk.list_hits(MaxResults=5, NextToken=reply["NextToken"])
        seen += reply["NumResults"]
    assert seen == n
    assert market.mturk.list_hits()["NumResults"] == min(n, 10)


def test_pages_stay_right_while_hits_come(market: Market) -> None:
    made = [market.create_hit()["HITId"] for _ in range(4)]
    first = market.mturk.list_hits(MaxResults=2)
    market.create_hit()
    second = market.mturk.list_hits(MaxResults=2, NextToken=first["NextToken"])
    assert [hit["HITId"] for hit in first["HITs"] + second["HITs"]] == made[::-1]
    for token in ("nonsense", "p1:bm9uc2Vuc2U=", first["NextToken"]):
        with pytest.raises(ClientError):
            market.mturk.list_reviewable_hits(NextToken=token)


def test_a_hundred_and_one(market: Market) -> None:
    hit = market.create_hit(MaxAssignments=101)
    for i in range(101):
        market.worker(str(i)).do(hit)
    paginator = market.mturk.get_paginator("list_assignments_for_hit")
    pages = list(paginator.paginate(HITId=hit["HITId"], PaginationConfig={"PageSize": 100}))
    assert [page["NumResults"] for page in pages] == [100, 1, 0]
    times = [work["SubmitTime"] for page in pages for work in page["Assignments"]]
    assert times == sorted(times)
    assert len({work["AssignmentId"] for page in pages for work in page["Assignments"]}) == 101


def test_counters_through_a_life(market: Market) -> None:
    """The documented table of a HIT with five assignments."""
    hit = market.create_hit(MaxAssignments=5)
    assert counts(market.hit(hit)) == ("Assignable", 0, 5, 0)
    held = [market.worker(str(i)).hold(hit) for i in range(2)]
    assert counts(market.hit(hit)) == ("Assignable", 2, 3, 0)
    for i, assignment_id in enumerate(held):
        market.worker(str(i)).submit(assignment_id)
    assert counts(market.hit(hit)) == ("Assignable", 0, 3, 0)
    later = [market.worker(str(i)).hold(hit) for i in range(2, 5)]
    assert counts(market.hit(hit)) == ("Unassignable", 3, 0, 0)
    market.worker("2").give_back(later[0])
    assert counts(market.hit(hit)) == ("Assignable", 2, 1, 0)
    for i in (3, 4):
        market.worker(str(i)).submit(later[i - 2])
    market.worker("5").do(hit)
    assert counts(market.hit(hit)) == ("Reviewable", 0, 0, 0)
    market.mturk.approve_assignment(AssignmentId=held[0])
    market.mturk.reject_assignment(AssignmentId=held[1], RequesterFeedback="")
    assert counts(market.hit(hit)) == ("Reviewable", 0, 0, 2)


def test_expiry_while_somebody_works(market: Market) -> None:
    hit = market.create_hit(MaxAssignments=3)
    submitting, returning = market.worker("submits"), market.worker("returns")
    first, second = submitting.hold(hit), returning.hold(hit)
    market.mturk.update_expiration_for_hit(HITId=hit["HITId"], ExpireAt=0)
    assert counts(market.hit(hit)) == ("Unassignable", 2, 0, 0)
    assert market.worker("late").accept(hit).status_code == 409
    assert submitting.submit(first).status_code == 200
    assert counts(market.hit(hit))[:3] == ("Unassignable", 1, 0)
    returning.give_back(second)
    assert counts(market.hit(hit)) == ("Reviewable", 0, 0, 0)
    assert market.worker("later").accept(hit).status_code == 409


def test_expiry_by_the_clock_and_extension(market: Market) -> None:
    hit = market.create_hit(LifetimeInSeconds=60)
    market.clock.advance(seconds=61)
    assert counts(market.hit(hit)) == ("Reviewable", 0, 0, 0)
    ahead = market.clock() + timedelta(hours=1)
    for _ in range(2):  # a second call with the same date is fine
        market.mturk.update_expiration_for_hit(HITId=hit["HITId"], ExpireAt=ahead)
    assert counts(market.hit(hit)) == ("Assignable", 0, 1, 0)
    assert market.worker("w").accept(hit).status_code == 303
    too_far = market.clock() + timedelta(days=366)
    assert told(market.mturk.update_expiration_for_hit, HITId=hit["HITId"], ExpireAt=too_far)


@pytest.mark.parametrize("past", [0, "2015-01-01", datetime(2000, 1, 1, tzinfo=UTC), 1_000_000.5])
def test_any_time_in_the_past_means_now(market: Market, past: object) -> None:
    hit = market.create_hit()
    market.mturk.update_expiration_for_hit(HITId=hit["HITId"], ExpireAt=past)
    found = market.hit(hit)
    assert found["HITStatus"] == "Reviewable"
    assert abs(found["Expiration"] - market.clock()) < timedelta(seconds=5)


def test_additional_assignments(market: Market) -> None:
    hit = market.create_hit(MaxAssignments=9)
    add = market.mturk.create_additional_assignments_for_hit
    code = told(add, HITId=hit["HITId"], NumberOfAdditionalAssignments=1)[2]
    assert code == "AWS.MechanicalTurk.InvalidMaximumAssignmentsIncrease"
    large = market.create_hit(MaxAssignments=10)
    add(HITId=large["HITId"], NumberOfAdditionalAssignments=1, UniqueRequestToken="t")
    _, message, _ = told(
        add, HITId=large["HITId"], NumberOfAdditionalAssignments=1, UniqueRequestToken="t"
    )
    assert 'The idempotency token "t" has already been processed.' in message
    assert market.hit(large)["MaxAssignments"] == 11
    done = market.create_hit()
    market.worker("w").do(done)
    assert market.hit(done)["HITStatus"] == "Reviewable"
    add(HITId=done["HITId"], NumberOfAdditionalAssignments=1)
    assert counts(market.hit(done)) == ("Assignable", 0, 1, 0)


def test_reviewing_and_deleting(market: Market) -> None:
    hit = market.create_hit()
    name = {"HITId": hit["HITId"]}
    _, message, code = told(market.mturk.delete_hit, **name)
    assert "currently in the state 'Assignable'" in message
    assert code == "AWS.MechanicalTurk.InvalidHITState"
    assignment_id = market.worker("w").do(hit)
    told(market.mturk.delete_hit, **name)  # submitted work is undecided
    market.mturk.update_hit_review_status(**name)
    assert market.hit(hit)["HITStatus"] == "Reviewing"
    told(market.mturk.update_hit_review_status, **name)
    assert [h["HITId"] for h in market.mturk.list_reviewable_hits()["HITs"]] == []
    reviewing = market.mturk.list_reviewable_hits(Status="Reviewing")["HITs"]
    assert [h["HITId"] for h in reviewing] == [hit["HITId"]]
    market.mturk.update_hit_review_status(**name, Revert=True)
    market.mturk.approve_assignment(AssignmentId=assignment_id)
    reply = market.mturk.delete_hit(**name)
    assert set(reply) == {"ResponseMetadata"}
    assert market.hit(hit)["HITStatus"] == "Disposed"
    assert market.mturk.list_hits()["HITs"] == []
    _, message, _ = told(market.mturk.delete_hit, **name)
    assert "currently in the state 'Disposed'" in message
    told(
        market.mturk.update_expiration_for_hit, **name, ExpireAt=market.clock() + timedelta(hours=1)
    )


def test_a_hit_changes_its_type_until_it_is_accepted(market: Market) -> None:
    hit = market.create_hit()
    other = market.mturk.create_hit_type(**{**TYPE, "Reward": "0.20"})["HITTypeId"]
    market.mturk.update_hit_type_of_hit(HITId=hit["HITId"], HITTypeId=other)
    assert market.hit(hit)["Reward"] == "0.20"
    market.worker("w").hold(market.hit(hit))
    told(market.mturk.update_hit_type_of_hit, HITId=hit["HITId"], HITTypeId=hit["HITTypeId"])
