"""How a server is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True)
class ServerOptions:
    """Options of `serve` and `running_server`.

    Parameters
    ----------
    host, port : str, int
        Where to listen; port 0 takes any free one.
    database_url : str
        ``sqlite:///`` and a file; images go to a folder beside it.
    public_url : str, optional
        The address that workers use, without a path; by default the one listened at, or this
        machine's in its network if ``host`` is ``0.0.0.0`` or ``::``.
    signatures : {"auto", "always"}
        ``auto`` lets requests from this machine through unverified, their key only naming the
        account; whatever may come from beyond is verified.
    requester_keys : mapping of str to str
        Access keys and their secrets; beyond loopback a pair is made if none is given.
    opening_balance_usd : Decimal
        What each requester may spend; no real money moves.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    database_url: str = "sqlite:///mturk_eval_server.db"
    public_url: str | None = None
    signatures: Literal["auto", "always"] = "auto"
    requester_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    opening_balance_usd: Decimal = Decimal("10000.00")
