"""The server's database: its tables, and how to open and use it."""

from __future__ import annotations

import contextlib
import os
import secrets
import string
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint
from sqlalchemy.types import TypeDecorator

from mturk_eval.errors import ServerError
from mturk_eval.server.lifecycle import TAKEN

SCHEMA_VERSION: Final = "1"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_ID_ALPHABET: Final = string.digits + string.ascii_uppercase

Clock = Callable[[], datetime]
Record = sa.RowMapping  # one row


def utc_now() -> datetime:
    """The time, aware; every other part of the server is handed its clock."""
    return datetime.now(UTC)


class Instant(TypeDecorator[datetime]):
    """An aware UTC time, stored as milliseconds since 1970."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        """To milliseconds."""
        return None if value is None else (value - _EPOCH) // _MILLISECOND

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> datetime | None:
        """From milliseconds."""
        return None if value is None else _EPOCH + int(value) * _MILLISECOND


class Usd(TypeDecorator[Decimal]):
    """Dollars as Decimal, stored as whole cents."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> int | None:
        """To cents."""
        return None if value is None else int(value * 100)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> Decimal | None:
        """From cents, with two decimals."""
        return None if value is None else Decimal(int(value)).scaleb(-2)


metadata = sa.MetaData()

server_info = Table(
    "server_info", metadata, Column("name", Text, primary_key=True), Column("value", Text)
)
requester_key = Table(
    "requester_key",
    metadata,
    Column("access_key", Text, primary_key=True),
    Column("secret", Text, nullable=False),
)
account = Table(
    "account",
    metadata,
    Column("access_key", Text, primary_key=True),
    Column("spent_usd", Usd, nullable=False, default=Decimal(0)),
)
hit_type = Table(
    "hit_type",
    metadata,
    Column("id", Text, primary_key=True),
    Column("group_id", Text, nullable=False, unique=True),
    Column("account", Text, ForeignKey("account.access_key"), nullable=False),
    Column("digest", Text, nullable=False),  # of all properties: equal ones are one HIT type
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("keywords", Text),
    Column("reward_usd", Usd, nullable=False),
    Column("duration_s", Integer, nullable=False),
    Column("auto_approval_delay_s", Integer, nullable=False),
    Column("requirements", sa.JSON, nullable=False),
    UniqueConstraint("account", "digest"),
)
hit = Table(
    "hit",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("account", Text, ForeignKey("account.access_key"), nullable=False),
    Column("type_id", Text, ForeignKey("hit_type.id"), nullable=False, index=True),
    Column("question", Text, nullable=False),
    Column("annotation", Text),
    Column("status", Text, nullable=False),
    Column("max_assignments", Integer, nullable=False),
    Column("created_max_assignments", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("hit_by_account", "account", "seq"),
    Index("hit_by_expiry", "status", "expires_at"),
    sqlite_autoincrement=True,
)
worker = Table(
    "worker",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)
session = Table(
    "session",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("worker_id", Text, ForeignKey("worker.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
)
assignment = Table(
    "assignment",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("hit_id", Text, ForeignKey("hit.id"), nullable=False),
    Column("worker_id", Text, ForeignKey("worker.id"), nullable=False),
    Column("status", Text, nullable=False),
    Column("accepted_at", Instant, nullable=False),
    Column("deadline", Instant, nullable=False),
    Column("submitted_at", Instant),
    Column("auto_approval_at", Instant),
    Column("approved_at", Instant),
    Column("rejected_at", Instant),
    Column("feedback", Text),
    Column("answer", Text),
    Index("assignment_of_hit", "hit_id", "status"),
    Index("assignment_of_worker", "worker_id", "status"),
    Index("assignment_deadline", "status", "deadline"),
    Index("assignment_auto_approval", "status", "auto_approval_at"),
    sqlite_autoincrement=True,
)
Index(
    "one_assignment_per_worker_and_hit",
    assignment.c.hit_id,
    assignment.c.worker_id,
    unique=True,
    sqlite_where=assignment.c.status.in_([sa.literal_column(f"'{status}'") for status in TAKEN]),
)
# Work that came too late to count is kept: it may be honest, and a person can look.
quarantine = Table(
    "quarantine",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("assignment_id", Text, ForeignKey("assignment.id"), nullable=False),
    Column("answer", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    UniqueConstraint("assignment_id", "answer"),
)
payment = Table(
    "payment",  # append-only
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("account", Text, ForeignKey("account.access_key"), nullable=False),
    Column("kind", Text, nullable=False),  # reward, bonus
    Column("worker_id", Text, ForeignKey("worker.id"), nullable=False, index=True),
    Column("assignment_id", Text, ForeignKey("assignment.id"), nullable=False, index=True),
    Column("amount_usd", Usd, nullable=False),
    Column("reason", Text),
    Column("paid_at", Instant, nullable=False),
)
qualification_type = Table(
    "qualification_type",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("account", Text, ForeignKey("account.access_key"), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("keywords", Text),
    Column("status", Text, nullable=False),
    Column("retry_delay_s", Integer),
    Column("auto_granted", sa.Boolean, nullable=False),
    Column("auto_granted_value", Integer),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("account", "name"),
    sqlite_autoincrement=True,
)
qualification = Table(
    "qualification",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("type_id", Text, nullable=False),
    Column("worker_id", Text, ForeignKey("worker.id"), nullable=False),
    Column("value", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("granted_at", Instant, nullable=False),
    UniqueConstraint("type_id", "worker_id"),
)
worker_block = Table(
    "worker_block",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("account", Text, ForeignKey("account.access_key"), nullable=False),
    Column("worker_id", Text, ForeignKey("worker.id"), nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("account", "worker_id"),
)
# UniqueRequestTokens, and the replies to calls that an SDK may send twice.
request_token = Table(
    "request_token",
    metadata,
    Column("account", Text, primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("token", Text, primary_key=True),
    Column("result", Text, nullable=False),
    Column("created_at", Instant, nullable=False, index=True),
)


def new_id() -> str:
    """An id in MTurk's form, 30 characters, with 150 random bits: nobody guesses another."""
    return "3" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(29))


class Store:
    """The database, and the folder of images beside it."""

    def __init__(self, engine: sa.Engine, images: Path) -> None:
        self._engine = engine
        self._writing = threading.Lock()
        self.images = images

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent view."""
        with self._engine.begin() as db:
            yield db

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that sees the latest state and is durable when it is left.

        SQLite has one writer at a time. Within this process writers wait at a lock, which wakes
        one as soon as it is free; SQLite's own waiting, by sleeping, remains for other processes.
        """
        with self._writing, self._engine.execution_options(begin="IMMEDIATE").begin() as db:
            yield db

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def open_store(database_url: str) -> Store:
    """Open the server's database and make it if it is not there.

    Raises
    ------
    ServerError
        If the URL is not a SQLite file, or the file is not a database of this version's server.
    """
    path = database_path(database_url)
    if not path.parent.is_dir():
        raise ServerError(
            f"The folder {path.parent} does not exist; no database can be made in it."
        )
    if not path.exists():
        with contextlib.suppress(OSError):  # it holds keys and sessions: the owner's alone
            os.close(os.open(path, os.O_CREAT, 0o600))
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": 30, "check_same_thread": False},
        pool_size=20,
        max_overflow=40,
        hide_parameters=True,  # errors are logged; secrets, names and answers are not
    )
    sa.event.listen(engine, "connect", _on_connect)
    sa.event.listen(engine, "begin", _on_begin)
    store = Store(engine, path.with_name(f"{path.stem}_images"))
    try:
        with store.write() as db:
            _create_or_check(db, path)
    except sa.exc.DatabaseError as error:
        engine.dispose()
        raise ServerError(
            f"{path} cannot be used as the server's database: {error.orig}"
        ) from error
    except ServerError:
        engine.dispose()
        raise
    return store


def database_path(database_url: str) -> Path:
    """The file that a ``sqlite:///`` URL names."""
    try:
        url = sa.make_url(database_url)
    except sa.exc.ArgumentError:
        url = None
    if url is None or url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        raise ServerError(
            f"The server keeps its data in a SQLite file, such as sqlite:///study.db, not in "
            f"{database_url!r}."
        )
    return Path(str(url.database)).resolve()


def _on_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, see _on_begin
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(db: sa.Connection) -> None:
    db.exec_driver_sql(f"BEGIN {db.get_execution_options().get('begin', 'DEFERRED')}")


def _create_or_check(db: sa.Connection, path: Path) -> None:
    tables = set(sa.inspect(db).get_table_names())
    if not tables:
        metadata.create_all(db)
        db.execute(server_info.insert().values(name="schema_version", value=SCHEMA_VERSION))
        return
    if "server_info" not in tables:
        raise ServerError(f"{path} is another program's database; give the server one of its own.")
    version = db.scalar(
        sa.select(server_info.c.value).where(server_info.c.name == "schema_version")
    )
    if version != SCHEMA_VERSION:
        raise ServerError(
            f"{path} was made by another version of the server (schema {version}; this one reads "
            f"schema {SCHEMA_VERSION}). Use that version, or give another --database."
        )
