"""Images come to where raters can see them, or one error says what to change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.credentials import Credentials

from mturk_eval.errors import EndpointUnreachableError, HostingError, SettingsError
from mturk_eval.stimuli.hosting import host_images, hosting_for
from tests.samples import make_batch

KEY = Credentials("local", "local")


class Store(ThreadingHTTPServer):
    """Keeps what is PUT and shows it, as S3 does by path; refuses to list or sign anything."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Store

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.objects[self.path] = (data, self.headers["Content-Type"])
        self._answer(200)

    def do_HEAD(self) -> None:
        self._answer(200 if self.path in self.server.objects else 404)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def store() -> Iterator[Store]:
    server = Store()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_s3_gets_each_image_once_and_gives_a_readable_address(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", store.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    batch, folder = make_batch(tmp_path, "2afc")
    hosting = hosting_for("s3://bucket/my/study", endpoint_url="", credentials=KEY)
    urls = host_images(batch.stimuli, folder, hosting, lambda _done, _all: None)
    assert set(urls) == {s.sha256 for s in batch.stimuli}
    for stimulus in batch.stimuli:
        path = f"/bucket/my/study/{stimulus.sha256}.png"
        assert urls[stimulus.sha256] == store.url + path
        data, content_type = store.objects[path]
        assert data == (folder / stimulus.path).read_bytes()
        assert content_type == "image/png"


def test_a_static_address_is_only_checked(tmp_path: Path, store: Store) -> None:
    batch, folder = make_batch(tmp_path, "2afc")
    hosting = hosting_for(f"{store.url}/study/", endpoint_url="", credentials=KEY)
    with pytest.raises(HostingError, match=r"cannot read .* Copy the batch's images/ there first"):
        host_images(batch.stimuli, folder, hosting, lambda _done, _all: None)
    for stimulus in batch.stimuli:
        store.objects[f"/study/{stimulus.sha256}.png"] = (b"", "")
    urls = host_images(batch.stimuli, folder, hosting, lambda _done, _all: None)
    assert urls[batch.stimuli[0].sha256] == f"{store.url}/study/{batch.stimuli[0].sha256}.png"


def test_an_endpoint_that_stores_no_images_names_the_setting(tmp_path: Path, store: Store) -> None:
    batch, folder = make_batch(tmp_path, "2afc")
    hosting = hosting_for("server", endpoint_url=store.url, credentials=KEY)
    with pytest.raises(HostingError, match="Set `hosting` to s3://bucket/prefix"):
        host_images(batch.stimuli, folder, hosting, lambda _done, _all: None)


def test_nothing_at_the_endpoint_is_said_so(tmp_path: Path) -> None:
    batch, folder = make_batch(tmp_path, "2afc")
    hosting = hosting_for("server", endpoint_url="http://127.0.0.1:9", credentials=KEY)
    with pytest.raises(EndpointUnreachableError, match="mturk-eval serve"):
        host_images(batch.stimuli, folder, hosting, lambda _done, _all: None)


def test_a_setting_that_is_no_hosting() -> None:
    with pytest.raises(SettingsError, match="neither `server`"):
        hosting_for("ftp://x", endpoint_url="", credentials=KEY)
