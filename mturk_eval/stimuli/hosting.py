"""Putting images where raters' browsers find them: the server, S3, or a place that has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import httpx

from mturk_eval.errors import (
    CredentialsError,
    EndpointUnreachableError,
    HostingError,
    SettingsError,
)
from mturk_eval.trials import Stimulus
from mturk_eval.wire.limits import REGION, SIGNING_NAME

if TYPE_CHECKING:
    from botocore.credentials import Credentials

_TIMEOUT_S: Final = 60.0
_CONTENT_TYPES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
    "gif": "image/gif",
}


class Hosting(Protocol):
    """A place that shows an image to the world."""

    def put(self, name: str, data: bytes) -> str:
        """Make sure that the file ``<sha256>.<ext>`` is there and return its public URL."""
        ...


def hosting_for(setting: str, *, endpoint_url: str, credentials: Credentials) -> Hosting:
    """The hosting that a study's setting names.

    Parameters
    ----------
    setting : str
        ``server``, ``s3://bucket/prefix`` or ``https://base``.
    endpoint_url : str
        Where ``server`` is.
    credentials : botocore Credentials
        They sign what goes to ``server``.

    Raises
    ------
    SettingsError
        If the setting is none of these.
    """
    if setting == "server":
        return ServerHosting(endpoint_url, credentials)
    if setting.startswith("s3://"):
        return S3Hosting(setting)
    if setting.startswith(("http://", "https://")):
        return StaticHosting(setting.rstrip("/"))
    raise SettingsError(
        f"hosting = {setting!r} is neither `server`, s3://bucket/prefix nor https://base."
    )


def host_images(
    stimuli: Sequence[Stimulus],
    folder: Path,
    hosting: Hosting,
    progress: Callable[[int, int], None],
) -> dict[str, str]:
    """Put every image of the stimuli, each once, and return its URL by sha256.

    Raises
    ------
    HostingError, EndpointUnreachableError, CredentialsError
        If one cannot be put; what was put stays, and doing it again is harmless.
    """
    paths = {stimulus.sha256: folder / stimulus.path for stimulus in stimuli}

    def put(item: tuple[str, Path]) -> tuple[str, str]:
        sha256, path = item
        name = f"{sha256}{path.suffix.lower()}"
        return sha256, hosting.put(name, path.read_bytes())

    urls: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=4) as pool:
        try:
            for sha256, url in pool.map(put, paths.items()):
                urls[sha256] = url
                progress(len(urls), len(paths))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return urls


@dataclass(frozen=True, slots=True)
class ServerHosting:
    """``PUT {endpoint}/images/<name>``, signed like every request to the endpoint."""

    endpoint_url: str
    credentials: Credentials

    def put(self, name: str, data: bytes) -> str:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        url = f"{self.endpoint_url}/images/{name}"
        headers = {"Content-Type": _content_type(name)}
        request = AWSRequest("PUT", url, headers=headers, data=data)
        SigV4Auth(self.credentials, SIGNING_NAME, REGION).add_auth(request)
        try:
            answer = httpx.put(
                url, content=data, headers=dict(request.headers.items()), timeout=_TIMEOUT_S
            )
        except httpx.TransportError as error:
            raise EndpointUnreachableError(self.endpoint_url) from error
        if answer.status_code in (401, 403):
            raise CredentialsError(
                f"{self.endpoint_url} refuses the access key for images: {_message(answer)}"
            )
        document = _json(answer)
        if answer.status_code == 200 and isinstance(document.get("url"), str):
            return str(document["url"])
        if answer.status_code in (400, 413, 507):
            raise HostingError(f"The server refuses image {name}: {_message(answer)}")
        raise HostingError(
            f"{self.endpoint_url} does not store images (PUT /images answered "
            f"{answer.status_code}). Set `hosting` to s3://bucket/prefix or to the https:// "
            "address where the batch's images/ already are."
        )


class S3Hosting:
    """Objects in an S3 bucket that anybody may read."""

    def __init__(self, setting: str) -> None:
        import boto3

        bucket, _, prefix = setting.removeprefix("s3://").partition("/")
        self.bucket, self.prefix = bucket, prefix.strip("/")
        self._s3: Any = boto3.client("s3")
        endpoint = self._s3.meta.endpoint_url
        aws = endpoint.endswith(".amazonaws.com")
        self.base = (
            f"https://{bucket}.s3.{self._s3.meta.region_name}.amazonaws.com"
            if aws
            else f"{endpoint}/{bucket}"
        )

    def put(self, name: str, data: bytes) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        key = f"{self.prefix}/{name}" if self.prefix else name
        try:
            self._s3.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=data,
                ContentType=_content_type(name),
                CacheControl="public, max-age=31536000, immutable",
            )
        except (BotoCoreError, ClientError) as error:
            raise HostingError(f"s3://{self.bucket}/{key} cannot be written: {error}") from error
        return _readable(f"{self.base}/{key}", "Allow public reads of the bucket's objects.")


@dataclass(frozen=True, slots=True)
class StaticHosting:
    """An address that serves a copy of the batch's images/ folder already."""

    base: str

    def put(self, name: str, data: bytes) -> str:  # what is there is only checked
        return _readable(f"{self.base}/{name}", "Copy the batch's images/ there first.")


def _readable(url: str, advice: str) -> str:
    try:
        answer = httpx.head(url, timeout=_TIMEOUT_S, follow_redirects=True)
    except httpx.TransportError as error:
        raise HostingError(f"{url} cannot be reached. {advice}") from error
    if answer.status_code != 200:
        raise HostingError(f"Raters cannot read {url} (it answers {answer.status_code}). {advice}")
    return url


def _content_type(name: str) -> str:
    return _CONTENT_TYPES.get(name.rsplit(".", 1)[-1], "application/octet-stream")


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _message(answer: httpx.Response) -> str:
    document = _json(answer)
    return str(document.get("message") or document.get("Message") or answer.reason_phrase)
