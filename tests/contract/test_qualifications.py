"""Who may do what: qualification types, requirements, blocks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.test_hits import told
from tests.market import Market, WorkerClient


def make_type(market: Market, name: str = "tested", **more: Any) -> dict[str, Any]:
    made = market.mturk.create_qualification_type(
        Name=name, Description="d", QualificationTypeStatus="Active", **more
    )
    found: dict[str, Any] = made["QualificationType"]
    return found


def worker_id(market: Market, worker: WorkerClient) -> str:
    done = worker.do(market.create_hit())
    return str(market.mturk.get_assignment(AssignmentId=done)["Assignment"]["WorkerId"])


def requirement(type_id: str, comparator: str, guarded: str = "Accept", **more: Any) -> Any:
    return {
        "QualificationTypeId": type_id,
        "Comparator": comparator,
        "ActionsGuarded": guarded,
        **more,
    }


def test_types_are_made_found_and_unique(market: Market) -> None:
    made = make_type(market, "Looks at Images 50%", Keywords="eyes")
    assert (
        market.mturk.get_qualification_type(QualificationTypeId=made["QualificationTypeId"])[
            "QualificationType"
        ]
        == made
    )
    for query in ("looks AT", "EYES", "50%"):
        found = market.mturk.list_qualification_types(
            MustBeRequestable=True, MustBeOwnedByCaller=True, Query=query
        )
        assert found["QualificationTypes"] == [made]
    _, message, code = told(
        market.mturk.create_qualification_type,
        Name=made["Name"],
        Description="other",
        QualificationTypeStatus="Active",
    )
    assert message.startswith("You have already created a QualificationType with this name.")
    assert code == "AWS.MechanicalTurk.QualificationTypeAlreadyExists"
    stranger = market.as_requester("stranger to types").mturk
    mine = stranger.list_qualification_types(MustBeRequestable=False, MustBeOwnedByCaller=True)
    assert mine["QualificationTypes"] == []


def test_scores_are_granted_changed_and_revoked(market: Market) -> None:
    type_id = make_type(market)["QualificationTypeId"]
    worker = worker_id(market, market.worker("w"))
    both = {"QualificationTypeId": type_id, "WorkerId": worker}
    score = market.mturk.get_qualification_score
    _, message, code = told(score, **both)
    assert "does not exist" in message
    assert code == "AWS.MechanicalTurk.QualificationDoesNotExist"
    market.mturk.associate_qualification_with_worker(**both)
    assert score(**both)["Qualification"]["IntegerValue"] == 1
    market.mturk.associate_qualification_with_worker(**both, IntegerValue=80)
    assert score(**both)["Qualification"]["IntegerValue"] == 80
    listed = market.mturk.list_workers_with_qualification_type(QualificationTypeId=type_id)
    assert [q["WorkerId"] for q in listed["Qualifications"]] == [worker]
    market.mturk.disassociate_qualification_from_worker(**both)
    assert "This operation can be called with a status of: Granted" in told(score, **both)[1]
    unknown = {"QualificationTypeId": type_id, "WorkerId": "A000000000000"}
    kind, message, _ = told(market.mturk.associate_qualification_with_worker, **unknown)
    assert kind == "ParameterValidationError"
    assert 'The value "A000000000000" is not valid for the parameter WorkerId.' in message


def test_requirements_are_echoed_with_both_members(market: Market) -> None:
    type_id = make_type(market)["QualificationTypeId"]
    sent = [
        {"QualificationTypeId": type_id, "Comparator": "Exists"},
        {"QualificationTypeId": type_id, "Comparator": "DoesNotExist", "RequiredToPreview": True},
        requirement("00000000000000000071", "EqualTo", LocaleValues=[{"Country": "US"}]),
    ]
    echoed = market.create_hit(QualificationRequirements=sent)["QualificationRequirements"]
    assert [(r["RequiredToPreview"], r["ActionsGuarded"]) for r in echoed] == [
        (False, "Accept"),
        (True, "PreviewAndAccept"),
        (False, "Accept"),
    ]
    assert echoed[2]["LocaleValues"] == [{"Country": "US"}]


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        ({"Comparator": "Exists", "IntegerValues": [1]}, "ParameterValidationError"),
        ({"Comparator": "EqualTo"}, "ParameterValidationError"),
        ({"Comparator": "LessThan", "IntegerValues": [1, 2]}, "ParameterValidationError"),
        ({"Comparator": "In", "IntegerValues": list(range(16))}, "ParameterValidationError"),
        (
            {"Comparator": "EqualTo", "LocaleValues": [{"Country": "US"}]},
            "ParameterValidationError",
        ),
        (
            {"Comparator": "Exists", "RequiredToPreview": True, "ActionsGuarded": "Accept"},
            "InvalidParameterCombinationError",
        ),
        ({"Comparator": "Exists", "QualificationTypeId": "3NONE"}, "RequestError"),
        ({"Comparator": "Near"}, "ValidationException"),
    ],
)
def test_bad_requirements_are_refused(market: Market, bad: dict[str, Any], kind: str) -> None:
    known = {"QualificationTypeId": "00000000000000000040"}
    assert told(market.create_hit, QualificationRequirements=[{**known, **bad}])[0] == kind
    eleven = [{**known, "Comparator": "EqualTo", "IntegerValues": [n]} for n in range(11)]
    assert told(market.create_hit, QualificationRequirements=eleven)[0]


@pytest.mark.parametrize(
    ("guarded", "sees", "previews"),
    [
        ("Accept", True, True),
        ("PreviewAndAccept", True, False),
        ("DiscoverPreviewAndAccept", False, False),
    ],
)
def test_requirements_guard_what_they_say(
    market: Market, guarded: str, sees: bool, previews: bool
) -> None:
    type_id = make_type(market)["QualificationTypeId"]
    worker = market.worker("w")
    grant = {"QualificationTypeId": type_id, "WorkerId": worker_id(market, worker)}
    gate = requirement(type_id, "GreaterThanOrEqualTo", guarded, IntegerValues=[50])
    hit = market.create_hit(Title=f"gated {guarded}", QualificationRequirements=[gate])
    preview = f"/projects/{hit['HITTypeId']}/tasks"
    frame = f"/hitcontent/{hit['HITId']}"
    market.mturk.associate_qualification_with_worker(**grant, IntegerValue=49)
    assert (f"gated {guarded}" in worker.http.get("/").text) is sees
    assert (worker.http.get(preview).status_code == 200) is previews
    assert (worker.http.get(frame).status_code == 200) is previews
    assert worker.accept(hit).status_code == 409
    market.mturk.associate_qualification_with_worker(**grant, IntegerValue=50)
    assert f"gated {guarded}" in worker.http.get("/").text
    assert worker.http.get(preview).status_code == 200
    assert worker.accept(hit).status_code == 303


def test_the_usual_exclusion(market: Market) -> None:
    """Who has done the study gets the qualification and no longer sees it."""
    type_id = make_type(market, "done study")["QualificationTypeId"]
    once = [requirement(type_id, "DoesNotExist", "DiscoverPreviewAndAccept")]
    first, second = (market.create_hit(QualificationRequirements=once) for _ in range(2))
    worker = market.worker("w")
    done = worker.do(first)
    worker_id = market.mturk.get_assignment(AssignmentId=done)["Assignment"]["WorkerId"]
    market.mturk.associate_qualification_with_worker(
        QualificationTypeId=type_id, WorkerId=worker_id, SendNotification=False
    )
    assert worker.accept(second).status_code == 409
    assert market.worker("other").accept(second).status_code == 303


def test_experience_is_counted_here(market: Market) -> None:
    novices = [requirement("00000000000000000040", "GreaterThanOrEqualTo", IntegerValues=[1])]
    perfect = [requirement("000000000000000000L0", "GreaterThan", IntegerValues=[95])]
    experienced = market.create_hit(QualificationRequirements=novices)
    worker = market.worker("w")
    assert worker.accept(market.create_hit(QualificationRequirements=perfect)).status_code == 303
    assert worker.accept(experienced).status_code == 409
    done = worker.do(market.create_hit())
    market.mturk.approve_assignment(AssignmentId=done)
    assert worker.accept(experienced).status_code == 303


def test_what_only_aws_knows_lets_everybody_through(market: Market) -> None:
    gates = [
        requirement("2F1QJWKUDD8XADTFD2Q0G6UTO95ALH", "Exists", "DiscoverPreviewAndAccept"),
        requirement("00000000000000000060", "EqualTo", "PreviewAndAccept", IntegerValues=[1]),
    ]
    assert market.worker("w").accept(market.create_hit(QualificationRequirements=gates)).is_redirect


def test_blocks(market: Market) -> None:
    worker = market.worker("w")
    name = worker_id(market, worker)
    market.mturk.create_worker_block(WorkerId=name, Reason="spam")
    hit = market.create_hit(Title="for the unblocked")
    assert "for the unblocked" not in worker.http.get("/").text
    assert worker.accept(hit).status_code == 409
    assert market.mturk.list_worker_blocks()["WorkerBlocks"] == [
        {"WorkerId": name, "Reason": "spam"}
    ]
    for _ in range(2):
        market.mturk.delete_worker_block(WorkerId=name)
    assert worker.accept(hit).status_code == 303
