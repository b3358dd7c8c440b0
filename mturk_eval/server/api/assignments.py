"""Operations on assignments, and the bonuses paid for them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from mturk_eval.server import work
from mturk_eval.server.api.bounds import reward_usd
from mturk_eval.server.api.errors import (
    RequestFailure,
    bad_combination,
    bad_value,
    missing,
    token_used,
    wrong_state,
)
from mturk_eval.server.api.hits import hit_reply, own_hit
from mturk_eval.server.api.money import bonus_reply, require_funds
from mturk_eval.server.api.operations import Call, Params, Reply, operation, recall, remember
from mturk_eval.server.api.paging import page
from mturk_eval.server.api.workers import require_worker
from mturk_eval.server.lifecycle import (
    SUBMITTED_OR_LATER,
    AssignmentEvent,
    AssignmentStatus,
    HitStatus,
)
from mturk_eval.server.store import Record, assignment, hit, payment
from mturk_eval.wire import limits

_OVERRIDE_WITHIN: Final = timedelta(days=30)
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


@operation("ListAssignmentsForHIT")
def list_assignments_for_hit(call: Call, params: Params) -> Reply:
    """Submitted work of a HIT, in the order of submission."""
    own_hit(call, params["HITId"])
    statuses = params.get("AssignmentStatuses") or SUBMITTED_OR_LATER
    query = sa.select(assignment).where(
        assignment.c.hit_id == params["HITId"], assignment.c.status.in_(statuses)
    )
    rows, described = page(
        call.db, query, params, keys=[assignment.c.submitted_at, assignment.c.seq]
    )
    return {"Assignments": [_render(row) for row in rows], **described}


@operation("GetAssignment")
def get_assignment(call: Call, params: Params) -> Reply:
    """One assignment, once it is submitted, and its HIT."""
    record = _own_assignment(call, params["AssignmentId"])
    if record["status"] not in SUBMITTED_OR_LATER:
        # "Reviewable" is MTurk's inner name of Submitted; clients know the text.
        raise wrong_state("InvalidAssignmentState", "Reviewable,Approved,Rejected")
    return {
        "Assignment": _render(record),
        "HIT": hit_reply(call, own_hit(call, record["hit_id"])),
    }


@operation("ApproveAssignment", writes=True)
def approve_assignment(call: Call, params: Params) -> Reply:
    """Approve submitted work, or with OverrideRejection rejected work, and pay its reward."""
    feedback = _feedback(params)
    record = _own_assignment(call, params["AssignmentId"])
    if record["status"] == AssignmentStatus.SUBMITTED:
        event = AssignmentEvent.APPROVE
    elif record["status"] == AssignmentStatus.REJECTED and params.get("OverrideRejection", False):
        event = AssignmentEvent.OVERRIDE
        _check_override(call, record)
    else:
        raise wrong_state("InvalidAssignmentState", AssignmentStatus.SUBMITTED)
    require_funds(call, own_hit(call, record["hit_id"])["reward_usd"])
    work.approve(call.db, record, now=call.now, event=event, feedback=feedback)
    return {}


def _check_override(call: Call, record: Record) -> None:
    if call.now - record["submitted_at"] >= _OVERRIDE_WITHIN:
        raise RequestFailure(
            "A rejection can be overridden within 30 days of the submission only.",
            code="InvalidAssignmentState",
        )
    of_hit = own_hit(call, record["hit_id"])
    if of_hit["status"] == HitStatus.DISPOSED:
        raise wrong_state(
            "InvalidHITState",
            "Assignable,Unassignable,Reviewable,Reviewing",
            current=of_hit["status"],
            noun="HIT",
        )


@operation("RejectAssignment", writes=True)
def reject_assignment(call: Call, params: Params) -> Reply:
    """Reject submitted work; nothing is paid and its slot stays taken."""
    feedback = _feedback(params) or ""
    record = _own_assignment(call, params["AssignmentId"])
    if record["status"] != AssignmentStatus.SUBMITTED:
        raise wrong_state("InvalidAssignmentState", AssignmentStatus.SUBMITTED)
    work.reject(call.db, record, now=call.now, feedback=feedback)
    return {}


def _feedback(params: Params) -> str | None:
    text: str | None = params.get("RequesterFeedback")
    if text is not None and len(text) > limits.FEEDBACK_CHARACTERS:
        raise bad_value("RequesterFeedback", text, "It must have at most 1,024 characters.")
    if text is not None and _CONTROL.search(text):
        raise bad_value("RequesterFeedback", text, "It must not contain control characters.")
    return text


@operation("SendBonus", writes=True)
def send_bonus(call: Call, params: Params) -> Reply:
    """Pay a worker more for a submitted assignment."""
    token = params.get("UniqueRequestToken")
    if token is not None and recall(call, "SendBonus", token) is not None:
        raise token_used(token)
    require_worker(call, params["WorkerId"])
    amount = reward_usd("BonusAmount", params["BonusAmount"])
    if not amount:
        raise bad_value("BonusAmount", params["BonusAmount"], "A bonus is at least $0.01.")
    record = _own_assignment(call, params["AssignmentId"])
    if record["status"] not in SUBMITTED_OR_LATER:
        raise missing("Assignment", params["AssignmentId"])
    if record["worker_id"] != params["WorkerId"]:
        raise bad_value("WorkerId", params["WorkerId"], "The assignment is another worker's.")
    require_funds(call, amount)
    work.pay(
        call.db,
        record,
        payer=call.account,
        kind="bonus",
        amount_usd=amount,
        now=call.now,
        reason=params["Reason"],
    )
    if token is not None:
        remember(call, "SendBonus", token, "")
    return {}


@operation("ListBonusPayments")
def list_bonus_payments(call: Call, params: Params) -> Reply:
    """Bonuses of a HIT or of an assignment, oldest first."""
    if ("HITId" in params) == ("AssignmentId" in params):
        raise bad_combination("Give either HITId or AssignmentId.")
    query = (
        sa.select(payment)
        .join(assignment, assignment.c.id == payment.c.assignment_id)
        .where(payment.c.kind == "bonus")
    )
    if "HITId" in params:
        own_hit(call, params["HITId"])
        query = query.where(assignment.c.hit_id == params["HITId"])
    else:
        _own_assignment(call, params["AssignmentId"])
        query = query.where(assignment.c.id == params["AssignmentId"])
    rows, described = page(call.db, query, params, keys=[payment.c.seq])
    return {"BonusPayments": [bonus_reply(row) for row in rows], **described}


def _own_assignment(call: Call, assignment_id: str) -> Record:
    record = (
        call.db.execute(
            sa.select(assignment)
            .join(hit, hit.c.id == assignment.c.hit_id)
            .where(assignment.c.id == assignment_id, hit.c.account == call.account)
        )
        .mappings()
        .one_or_none()
    )
    if record is None:
        raise missing("Assignment", assignment_id)
    return record


def _render(record: Record) -> Reply:
    optional = {
        "ApprovalTime": record["approved_at"],
        "RejectionTime": record["rejected_at"],
        "RequesterFeedback": record["feedback"],
    }
    return {
        "AssignmentId": record["id"],
        "WorkerId": record["worker_id"],
        "HITId": record["hit_id"],
        "AssignmentStatus": record["status"],
        "AutoApprovalTime": record["auto_approval_at"],
        "AcceptTime": record["accepted_at"],
        "SubmitTime": record["submitted_at"],
        "Answer": record["answer"],
        **{name: value for name, value in optional.items() if value is not None},
    }
