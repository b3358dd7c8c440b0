"""A marketplace of one's own: MTurk's requester API, a worker site, images, in one process.

`serve` runs it, `running_server` runs it beside other code, `create_app` gives the ASGI app.
Everything behind these names is loaded when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING

from mturk_eval.server.options import ServerOptions

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["ServerOptions", "create_app", "requester_keys", "running_server", "serve"]


def serve(options: ServerOptions, *, on_ready: Callable[[str], None]) -> None:
    """Run the server until it is interrupted; ``on_ready`` is given the worker link.

    Raises
    ------
    ServerError
        If the port is in use, or the database cannot be used.
    """
    from mturk_eval.server import run

    run.serve(options, on_ready=on_ready)


def running_server(
    options: ServerOptions, *, clock: Callable[[], datetime] | None = None
) -> AbstractContextManager[str]:
    """Run the server in a thread for as long as the context lasts; gives its base URL."""
    from mturk_eval.server import run, store

    return run.running_server(options, clock or store.utc_now)


def create_app(options: ServerOptions, clock: Callable[[], datetime] | None = None) -> Starlette:
    """The server as an ASGI app; tests move its clock."""
    from mturk_eval.server import app, store

    return app.create_app(options, clock or store.utc_now)


def requester_keys(options: ServerOptions) -> Mapping[str, str]:
    """The access keys and secrets with which requests are verified; made if there must be some."""
    from mturk_eval.server import app

    return app.requester_keys(options)
