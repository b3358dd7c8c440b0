"""The requester API over HTTP: one path, JSON in and out, the operation in a header."""

from __future__ import annotations

import contextlib
import json
import logging
import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from mturk_eval.server.api import assignments, hits, money, posting, qualifications, workers
from mturk_eval.server.api.errors import RequestFailure
from mturk_eval.server.api.model import operation_model, validated
from mturk_eval.server.api.operations import (
    OPERATIONS,
    Call,
    Operation,
    open_account,
    recall,
    remember,
)
from mturk_eval.server.api.signature import (
    SignedRequest,
    named_account,
    needs_signature,
    verified_account,
)
from mturk_eval.server.bodies import BodyError, BodyTooLargeError
from mturk_eval.server.context import Context, context, read_body
from mturk_eval.wire.limits import TARGET_PREFIX

logger = logging.getLogger(__name__)

NOUNS: Final = (assignments, hits, money, posting, qualifications, workers)  # imported: registered
CONTENT_TYPE: Final = "application/x-amz-json-1.1"
_BODY_LIMIT: Final = 2 * 2**20
_STRANGERS_LIMIT: Final = 64 * 2**10
_INVOCATION_CHARACTERS: Final = 64


async def requester_api(request: Request) -> Response:
    """Answer ``POST /``."""
    request_id = str(uuid.uuid4())
    state = context(request)
    try:
        account, body = await authenticated(request, _BODY_LIMIT)
        operation = _operation(request.headers.get("x-amz-target", ""))
        invocation = request.headers.get("amz-sdk-invocation-id", "")[:_INVOCATION_CHARACTERS]
        text = await run_in_threadpool(_perform, state, operation, account, body, invocation)
        status = 200
    except RequestFailure as failure:
        status, text = failure.status, _error_text(state, failure)
    except BodyTooLargeError as error:
        too_large = RequestFailure(str(error), kind="RequestEntityTooLargeException")
        status, text = error.status, _error_text(state, too_large)
    except BodyError as error:
        incomplete = RequestFailure(str(error), kind="RequestTimeoutException")
        status, text = error.status, _error_text(state, incomplete)
    except Exception:
        logger.exception("Request %s failed", request_id)
        fault = RequestFailure(
            f"An internal error; the server's log has it as {request_id}.", kind="ServiceFault"
        )
        status, text = 500, _error_text(state, fault)
    headers = {"x-amzn-RequestId": request_id, "Cache-Control": "no-store"}
    return Response(text, status, headers, media_type=CONTENT_TYPE)


async def authenticated(request: Request, limit: int) -> tuple[str, bytes]:
    """The account a request is for, and its body, verified where it must be.

    Raises
    ------
    RequestFailure
        If the signature is missing or wrong.
    BodyError
        If the body has more than ``limit`` bytes, or does not come.
    """
    state = context(request)
    headers = {name: ", ".join(request.headers.getlist(name)) for name in request.headers}
    peer = request.client.host if request.client else None
    if not state.verify_always and not needs_signature(peer, headers):
        return named_account(headers), await read_body(request, limit)
    if "authorization" in headers and named_account(headers) in state.requester_keys:
        body = await read_body(request, limit)
    else:
        # Refused whatever the body is; a little is read, for clients that send before they listen.
        with contextlib.suppress(BodyTooLargeError):
            await state.bodies.read(request, _STRANGERS_LIMIT, drained=0)
        body = b""
    query = request.scope["query_string"]
    target = request.scope["raw_path"] + (b"?" + query if query else b"")
    signed = SignedRequest(request.method, target.decode("latin-1"), headers, body)
    return verified_account(signed, state.requester_keys, state.clock()), body


def _operation(target: str) -> Operation:
    service, _, name = target.rpartition(".")
    if service != TARGET_PREFIX or operation_model(name) is None:
        raise RequestFailure(
            f"X-Amz-Target {target!r} names no operation of {TARGET_PREFIX}.",
            kind="UnknownOperationException",
        )
    if name not in OPERATIONS:
        raise RequestFailure(f"This server does not offer {name}.", code="OperationNotSupported")
    return OPERATIONS[name]


def _perform(
    state: Context, operation: Operation, account: str, body: bytes, invocation: str
) -> str:
    model = operation_model(operation.name)
    assert model is not None  # noqa: S101  (_operation looked)
    params = validated(model, _parsed(body))
    with state.write() if operation.writes else state.read() as (db, now):
        call = Call(db, account, now, state.opening_balance_usd)
        if not operation.writes:
            return _encoded(operation.run(call, params))
        # SDKs send a call again when its reply was lost: without a token of the caller's, the
        # SDK's own id of the call keeps it from being carried out twice.
        replayable = invocation if "UniqueRequestToken" not in params else ""
        replay = recall(call, f"reply to {operation.name}", replayable) if replayable else None
        if replay is not None:
            return replay
        open_account(call)
        text = _encoded(operation.run(call, params))
        if replayable:
            remember(call, f"reply to {operation.name}", replayable, text)
        return text


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        raise RequestFailure(
            f"The request is not JSON: {error}", kind="SerializationException"
        ) from error


def _encoded(reply: dict[str, Any]) -> str:
    return json.dumps(reply, default=_encode)


def _encode(value: object) -> object:
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    raise TypeError(f"{type(value)} has no place in a reply")


def _error_text(state: Context, failure: RequestFailure) -> str:
    stamp = int(state.clock().timestamp() * 1000)
    document = {"__type": failure.kind, "Message": f"{failure.message} ({stamp})"}
    if failure.code:
        document["TurkErrorCode"] = f"AWS.MechanicalTurk.{failure.code}"
    return json.dumps(document)
