"""Signatures, checked as AWS does. Protocol, appendix C 9."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from mturk_eval.errors import ServerError
from mturk_eval.server import ServerOptions, create_app, requester_keys
from mturk_eval.server.address import is_behind_a_proxy
from mturk_eval.server.api.signature import is_loopback, needs_signature
from tests.market import HIT, Market, connect, refusal, running_market

KEY, SECRET = "AKEXAMPLE", "a/secret+with=signs"
BODY = b'{"MaxResults": 5}'


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    folder = tmp_path_factory.mktemp("strict")
    with running_market(folder, signatures="always", requester_keys={KEY: SECRET}) as market:
        yield market


def signed(
    market: Market,
    *,
    body: bytes = BODY,
    secret: str = SECRET,
    token: str | None = None,
    headers: dict[str, str] | None = None,
) -> dict[str, str]:
    """Headers as botocore makes them."""
    request = AWSRequest(
        method="POST",
        url=f"{market.url}/",
        data=body,
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "MTurkRequesterServiceV20170117.ListHITs",
            **(headers or {}),
        },
    )
    SigV4Auth(Credentials(KEY, secret, token), "mturk-requester", "us-east-1").add_auth(request)
    return dict(request.headers.items())


def code(market: Market, headers: dict[str, str], body: bytes = BODY) -> str:
    reply = httpx.post(f"{market.url}/", headers=headers, content=body)
    assert reply.status_code in (200, 400, 403)
    return str(reply.json().get("__type", "fine"))


def test_right_signatures_are_accepted(strict: Market) -> None:
    assert code(strict, signed(strict)) == "fine"
    assert code(strict, signed(strict, token="a session token")) == "fine"
    assert code(strict, signed(strict, headers={"X-Amz-User-Agent": "two   spaces"})) == "fine"
    hit = connect(strict.url, KEY, SECRET).create_hit(**{**HIT, "Title": "Grüße 😀"})["HIT"]
    assert hit["Title"] == "Grüße 😀"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda h: h.pop("Authorization"), "MissingAuthenticationTokenException"),
        (lambda h: h.update(Authorization="Basic x"), "IncompleteSignatureException"),
        (
            lambda h: h.update(Authorization=h["Authorization"].replace(KEY, "AKOTHER")),
            "UnrecognizedClientException",
        ),
        (
            lambda h: h.update(Authorization=h["Authorization"][:-1] + "g"),
            "InvalidSignatureException",
        ),
        (
            lambda h: h.update(
                Authorization=h["Authorization"].replace("x-amz-target", "content-type")
            ),
            "IncompleteSignatureException",
        ),
        (
            lambda h: h.update(Authorization=h["Authorization"].replace("mturk-requester", "s3")),
            "IncompleteSignatureException",
        ),
        (
            lambda h: h.update({"X-Amz-Target": h["X-Amz-Target"].replace("List", "Get")}),
            "InvalidSignatureException",
        ),
        (lambda h: h.update({"X-Amz-Date": "yesterday"}), "IncompleteSignatureException"),
        (lambda h: h.update({"X-Amz-Date": "20200101T000000Z"}), "InvalidSignatureException"),
        (
            lambda h: h.update({"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}),
            "InvalidSignatureException",
        ),
    ],
)
def test_wrong_signatures_are_refused(
    strict: Market, change: Callable[[dict[str, str]], Any], expected: str
) -> None:
    headers = signed(strict)
    change(headers)
    assert code(strict, headers) == expected


def test_the_secret_and_the_body_count(strict: Market) -> None:
    assert code(strict, signed(strict, secret="other")) == "InvalidSignatureException"
    assert code(strict, signed(strict), body=BODY + b" ") == "InvalidSignatureException"
    unsigned_body = signed(strict, headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    assert code(strict, unsigned_body) == "InvalidSignatureException"
    with pytest.raises(ClientError) as caught:
        connect(strict.url, "nobody", "x").get_account_balance()
    assert refusal(caught.value)[0] == "UnrecognizedClientException"


def test_a_signature_lives_fifteen_minutes(strict: Market) -> None:
    headers = signed(strict)
    strict.clock.advance(minutes=14)
    assert code(strict, headers) == "fine"
    strict.clock.advance(minutes=2)
    assert code(strict, headers) == "InvalidSignatureException"
    strict.clock.advance(minutes=-32)
    assert code(strict, headers) == "InvalidSignatureException"
    strict.clock.moved = timedelta(0)


@pytest.mark.parametrize(
    ("peer", "headers", "needed"),
    [
        ("127.0.0.1", {"host": "127.0.0.1:8765"}, False),
        ("127.0.0.1", {"host": "localhost"}, False),
        ("::1", {"host": "[::1]:8765"}, False),
        ("::ffff:127.0.0.1", {"host": "localhost:1"}, False),
        (None, {"host": "localhost"}, True),
        ("192.168.1.9", {"host": "localhost"}, True),
        ("127.0.0.1", {"host": "192.168.1.9:8765"}, True),
        ("127.0.0.1", {"host": "rebound.example"}, True),
        ("127.0.0.1", {"host": "localhost.example"}, True),
        ("127.0.0.1", {}, True),
        ("127.0.0.1", {"host": "localhost", "x-forwarded-for": "10.0.0.1"}, True),
        ("127.0.0.1", {"host": "localhost", "x-forwarded-host": "a"}, True),
        ("127.0.0.1", {"host": "localhost", "forwarded": "for=10.0.0.1"}, True),
    ],
)
def test_only_what_is_surely_local_goes_unverified(
    peer: str | None, headers: dict[str, str], needed: bool
) -> None:
    assert needs_signature(peer, headers) is needed


def test_names_that_look_local_are_not() -> None:
    for name in ("127.0.0.1.nip.io", "localhost.evil.example", "0.0.0.0", ""):
        assert not is_loopback(name)


def test_other_hosts_must_sign_on_an_open_server(market: Market) -> None:
    headers = {"X-Amz-Target": "MTurkRequesterServiceV20170117.ListHITs"}
    assert httpx.post(market.url, headers=headers).status_code == 200
    for mark in ({"Host": "study.example"}, {"X-Forwarded-For": "10.0.0.1"}):
        reply = httpx.post(market.url, headers={**headers, **mark})
        assert reply.json()["__type"] == "MissingAuthenticationTokenException"


def test_a_key_pair_is_made_once_beyond_loopback(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/s.db"
    assert requester_keys(ServerOptions(database_url=database)) == {}
    open_to_all = ServerOptions(database_url=database, host="0.0.0.0")
    made = requester_keys(open_to_all)
    assert requester_keys(open_to_all) == made
    ((key, secret),) = made.items()
    assert (len(key), len(secret)) == (20, 40)
    proxied = ServerOptions(database_url=database, public_url="https://study.example")
    assert requester_keys(proxied) == made
    given = ServerOptions(database_url=database, host="0.0.0.0", requester_keys={"k": "s"})
    assert requester_keys(given) == {"k": "s"}
    assert secret not in repr(create_app(open_to_all).state.context)
    assert "'s'" not in repr(given)


@pytest.mark.parametrize(
    "url", ["example.org", "ftp://example.org", "http://a/b", "http://", "http://["]
)
def test_a_public_url_is_an_origin(tmp_path: Path, url: str) -> None:
    with pytest.raises(ServerError, match="public URL"):
        create_app(ServerOptions(database_url=f"sqlite:///{tmp_path}/s.db", public_url=url))


@pytest.mark.parametrize(
    ("host", "public_url", "passed_on"),
    [
        ("127.0.0.1", None, False),
        ("127.0.0.1", "http://127.0.0.1:8765", False),
        ("127.0.0.1", "http://localhost:9000", False),
        ("127.0.0.1", "https://study.example", True),
        ("127.0.0.1", "http://192.168.1.20:8765", True),
        ("0.0.0.0", None, False),
        ("0.0.0.0", "http://192.168.1.20:8765", False),
        ("0.0.0.0", "http://192.168.1.20:8765/", False),
        ("0.0.0.0", "http://study.example", True),
        ("0.0.0.0", "https://study.example", True),
        ("0.0.0.0", "https://study.example:8765", True),
        ("::", "https://[2001:db8::1]", True),
    ],
)
def test_a_public_url_that_is_not_ours_is_a_proxys(
    host: str, public_url: str | None, passed_on: bool
) -> None:
    options = ServerOptions(host=host, port=8765, public_url=public_url)
    assert is_behind_a_proxy(options) is passed_on


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_behind_a_proxy_nothing_goes_unverified(tmp_path: Path, host: str) -> None:
    with running_market(tmp_path, host=host, public_url="https://study.example") as market:
        headers = {"X-Amz-Target": "MTurkRequesterServiceV20170117.ListHITs"}
        assert httpx.post(market.url, headers=headers).status_code == 403


def test_phones_in_the_network_are_no_proxy(tmp_path: Path) -> None:
    """Then this machine's own requests still need no signature."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"host": "0.0.0.0", "port": port, "public_url": f"http://192.168.1.20:{port}"}
    with running_market(tmp_path, **options) as market:
        headers = {"X-Amz-Target": "MTurkRequesterServiceV20170117.ListHITs"}
        assert httpx.post(market.url, headers=headers).status_code == 200
