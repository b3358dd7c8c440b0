"""Pages of a list: by key, so that they stay right while rows come and go."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from mturk_eval.server.api.errors import RequestFailure
from mturk_eval.server.store import Record

_DEFAULT_PAGE: Final = 10
_PREFIX: Final = "p1:"


def page(
    db: sa.Connection,
    query: sa.Select[Any],
    params: Mapping[str, Any],
    *,
    keys: Sequence[sa.ColumnElement[Any]],
    descending: bool = False,
) -> tuple[list[Record], dict[str, Any]]:
    """One page of ``query`` in the order of ``keys``, and the members that describe the page.

    Every page that is not empty carries a token, the last one too: real clients index it without a
    look. The keys are stored as integers, and together unique.
    """
    columns = {column: sa.type_coerce(column, sa.BigInteger) for column in keys}
    list_of = _list_of(query)
    if "NextToken" in params:
        after = sa.tuple_(*_read_token(params["NextToken"], list_of, len(keys)))
        here = sa.tuple_(*columns.values())
        query = query.where(here < after if descending else here > after)
    order = [column.desc() if descending else column.asc() for column in keys]
    marks = [mark.label(f"page_key_{i}") for i, mark in enumerate(columns.values())]
    query = query.add_columns(*marks).order_by(*order)
    rows = db.execute(query.limit(params.get("MaxResults", _DEFAULT_PAGE))).mappings().all()
    described: dict[str, Any] = {"NumResults": len(rows)}
    if rows:
        last = [rows[-1][mark.name] for mark in marks]
        described["NextToken"] = _write_token(list_of, last)
    return list(rows), described


def _list_of(query: sa.Select[Any]) -> str:
    """What the list is of: a token made for another one is refused."""
    compiled = query.compile()
    text = f"{compiled}|{compiled.params}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _write_token(list_of: str, keys: Sequence[int]) -> str:
    return _PREFIX + base64.urlsafe_b64encode(json.dumps([list_of, *keys]).encode()).decode()


def _read_token(token: str, list_of: str, n_keys: int) -> list[int]:
    try:
        if not token.startswith(_PREFIX):
            raise ValueError
        owner, *keys = json.loads(base64.urlsafe_b64decode(token.removeprefix(_PREFIX)))
        if owner != list_of or len(keys) != n_keys or not all(type(k) is int for k in keys):
            raise ValueError
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise RequestFailure(
            f'The NextToken "{token}" is not valid for this list.', code="InvalidParameterValue"
        ) from None
    return [int(key) for key in keys]
