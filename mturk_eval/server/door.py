"""What is looked at before and after every handler: the Host header, and what was left unread."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HOST: Final = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")


class Door:
    """ASGI middleware.

    A Host header that is none is refused here, so that nothing behind has to fear one. A reply to
    a request whose body was not read to its end closes the connection; otherwise the HTTP server
    would go on to receive the rest, however much that is.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        unread = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers

        async def receive_and_note() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and bool(message.get("more_body", False))
            return message

        async def send_and_close(message: Message) -> None:
            if unread and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        known = _is_host(headers.getlist("host"))
        app = self._app if known else PlainTextResponse("The Host header names no host.", 400)
        await app(scope, receive_and_note, send_and_close)


def _is_host(values: Sequence[str]) -> bool:
    """Whether there is at most one host, and it is one."""
    if not values:  # HTTP/1.0
        return True
    if len(values) > 1 or _HOST.fullmatch(values[0]) is None:
        return False
    try:
        parts = urlsplit(f"//{values[0]}")
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # no address between the brackets, or no such port
        return False
