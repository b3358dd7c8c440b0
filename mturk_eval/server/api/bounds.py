"""Bounds of MTurk's that the service model does not state."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from mturk_eval.server.api.errors import bad_value

_MAX_REWARD_USD: Final = Decimal(100_000)


def reward_usd(parameter: str, text: str) -> Decimal:
    """An amount of money as Decimal."""
    amount = Decimal(text)
    if amount > _MAX_REWARD_USD:
        raise bad_value(parameter, text, f"It is over ${_MAX_REWARD_USD:,}.")
    return amount.quantize(Decimal("0.01"))


def within(parameter: str, value: int, bounds: tuple[int, int]) -> None:
    """Refuse a number outside its bounds, which are allowed themselves."""
    low, high = bounds
    if not low <= value <= high:
        raise bad_value(parameter, value, f"It must be between {low:,} and {high:,}.")


def at_most(parameter: str, text: str | None, most: int) -> None:
    """Refuse a text of more than ``most`` characters."""
    if text is not None and len(text) > most:
        raise bad_value(parameter, text, f"It must have at most {most:,} characters.")
