"""The server as a process or a thread: sockets, uvicorn, a clean stop."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn

from mturk_eval.errors import ServerError
from mturk_eval.server.app import ANY_ADDRESS, checked_public_url, create_app
from mturk_eval.server.options import ServerOptions
from mturk_eval.server.store import Clock, utc_now

_STARTS_WITHIN_S: Final = 15.0


def serve(options: ServerOptions, *, on_ready: Callable[[str], None]) -> None:
    """Run until interrupted; see `mturk_eval.server.serve`."""
    with contextlib.closing(_listen(options)) as listening:
        options = _located(options, listening)
        server = _Server(options, on_ready, utc_now)
        # uvicorn stops cleanly at Ctrl-C and then passes the interrupt on.
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])


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
            yield _url(host, options.port)
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    def __init__(
        self, options: ServerOptions, on_ready: Callable[[str], None], clock: Clock
    ) -> None:
        config = uvicorn.Config(
            create_app(options, clock),
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the peer must stay the peer: signatures depend on it
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self._on_ready = on_ready
        self._url = checked_public_url(options)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready(self._url)


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
    """The options with the port in use and the public URL that follows from it."""
    port = listening.getsockname()[1]
    public_url = options.public_url
    if public_url is None:
        host = _address_in_network() if options.host in ANY_ADDRESS else options.host
        public_url = _url(host, port)
    return dataclasses.replace(options, port=port, public_url=public_url)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _address_in_network() -> str:
    """This machine's address in its network; no packet is sent to find it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # TEST-NET: only the way there is looked up
        address = str(probe.getsockname()[0])
        if address != "0.0.0.0":  # noqa: S104
            return address
    return socket.gethostname()


def _await_start(server: _Server, thread: threading.Thread) -> None:
    started = time.monotonic()
    while not server.started:
        if not thread.is_alive() or time.monotonic() - started > _STARTS_WITHIN_S:
            raise ServerError("The server did not start; the log says why.")
        time.sleep(0.01)
