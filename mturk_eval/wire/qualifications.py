"""MTurk's own qualification types that have a meaning on both sides of the API."""

from __future__ import annotations

from typing import Final

# Masters: production, sandbox.
MASTERS_IDS: Final = frozenset({"2F1QJWKUDD8XADTFD2Q0G6UTO95ALH", "2ARFPLSP75KLA8M8DH1HTEQVJT3SY6"})
