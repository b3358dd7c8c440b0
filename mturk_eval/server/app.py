"""The ASGI app: its routes, its state, and the sweeper that lets time pass."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import string
from collections.abc import AsyncIterator, Mapping
from typing import Final

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mturk_eval.server.address import is_behind_a_proxy, is_reachable_from_outside, public_url
from mturk_eval.server.api.http import requester_api
from mturk_eval.server.bodies import Bodies
from mturk_eval.server.context import Context
from mturk_eval.server.door import Door
from mturk_eval.server.images import get_image, put_image
from mturk_eval.server.options import ServerOptions
from mturk_eval.server.site import frame, overview, render, replies, tasks
from mturk_eval.server.store import Clock, Store, open_store, requester_key

logger = logging.getLogger(__name__)

_SWEEP_EVERY_S: Final = 15.0


def create_app(options: ServerOptions, clock: Clock) -> Starlette:
    """Open the database and build the app; see `ServerOptions`."""
    url = public_url(options)
    store = open_store(options.database_url)
    context = Context(
        store=store,
        clock=clock,
        public_url=url,
        verify_always=_verifies_always(options),
        requester_keys=_keys(store, options),
        opening_balance_usd=options.opening_balance_usd,
        bodies=Bodies(),
    )
    app = Starlette(
        routes=[
            Route("/", requester_api, methods=["POST"]),
            Route("/images/{name}", put_image, methods=["PUT"]),
            Route("/images/{name}", get_image, methods=["GET"]),
            *frame.ROUTES,
            *overview.ROUTES,
            *tasks.ROUTES,
            Mount("/static", StaticFiles(directory=render.STATIC), name="static"),
        ],
        middleware=[Middleware(Door)],
        exception_handlers=replies.EXCEPTION_HANDLERS,
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


def _verifies_always(options: ServerOptions) -> bool:
    # A proxy on this machine may pass on requests from anywhere as if they were local, some (nginx
    # as it comes) without a trace; so nothing is taken on trust behind one.
    return options.signatures == "always" or is_behind_a_proxy(options)


def _keys(store: Store, options: ServerOptions) -> Mapping[str, str]:
    if options.requester_keys:
        return dict(options.requester_keys)
    if not (is_reachable_from_outside(options) or _verifies_always(options)):
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
