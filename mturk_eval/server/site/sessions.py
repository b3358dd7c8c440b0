"""Who a worker is: a name, and a cookie that remembers it."""

from __future__ import annotations

import base64
import hashlib
import secrets
import unicodedata
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.requests import Request

from mturk_eval.server.context import context, origin
from mturk_eval.server.store import Record, session, worker

COOKIE: Final = "mturk_eval_session"
SESSION_DAYS: Final = 90
_SESSION_LENGTH: Final = timedelta(days=SESSION_DAYS)
_NAME_CHARACTERS: Final = 64

Worker = Record


def clean_name(text: str) -> str | None:
    """The name as it is shown, or None if it is none: 1 to 64 printable characters."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    return name if 1 <= len(name) <= _NAME_CHARACTERS and name.isprintable() else None


def worker_id_of(name: str) -> str:
    """The id of whoever signs in with a name; case and spacing do not matter.

    It follows from the name alone, so that a study simulated again has the same workers.

    Examples
    --------
    >>> worker_id_of("sim-0001") == worker_id_of(" SIM-0001")
    True
    """
    canonical = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    digest = hashlib.sha256(f"mturk-eval worker {canonical}".encode()).digest()
    return "A" + base64.b32encode(digest).decode()[:13]


def sign_in(db: sa.Connection, name: str, now: datetime) -> str:
    """Begin a session for a name and return the cookie's value."""
    worker_id = worker_id_of(name)
    if db.scalar(sa.select(worker.c.id).where(worker.c.id == worker_id)) is None:
        db.execute(worker.insert().values(id=worker_id, name=name, created_at=now))
    token = secrets.token_urlsafe(32)
    db.execute(session.delete().where(session.c.created_at <= now - _SESSION_LENGTH))
    db.execute(
        session.insert().values(token_hash=_hashed(token), worker_id=worker_id, created_at=now)
    )
    return token


def sign_out(db: sa.Connection, request: Request) -> None:
    """End the request's session."""
    token = request.cookies.get(COOKIE, "")
    db.execute(session.delete().where(session.c.token_hash == _hashed(token)))


def signed_in(db: sa.Connection, request: Request, now: datetime) -> Worker | None:
    """The worker whose session a request carries, unless it is over."""
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    query = (
        sa.select(worker)
        .join(session, session.c.worker_id == worker.c.id)
        .where(session.c.token_hash == _hashed(token), session.c.created_at > now - _SESSION_LENGTH)
    )
    return db.execute(query).mappings().one_or_none()


def require_own_origin(request: Request) -> None:
    """Refuse a form that another site made the browser send; the cookie's SameSite does too."""
    sent_from = request.headers.get("origin")
    if sent_from is None:  # not a browser, or one older than the header
        return
    _, _, host = sent_from.partition("://")
    if not host or (
        host != request.headers.get("host") and sent_from != context(request).public_url
    ):
        raise HTTPException(403, "This form was sent from another site.")


def safe_next(request: Request, target: str) -> str:
    """A path on this site to go to after signing in; anything else becomes ``/``."""
    # Browsers read a backslash as a slash, and drop tabs and line ends before they look.
    suspicious = "\\" in target or any(character < "\x21" for character in target)
    if not target.startswith("/") or target.startswith("//") or suspicious:
        return "/"
    return target if urlsplit(origin(request) + target).netloc else "/"


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
