"""Operations that post HITs and make HIT types."""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from mturk_eval.server import gates
from mturk_eval.server.api.bounds import at_most, reward_usd, within
from mturk_eval.server.api.errors import (
    RequestFailure,
    bad_combination,
    bad_question,
    bad_value,
    missing,
    wrong_state,
)
from mturk_eval.server.api.hits import hit_reply, own_hit, require_own_type
from mturk_eval.server.api.money import require_funds
from mturk_eval.server.api.operations import Call, Params, Reply, operation, recall, remember
from mturk_eval.server.api.requirements import normalised
from mturk_eval.server.lifecycle import HitStatus
from mturk_eval.server.store import hit, hit_type, new_id, qualification_type
from mturk_eval.wire import limits
from mturk_eval.wire.question import QuestionXmlError, parse_question

logger = logging.getLogger(__name__)


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
    require_own_type(call, params["HITTypeId"])
    return _create(call, "CreateHITWithHITType", params, params["HITTypeId"])


def _create(call: Call, name: str, params: Params, type_id: str) -> Reply:
    within("LifetimeInSeconds", params["LifetimeInSeconds"], limits.LIFETIME_S)
    max_assignments = params.get("MaxAssignments", 1)
    within("MaxAssignments", max_assignments, limits.MAX_ASSIGNMENTS)
    at_most("RequesterAnnotation", params.get("RequesterAnnotation"), limits.ANNOTATION_CHARACTERS)
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
        at_most(name, params.get(name), most)
    for name in ("Title", "Description"):
        if not params[name].strip():
            raise bad_value(name, params[name], "It must not be empty.")
    within("AssignmentDurationInSeconds", values["duration_s"], limits.ASSIGNMENT_DURATION_S)
    within(
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
