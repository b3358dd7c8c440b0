"""The largest value of a smooth function within a border."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Array = NDArray[np.float64]
Value = tuple[float, Array]
"""A number and its gradient."""

_CLOSE = 1e-5  # of room: a likelihood's limit is then right to a millionth of half the width
_ALIGNED = 1e-6  # 1 - the cosine: likewise
_MOST_STEPS = 50


def constrained_maximum(
    value_at: Callable[[Array], Value], room_at: Callable[[Array], Value], start: Array
) -> tuple[Array, str | None]:
    """Maximise a value where there is room.

    Parameters
    ----------
    value_at, room_at : callable
        A position's value, and its room: not negative where a position is allowed. Each with its
        gradient.
    start : ndarray
        Where to begin; there need not be room.

    Returns
    -------
    tuple
        The place, and why it may not be a maximum (or None).
    """
    known: dict[bytes, Value] = {}

    def room(position: Array) -> Value:
        key = position.tobytes()  # SLSQP asks for a value and its gradient one after the other
        if key not in known:
            known.clear()
            known[key] = room_at(position)
            room_left, room_slope = known[key]
            if abs(room_left) < _CLOSE and are_opposed(value_at(position)[1], room_slope):
                raise _ReachedError(position.copy())
        return known[key]

    def loss(position: Array) -> Value:
        value, slope = value_at(position)
        return -value, -slope

    inside: Any = {
        "type": "ineq",
        "fun": lambda position: room(position)[0],
        "jac": lambda position: room(position)[1],
    }
    try:
        found = optimize.minimize(
            loss,
            start,
            jac=True,
            method="SLSQP",
            constraints=inside,
            options={"ftol": 1e-9, "maxiter": _MOST_STEPS},
        )
    except _ReachedError as reached:  # SLSQP would go on until rounding stops it
        return reached.place, None
    return np.asarray(found.x), None if found.success else str(found.message)


def are_opposed(slope: Array, room_slope: Array) -> bool:
    """Whether a value can only grow where the room shrinks: the condition for a maximum."""
    lengths = float(np.linalg.norm(slope) * np.linalg.norm(room_slope))
    return lengths > 0.0 and float(slope @ room_slope) < -lengths * (1.0 - _ALIGNED)


class _ReachedError(Exception):
    """The search is where it should end."""

    def __init__(self, place: Array) -> None:
        super().__init__()
        self.place = place
