"""Which files of one image are far apart in rate, so that a choice between them is about bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from mturk_eval.trials import Stimulus


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePair:
    """The smallest and the largest file of one image at one target rate.

    ``difference`` is a share of the smaller rate.
    """

    smaller: Stimulus
    larger: Stimulus
    difference: float


def extreme_rates(stimuli: Iterable[Stimulus]) -> tuple[RatePair, ...]:
    """The extremes of each image at each target rate, and where there is no target.

    Reconstructions of unknown rate are left out.
    """
    cells: dict[tuple[str, float | None], list[tuple[float, Stimulus]]] = defaultdict(list)
    for stimulus in stimuli:
        if stimulus.bpp is not None:
            cells[stimulus.image, stimulus.target_bpp].append((stimulus.bpp, stimulus))
    pairs = []
    for rated in cells.values():
        (low, smaller), (high, larger) = min(rated, key=_rate), max(rated, key=_rate)
        pairs.append(RatePair(smaller=smaller, larger=larger, difference=high / low - 1))
    return tuple(pairs)


def unequal_rates(stimuli: Iterable[Stimulus], tolerance: float) -> tuple[RatePair, ...]:
    """Images whose files at one target rate differ by more than a share: no fair 2AFC pairs."""
    return tuple(
        pair
        for pair in extreme_rates(stimuli)
        if pair.smaller.target_bpp is not None and pair.difference > tolerance
    )


def _rate(rated: tuple[float, Stimulus]) -> float:
    return rated[0]
