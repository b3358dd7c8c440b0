"""The worker's pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mturk_eval.server import gates, work
from mturk_eval.server.context import BodyTooLargeError, context, origin, read_body
from mturk_eval.server.lifecycle import SUBMITTED_OR_LATER, AssignmentStatus
from mturk_eval.server.site import frame, render, sessions
from mturk_eval.server.site.sessions import Worker
from mturk_eval.server.store import Record, assignment, hit, hit_type, payment
from mturk_eval.wire.question import parse_question

_HISTORY_ROWS: Final = 200
_FORM_LIMIT: Final = 2**14


# --- signing in and out --------------------------------------------------------------------------


async def sign_in(request: Request) -> Response:
    """Take a name, give a session."""
    sessions.require_own_origin(request)
    form = parse_qs((await read_body(request, _FORM_LIMIT)).decode("utf-8", "replace"))
    target = sessions.safe_next(request, form.get("next", ["/"])[0])
    name = sessions.clean_name(form.get("name", [""])[0])
    if name is None:
        problem = "Please give a name of 1 to 64 letters, digits or signs."
        return render.page("sign_in.html", status=422, worker=None, next=target, problem=problem)
    token = await run_in_threadpool(_begin_session, request, name)
    response = _see(target)
    response.set_cookie(
        sessions.COOKIE,
        token,
        max_age=sessions.SESSION_DAYS * 24 * 3600,
        httponly=True,
        samesite="lax",
        secure=origin(request).startswith("https:"),
    )
    return response


def _begin_session(request: Request, name: str) -> str:
    with context(request).write() as (db, now):
        return sessions.sign_in(db, name, now)


def sign_out(request: Request) -> Response:
    """End the session."""
    sessions.require_own_origin(request)
    with context(request).write() as (db, _now):
        sessions.sign_out(db, request)
    response = _see("/")
    response.delete_cookie(sessions.COOKIE)
    return response


# --- finding tasks -------------------------------------------------------------------------------


def home(request: Request) -> Response:
    """Everything open to the worker, or the form to sign in."""
    with context(request).read() as (db, now):
        worker = sessions.signed_in(db, request)
        if worker is None:
            target = sessions.safe_next(request, request.query_params.get("next", "/"))
            return render.page("sign_in.html", worker=None, next=target, problem=None)
        groups = _open_groups(db, worker, now)
        held = _assignments(db, worker["id"], [AssignmentStatus.ACCEPTED])
    return render.page("home.html", worker=worker, groups=groups, held=held, now=now)


def _open_groups(db: sa.Connection, worker: Worker, now: datetime) -> list[dict[str, Any]]:
    open_ids = work.open_hits(worker["id"], now).subquery()
    available = sa.func.count().label("available")
    rows = db.execute(
        sa.select(hit_type, available)
        .join(hit, hit.c.type_id == hit_type.c.id)
        .join(open_ids, open_ids.c.id == hit.c.id)
        .group_by(hit_type.c.id)
        .order_by(sa.func.max(hit.c.seq).desc())
    ).mappings()
    values = gates.worker_values(db, worker["id"])
    return [
        {
            **row,
            "requester": requester_name(row["account"]),
            "may_preview": gates.may(gates.Action.PREVIEW, row["requirements"], values),
            "may_accept": gates.may(gates.Action.ACCEPT, row["requirements"], values),
        }
        for row in rows
        if gates.may(gates.Action.DISCOVER, row["requirements"], values)
    ]


def requester_name(access_key: str) -> str:
    """How workers see a requester: by the key's name, unless it is a real or made-up AWS key."""
    if access_key.startswith(("AKIA", "ASIA", "MTEVAL")):
        return f"Requester {access_key[-4:]}"
    return access_key


def preview_by_group_id(request: Request) -> Response:
    """``/mturk/preview?groupId=``, the address that old clients build."""
    return _see(f"/projects/{quote(request.query_params.get('groupId', ''), safe='')}/tasks")


def preview(request: Request) -> Response:
    """The next task of a group in its frame, to look at."""
    group = request.path_params["group"]
    with context(request).read() as (db, now):
        worker = sessions.signed_in(db, request)
        if worker is None:
            return _ask_to_sign_in(f"/projects/{quote(group)}/tasks")
        of_type = _hit_type(db, group)
        values = gates.worker_values(db, worker["id"])
        if not gates.may(gates.Action.PREVIEW, of_type["requirements"], values):
            return _unavailable(worker, "This task is for workers with a qualification you lack.")
        held = _held_of_group(db, worker["id"], of_type["id"])
        if held is not None:
            return _see(_work_path(of_type["id"], held["hit_id"], held["id"]))
        hit_id = work.next_hit(db, worker["id"], of_type["id"], now)
        if hit_id is None:
            return _see(f"/projects/{of_type['id']}/done")
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
        worker = sessions.signed_in(db, request)
        of_type = _hit_type(db, request.path_params["group"])
        others = len(_open_groups(db, worker, now)) if worker is not None else 0
    return render.page("done.html", worker=worker, type=of_type, others=others)


# --- accepting and returning ---------------------------------------------------------------------


def accept_any(request: Request) -> Response:
    """Accept the next task of a group; ``?after=`` comes from a task just submitted."""
    sessions.require_own_origin(request)
    group = request.path_params["group"]
    with context(request).write() as (db, now):
        worker = sessions.signed_in(db, request)
        if worker is None:
            return _ask_to_sign_in(f"/projects/{quote(group)}/tasks")
        of_type = _hit_type(db, group)
        held = _held_of_group(db, worker["id"], of_type["id"])
        if held is not None:
            return _see(_work_path(of_type["id"], held["hit_id"], held["id"]))
        hit_id = work.next_hit(db, worker["id"], of_type["id"], now)
        if hit_id is None and "after" in request.query_params:
            return _see(f"/projects/{of_type['id']}/done")
        if hit_id is None:
            return _unavailable(worker, "No task of this group is open to you now.")
        return _accept(db, worker, of_type["id"], hit_id, now)


def accept_one(request: Request) -> Response:
    """Accept one certain task."""
    sessions.require_own_origin(request)
    group, hit_id = request.path_params["group"], request.path_params["hit_id"]
    with context(request).write() as (db, now):
        worker = sessions.signed_in(db, request)
        if worker is None:
            return _ask_to_sign_in(f"/projects/{quote(group)}/tasks")
        of_type = _hit_type(db, group)
        known = sa.select(hit.c.seq).where(hit.c.id == hit_id, hit.c.type_id == of_type["id"])
        if db.scalar(known) is None:
            raise HTTPException(404)
        return _accept(db, worker, of_type["id"], hit_id, now)


def _accept(
    db: sa.Connection, worker: Worker, type_id: str, hit_id: str, now: datetime
) -> Response:
    try:
        assignment_id = work.accept(db, worker["id"], hit_id, now)
    except work.UnavailableError as error:
        return _unavailable(worker, str(error))
    return _see(_work_path(type_id, hit_id, assignment_id))


def give_back(request: Request) -> Response:
    """Return a task that the worker holds; fine if it is returned already."""
    sessions.require_own_origin(request)
    with context(request).write() as (db, now):
        worker = sessions.signed_in(db, request)
        if worker is None:
            return _ask_to_sign_in("/tasks")
        record = _own(db, worker, request.path_params["assignment_id"])
        if record["status"] in SUBMITTED_OR_LATER:
            return _unavailable(worker, "You have submitted this task; it cannot be returned.")
        if record["status"] == AssignmentStatus.ACCEPTED:
            work.give_back(db, record, now)
    return _see("/")


# --- working -------------------------------------------------------------------------------------


def work_page(request: Request) -> Response:
    """The task in its frame, with its countdown."""
    group, hit_id = request.path_params["group"], request.path_params["hit_id"]
    with context(request).read() as (db, now):
        worker = sessions.signed_in(db, request)
        if worker is None:
            return _ask_to_sign_in(f"{request.url.path}?{request.url.query}")
        of_type = _hit_type(db, group)
        record = _own(db, worker, request.query_params.get("assignment_id", ""))
        if record["hit_id"] != hit_id:
            raise HTTPException(404)
        if record["status"] != AssignmentStatus.ACCEPTED:
            return _unavailable(worker, _NOT_HELD[record["status"]])
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


def my_work(request: Request) -> Response:
    """What the worker holds, has done and has earned."""
    with context(request).read() as (db, now):
        worker = sessions.signed_in(db, request)
        if worker is None:
            return _ask_to_sign_in("/tasks")
        held = _assignments(db, worker["id"], [AssignmentStatus.ACCEPTED])
        history = _assignments(db, worker["id"], SUBMITTED_OR_LATER)
        earned: dict[str, Decimal] = {
            row.kind: row.total
            for row in db.execute(
                sa.select(payment.c.kind, sa.func.sum(payment.c.amount_usd).label("total"))
                .where(payment.c.worker_id == worker["id"])
                .group_by(payment.c.kind)
            )
        }
        waiting = db.execute(
            sa.select(sa.func.count().label("n"), sa.func.sum(hit_type.c.reward_usd).label("total"))
            .select_from(assignment)
            .join(hit, hit.c.id == assignment.c.hit_id)
            .join(hit_type, hit_type.c.id == hit.c.type_id)
            .where(
                assignment.c.worker_id == worker["id"],
                assignment.c.status == AssignmentStatus.SUBMITTED,
            )
        ).one()
        n_submitted = db.scalar(
            sa.select(sa.func.count()).where(
                assignment.c.worker_id == worker["id"],
                assignment.c.status.in_(SUBMITTED_OR_LATER),
            )
        )
    return render.page(
        "my_work.html",
        worker=worker,
        held=held,
        history=history,
        now=now,
        earned_usd=sum(earned.values(), Decimal(0)),
        bonus_usd=earned.get("bonus", Decimal(0)),
        waiting_usd=waiting.total or Decimal(0),
        n_waiting=waiting.n,
        n_submitted=n_submitted,
    )


# --- looking things up ---------------------------------------------------------------------------


def _hit_type(db: sa.Connection, group: str) -> Record:
    query = sa.select(hit_type).where(sa.or_(hit_type.c.id == group, hit_type.c.group_id == group))
    record = db.execute(query).mappings().one_or_none()
    if record is None:
        raise HTTPException(404)
    return record


def _assignments(db: sa.Connection, worker_id: str, statuses: Any) -> list[Record]:
    rows = db.execute(
        sa.select(
            assignment, hit_type.c.title, hit_type.c.reward_usd, hit_type.c.id.label("type_id")
        )
        .join(hit, hit.c.id == assignment.c.hit_id)
        .join(hit_type, hit_type.c.id == hit.c.type_id)
        .where(assignment.c.worker_id == worker_id, assignment.c.status.in_(statuses))
        .order_by(assignment.c.submitted_at.desc(), assignment.c.deadline)
        .limit(_HISTORY_ROWS)
    )
    return list(rows.mappings())


def _held_of_group(db: sa.Connection, worker_id: str, type_id: str) -> Record | None:
    held = _assignments(db, worker_id, [AssignmentStatus.ACCEPTED])
    return next((row for row in held if row["type_id"] == type_id), None)


def _own(db: sa.Connection, worker: Worker, assignment_id: str) -> Record:
    query = sa.select(assignment).where(
        assignment.c.id == assignment_id, assignment.c.worker_id == worker["id"]
    )
    record = db.execute(query).mappings().one_or_none()
    if record is None:
        raise HTTPException(404)
    return record


# --- replies -------------------------------------------------------------------------------------


def _work_path(type_id: str, hit_id: str, assignment_id: str) -> str:
    return f"/projects/{type_id}/tasks/{hit_id}?{urlencode({'assignment_id': assignment_id})}"


def _see(path: str) -> RedirectResponse:
    return RedirectResponse(path, status_code=303, headers={"Cache-Control": "no-store"})


def _ask_to_sign_in(path: str) -> RedirectResponse:
    return _see(f"/?{urlencode({'next': path})}")


def _unavailable(worker: Worker, text: str) -> Response:
    return render.message("Not available", text, status=409, worker=worker)


async def _http_problem(_request: Request, error: Exception) -> Response:
    status = 413 if isinstance(error, BodyTooLargeError) else 500
    status = error.status_code if isinstance(error, HTTPException) else status
    heading, text = _PROBLEMS.get(status, ("That did not work", "Please go back and try again."))
    return render.message(heading, text, status=status)


_PROBLEMS: Final = {
    403: ("Not allowed", "This page is not open to you."),
    404: ("Nothing here", "There is no such page, or the task is gone."),
    405: ("Not like this", "This address does not take that kind of request."),
    413: ("Too large", "That was more than the server takes."),
    500: (
        "Something went wrong",
        "It is our fault. Your answers so far are safe; please try again.",
    ),
}
EXCEPTION_HANDLERS: Final[dict[Any, Callable[[Request, Exception], Awaitable[Response]]]] = {
    HTTPException: _http_problem,
    BodyTooLargeError: _http_problem,
    500: _http_problem,
}

ROUTES: Final = [
    Route("/", home, methods=["GET"]),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
    Route("/mturk/preview", preview_by_group_id, methods=["GET"]),
    Route("/projects/{group}/tasks", preview, methods=["GET"]),
    Route("/projects/{group}/done", done, methods=["GET"]),
    Route("/projects/{group}/tasks/accept", accept_any, methods=["POST"]),
    Route("/projects/{group}/tasks/{hit_id}/accept", accept_one, methods=["POST"]),
    Route("/projects/{group}/tasks/{hit_id}", work_page, methods=["GET"]),
    Route("/assignments/{assignment_id}/return", give_back, methods=["POST"]),
    Route("/tasks", my_work, methods=["GET"]),
]
