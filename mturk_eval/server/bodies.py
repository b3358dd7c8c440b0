"""The bodies of requests: read up to a limit, and waited for only so long."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

_STALLED_S: Final = 60.0  # without a byte
_STOPPING_S: Final = 1.0  # the same while the server stops
# So much beyond a limit is read and dropped: a client that is still sending sees no reply.
DRAINED: Final = 128 * 2**20


class BodyError(Exception):
    """A request's body cannot be had; the message is a sentence, ``status`` the reply's."""

    status: int


class BodyTooLargeError(BodyError):
    """A request's body is over its limit, in bytes."""

    status = 413

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"The request is larger than {limit / 2**20:.0f} MiB.")


class IncompleteBodyError(BodyError):
    """The rest of a request's body did not come."""

    status = 408

    def __init__(self) -> None:
        super().__init__("The rest of the request did not come.")


class Bodies:
    """Reads request bodies, and knows which ones it waits for."""

    def __init__(self) -> None:
        self._awaited: set[asyncio.Timeout] = set()
        self._patience_s = _STALLED_S

    async def read(self, request: Request, limit: int, *, drained: int = DRAINED) -> bytes:
        """The whole body.

        Raises
        ------
        BodyTooLargeError
            If it has more than ``limit`` bytes; up to ``drained`` more have been read by then.
        IncompleteBodyError
            If the client goes away, or sends nothing for a minute.
        """
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._patience_s) as timeout:
                self._awaited.add(timeout)
                async for part in request.stream():
                    timeout.reschedule(_from_now(self._patience_s))
                    size += len(part)
                    if size <= limit:
                        parts.append(part)
                    elif size > limit + drained:
                        break
        except (TimeoutError, ClientDisconnect) as error:
            raise IncompleteBodyError from error
        finally:
            self._awaited.discard(timeout)
        if size > limit:
            raise BodyTooLargeError(limit)
        return b"".join(parts)

    def hurry(self) -> None:
        """Wait no longer than a moment from here on: the server stops."""
        self._patience_s = _STOPPING_S
        for timeout in self._awaited:
            timeout.reschedule(_from_now(_STOPPING_S))


def _from_now(length_s: float) -> float:
    return asyncio.get_running_loop().time() + length_s
