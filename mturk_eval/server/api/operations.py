"""The registry of operations; each is a small function in the module of its noun."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from mturk_eval.server.store import account, request_token
from mturk_eval.wire.limits import TOKEN_LIFETIME_S

Params = Mapping[str, Any]  # validated input of an operation
Reply = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """What an operation works with: one transaction, one requester, one instant."""

    db: sa.Connection
    account: str
    now: datetime
    opening_balance_usd: Decimal


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the API."""

    name: str
    run: Callable[[Call, Params], Reply]
    writes: bool


OPERATIONS: Final[dict[str, Operation]] = {}


def operation(
    name: str, *, writes: bool = False
) -> Callable[[Callable[[Call, Params], Reply]], Callable[[Call, Params], Reply]]:
    """Register a function as the operation ``name``; ``writes`` gives it a write transaction."""

    def register(run: Callable[[Call, Params], Reply]) -> Callable[[Call, Params], Reply]:
        OPERATIONS[name] = Operation(name, run, writes)
        return run

    return register


def open_account(call: Call) -> None:
    """Make the requester's account if this is its first change."""
    known = sa.select(account.c.access_key).where(account.c.access_key == call.account)
    if call.db.execute(known).first() is None:
        call.db.execute(account.insert().values(access_key=call.account))


def recall(call: Call, kind: str, token: str) -> str | None:
    """What was remembered under a token less than 24 hours ago."""
    return call.db.scalar(
        sa.select(request_token.c.result).where(
            request_token.c.account == call.account,
            request_token.c.operation == kind,
            request_token.c.token == token,
            request_token.c.created_at > call.now - timedelta(seconds=TOKEN_LIFETIME_S),
        )
    )


def remember(call: Call, kind: str, token: str, result: str) -> None:
    """Remember a result under a token; one past its lifetime is replaced."""
    call.db.execute(
        request_token.delete().where(
            request_token.c.created_at <= call.now - timedelta(seconds=TOKEN_LIFETIME_S)
        )
    )
    call.db.execute(
        request_token.insert().values(
            account=call.account,
            operation=kind,
            token=token,
            result=result,
            created_at=call.now,
        )
    )
