"""Operations that read and change HITs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from mturk_eval.server import work
from mturk_eval.server.api.bounds import within
from mturk_eval.server.api.errors import RequestFailure, bad_value, missing, token_used, wrong_state
from mturk_eval.server.api.money import require_funds
from mturk_eval.server.api.operations import Call, Params, Reply, operation, recall, remember
from mturk_eval.server.api.paging import page
from mturk_eval.server.lifecycle import AssignmentStatus, HitEvent, HitStatus, Slots
from mturk_eval.server.store import Record, assignment, hit, hit_type
from mturk_eval.wire import limits

_EXTENSION_LIMIT: Final = 10  # a HIT made with fewer assignments can never have this many
_TYPE_COLUMNS: Final = [
    hit_type.c[name]
    for name in (
        "group_id",
        "title",
        "description",
        "keywords",
        "reward_usd",
        "duration_s",
        "auto_approval_delay_s",
        "requirements",
    )
]


# --- reading -------------------------------------------------------------------------------------


@operation("GetHIT")
def get_hit(call: Call, params: Params) -> Reply:
    """One HIT; a deleted one is shown as Disposed."""
    return {"HIT": hit_reply(call, own_hit(call, params["HITId"]))}


@operation("ListHITs")
def list_hits(call: Call, params: Params) -> Reply:
    """The requester's HITs, newest first, without deleted ones."""
    return _hit_page(call, params, _hits(call).where(hit.c.status != HitStatus.DISPOSED))


@operation("ListReviewableHITs")
def list_reviewable_hits(call: Call, params: Params) -> Reply:
    """HITs that are Reviewable, or Reviewing if asked for."""
    query = _hits(call).where(hit.c.status == params.get("Status", HitStatus.REVIEWABLE))
    if "HITTypeId" in params:
        query = query.where(hit.c.type_id == params["HITTypeId"])
    return _hit_page(call, params, query)


@operation("ListHITsForQualificationType")
def list_hits_for_qualification_type(call: Call, params: Params) -> Reply:
    """HITs whose requirements name a qualification type."""
    named = sa.cast(hit_type.c.requirements, sa.Text).contains(
        f'"{params["QualificationTypeId"]}"', autoescape=True
    )
    return _hit_page(call, params, _hits(call).where(hit.c.status != HitStatus.DISPOSED, named))


def _hits(call: Call) -> sa.Select[Any]:
    return (
        sa.select(hit, *_TYPE_COLUMNS)
        .join(hit_type, hit_type.c.id == hit.c.type_id)
        .where(hit.c.account == call.account)
    )


def _hit_page(call: Call, params: Params, query: sa.Select[Any]) -> Reply:
    rows, described = page(call.db, query, params, keys=[hit.c.seq], descending=True)
    slots = work.slots_of(call.db, rows, call.now)
    return {"HITs": [_render(row, slots[row["id"]]) for row in rows], **described}


def own_hit(call: Call, hit_id: str) -> Record:
    """A HIT of the calling requester, with its type's properties."""
    record = call.db.execute(_hits(call).where(hit.c.id == hit_id)).mappings().one_or_none()
    if record is None:
        raise missing("Hit", hit_id)
    return record


def require_own_type(call: Call, type_id: str) -> None:
    """Refuse a HIT type that is not the calling requester's."""
    query = sa.select(hit_type.c.id).where(
        hit_type.c.id == type_id, hit_type.c.account == call.account
    )
    if call.db.scalar(query) is None:
        raise missing("HITType", type_id)


def hit_reply(call: Call, record: Record) -> Reply:
    """A HIT in the API's shape."""
    return _render(record, work.slots_of(call.db, [record], call.now)[record["id"]])


def _render(record: Record, slots: Slots) -> Reply:
    optional = {"Keywords": record["keywords"], "RequesterAnnotation": record["annotation"]}
    return {
        "HITId": record["id"],
        "HITTypeId": record["type_id"],
        "HITGroupId": record["group_id"],
        "CreationTime": record["created_at"],
        "Title": record["title"],
        "Description": record["description"],
        "Question": record["question"],
        "HITStatus": record["status"],
        "MaxAssignments": record["max_assignments"],
        "Reward": record["reward_usd"],
        "AutoApprovalDelayInSeconds": record["auto_approval_delay_s"],
        "Expiration": record["expires_at"],
        "AssignmentDurationInSeconds": record["duration_s"],
        "QualificationRequirements": record["requirements"],
        "HITReviewStatus": "NotReviewed",
        "NumberOfAssignmentsPending": slots.pending,
        "NumberOfAssignmentsAvailable": slots.available,
        "NumberOfAssignmentsCompleted": slots.completed,
        **{name: value for name, value in optional.items() if value is not None},
    }


# --- changing ------------------------------------------------------------------------------------


@operation("UpdateExpirationForHIT", writes=True)
def update_expiration(call: Call, params: Params) -> Reply:
    """Let a HIT expire at another time; a time in the past means now."""
    record = own_hit(call, params["HITId"])
    _refuse_disposed(record)
    if params["ExpireAt"] > call.now + timedelta(seconds=limits.LIFETIME_S[1]):
        raise bad_value("ExpireAt", params["ExpireAt"], "It is more than 365 days ahead.")
    expires_at = max(params["ExpireAt"], call.now)
    call.db.execute(hit.update().where(hit.c.id == record["id"]).values(expires_at=expires_at))
    work.refresh_hit(call.db, record["id"], call.now)
    return {}


@operation("CreateAdditionalAssignmentsForHIT", writes=True)
def create_additional_assignments(call: Call, params: Params) -> Reply:
    """Add slots to a HIT."""
    record = own_hit(call, params["HITId"])
    token = params.get("UniqueRequestToken")
    if token is not None and recall(call, "CreateAdditionalAssignmentsForHIT", token) is not None:
        raise token_used(token)
    _refuse_disposed(record)
    extra = params["NumberOfAdditionalAssignments"]
    within("NumberOfAdditionalAssignments", extra, limits.MAX_ASSIGNMENTS)
    total = record["max_assignments"] + extra
    within("MaxAssignments", total, limits.MAX_ASSIGNMENTS)
    if record["created_max_assignments"] < _EXTENSION_LIMIT <= total:
        raise RequestFailure(
            f"A HIT created with fewer than {_EXTENSION_LIMIT} assignments cannot be extended to "
            f"{_EXTENSION_LIMIT} or more.",
            code="InvalidMaximumAssignmentsIncrease",
        )
    require_funds(call, record["reward_usd"] * extra)
    call.db.execute(hit.update().where(hit.c.id == record["id"]).values(max_assignments=total))
    work.refresh_hit(call.db, record["id"], call.now)
    if token is not None:
        remember(call, "CreateAdditionalAssignmentsForHIT", token, "")
    return {}


@operation("UpdateHITReviewStatus", writes=True)
def update_hit_review_status(call: Call, params: Params) -> Reply:
    """Move a HIT from Reviewable to Reviewing, or back with Revert."""
    revert = params.get("Revert", False)
    source = HitStatus.REVIEWING if revert else HitStatus.REVIEWABLE
    record = own_hit(call, params["HITId"])
    if record["status"] != source:
        raise wrong_state("InvalidHITState", source, current=record["status"], noun="HIT")
    work.step_hit(call.db, record, HitEvent.UNREVIEW if revert else HitEvent.REVIEW)
    return {}


@operation("UpdateHITTypeOfHIT", writes=True)
def update_hit_type_of_hit(call: Call, params: Params) -> Reply:
    """Give a HIT another type, as long as nobody has accepted it."""
    record = own_hit(call, params["HITId"])
    require_own_type(call, params["HITTypeId"])
    _refuse_disposed(record)
    touched = sa.select(assignment.c.seq).where(assignment.c.hit_id == record["id"]).limit(1)
    if call.db.scalar(touched) is not None:
        raise RequestFailure(
            "The type of a HIT cannot change after a worker has accepted it.",
            code="InvalidHITState",
        )
    call.db.execute(
        hit.update().where(hit.c.id == record["id"]).values(type_id=params["HITTypeId"])
    )
    return {}


@operation("DeleteHIT", writes=True)
def delete_hit(call: Call, params: Params) -> Reply:
    """Dispose of a HIT whose work is all decided."""
    record = own_hit(call, params["HITId"])
    if record["status"] not in (HitStatus.REVIEWABLE, HitStatus.REVIEWING):
        raise wrong_state(
            "InvalidHITState", "Reviewable,Reviewing", current=record["status"], noun="HIT"
        )
    undecided = sa.select(assignment.c.seq).where(
        assignment.c.hit_id == record["id"], assignment.c.status == AssignmentStatus.SUBMITTED
    )
    if call.db.execute(undecided).first() is not None:
        raise RequestFailure(
            f"This HIT is currently in the state '{record['status']}' and has submitted "
            "assignments that are neither approved nor rejected. Decide them first.",
            code="InvalidHITState",
        )
    work.step_hit(call.db, record, HitEvent.DISPOSE)
    return {}


def _refuse_disposed(record: Record) -> None:
    if record["status"] == HitStatus.DISPOSED:
        raise wrong_state(
            "InvalidHITState",
            "Assignable,Unassignable,Reviewable,Reviewing",
            current=record["status"],
            noun="HIT",
        )
