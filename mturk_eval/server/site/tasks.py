"""A task seen, accepted, worked on, returned; submitting it is the frame's business."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mturk_eval.server import gates, work
from mturk_eval.server.context import context
from mturk_eval.server.lifecycle import SUBMITTED_OR_LATER, AssignmentStatus
from mturk_eval.server.site import frame, render, sessions
from mturk_eval.server.site.overview import held_by, open_groups
from mturk_eval.server.site.replies import ask_to_sign_in, see, unavailable
from mturk_eval.server.site.sessions import Worker
from mturk_eval.server.store import Record, assignment, hit, hit_type
from mturk_eval.wire.question import parse_question


def preview_by_group_id(request: Request) -> Response:
    """``/mturk/preview?groupId=``, the address that old clients build."""
    return see(f"/projects/{quote(request.query_params.get('groupId', ''), safe='')}/tasks")


def preview(request: Request) -> Response:
    """The next task of a group in its frame, to look at."""
    group = request.path_params["group"]
    with context(request).read() as (db, now):
        worker = sessions.signed_in(db, request, now)
        if worker is None:
            return ask_to_sign_in(f"/projects/{quote(group)}/tasks")
        of_type = _hit_type(db, group)
        values = gates.worker_values(db, worker["id"])
        if not gates.may(gates.Action.PREVIEW, of_type["requirements"], values):
            return unavailable(worker, "This task is for workers with a qualification you lack.")
        held = _held_of_group(db, worker["id"], of_type["id"], now)
        if held is not None:
            return see(_work_path(of_type["id"], held["hit_id"], held["id"]))
        hit_id = work.next_hit(db, worker["id"], of_type["id"], now)
        if hit_id is None:
            return see(f"/projects/{of_type['id']}/done")
        question = parse_question(
            db.scalar(sa.select(hit.c.question).where(hit.c.id == hit_id)) or ""
        )
    return render.page(
        "preview.html",
        worker=worker,
        type=of_type,
        hit_id=hit_id,
        may_accept=gates.may(gates.Action.ACCEPT, of_type["requirements"], values),
        frame_url=frame.frame_url(request, question, hit_id),
        frame_sandbox=frame.frame_sandbox(question),
    )


def done(request: Request) -> Response:
    """Nothing is left of a group for this worker."""
    with context(request).read() as (db, now):
        worker = sessions.signed_in(db, request, now)
        of_type = _hit_type(db, request.path_params["group"])
        others = len(open_groups(db, worker, now)) if worker is not None else 0
    return render.page("done.html", worker=worker, type=of_type, others=others)


# --- accepting and returning ---------------------------------------------------------------------


def accept_any(request: Request) -> Response:
    """Accept the next task of a group; ``?after=`` comes from a task just submitted."""
    sessions.require_own_origin(request)
    group = request.path_params["group"]
    with context(request).write() as (db, now):
        worker = sessions.signed_in(db, request, now)
        if worker is None:
            return ask_to_sign_in(f"/projects/{quote(group)}/tasks")
        of_type = _hit_type(db, group)
        held = _held_of_group(db, worker["id"], of_type["id"], now)
        if held is not None:
            return see(_work_path(of_type["id"], held["hit_id"], held["id"]))
        hit_id = work.next_hit(db, worker["id"], of_type["id"], now)
        if hit_id is None and "after" in request.query_params:
            return see(f"/projects/{of_type['id']}/done")
        if hit_id is None:
            return unavailable(worker, "No task of this group is open to you now.")
        sent = "after" in request.query_params
        return _accept(db, worker, of_type["id"], hit_id, now, sent=sent)


def accept_one(request: Request) -> Response:
    """Accept one certain task."""
    sessions.require_own_origin(request)
    group, hit_id = request.path_params["group"], request.path_params["hit_id"]
    with context(request).write() as (db, now):
        worker = sessions.signed_in(db, request, now)
        if worker is None:
            return ask_to_sign_in(f"/projects/{quote(group)}/tasks")
        of_type = _hit_type(db, group)
        known = sa.select(hit.c.seq).where(hit.c.id == hit_id, hit.c.type_id == of_type["id"])
        if db.scalar(known) is None:
            raise HTTPException(404)
        return _accept(db, worker, of_type["id"], hit_id, now)


def _accept(
    db: sa.Connection,
    worker: Worker,
    type_id: str,
    hit_id: str,
    now: datetime,
    *,
    sent: bool = False,
) -> Response:
    """Take a task and go to its page; ``sent`` tells there that the one before has arrived."""
    try:
        assignment_id = work.accept(db, worker["id"], hit_id, now)
    except work.UnavailableError as error:
        return unavailable(worker, str(error))
    return see(_work_path(type_id, hit_id, assignment_id) + ("&sent=1" if sent else ""))


def give_back(request: Request) -> Response:
    """Return a task that the worker holds; fine if it is returned already."""
    sessions.require_own_origin(request)
    with context(request).write() as (db, now):
        worker = sessions.signed_in(db, request, now)
        if worker is None:
            return ask_to_sign_in("/tasks")
        record = _own(db, worker, request.path_params["assignment_id"])
        if record["status"] in SUBMITTED_OR_LATER:
            return unavailable(worker, "You have submitted this task; it cannot be returned.")
        if record["status"] == AssignmentStatus.ACCEPTED:
            work.give_back(db, record, now)
    return see("/?returned=1")


# --- working -------------------------------------------------------------------------------------


def work_page(request: Request) -> Response:
    """The task in its frame, with its countdown."""
    group, hit_id = request.path_params["group"], request.path_params["hit_id"]
    with context(request).read() as (db, now):
        worker = sessions.signed_in(db, request, now)
        if worker is None:
            return ask_to_sign_in(f"{request.url.path}?{request.url.query}")
        of_type = _hit_type(db, group)
        record = _own(db, worker, request.query_params.get("assignment_id", ""))
        if record["hit_id"] != hit_id:
            raise HTTPException(404)
        if record["status"] != AssignmentStatus.ACCEPTED:
            return unavailable(worker, _NOT_HELD[record["status"]])
        if record["deadline"] <= now:  # what was sent in time is still taken, see work.GRACE
            return unavailable(worker, _NOT_HELD[AssignmentStatus.ABANDONED])
        text = db.scalar(sa.select(hit.c.question).where(hit.c.id == hit_id)) or ""
        left = db.scalar(
            sa.select(sa.func.count()).select_from(
                work.open_hits(worker["id"], now).where(hit_type.c.id == of_type["id"]).subquery()
            )
        )
    question = parse_question(text)
    url = frame.frame_url(
        request, question, hit_id, assignment_id=record["id"], worker_id=worker["id"]
    )
    return render.page(
        "work.html",
        worker=worker,
        type=of_type,
        assignment=record,
        remaining=record["deadline"] - now,
        left=left,
        sent="sent" in request.query_params,
        frame_url=url,
        frame_sandbox=frame.frame_sandbox(question),
    )


_NOT_HELD: Final[Mapping[str, str]] = {
    AssignmentStatus.RETURNED: "You returned this task.",
    AssignmentStatus.ABANDONED: "The time for this task ran out.",
    AssignmentStatus.SUBMITTED: "You have submitted this task. Thank you.",
    AssignmentStatus.APPROVED: "You have submitted this task, and it was approved. Thank you.",
    AssignmentStatus.REJECTED: "You have submitted this task.",
}


# --- looking things up ---------------------------------------------------------------------------


def _hit_type(db: sa.Connection, group: str) -> Record:
    """The HIT type that a page's address names by its own id or by its group's."""
    query = sa.select(hit_type).where(sa.or_(hit_type.c.id == group, hit_type.c.group_id == group))
    record = db.execute(query).mappings().one_or_none()
    if record is None:
        raise HTTPException(404)
    return record


def _held_of_group(db: sa.Connection, worker_id: str, type_id: str, now: datetime) -> Record | None:
    held = held_by(db, worker_id, now)
    return next((row for row in held if row["type_id"] == type_id), None)


def _own(db: sa.Connection, worker: Worker, assignment_id: str) -> Record:
    query = sa.select(assignment).where(
        assignment.c.id == assignment_id, assignment.c.worker_id == worker["id"]
    )
    record = db.execute(query).mappings().one_or_none()
    if record is None:
        raise HTTPException(404)
    return record


def _work_path(type_id: str, hit_id: str, assignment_id: str) -> str:
    return f"/projects/{type_id}/tasks/{hit_id}?{urlencode({'assignment_id': assignment_id})}"


ROUTES: Final = [
    Route("/mturk/preview", preview_by_group_id, methods=["GET"]),
    Route("/projects/{group}/tasks", preview, methods=["GET"]),
    Route("/projects/{group}/done", done, methods=["GET"]),
    Route("/projects/{group}/tasks/accept", accept_any, methods=["POST"]),
    Route("/projects/{group}/tasks/{hit_id}/accept", accept_one, methods=["POST"]),
    Route("/projects/{group}/tasks/{hit_id}", work_page, methods=["GET"]),
    Route("/assignments/{assignment_id}/return", give_back, methods=["POST"]),
]
