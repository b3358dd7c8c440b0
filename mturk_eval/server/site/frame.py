"""What a task's frame shows, and where it sends its answers.

A requester's page is untrusted: it runs in an origin of its own, away from the worker's cookie.
So a submission carries no cookie; its assignment id, which nobody can guess, is the permission.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mturk_eval.server import gates, images, work
from mturk_eval.server.bodies import BodyError
from mturk_eval.server.context import Context, context, origin, read_body
from mturk_eval.server.lifecycle import HitStatus
from mturk_eval.server.site import render
from mturk_eval.server.site.sessions import signed_in
from mturk_eval.server.store import Record, assignment, hit, hit_type
from mturk_eval.wire.answers import write_answers
from mturk_eval.wire.limits import PREVIEW_ASSIGNMENT_ID
from mturk_eval.wire.question import ExternalQuestion, HtmlQuestion, Question, parse_question

Fields = list[tuple[str, str]]

_BODY_LIMIT: Final = 8 * 2**20
_MOST_FIELDS: Final = 10_000
_CONTENT_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads "
        "allow-top-navigation-by-user-activation; frame-ancestors 'self'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_SUBMIT_URL: Final = re.compile(
    r"(?:https?:)?//(?:www|workersandbox|worker)\.mturk\.com(?=/mturk/externalSubmit)"
)
_HELPER_URL: Final = re.compile(
    r"(?:https?:)?//(?:s3\.amazonaws\.com/mturk-public|mturk-public\.s3\.amazonaws\.com)"
    r"/externalHIT_v1\.js"
)
_ANY_ORIGIN: Final[Mapping[str, str]] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
}


# --- showing -------------------------------------------------------------------------------------


def frame_url(
    request: Request,
    question: Question,
    hit_id: str,
    *,
    assignment_id: str = PREVIEW_ASSIGNMENT_ID,
    worker_id: str | None = None,
) -> str:
    """Where the frame of a task points; without a worker it is a preview."""
    parameters = {"assignmentId": assignment_id, "hitId": hit_id}
    if worker_id is not None:
        parameters["workerId"] = worker_id
    parameters["turkSubmitTo"] = origin(request)
    if isinstance(question, HtmlQuestion):
        return f"/hitcontent/{hit_id}?{urlencode(parameters)}"
    url, hash_mark, fragment = question.url.partition("#")
    joint = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
    return f"{url}{joint}{urlencode(parameters)}{hash_mark}{fragment}"


def hit_content(request: Request) -> Response:
    """The page of an HTMLQuestion, for who holds the task or may preview it."""
    hit_id = request.path_params["hit_id"]
    assignment_id = request.query_params.get("assignmentId", PREVIEW_ASSIGNMENT_ID)
    with context(request).read() as (db, now):
        record = (
            db.execute(
                sa.select(hit.c.question, hit.c.status, hit_type.c.requirements)
                .join(hit_type, hit_type.c.id == hit.c.type_id)
                .where(hit.c.id == hit_id)
            )
            .mappings()
            .one_or_none()
        )
        if record is None or record["status"] == HitStatus.DISPOSED:
            raise HTTPException(404)
        if assignment_id == PREVIEW_ASSIGNMENT_ID:
            worker = signed_in(db, request, now)
            allowed = worker is not None and gates.may(
                gates.Action.PREVIEW, record["requirements"], gates.worker_values(db, worker["id"])
            )
        else:
            of_hit = sa.select(assignment.c.seq).where(
                assignment.c.id == assignment_id, assignment.c.hit_id == hit_id
            )
            allowed = db.execute(of_hit).first() is not None
    if not allowed:
        raise HTTPException(403)
    question = parse_question(record["question"])
    if isinstance(question, ExternalQuestion):
        raise HTTPException(404)
    html = _SUBMIT_URL.sub(origin(request), question.html)
    html = _HELPER_URL.sub(f"{origin(request)}/static/externalHIT_v1.js", html)
    html = images.at_origin(html, context(request).store.images, origin(request))
    return HTMLResponse(html, headers=dict(_CONTENT_HEADERS))


def frame_sandbox(question: Question) -> str | None:
    """The frame's sandbox attribute; our own pages bring theirs as a header."""
    if isinstance(question, HtmlQuestion):
        return None
    return (
        "allow-scripts allow-forms allow-same-origin allow-popups allow-modals allow-downloads "
        "allow-top-navigation-by-user-activation"
    )


# --- submitting ----------------------------------------------------------------------------------


async def external_submit(request: Request) -> Response:
    """Take the answers of a task; every reply is a page, most often shown inside the frame."""
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=dict(_ANY_ORIGIN))
    try:
        fields = await _posted_fields(request)
    except BodyError as error:
        reply = _problem(
            "Your answers did not arrive", f"{error} Nothing was stored.", error.status
        )
    except _UnreadableFormError as error:
        reply = _problem("Your answers could not be read", f"{error} Nothing was stored.", 400)
    else:
        reply = await run_in_threadpool(_submit, context(request), fields)
    reply.headers.update(_ANY_ORIGIN)
    return reply


def _submit(state: Context, fields: Fields) -> HTMLResponse:
    assignment_id = next((value for name, value in fields if name == "assignmentId" and value), "")
    if assignment_id == PREVIEW_ASSIGNMENT_ID:
        return _problem(
            "This is a preview", "Accept the task first, then submit. Nothing was stored.", 400
        )
    if not assignment_id:
        return _problem(
            "The page did not say which task it is",
            "It sent no assignmentId. Nothing was stored; please tell the requester.",
            400,
        )
    with state.write() as (db, now):
        query = sa.select(assignment).where(assignment.c.id == assignment_id)
        record = db.execute(query).mappings().one_or_none()
        outcome = record and work.submit(db, record, write_answers(fields), now)
        group = record and _group_of(db, record)
    match outcome:
        case None:
            return _problem("This task is not known here", "Nothing was stored.", 404)
        case work.Outcome.CONFLICTING:
            return _problem(
                "You have submitted this task already",
                "Your first answers stand; these were not stored.",
                409,
            )
        case work.Outcome.TOO_LATE:
            return _problem(
                "This task is no longer yours",
                "You returned it, or its time ran out. Your answers were kept aside for the "
                "requester, but they do not count as submitted.",
                409,
            )
        case _:
            return render.page("submitted.html", framed_by="*", group=group)


def _group_of(db: sa.Connection, record: Record) -> str | None:
    return db.scalar(sa.select(hit.c.type_id).where(hit.c.id == record["hit_id"]))


def _problem(heading: str, text: str, status: int) -> HTMLResponse:
    return render.page(
        "not_submitted.html", status=status, framed_by="*", heading=heading, text=text
    )


class _UnreadableFormError(Exception):
    pass


async def _posted_fields(request: Request) -> Fields:
    """Every field of the form, those in the address first, in their order."""
    body = await read_body(request, _BODY_LIMIT)
    in_url = _urlencoded(request.scope["query_string"])
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return in_url + await _multipart(request, body)
    if kind == "text/plain":
        lines = body.decode("utf-8", "replace").splitlines()
        pairs = (line.partition("=") for line in lines if line)
        return in_url + [(name, value) for name, _, value in pairs]
    if kind in ("application/x-www-form-urlencoded", ""):
        return in_url + _urlencoded(body)
    raise _UnreadableFormError(f"The page sent them as {kind}, not as a form.")


def _urlencoded(text: bytes) -> Fields:
    try:
        return parse_qsl(
            text.decode("utf-8", "replace"),
            keep_blank_values=True,
            errors="replace",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as error:
        raise _UnreadableFormError(f"The form has more than {_MOST_FIELDS:,} fields.") from error


async def _multipart(request: Request, body: bytes) -> Fields:
    async def stream() -> Any:
        yield body

    parser = MultiPartParser(
        request.headers, stream(), max_fields=_MOST_FIELDS, max_part_size=_BODY_LIMIT
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, UnicodeError) as error:
        raise _UnreadableFormError("The form is damaged or has too many fields.") from error
    try:
        fields: Fields = []
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                fields.append((name, value))
            elif value.filename:  # a file input left empty is sent too, without a name
                raise _UnreadableFormError("The form has a file; files cannot be submitted.")
        return fields
    finally:
        await form.close()


ROUTES: Final = [
    Route("/hitcontent/{hit_id}", hit_content, methods=["GET"]),
    Route("/mturk/externalSubmit", external_submit, methods=["POST", "OPTIONS"]),
    # Pages that add a slash to one that is there.
    Route("//mturk/externalSubmit", external_submit, methods=["POST", "OPTIONS"]),
]
