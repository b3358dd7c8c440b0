"""Opening the ledger: a database of ours, of this version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from mturk_eval.errors import LedgerError, LedgerUrlError
from mturk_eval.ledger import schema
from mturk_eval.ledger.ledger import Ledger


@contextmanager
def open_ledger(url: str, *, create: bool = True) -> Iterator[Ledger]:
    """Open the study's database.

    Parameters
    ----------
    url : str
        An SQLAlchemy URL, such as ``sqlite:///mturk_eval.db``.
    create : bool, default True
        Whether a database that is not there is made, or reported as missing.

    Raises
    ------
    LedgerError
        If the database cannot be opened, is missing, or was written by another version.
    """
    engine = _engine(url, create)
    try:
        with engine.execution_options(begin="IMMEDIATE").begin() as db:
            _check_version(db, url)
        yield Ledger(engine)
    except DBAPIError as error:
        raise LedgerError(f"The ledger {_shown(url)} cannot be used: {error.orig}") from error
    finally:
        engine.dispose()


def ledger_exists(url: str) -> bool:
    """Whether a ledger's SQLite file is there; of other databases that cannot be told cheaply."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return True  # opening it says what is wrong
    in_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (
        None,
        "",
        ":memory:",
    )
    return not in_file or Path(str(parsed.database)).exists()


def _engine(url: str, create: bool) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
            file = Path(str(parsed.database))
            if not create and not file.exists():
                raise LedgerError(
                    f"There is no ledger at {file}. `publish` makes it; run this command in the "
                    "study's folder or give --ledger."
                )
            if not file.parent.is_dir():
                raise LedgerError(f"The ledger's folder {file.parent} does not exist.")
        engine = create_engine(parsed, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise LedgerUrlError(
            f"ledger = {_shown(url)!r} is not a database URL such as sqlite:///mturk_eval.db "
            f"({error})."
        ) from error
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _configure(connection: Any, _record: object) -> None:
            connection.isolation_level = None  # the driver would begin too late, see _begin
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA busy_timeout = 30000")
            connection.execute("PRAGMA journal_mode = WAL")

        @event.listens_for(engine, "begin")
        def _begin(db: Connection) -> None:
            # A writer takes its turn before it looks, so what it saw stays true until it writes.
            db.exec_driver_sql(f"BEGIN {db.get_execution_options().get('begin', 'DEFERRED')}")

    return engine


def _check_version(db: Connection, url: str) -> None:
    tables = inspect(db).get_table_names()
    if schema.version.name not in tables:
        if tables:
            raise LedgerError(
                f"{_shown(url)} is a database of another program; give another --ledger."
            )
        schema.metadata.create_all(db)
        db.execute(insert(schema.version).values(version=schema.SCHEMA_VERSION))
        return
    found = db.execute(select(schema.version.c.version)).scalar_one_or_none()
    if found != schema.SCHEMA_VERSION:
        raise LedgerError(
            f"The ledger {_shown(url)} has format {found}; this version of mturk-eval reads "
            f"{schema.SCHEMA_VERSION}. Use the version that wrote it, or another --ledger."
        )


def _shown(url: str) -> str:
    """A database URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url
