"""What every request handler of the server works with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlsplit

import sqlalchemy as sa
from starlette.requests import Request

from mturk_eval.server import work
from mturk_eval.server.bodies import Bodies
from mturk_eval.server.store import Clock, Store


@dataclass(frozen=True, slots=True)
class Context:
    """The server's state and settings; handlers find it at ``request.app.state.context``."""

    store: Store
    clock: Clock
    public_url: str
    verify_always: bool
    requester_keys: Mapping[str, str] = field(repr=False)
    opening_balance_usd: Decimal
    bodies: Bodies

    @contextlib.contextmanager
    def read(self) -> Iterator[tuple[sa.Connection, datetime]]:
        """A view of the marketplace as it is now, what time has changed included."""
        now = self.clock()
        with self.store.read() as db:
            due = work.is_due(db, now)
        if due:
            self.settle()
        with self.store.read() as db:
            yield db, now

    @contextlib.contextmanager
    def write(self) -> Iterator[tuple[sa.Connection, datetime]]:
        """A transaction on the marketplace as it is now."""
        with self.store.write() as db:
            now = self.clock()
            work.settle(db, now)
            yield db, now

    def settle(self) -> None:
        """Apply what time has changed."""
        with self.write():
            pass


def context(request: Request) -> Context:
    """The context of the app that serves a request."""
    found: Context = request.app.state.context
    return found


def origin(request: Request) -> str:
    """The server's origin as this browser sees it, e.g. ``http://192.168.1.7:8765``."""
    public = urlsplit(context(request).public_url)
    host = request.headers.get("host", public.netloc)
    # A proxy that ends TLS is the public URL's business; we see plain HTTP from it.
    scheme = public.scheme if host == public.netloc else request.url.scheme
    return f"{scheme}://{host}"


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request, or BodyError; see `Bodies.read`."""
    return await context(request).bodies.read(request, limit)
