"""Numbers as JSON takes them: finite floats, or null."""

from __future__ import annotations

import math
from typing import Any

Document = dict[str, Any]


def number(value: float | None) -> float | None:
    """The value as a plain float; None where it is not finite, since JSON has no NaN."""
    if value is None or not math.isfinite(value):
        return None
    return float(value)
