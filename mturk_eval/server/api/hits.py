"""Operations on HITs and HIT types."""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from mturk_eval.server import gates, work
from mturk_eval.server.api.errors import (
    RequestFailure,
    bad_combination,
    bad_question,
    bad_value,
    missing,
    wrong_state,
)
from mturk_eval.server.api.money import require_funds
from mturk_eval.server.api.operations import Call, Params, Reply, operation, recall, remember
from mturk_eval.server.api.paging import page
from mturk_eval.server.api.requirements import normalised
from mturk_eval.server.lifecycle import AssignmentStatus, HitEvent, HitStatus, Slots
from mturk_eval.server.store import Record, assignment, hit, hit_type, new_id, qualification_type
from mturk_eval.wire import limits
from mturk_eval.wire.question import QuestionXmlError, parse_question

logger = logging.getLogger(__name__)

_MAX_REWARD_USD: Final = Decimal(100_000)
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


# --- creating ------------------------------------------------------------------------------------


@operation("CreateHITType", writes=True)
def create_hit_type(call: Call, params: Params) -> Reply:
    """Find or make the HIT type with these properties."""
    return {"HITTypeId": _hit_type_id(call, params)}


@operation("CreateHIT", writes=True)
def create_hit(call: Call, params: Params) -> Reply:
    """Post a HIT, its type given by its properties."""
    _refuse_known_token(call, "CreateHIT", params)
    return _create(call, "CreateHIT", params, _hit_type_id(call, params))


@operation("CreateHITWithHITType", writes=True)
def create_hit_with_hit_type(call: Call, params: Params) -> Reply:
    """Post a HIT of an existing type."""
    _refuse_known_token(call, "CreateHITWithHITType", params)
    _own_type(call, params["HITTypeId"])
    return _create(call, "CreateHITWithHITType", params, params["HITTypeId"])


def _create(call: Call, name: str, params: Params, type_id: str) -> Reply:
    _within("LifetimeInSeconds", params["LifetimeInSeconds"], limits.LIFETIME_S)
    max_assignments = params.get("MaxAssignments", 1)
    _within("MaxAssignments", max_assignments, limits.MAX_ASSIGNMENTS)
    _at_most("RequesterAnnotation", params.get("RequesterAnnotation"), limits.ANNOTATION_CHARACTERS)
    question = _checked_question(params)
    for policy in ("AssignmentReviewPolicy", "HITReviewPolicy"):
        if policy in params:
            logger.warning("%s is not applied by this server; the HIT is made without it", policy)
    of_type = call.db.execute(sa.select(hit_type).where(hit_type.c.id == type_id)).mappings().one()
    require_funds(call, of_type["reward_usd"] * max_assignments)
    hit_id = new_id()
    call.db.execute(
        hit.insert().values(
            id=hit_id,
            account=call.account,
            type_id=type_id,
            question=question,
            annotation=params.get("RequesterAnnotation"),
            status=HitStatus.ASSIGNABLE,
            max_assignments=max_assignments,
            created_max_assignments=max_assignments,
            created_at=call.now,
            expires_at=call.now + timedelta(seconds=params["LifetimeInSeconds"]),
        )
    )
    if "UniqueRequestToken" in params:
        remember(call, name, params["UniqueRequestToken"], hit_id)
    return {"HIT": hit_reply(call, own_hit(call, hit_id))}


def _refuse_known_token(call: Call, name: str, params: Params) -> None:
    token = params.get("UniqueRequestToken")
    hit_id = None if token is None else recall(call, name, token)
    if hit_id is not None:
        raise RequestFailure(
            f'The HIT with ID "{hit_id}" already exists. It was created with the '
            f'UniqueRequestToken "{token}".',
            code="HitAlreadyExists",
        )


def _checked_question(params: Params) -> str:
    if "HITLayoutId" in params:
        if "Question" in params:
            raise bad_combination("Give either Question or HITLayoutId, not both.")
        raise bad_value("HITLayoutId", params["HITLayoutId"], "This server keeps no layouts.")
    if "Question" not in params:
        raise bad_combination("A HIT needs a Question.")
    question = str(params["Question"])
    size = len(question.encode("utf-8", "surrogatepass"))
    if size > limits.QUESTION_BYTES:
        raise bad_value(
            "Question",
            question,
            f"It has {size:,} bytes; at most {limits.QUESTION_BYTES:,} are allowed.",
        )
    try:
        parse_question(question)
    except (QuestionXmlError, UnicodeError) as error:
        raise bad_question(str(error)) from error
    return question


def _hit_type_id(call: Call, params: Params) -> str:
    """Find or make a HIT type: the same seven properties are the same type."""
    values = {
        "title": params["Title"],
        "description": params["Description"],
        "keywords": params.get("Keywords"),
        "reward_usd": reward_usd("Reward", params["Reward"]),
        "duration_s": params["AssignmentDurationInSeconds"],
        "auto_approval_delay_s": params.get(
            "AutoApprovalDelayInSeconds", limits.DEFAULT_AUTO_APPROVAL_DELAY_S
        ),
        "requirements": normalised(params.get("QualificationRequirements", [])),
    }
    for name, most in (
        ("Title", limits.TITLE_CHARACTERS),
        ("Description", limits.DESCRIPTION_CHARACTERS),
        ("Keywords", limits.KEYWORDS_CHARACTERS),
    ):
        _at_most(name, params.get(name), most)
    for name in ("Title", "Description"):
        if not params[name].strip():
            raise bad_value(name, params[name], "It must not be empty.")
    _within("AssignmentDurationInSeconds", values["duration_s"], limits.ASSIGNMENT_DURATION_S)
    _within(
        "AutoApprovalDelayInSeconds", values["auto_approval_delay_s"], limits.AUTO_APPROVAL_DELAY_S
    )
    canonical = values | {"requirements": sorted(values["requirements"], key=json.dumps)}
    digest = hashlib.sha256(json.dumps(canonical, sort_keys=True, default=str).encode()).hexdigest()
    known = call.db.scalar(
        sa.select(hit_type.c.id).where(
            hit_type.c.account == call.account, hit_type.c.digest == digest
        )
    )
    if known is not None:
        return str(known)
    _require_known_types(call, values["requirements"])
    type_id = new_id()
    call.db.execute(
        hit_type.insert().values(
            id=type_id, group_id=new_id(), account=call.account, digest=digest, **values
        )
    )
    return type_id


def _require_known_types(call: Call, requirements: list[dict[str, Any]]) -> None:
    for requirement in requirements:
        type_id = requirement["QualificationTypeId"]
        if not gates.is_enforced(type_id):
            logger.warning("Requirement on %s lets everybody through on this server", type_id)
        elif type_id not in (gates.HITS_APPROVED, gates.PERCENT_APPROVED):
            known = sa.select(qualification_type.c.status).where(qualification_type.c.id == type_id)
            status = call.db.scalar(known)
            if status is None:
                raise missing("QualificationType", type_id)
            if status != "Active":
                raise wrong_state("InvalidQualificationTypeState", "Active")


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


def _own_type(call: Call, type_id: str) -> None:
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
    _within("NumberOfAdditionalAssignments", extra, limits.MAX_ASSIGNMENTS)
    total = record["max_assignments"] + extra
    _within("MaxAssignments", total, limits.MAX_ASSIGNMENTS)
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
    _own_type(call, params["HITTypeId"])
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


# --- limits --------------------------------------------------------------------------------------


def reward_usd(parameter: str, text: str) -> Decimal:
    """An amount of money as Decimal."""
    amount = Decimal(text)
    if amount > _MAX_REWARD_USD:
        raise bad_value(parameter, text, f"It is over ${_MAX_REWARD_USD:,}.")
    return amount.quantize(Decimal("0.01"))


def token_used(token: str) -> RequestFailure:
    """A token that has done its work, for operations that return nothing."""
    return RequestFailure(
        f'The idempotency token "{token}" has already been processed.', code="DuplicateRequest"
    )


def _within(parameter: str, value: int, bounds: tuple[int, int]) -> None:
    low, high = bounds
    if not low <= value <= high:
        raise bad_value(parameter, value, f"It must be between {low:,} and {high:,}.")


def _at_most(parameter: str, text: str | None, most: int) -> None:
    if text is not None and len(text) > most:
        raise bad_value(parameter, text, f"It must have at most {most:,} characters.")
