"""What encoding came to: how near the targets, what is not reachable, what looks the same."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mturk_eval.stimuli.encoding import Outcome
from mturk_eval.stimuli.encoding_targets import target_bytes
from mturk_eval.stimuli.folder import is_resized
from mturk_eval.stimuli.rate_matching import Side
from mturk_eval.trials import Stimulus


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSummary:
    """One method at one target, over all images.

    Attributes
    ----------
    method, target : str
    images, reached, unreachable, failed : int
    median_gap, largest_gap : float or None
        How far sizes are from their targets, in percent of these; None for a quality.
    bpp : float or None
        Mean bits per pixel of the original.
    resized : int
        Files that code fewer pixels than are shown.
    encodes : int
        Files made on the way in this run, and the core's ``seconds`` it took.
    seconds : float
    """

    method: str
    target: str
    images: int
    reached: int
    unreachable: int
    failed: int
    median_gap: float | None
    largest_gap: float | None
    bpp: float | None
    resized: int
    encodes: int
    seconds: float


def summarise(outcomes: Sequence[Outcome], side: Side) -> tuple[TargetSummary, ...]:
    """Summarise by method and target, in the order of the outcomes."""
    groups: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.method, outcome.ask.target.label].append(outcome)
    return tuple(
        _summarise(method, target, group, side) for (method, target), group in groups.items()
    )


def identical_pictures(stimuli: Iterable[Stimulus]) -> tuple[tuple[Stimulus, ...], ...]:
    """Reconstructions that cannot be told apart: the same pixels of one image at one target."""
    same: dict[tuple[str, float | None, str], list[Stimulus]] = defaultdict(list)
    for stimulus in stimuli:
        if stimulus.state == "ok" and stimulus.role == "reconstruction":
            same[stimulus.image, stimulus.target_bpp, stimulus.sha256].append(stimulus)
    return tuple(tuple(group) for group in same.values() if len(group) > 1)


def _summarise(method: str, target: str, outcomes: Sequence[Outcome], side: Side) -> TargetSummary:
    reached, gaps, rates = [], [], []
    for outcome in outcomes:
        if outcome.entry is None or outcome.entry.stimulus.state == "unreachable":
            continue
        stimulus = outcome.entry.stimulus
        reached.append(stimulus)
        rates.append(stimulus.bpp or 0.0)
        wanted = target_bytes(outcome.ask, stimulus.width_px * stimulus.height_px, side)
        if wanted is not None and stimulus.bytes is not None:
            gaps.append(100 * abs(stimulus.bytes - wanted) / wanted)
    failed = sum(outcome.entry is None for outcome in outcomes)
    return TargetSummary(
        method=method,
        target=target,
        images=len(outcomes),
        reached=len(reached),
        unreachable=len(outcomes) - len(reached) - failed,
        failed=failed,
        median_gap=statistics.median(gaps) if gaps else None,
        largest_gap=max(gaps, default=None),
        bpp=statistics.fmean(rates) if rates else None,
        resized=sum(map(is_resized, reached)),
        encodes=sum(outcome.encodes for outcome in outcomes),
        seconds=sum(outcome.seconds for outcome in outcomes),
    )
