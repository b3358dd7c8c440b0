"""``mturk-eval serve``: run our own marketplace."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer

from mturk_eval.errors import SettingsError

if TYPE_CHECKING:
    from mturk_eval.server import ServerOptions

_KEYS_VARIABLE: Final = "MTURK_EVAL_SERVER_KEYS"
_BALANCE_VARIABLE: Final = "MTURK_EVAL_SERVER_BALANCE"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class Signatures(StrEnum):
    """When requesters' signatures are checked."""

    AUTO = "auto"
    ALWAYS = "always"


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 lets the network in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
    database: Annotated[
        str, typer.Option(help="The server's database; images go to a folder beside it.")
    ] = "sqlite:///mturk_eval_server.db",
    public_url: Annotated[
        str | None,
        typer.Option(help="The address workers use, if it is another, e.g. behind a proxy."),
    ] = None,
    signatures: Annotated[
        Signatures,
        typer.Option(help="auto: check requesters' signatures on all that is not this machine's."),
    ] = Signatures.AUTO,
) -> None:
    """Run the server where raters work.

    MTurk's API for requesters, a site for workers.

    E.g. mturk-eval serve, or for phones on the same network: mturk-eval serve --host 0.0.0.0
    """
    from mturk_eval import server

    options = server.ServerOptions(
        host=host,
        port=port,
        database_url=database,
        public_url=public_url,
        signatures=signatures.value,
        requester_keys=_keys(os.environ.get(_KEYS_VARIABLE, "")),
        opening_balance_usd=_balance(os.environ.get(_BALANCE_VARIABLE, "10000.00")),
    )
    server.serve(options, on_ready=lambda url: _show(options, url))
    typer.echo("\nStopped.", err=True)


def _show(options: ServerOptions, url: str) -> None:
    from mturk_eval.server import requester_keys

    parts = urlsplit(url)
    is_local = parts.hostname in _LOOPBACK
    if not is_local:
        _show_qr_code(url)
    _line("Workers go to", f"{url}/")
    _line("Requesters use", f"{url}   (AWS_ENDPOINT_URL_MTURK={url})")
    _line("Database", options.database_url.removeprefix("sqlite:///"))
    if not options.requester_keys:
        for access_key, secret in requester_keys(options).items():
            _line("Requests from elsewhere", "must be signed with this key pair:")
            typer.echo(
                f"    AWS_ACCESS_KEY_ID={access_key}\n    AWS_SECRET_ACCESS_KEY={secret}", err=True
            )
    if is_local:
        _line("Other devices", "cannot reach it; --host 0.0.0.0 lets the network in")
    typer.echo("Ctrl-C stops the server.", err=True)


def _line(label: str, text: str) -> None:
    typer.echo(f"{label + ':':<25}{text}", err=True)


def _show_qr_code(url: str) -> None:
    import sys

    import segno

    segno.make(f"{url}/", error="m").terminal(out=sys.stderr, compact=True, border=2)


def _keys(text: str) -> Mapping[str, str]:
    pairs = [pair.strip().partition(":") for pair in text.split(",") if pair.strip()]
    if any(not key or not secret for key, _, secret in pairs):
        raise SettingsError(f"{_KEYS_VARIABLE} must look like key:secret,key2:secret2.")
    return {key: secret for key, _, secret in pairs}


def _balance(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise SettingsError(f"{_BALANCE_VARIABLE} must be an amount in dollars, not {text!r}.")
    return amount
