"""Images by content hash: requesters put them, everybody gets them."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from mturk_eval.server.api.errors import RequestFailure
from mturk_eval.server.api.http import authenticated
from mturk_eval.server.bodies import BodyError
from mturk_eval.server.context import context

IMAGE_BYTES: Final = 64 * 2**20
_URL: Final = re.compile(
    r"https?://[^\s\"'<>/]+/images/([0-9a-f]{64}\.(?:png|jpe?g|webp|avif|gif))", re.ASCII
)
_NAME: Final = re.compile(r"([0-9a-f]{64})\.(png|jpe?g|webp|avif|gif)", re.ASCII)
_MEDIA_TYPES: Final[Mapping[str, str]] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
    "gif": "image/gif",
}
_IS_FORMAT: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "image/png": lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"),
    "image/jpeg": lambda head: head.startswith(b"\xff\xd8\xff"),
    "image/webp": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
    "image/avif": lambda head: head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis", b"mif1"),
    "image/gif": lambda head: head[:6] in (b"GIF87a", b"GIF89a"),
}
_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    # HIT pages have an origin of their own; they may draw images and time how long they took.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Timing-Allow-Origin": "*",
}


def at_origin(html: str, images: Path, origin: str) -> str:
    """A page whose images of ours are fetched from where the page itself was.

    A HIT holds the address of the day it was posted; the server may have moved since, or be known
    to this browser under another name.
    """

    def here(match: re.Match[str]) -> str:
        return f"{origin}/images/{match[1]}" if (images / match[1]).exists() else match[0]

    return _URL.sub(here, html)


async def put_image(request: Request) -> Response:
    """Store the body under its SHA-256; storing it again changes nothing."""
    name = request.path_params["name"]
    match = _NAME.fullmatch(name)
    if match is None:
        return _problem(
            400, f"{name} is not <sha256 in lower-case hex>.<png, jpg, jpeg, webp, avif or gif>."
        )
    digest, extension = match.groups()
    try:
        _account, body = await authenticated(request, IMAGE_BYTES)
    except RequestFailure as failure:
        return _problem(failure.status, failure.message, kind=failure.kind)
    except BodyError as error:
        return _problem(
            error.status, f"{name}: {error} Images may have up to {IMAGE_BYTES:,} bytes."
        )
    found = hashlib.sha256(body).hexdigest()
    if found != digest:
        return _problem(400, f"The body's SHA-256 is {found}, not {digest} as the name says.")
    if not _IS_FORMAT[_MEDIA_TYPES[extension]](body[:16]):
        return _problem(400, f"{name}: the body is not a {_MEDIA_TYPES[extension]} image.")
    state = context(request)
    await run_in_threadpool(_store, state.store.images / name, body)
    return JSONResponse({"url": f"{state.public_url}/images/{name}"})


async def get_image(request: Request) -> Response:
    """Serve an image; its name is its content, so it may be cached for ever."""
    name = request.path_params["name"]
    match = _NAME.fullmatch(name)
    path = context(request).store.images / name
    if match is None or not path.is_file():
        return _problem(404, f"There is no image {name}.")
    return FileResponse(path, media_type=_MEDIA_TYPES[match[2]], headers=dict(_HEADERS))


def _store(path: Path, body: bytes) -> None:
    """All or nothing, also when the machine stops halfway."""
    if path.is_file() and path.stat().st_size == len(body):
        return
    if not path.parent.is_dir():
        path.parent.mkdir(exist_ok=True)
        _sync_folder(path.parent.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".upload-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Put the folder's list of names on disk, a new one with it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _problem(status: int, message: str, *, kind: str = "ImageError") -> Response:
    return JSONResponse({"message": message, "__type": kind}, status)
