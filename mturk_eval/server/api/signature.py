"""Who sent a requester's request: AWS Signature Version 4, checked as AWS does."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from mturk_eval.server.api.errors import RequestFailure
from mturk_eval.wire.limits import SIGNING_NAME

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SKEW: Final = timedelta(minutes=15)
_FIELD: Final = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")
_FORWARDED: Final = re.compile(r"(forwarded|x-forwarded-.*|x-real-ip|via)", re.IGNORECASE)
_ANONYMOUS: Final = "local"  # the account of an unsigned client on loopback


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature covers; ``target`` is path and query as received."""

    method: str
    target: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes


def needs_signature(peer: str | None, headers: Mapping[str, str]) -> bool:
    """Whether a request may come from beyond this machine, so that its signature is checked.

    The peer's address alone does not tell: a reverse proxy or a tunnel on this machine is a
    loopback peer too, so the name the client used and the marks of proxies count as well.
    """
    return (
        peer is None
        or not is_loopback(peer)
        or not is_loopback(urlsplit(f"//{headers.get('host', '')}").hostname or "")
        or any(_FORWARDED.fullmatch(name) for name in headers)
    )


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine, without asking a name server."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def named_account(headers: Mapping[str, str]) -> str:
    """The access key that a request names, unverified."""
    if "authorization" not in headers:
        return _ANONYMOUS
    return _Authorization.parse(headers).access_key


def verified_account(request: SignedRequest, secrets: Mapping[str, str], now: datetime) -> str:
    """The access key whose secret signed the request.

    Raises
    ------
    RequestFailure
        With the code that AWS gives: nothing signed, unknown key, wrong or old signature.
    """
    if "authorization" not in request.headers:
        raise _refused("MissingAuthenticationTokenException", "The request is not signed.")
    claimed = _Authorization.parse(request.headers)
    secret = secrets.get(claimed.access_key)
    if secret is None:
        raise _refused(
            "UnrecognizedClientException",
            "The security token included in the request is invalid. From beyond its own machine, "
            "the server wants the key pair that `mturk-eval serve` shows when it starts.",
        )
    signed_at = _signed_at(request.headers)
    if abs(now - signed_at) > _SKEW:
        raise _refused(
            "InvalidSignatureException",
            f"Signature expired or not yet valid: it is of {signed_at:%Y-%m-%dT%H:%M:%SZ}, the "
            f"server's time is {now:%Y-%m-%dT%H:%M:%SZ}.",
        )
    expected = claimed.signature_with(secret, request)
    if not hmac.compare_digest(expected.encode(), claimed.signature.encode()):
        raise _refused(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check "
            "your AWS Secret Access Key.",
        )
    return claimed.access_key


@dataclass(frozen=True, slots=True)
class _Authorization:
    access_key: str
    date: str
    region: str
    signed_headers: tuple[str, ...]
    signature: str

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> _Authorization:
        algorithm, _, rest = headers["authorization"].partition(" ")
        fields = dict(_FIELD.findall(rest))
        scope = fields.get("Credential", "").rsplit("/", 4)
        names = tuple(fields.get("SignedHeaders", "").split(";"))
        required = {"host", "x-amz-date"} | ({"x-amz-target"} & headers.keys())
        if (
            algorithm != _ALGORITHM
            or len(scope) != 5
            or not all(scope)
            or not fields.get("Signature")
            or scope[3:] != [SIGNING_NAME, "aws4_request"]
            or not required <= set(names) <= headers.keys()
        ):
            raise _refused(
                "IncompleteSignatureException",
                f"Authorization must be {_ALGORITHM} with a Credential for {SIGNING_NAME}, "
                "SignedHeaders with host, x-amz-date and x-amz-target, and a Signature.",
            )
        return cls(scope[0], scope[1], scope[2], names, fields["Signature"])

    def signature_with(self, secret: str, request: SignedRequest) -> str:
        declared_hash = request.headers.get("x-amz-content-sha256")
        if declared_hash not in (None, hashlib.sha256(request.body).hexdigest()):
            # botocore would take the header's word for the body.
            raise _refused("InvalidSignatureException", "x-amz-content-sha256 is not the body's.")
        auth = _DeclaredHeaders(
            Credentials(self.access_key, secret), SIGNING_NAME, self.region, self.signed_headers
        )
        timestamp = request.headers["x-amz-date"]
        if timestamp[:8] != self.date:
            raise _refused("InvalidSignatureException", "Credential and x-amz-date differ in date.")
        replica = AWSRequest(
            method=request.method,
            url=f"http://{request.headers['host']}{request.target}",
            headers=dict(request.headers),
            data=request.body,
        )
        replica.context["timestamp"] = timestamp
        text = auth.string_to_sign(replica, auth.canonical_request(replica))
        return str(auth.signature(text, replica))


class _DeclaredHeaders(SigV4Auth):
    """Signs the headers that the client says it signed; clients differ in their choice."""

    def __init__(
        self, credentials: Credentials, service: str, region: str, names: tuple[str, ...]
    ) -> None:
        super().__init__(credentials, service, region)
        self._names = names

    def headers_to_sign(self, request: Any) -> HTTPHeaders:
        """The declared ones."""
        chosen = HTTPHeaders()
        for name in self._names:
            chosen[name] = request.headers[name]
        return chosen


def _signed_at(headers: Mapping[str, str]) -> datetime:
    try:
        return datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _refused(
            "IncompleteSignatureException", "X-Amz-Date must look like 20260131T235959Z."
        ) from None


def _refused(kind: str, message: str) -> RequestFailure:
    return RequestFailure(message, kind=kind, status=403)
