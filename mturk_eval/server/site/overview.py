"""The worker's way in and out, the list of open tasks, and what the worker has done."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qs

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mturk_eval.server import gates, work
from mturk_eval.server.context import context, origin, read_body
from mturk_eval.server.lifecycle import SUBMITTED_OR_LATER, AssignmentStatus
from mturk_eval.server.site import render, sessions
from mturk_eval.server.site.replies import ask_to_sign_in, see
from mturk_eval.server.site.sessions import Worker
from mturk_eval.server.store import Record, assignment, hit, hit_type, payment

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
    response = see(target)
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
        sessions.sign_out(db, request)  # a browser has one session
        return sessions.sign_in(db, name, now)


def sign_out(request: Request) -> Response:
    """End the session."""
    sessions.require_own_origin(request)
    with context(request).write() as (db, _now):
        sessions.sign_out(db, request)
    response = see("/")
    response.delete_cookie(sessions.COOKIE)
    return response


# --- the list of tasks ---------------------------------------------------------------------------


def home(request: Request) -> Response:
    """Everything open to the worker, or the form to sign in."""
    with context(request).read() as (db, now):
        worker = sessions.signed_in(db, request, now)
        if worker is None:
            target = sessions.safe_next(request, request.query_params.get("next", "/"))
            return render.page("sign_in.html", worker=None, next=target, problem=None)
        groups = open_groups(db, worker, now)
        held = held_by(db, worker["id"], now)
    returned = "returned" in request.query_params
    return render.page(
        "home.html", worker=worker, groups=groups, held=held, now=now, returned=returned
    )


def open_groups(db: sa.Connection, worker: Worker, now: datetime) -> list[dict[str, Any]]:
    """HIT types with tasks that this worker may find, the newest first."""
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


# --- the worker's own work -----------------------------------------------------------------------


def my_work(request: Request) -> Response:
    """What the worker holds, has done and has earned."""
    with context(request).read() as (db, now):
        worker = sessions.signed_in(db, request, now)
        if worker is None:
            return ask_to_sign_in("/tasks")
        held = held_by(db, worker["id"], now)
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


def held_by(db: sa.Connection, worker_id: str, now: datetime) -> list[Record]:
    """What a worker can still work on; in its grace period a task only waits for its answer."""
    held = _assignments(db, worker_id, [AssignmentStatus.ACCEPTED])
    return [record for record in held if record["deadline"] > now]


def _assignments(
    db: sa.Connection, worker_id: str, statuses: Iterable[AssignmentStatus]
) -> list[Record]:
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


ROUTES: Final = [
    Route("/", home, methods=["GET"]),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
    Route("/tasks", my_work, methods=["GET"]),
]
