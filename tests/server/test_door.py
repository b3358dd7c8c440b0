"""Requests that are damaged, endless or a stranger's, sent byte by byte."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from mturk_eval.server.door import _is_host
from tests.market import Market, running_market

TARGET = "X-Amz-Target: MTurkRequesterServiceV20170117.ListHITs\r\n"
UNKNOWN = (
    "Authorization: AWS4-HMAC-SHA256 Credential=AKOTHER/20260101/us-east-1/mturk-requester/"
    "aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=0\r\n"
    "X-Amz-Date: 20260101T000000Z\r\n"
)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    options = {"signatures": "always", "requester_keys": {"k": "s"}}
    with running_market(tmp_path_factory.mktemp("strict"), **options) as market:
        yield market


def opened(market: Market) -> socket.socket:
    parts = urlsplit(market.url)
    return socket.create_connection((parts.hostname, parts.port or 0), timeout=30)


def raw(market: Market, text: str) -> str:
    """What is answered to a request, up to the end of the connection."""
    with opened(market) as connection:
        connection.sendall(text.encode("latin-1"))
        return b"".join(iter(lambda: connection.recv(2**16), b"")).decode()


# --- hosts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a\\1",
        "[",
        "[]",
        "[::",
        "a:b",
        "a:99999",
        "a:0",
        "a b",
        "é",
        "a/b",
        "x@y",
        "[::zz]",
        "<a>",
    ],
)
@pytest.mark.parametrize(
    "request_line", ["GET /", "POST /", "GET /hitcontent/3A", "PUT /images/x.png"]
)
def test_a_host_that_is_none_is_refused(market: Market, host: str, request_line: str) -> None:
    reply = raw(market, f"{request_line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    assert reply.startswith("HTTP/1.1 400 ")


def test_hosts_are_names_and_addresses() -> None:
    for host in ("localhost", "a.b:80", "my_server:8765", "10.0.0.1:1", "[::1]:8765", "a:"):
        assert _is_host([host]), host
    assert _is_host([])
    assert not _is_host(["a", "a"])


# --- strangers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "authorization", "said"),
    [
        ("POST /", "", "MissingAuthenticationToken"),
        ("POST /", UNKNOWN, "UnrecognizedClient"),
        (f"PUT /images/{'0' * 64}.png", "", "MissingAuthenticationToken"),
        (f"PUT /images/{'0' * 64}.png", UNKNOWN, "UnrecognizedClient"),
    ],
)
def test_a_stranger_is_turned_away_before_it_has_sent_much(
    strict: Market, path: str, authorization: str, said: str
) -> None:
    head = f"{path} HTTP/1.1\r\nHost: localhost\r\n{TARGET}{authorization}"
    with opened(strict) as connection:
        connection.sendall(f"{head}Content-Length: 100000000\r\n\r\n".encode())
        connection.sendall(bytes(65 * 2**10))
        reply = ""
        while said not in reply:
            received = connection.recv(2**16)
            assert received, reply
            reply += received.decode()
        assert reply.startswith("HTTP/1.1 403 ")
        assert "connection: close" in reply
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.sendall(bytes(64 * 2**20))


def test_a_client_with_the_wrong_key_is_told_so(strict: Market) -> None:
    """Also one that sends first and listens then."""
    headers = dict(line.split(": ", 1) for line in (TARGET + UNKNOWN).split("\r\n") if line)
    reply = httpx.put(
        f"{strict.url}/images/{'0' * 64}.png", headers=headers, content=bytes(5 * 2**20)
    )
    assert reply.status_code == 403
    assert "security token" in reply.json()["message"]


# --- halves --------------------------------------------------------------------------------------

HALVES = ("POST /", "POST /sign-in", "POST /mturk/externalSubmit", f"PUT /images/{'0' * 64}.png")


def half(path: str) -> bytes:
    return (
        f"{path} HTTP/1.1\r\nHost: localhost\r\n{TARGET}Content-Length: 1000\r\n\r\nhalf".encode()
    )


@pytest.mark.parametrize("path", HALVES)
def test_a_body_that_stays_out_is_not_waited_for(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mturk_eval.server.bodies._STALLED_S", 0.3)
    with running_market(tmp_path) as market, opened(market) as connection:
        connection.sendall(half(path))
        assert connection.recv(2**16).startswith(b"HTTP/1.1 408 ")


def test_a_slow_body_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mturk_eval.server.bodies._STALLED_S", 0.5)
    with running_market(tmp_path) as market, opened(market) as connection:
        connection.sendall(
            b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nname"
        )
        for byte in b"=Ada":
            time.sleep(0.2)
            connection.sendall(bytes([byte]))
        assert connection.recv(2**16).startswith(b"HTTP/1.1 303 ")


def test_half_a_request_is_no_fault_of_the_servers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither when its client is gone nor when the server stops, which it does without delay."""
    caplog.set_level(logging.ERROR)
    for waits in (False, True):
        with running_market(tmp_path) as market:
            connections = [opened(market) for _ in HALVES]
            for connection, path in zip(connections, HALVES, strict=True):
                connection.sendall(half(path))
                time.sleep(0.1)
                if not waits:
                    connection.close()
            time.sleep(0.2)
            stopping = time.monotonic()
        assert time.monotonic() - stopping < 4
        for connection in connections:
            connection.close()
    assert caplog.text == ""
