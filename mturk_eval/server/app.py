"""The ASGI app: its routes, its state, and the sweeper that lets time pass."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import string
from collections.abc import AsyncIterator, Mapping
from typing import Final
from urllib.parse import urlsplit

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mturk_eval.errors import ServerError
from mturk_eval.server.api.http import requester_api
from mturk_eval.server.api.signature import is_loopback
from mturk_eval.server.context import Context
from mturk_eval.server.images import get_image, put_image
from mturk_eval.server.options import ServerOptions
from mturk_eval.server.site import frame, pages, render
from mturk_eval.server.store import Clock, Store, open_store, requester_key

logger = logging.getLogger(__name__)

_SWEEP_EVERY_S: Final = 15.0
ANY_ADDRESS: Final = ("0.0.0.0", "::", "")  # noqa: S104  (asked for with --host)


def create_app(options: ServerOptions, clock: Clock) -> Starlette:
    """Open the database and build the app; see `ServerOptions`."""
    public_url = checked_public_url(options)
    store = open_store(options.database_url)
    context = Context(
        store=store,
        clock=clock,
        public_url=public_url,
        verify_always=_verifies_always(options),
        requester_keys=_keys(store, options),
        opening_balance_usd=options.opening_balance_usd,
    )
    app = Starlette(
        routes=[
            Route("/", requester_api, methods=["POST"]),
            Route("/images/{name}", put_image, methods=["PUT"]),
            Route("/images/{name}", get_image, methods=["GET"]),
            *frame.ROUTES,
            *pages.ROUTES,
            Mount("/static", StaticFiles(directory=render.STATIC), name="static"),
        ],
        exception_handlers=pages.EXCEPTION_HANDLERS,
        lifespan=_lifespan,
    )
    app.state.context = context
    return app


def requester_keys(options: ServerOptions) -> Mapping[str, str]:
    """The keys in force; those made at the first start are in the database."""
    store = open_store(options.database_url)
    try:
        return _keys(store, options)
    finally:
        store.close()


def checked_public_url(options: ServerOptions) -> str:
    """The public URL without a final slash, or where the server listens if none is given."""
    if options.public_url is None:
        host = f"[{options.host}]" if ":" in options.host else options.host
        return f"http://{host}:{options.port}"
    url = options.public_url.rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
        raise ServerError(
            "The public URL must be http(s)://host or http(s)://host:port, not "
            f"{options.public_url!r}."
        )
    return url


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    context: Context = app.state.context
    sweeper = asyncio.create_task(_sweep(context))
    try:
        yield
    finally:
        sweeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeper
        context.store.close()


async def _sweep(context: Context) -> None:
    """Deadlines, expiry and approval by default, also while nobody asks."""
    while True:
        try:
            await run_in_threadpool(context.settle)
        except Exception:
            logger.exception("The sweeper failed; it tries again")
        await asyncio.sleep(_SWEEP_EVERY_S)


# --- requesters' keys ----------------------------------------------------------------------------


def _is_reachable_from_outside(options: ServerOptions) -> bool:
    listens = options.host in ANY_ADDRESS or not is_loopback(options.host)
    return listens or _is_behind_a_proxy(options)


def _is_behind_a_proxy(options: ServerOptions) -> bool:
    public = None if options.public_url is None else urlsplit(options.public_url).hostname
    return is_loopback(options.host) and public is not None and not is_loopback(public)


def _verifies_always(options: ServerOptions) -> bool:
    # A proxy on this machine may pass on requests from anywhere as if they were local, some (nginx
    # as it comes) without a trace; so nothing is taken on trust behind one.
    return options.signatures == "always" or _is_behind_a_proxy(options)


def _keys(store: Store, options: ServerOptions) -> Mapping[str, str]:
    if options.requester_keys:
        return dict(options.requester_keys)
    if not (_is_reachable_from_outside(options) or _verifies_always(options)):
        return {}
    query = sa.select(requester_key.c.access_key, requester_key.c.secret)
    with store.write() as db:
        kept = {row.access_key: row.secret for row in db.execute(query)}
        if kept:
            return kept
        made = {"MTEVAL" + _random(14, string.ascii_uppercase): _random(40, string.ascii_letters)}
        for access_key, secret in made.items():
            db.execute(requester_key.insert().values(access_key=access_key, secret=secret))
        return made


def _random(length: int, alphabet: str) -> str:
    return "".join(secrets.choice(alphabet + string.digits) for _ in range(length))
