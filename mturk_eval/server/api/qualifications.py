"""Operations on qualification types, and on who holds them."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from mturk_eval.server.api.errors import RequestFailure, bad_value, missing, wrong_state
from mturk_eval.server.api.operations import Call, Params, Reply, operation
from mturk_eval.server.api.paging import page
from mturk_eval.server.api.workers import require_worker
from mturk_eval.server.store import Record, new_id, qualification, qualification_type

_MOST_CHARACTERS: Final = {"Name": 200, "Description": 2_000, "Keywords": 1_000}


@operation("CreateQualificationType", writes=True)
def create_qualification_type(call: Call, params: Params) -> Reply:
    """Make a qualification type; its name is unique for the requester."""
    _refuse_test(params)
    for name, most in _MOST_CHARACTERS.items():
        if len(params.get(name, "")) > most:
            raise bad_value(name, params[name], f"It must have at most {most:,} characters.")
    if not params["Name"].strip():
        raise bad_value("Name", params["Name"], "It must not be empty.")
    mine = qualification_type.c.account == call.account
    taken = sa.select(qualification_type.c.id).where(
        mine, qualification_type.c.name == params["Name"]
    )
    if call.db.execute(taken).first() is not None:
        raise RequestFailure(
            "You have already created a QualificationType with this name. A QualificationType's "
            "name must be unique among all of the QualificationTypes created by the same user.",
            code="QualificationTypeAlreadyExists",
        )
    type_id = new_id()
    auto_granted = params.get("AutoGranted", False)
    call.db.execute(
        qualification_type.insert().values(
            id=type_id,
            account=call.account,
            name=params["Name"],
            description=params["Description"],
            keywords=params.get("Keywords"),
            status=params["QualificationTypeStatus"],
            retry_delay_s=params.get("RetryDelayInSeconds"),
            auto_granted=auto_granted,
            auto_granted_value=params.get("AutoGrantedValue", 1) if auto_granted else None,
            created_at=call.now,
        )
    )
    return {"QualificationType": _render(_type(call, type_id))}


@operation("UpdateQualificationType", writes=True)
def update_qualification_type(call: Call, params: Params) -> Reply:
    """Change what may change of a type; its name and keywords stay."""
    _refuse_test(params)
    record = _own_type(call, params["QualificationTypeId"])
    if len(params.get("Description", "")) > _MOST_CHARACTERS["Description"]:
        raise bad_value(
            "Description", params["Description"], "It must have at most 2,000 characters."
        )
    changed = {
        "description": params.get("Description", record["description"]),
        "status": params.get("QualificationTypeStatus", record["status"]),
        "retry_delay_s": params.get("RetryDelayInSeconds", record["retry_delay_s"]),
        "auto_granted": params.get("AutoGranted", record["auto_granted"]),
        "auto_granted_value": params.get("AutoGrantedValue", record["auto_granted_value"]),
    }
    call.db.execute(
        qualification_type.update().where(qualification_type.c.id == record["id"]).values(changed)
    )
    return {"QualificationType": _render(_type(call, record["id"]))}


@operation("DeleteQualificationType", writes=True)
def delete_qualification_type(call: Call, params: Params) -> Reply:
    """Remove a type, at once; its name is free again."""
    record = _own_type(call, params["QualificationTypeId"])
    call.db.execute(qualification_type.delete().where(qualification_type.c.id == record["id"]))
    return {}


@operation("GetQualificationType")
def get_qualification_type(call: Call, params: Params) -> Reply:
    """One qualification type, also another requester's."""
    return {"QualificationType": _render(_type(call, params["QualificationTypeId"]))}


@operation("ListQualificationTypes")
def list_qualification_types(call: Call, params: Params) -> Reply:
    """Types whose name, keywords or description contain ``Query``, newest first."""
    query = sa.select(qualification_type)
    if params.get("MustBeOwnedByCaller", False):
        query = query.where(qualification_type.c.account == call.account)
    if params["MustBeRequestable"]:
        query = query.where(qualification_type.c.status == "Active")
    if "Query" in params:
        text = (qualification_type.c[name] for name in ("name", "keywords", "description"))
        query = query.where(
            sa.or_(*(column.icontains(params["Query"], autoescape=True) for column in text))
        )
    rows, described = page(call.db, query, params, keys=[qualification_type.c.seq], descending=True)
    return {"QualificationTypes": [_render(row) for row in rows], **described}


@operation("AssociateQualificationWithWorker", writes=True)
def associate_qualification_with_worker(call: Call, params: Params) -> Reply:
    """Grant a qualification, or change its value."""
    of_type = _own_type(call, params["QualificationTypeId"])
    require_worker(call, params["WorkerId"])
    granted = {
        "value": params.get("IntegerValue", 1),
        "status": "Granted",
        "granted_at": call.now,
    }
    held = _held(call, of_type["id"], params["WorkerId"])
    if held is None:
        call.db.execute(
            qualification.insert().values(
                type_id=of_type["id"], worker_id=params["WorkerId"], **granted
            )
        )
    else:
        call.db.execute(
            qualification.update().where(qualification.c.seq == held["seq"]).values(granted)
        )
    return {}


@operation("DisassociateQualificationFromWorker", writes=True)
def disassociate_qualification_from_worker(call: Call, params: Params) -> Reply:
    """Revoke a qualification."""
    held = _granted(call, params)
    call.db.execute(
        qualification.update().where(qualification.c.seq == held["seq"]).values(status="Revoked")
    )
    return {}


@operation("GetQualificationScore")
def get_qualification_score(call: Call, params: Params) -> Reply:
    """The value a worker holds."""
    return {"Qualification": _render_held(_granted(call, params))}


@operation("ListWorkersWithQualificationType")
def list_workers_with_qualification_type(call: Call, params: Params) -> Reply:
    """Who holds a qualification, or had it revoked."""
    of_type = _own_type(call, params["QualificationTypeId"])
    query = sa.select(qualification).where(
        qualification.c.type_id == of_type["id"],
        qualification.c.status == params.get("Status", "Granted"),
    )
    rows, described = page(call.db, query, params, keys=[qualification.c.seq])
    return {"Qualifications": [_render_held(row) for row in rows], **described}


def _refuse_test(params: Params) -> None:
    for name in ("Test", "AnswerKey", "TestDurationInSeconds"):
        if name in params:
            raise bad_value(name, params[name], "This server has no qualification tests.")


def _type(call: Call, type_id: str) -> Record:
    query = sa.select(qualification_type).where(qualification_type.c.id == type_id)
    record = call.db.execute(query).mappings().one_or_none()
    if record is None:
        raise missing("QualificationType", type_id)
    return record


def _own_type(call: Call, type_id: str) -> Record:
    record = _type(call, type_id)
    if record["account"] != call.account:
        raise missing("QualificationType", type_id)
    return record


def _held(call: Call, type_id: str, worker_id: str) -> Record | None:
    query = sa.select(qualification).where(
        qualification.c.type_id == type_id, qualification.c.worker_id == worker_id
    )
    return call.db.execute(query).mappings().one_or_none()


def _granted(call: Call, params: Params) -> Record:
    of_type = _own_type(call, params["QualificationTypeId"])
    require_worker(call, params["WorkerId"])
    held = _held(call, of_type["id"], params["WorkerId"])
    if held is None:
        raise RequestFailure(
            f"Worker {params['WorkerId']}'s Qualification of type {of_type['id']} does not exist.",
            code="QualificationDoesNotExist",
        )
    if held["status"] != "Granted":
        raise wrong_state("InvalidQualificationState", "Granted")
    return held


def _render(record: Record) -> Reply:
    optional = {
        "Keywords": record["keywords"],
        "RetryDelayInSeconds": record["retry_delay_s"],
        "AutoGrantedValue": record["auto_granted_value"],
    }
    return {
        "QualificationTypeId": record["id"],
        "CreationTime": record["created_at"],
        "Name": record["name"],
        "Description": record["description"],
        "QualificationTypeStatus": record["status"],
        "IsRequestable": record["status"] == "Active",
        "AutoGranted": record["auto_granted"],
        **{name: value for name, value in optional.items() if value is not None},
    }


def _render_held(record: Record) -> Reply:
    return {
        "QualificationTypeId": record["type_id"],
        "WorkerId": record["worker_id"],
        "GrantTime": record["granted_at"],
        "IntegerValue": record["value"],
        "Status": record["status"],
    }
