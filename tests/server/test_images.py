"""Images: put by hash, got by everybody."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from PIL import Image

from mturk_eval.wire.question import HtmlQuestion
from tests.market import Market, running_market


def image(kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(file, kind)
    return file.getvalue()


def name(body: bytes, extension: str = "png") -> str:
    return f"{hashlib.sha256(body).hexdigest()}.{extension}"


@pytest.mark.parametrize(
    ("kind", "extension", "media_type"),
    [
        ("PNG", "png", "image/png"),
        ("JPEG", "jpg", "image/jpeg"),
        ("JPEG", "jpeg", "image/jpeg"),
        ("WEBP", "webp", "image/webp"),
        ("AVIF", "avif", "image/avif"),
        ("GIF", "gif", "image/gif"),
    ],
)
def test_an_image_goes_in_and_comes_out(
    market: Market, kind: str, extension: str, media_type: str
) -> None:
    body = image(kind)
    path = f"/images/{name(body, extension)}"
    for _ in range(2):  # repeating changes nothing
        reply = httpx.put(market.url + path, content=body)
        assert (reply.status_code, reply.json()) == (200, {"url": market.url + path})
    got = httpx.get(market.url + path)
    assert got.content == body
    assert got.headers["content-type"] == media_type
    assert got.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["access-control-allow-origin"] == "*"
    assert got.headers["cross-origin-resource-policy"] == "cross-origin"
    assert httpx.head(market.url + path).status_code == 200
    stored = market.folder / "server_images"
    assert (stored / name(body, extension)).read_bytes() == body
    assert not list(stored.glob(".upload*"))


def test_an_image_is_on_disk_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []

    def fsync(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)

    monkeypatch.setattr("mturk_eval.server.images.os.fsync", fsync)
    body = image()
    with running_market(tmp_path) as market:
        httpx.put(f"{market.url}/images/{name(body)}", content=body).raise_for_status()
    folder = tmp_path / "server_images"
    expected = [tmp_path, folder / name(body), folder]  # the folder is new itself
    assert synced == [path.stat().st_ino for path in expected]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (name(image(), "svg"), image(), "png, jpg"),
        ("x.png", image(), "sha256"),
        (name(image()).upper(), image(), "lower-case"),
        (name(b"other"), image(), "SHA-256"),
        (name(b"<script>"), b"<script>", "not a image/png"),
        (name(image(), "jpg"), image(), "not a image/jpeg"),
        (name(b""), b"", "not a image/png"),
    ],
)
def test_what_is_not_an_image_of_that_name_is_refused(
    market: Market, path: str, body: bytes, said: str
) -> None:
    reply = httpx.put(f"{market.url}/images/{path}", content=body)
    assert reply.status_code == 400
    assert said in reply.json()["message"]
    assert httpx.get(f"{market.url}/images/{path}").status_code == 404


@pytest.mark.parametrize("path", ["..%2fserver.db", "%2e%2e/server.db", "server.db", "a/b.png"])
def test_nothing_else_is_served(market: Market, path: str) -> None:
    assert httpx.get(f"{market.url}/images/{path}").status_code == 404


def test_a_large_one_is_refused_clearly(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mturk_eval.server.images.IMAGE_BYTES", 2**20)
    body = image() + bytes(2**20)
    reply = httpx.put(f"{market.url}/images/{name(body)}", content=body)
    assert reply.status_code == 413
    assert "1 MiB" in reply.json()["message"]


def test_a_put_is_signed_like_everything_else(tmp_path: Path) -> None:
    body = image()
    options = {"signatures": "always", "requester_keys": {"k": "s"}}
    with running_market(tmp_path, public_url="https://study.example", **options) as market:
        url = f"{market.url}/images/{name(body)}"
        reply = httpx.put(url, content=body)
        assert (reply.status_code, reply.json()["message"]) == (403, "The request is not signed.")
        request = AWSRequest(
            method="PUT", url=url, data=body, headers={"Content-Type": "image/png"}
        )
        SigV4Auth(Credentials("k", "s"), "mturk-requester", "us-east-1").add_auth(request)
        reply = httpx.put(url, content=body, headers=dict(request.headers.items()))
        assert reply.json() == {"url": f"https://study.example/images/{name(body)}"}
        assert httpx.get(url).content == body


def test_images_are_fetched_from_where_the_page_was(market: Market) -> None:
    """A HIT posted under one address is seen under another: on a phone, or after a move."""
    body = image()
    assert httpx.put(f"{market.url}/images/{name(body)}", content=body).status_code == 200
    strange = f"https://example.org/images/{'0' * 64}.png"
    page = (
        f'<form><img src="http://192.0.2.7:9999/images/{name(body)}"><img src="{strange}"></form>'
    )
    hit = market.create_hit(Question=HtmlQuestion(page).to_xml())
    worker = market.worker("phone")
    path = worker.accept(hit).headers["location"]
    shown = worker.frame_http.get(worker.frame(path)).text
    assert f'src="{market.url}/images/{name(body)}"' in shown
    assert f'src="{strange}"' in shown
