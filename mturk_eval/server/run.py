"""The server as a process or a thread: sockets, uvicorn, a clean stop."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn

from mturk_eval.errors import ServerError
from mturk_eval.server.address import ANY_ADDRESS, http_url
from mturk_eval.server.app import create_app
from mturk_eval.server.context import Context
from mturk_eval.server.options import ServerOptions
from mturk_eval.server.store import Clock, utc_now

_STARTS_WITHIN_S: Final = 15.0


def serve(options: ServerOptions, *, on_ready: Callable[[str], None]) -> None:
    """Run until interrupted; see `mturk_eval.server.serve`."""
    with _until_interrupted(), contextlib.closing(_listen(options)) as listening:
        options = _located(options, listening)
        _Server(options, on_ready, utc_now).run(sockets=[listening])


@contextlib.contextmanager
def running_server(options: ServerOptions, clock: Clock) -> Iterator[str]:
    """Run in a thread; see `mturk_eval.server.running_server`."""
    with contextlib.closing(_listen(options)) as listening:
        options = _located(options, listening)
        server = _Server(options, lambda _url: None, clock)
        thread = threading.Thread(
            target=server.run,
            kwargs={"sockets": [listening]},
            name="mturk-eval server",
            daemon=True,
        )
        thread.start()
        try:
            _await_start(server, thread)
            host = "127.0.0.1" if options.host in ANY_ADDRESS else options.host
            yield http_url(host, options.port)
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def _until_interrupted() -> Iterator[None]:
    """Take Ctrl-C, and SIGTERM from systemd or Docker like it, as the wish to stop.

    uvicorn stops cleanly at both, then passes them on to who handled them before.
    """

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, interrupt) if in_main else None
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)


class _Server(uvicorn.Server):
    def __init__(
        self, options: ServerOptions, on_ready: Callable[[str], None], clock: Clock
    ) -> None:
        app = create_app(options, clock)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the peer must stay the peer: signatures depend on it
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self._on_ready = on_ready
        self._context: Context = app.state.context

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready(self._context.public_url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._context.bodies.hurry()  # half a request would hold us up until it is cancelled
        await super().shutdown(sockets)


def _listen(options: ServerOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off: it costs 40 ms a page.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((options.host, options.port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise ServerError(f"port {options.port} is in use; give another with --port") from error
        raise ServerError(
            f"The server cannot listen at {options.host}, port {options.port}: {error.strerror}"
        ) from error
    except OverflowError as error:
        listening.close()
        raise ServerError(f"{options.port} is no port; give one from 0 to 65535") from error
    return listening


def _located(options: ServerOptions, listening: socket.socket) -> ServerOptions:
    """The options with the port in use."""
    return dataclasses.replace(options, port=listening.getsockname()[1])


def _await_start(server: _Server, thread: threading.Thread) -> None:
    started = time.monotonic()
    while not server.started:
        if not thread.is_alive() or time.monotonic() - started > _STARTS_WITHIN_S:
            raise ServerError("The server did not start; the log says why.")
        time.sleep(0.01)
