"""The ledger's tables. Times are UTC, stored as ISO-8601 text; money is decimal text in dollars."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

SCHEMA_VERSION: Final = 1

metadata = MetaData()


class Utc(TypeDecorator[datetime]):
    """An aware UTC time as ISO-8601 text, which sorts and reads the same in every database."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


class UsdText(TypeDecorator[Decimal]):
    """Dollars as text, since SQLite would turn decimals into floats."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

batch = Table(
    "batch",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("fees", String(10), nullable=False),
    Column("reward_usd", UsdText, nullable=False),
    Column("fee_usd", UsdText, nullable=False),
    Column("hits", Integer, nullable=False),
    Column("assignments", Integer, nullable=False),
    Column("pages_sha256", String(64), nullable=False),
    Column("published_at", Utc, nullable=False),
)

stimulus = Table(
    "stimulus",
    metadata,
    Column("batch_id", ForeignKey("batch.id"), primary_key=True),
    Column("id", String(300), primary_key=True),
    Column("role", String(20), nullable=False),
    Column("image", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("target_bpp", Float),
    Column("bpp", Float),
    Column("bytes", Integer),
    Column("width_px", Integer, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("path", Text, nullable=False),
)

# `left` and `right` are set for a 2AFC trial, `reconstruction` for a satisfaction trial.
trial = Table(
    "trial",
    metadata,
    Column("batch_id", ForeignKey("batch.id"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("role", String(20), nullable=False),
    Column("original", String(300), nullable=False),
    Column("reconstruction", String(300)),
    Column("left", String(300)),
    Column("right", String(300)),
    Column("expected", String(20)),
    Column("hit", String(40), nullable=False),
    Column("position", Integer, nullable=False),
    UniqueConstraint("batch_id", "hit", "position"),
)

# A row without `hit_id` is an intent: the HIT was about to be posted, or was posted just before a
# crash. `finished` means that nobody could answer any more when the HIT was last looked at.
hit = Table(
    "hit",
    metadata,
    Column("batch_id", ForeignKey("batch.id"), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("token", String(64), nullable=False),
    Column("hit_id", String(64), unique=True),
    Column("hit_type_id", String(64)),
    Column("intended_at", Utc, nullable=False),
    Column("posted_at", Utc),
    Column("finished", Boolean, nullable=False, default=False),
)

rater = Table(
    "rater",
    metadata,
    Column("worker_id", String(64), primary_key=True),
    Column("pseudonym", String(20), nullable=False, unique=True),
)

# `problem` says why the raw answer could not be read; None where it was read or waits.
assignment = Table(
    "assignment",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("batch_id", String(32), nullable=False),
    Column("hit", String(40), nullable=False),
    Column("worker_id", ForeignKey("rater.worker_id"), nullable=False),
    Column("status", String(20), nullable=False),
    Column("accepted_at", Utc, nullable=False),
    Column("submitted_at", Utc, nullable=False),
    Column("collected_at", Utc, nullable=False),
    Column("answer_xml", Text, nullable=False),
    Column("parsed", Boolean, nullable=False, default=False),
    Column("problem", Text),
    ForeignKeyConstraint(["batch_id", "hit"], ["hit.batch_id", "hit.name"]),
)

response = Table(
    "response",
    metadata,
    Column("assignment_id", ForeignKey("assignment.id"), primary_key=True),
    Column("trial_id", String(64), primary_key=True),
    Column("answer", String(20), nullable=False),
    Column("first_paint_ms", Float),
    Column("answered_ms", Float),
    Column("magnifier_ms", Float),
)
