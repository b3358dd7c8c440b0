"""Replies that several pages give, and the page for what went wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mturk_eval.server.bodies import BodyError
from mturk_eval.server.site import render
from mturk_eval.server.site.sessions import Worker


def see(path: str) -> RedirectResponse:
    """Go to a path of this site."""
    return RedirectResponse(path, status_code=303, headers={"Cache-Control": "no-store"})


def ask_to_sign_in(path: str) -> RedirectResponse:
    """Sign in first, then go on to ``path``."""
    return see(f"/?{urlencode({'next': path})}")


def unavailable(worker: Worker, text: str) -> Response:
    """The worker cannot have this; ``text`` says why."""
    return render.message("Not available", text, status=409, worker=worker)


async def _http_problem(_request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, BodyError) else 500
    status = error.status_code if isinstance(error, HTTPException) else status
    heading, text = _PROBLEMS.get(status, ("That did not work", "Please go back and try again."))
    return render.message(heading, text, status=status)


_PROBLEMS: Final = {
    403: ("Not allowed", "This page is not open to you."),
    404: ("Nothing here", "There is no such page, or the task is gone."),
    405: ("Not like this", "This address does not take that kind of request."),
    408: ("Not all of it came", "The connection may be slow or broken. Please try again."),
    413: ("Too large", "That was more than the server takes."),
    500: (
        "Something went wrong",
        "It is our fault. Your answers so far are safe; please try again.",
    ),
}
EXCEPTION_HANDLERS: Final[dict[Any, Callable[[Request, Exception], Awaitable[Response]]]] = {
    HTTPException: _http_problem,
    BodyError: _http_problem,
    500: _http_problem,
}
