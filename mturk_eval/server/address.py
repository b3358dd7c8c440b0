"""Where the server is: what it listens at, what browsers are told, who may stand between."""

from __future__ import annotations

import contextlib
import socket
from typing import Final
from urllib.parse import urlsplit

from mturk_eval.errors import ServerError
from mturk_eval.server.api.signature import is_loopback
from mturk_eval.server.options import ServerOptions

ANY_ADDRESS: Final = ("0.0.0.0", "::", "")  # noqa: S104  (asked for with --host)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def public_url(options: ServerOptions) -> str:
    """The public URL without a final slash; if none is given, what others reach the server at."""
    if options.public_url is None:
        host = _address_in_network() if options.host in ANY_ADDRESS else options.host
        return http_url(host, options.port)
    url = options.public_url.rstrip("/")
    try:
        parts = urlsplit(url)
        sound = parts.scheme in _DEFAULT_PORTS and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.path or parts.query or parts.username is not None:
        raise ServerError(
            "The public URL must be http(s)://host or http(s)://host:port, not "
            f"{options.public_url!r}."
        )
    return url


def http_url(host: str, port: int) -> str:
    """The base URL of a server on this machine."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_reachable_from_outside(options: ServerOptions) -> bool:
    """Whether requests may come from other machines."""
    listens = options.host in ANY_ADDRESS or not is_loopback(options.host)
    return listens or is_behind_a_proxy(options)


def is_behind_a_proxy(options: ServerOptions) -> bool:
    """Whether the public URL that was given is not what we listen at, so that others pass it on.

    Examples
    --------
    >>> is_behind_a_proxy(ServerOptions(host="0.0.0.0", public_url="https://study.example"))
    True
    >>> is_behind_a_proxy(ServerOptions(host="0.0.0.0", public_url="http://192.168.1.20:8765"))
    False
    """
    if options.public_url is None:
        return False
    parts = urlsplit(public_url(options))
    if is_loopback(parts.hostname or ""):
        return False
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return is_loopback(options.host) or (parts.scheme, port) != ("http", options.port)


def _address_in_network() -> str:
    """This machine's address in its network; no packet is sent to find it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # TEST-NET: only the way there is looked up
        address = str(probe.getsockname()[0])
        if address != "0.0.0.0":  # noqa: S104
            return address
    return socket.gethostname()
