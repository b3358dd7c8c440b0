"""The two schedules: every original × method to rate, or every pair of methods to choose from."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from mturk_eval.design.arrangement import arrange, hit_sizes, insert_apart
from mturk_eval.errors import StimuliError
from mturk_eval.trials import (
    HIGHEST_RATING,
    LOWEST_RATING,
    HitSpec,
    SatisfactionTrial,
    Stimulus,
    Trial,
    TwoAfcTrial,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A study's trials in HITs, and the right answers of its catch trials by trial id.

    The answers stand apart from the trials: pages are rendered from trials alone.
    """

    hits: tuple[HitSpec, ...]
    catch_answers: Mapping[str, str]

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All trials in the order of the HITs."""
        return tuple(trial for hit in self.hits for trial in hit.trials)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchSource:
    """An original with a version of it that everybody sees is worse."""

    original: Stimulus
    degraded: Stimulus


def satisfaction_schedule(
    originals: Sequence[Stimulus],
    reconstructions: Sequence[Stimulus],
    *,
    batch: str,
    trials_per_hit: int,
    seed: int,
    catch_sources: Sequence[CatchSource] = (),
    n_repeats: int = 0,
) -> Schedule:
    """Rate each reconstruction beside its original, once in the batch.

    Parameters
    ----------
    originals, reconstructions : sequence of Stimulus
        Matched by ``image``.
    batch : str
        The batch's name; trial ids derive from it, so no two batches share one.
    trials_per_hit : int
        The most trials a HIT may hold, catch trials and repeats included.
    seed : int
    catch_sources : sequence of CatchSource
        One catch trial for each: in turn the original against itself (rated 10) and the degraded
        version (rated 1).
    n_repeats : int
        How many trials are asked a second time, later in the same HIT.
    """
    rng = random.Random(f"satisfaction {seed}")  # noqa: S311  # a schedule, not a secret
    by_image = {original.image: original for original in originals}
    main: list[Trial] = [
        SatisfactionTrial(
            id=_trial_id(batch, seed, "main", stimulus.id),
            role="main",
            original=by_image[stimulus.image],
            reconstruction=stimulus,
        )
        for stimulus in reconstructions
    ]
    catch: list[Trial] = []
    answers: dict[str, str] = {}
    for number, source in enumerate(catch_sources):
        # Every second time round, the other way about: no original is always the same kind.
        against_itself = (number + number // len(originals)) % 2 == 0
        shown = source.original if against_itself else source.degraded
        trial = SatisfactionTrial(
            id=_trial_id(batch, seed, "catch", str(number), shown.id),
            role="catch",
            original=source.original,
            reconstruction=shown,
        )
        catch.append(trial)
        answers[trial.id] = str(HIGHEST_RATING if against_itself else LOWEST_RATING)

    def again(trial: Trial) -> Trial:
        return replace(trial, id=_trial_id(batch, seed, "repeat", trial.id), role="repeat")

    hits = _into_hits(main, catch, n_repeats, again, trials_per_hit, rng)
    return Schedule(hits=hits, catch_answers=answers)


def two_afc_schedule(
    originals: Sequence[Stimulus],
    reconstructions: Sequence[Stimulus],
    *,
    batch: str,
    trials_per_hit: int,
    seed: int,
    catch_sources: Sequence[CatchSource] = (),
    n_repeats: int = 0,
) -> Schedule:
    """Compare all pairs of methods of each original and target rate, once in the batch.

    Sides are drawn and balanced: over the originals of one pair and rate, each method stands left
    as often as right, up to one; the odd ones out are dealt so that every method has its share.

    Parameters are those of `satisfaction_schedule`; a catch trial shows the original itself against
    its degraded version, and a repeat swaps the sides.

    Raises
    ------
    StimuliError
        If no original has two methods at one rate.
    """
    rng = random.Random(f"2afc {seed}")  # noqa: S311  # a schedule, not a secret
    by_image = {original.image: original for original in originals}
    methods = {m: n for n, m in enumerate(sorted({r.method for r in reconstructions}))}
    rates = {r: n for n, r in enumerate(sorted({r.target_bpp or 0.0 for r in reconstructions}))}
    pairs: dict[tuple[float, str, str], list[tuple[Stimulus, Stimulus]]] = defaultdict(list)
    cells: dict[tuple[str, float], list[Stimulus]] = defaultdict(list)
    for stimulus in reconstructions:
        cells[stimulus.image, stimulus.target_bpp or 0.0].append(stimulus)
    for (_, rate), stimuli in sorted(cells.items()):
        for first, second in combinations(sorted(stimuli, key=lambda s: s.method), 2):
            pairs[rate, first.method, second.method].append((first, second))
    if not pairs:
        raise StimuliError(
            "No original has reconstructions by two methods at one rate, so there is nothing to "
            "compare. A 2AFC batch needs METHOD_A/IMAGE.ext and METHOD_B/IMAGE.ext."
        )
    main: list[Trial] = []
    for (rate, first_method, second_method), cases in sorted(pairs.items()):
        rng.shuffle(cases)
        # Parity of the distance makes the odd cases out a regular tournament over the methods.
        distance = methods[second_method] - methods[first_method]
        first_is_left = (distance + rates[rate]) % 2 == 1
        for number, (first, second) in enumerate(cases):
            left, right = (first, second) if first_is_left == (number % 2 == 0) else (second, first)
            main.append(
                TwoAfcTrial(
                    id=_trial_id(batch, seed, "main", left.id, right.id),
                    role="main",
                    original=by_image[left.image],
                    left=left,
                    right=right,
                )
            )
    catch: list[Trial] = []
    answers: dict[str, str] = {}
    for number, source in enumerate(catch_sources):
        right_side = (number + number // len(originals)) % 2 == 0
        sides = (
            (source.degraded, source.original) if right_side else (source.original, source.degraded)
        )
        trial = TwoAfcTrial(
            id=_trial_id(batch, seed, "catch", str(number), source.original.id),
            role="catch",
            original=source.original,
            left=sides[0],
            right=sides[1],
        )
        catch.append(trial)
        answers[trial.id] = "right" if right_side else "left"

    def swapped(trial: Trial) -> Trial:
        assert isinstance(trial, TwoAfcTrial)  # noqa: S101
        return replace(
            trial,
            id=_trial_id(batch, seed, "repeat", trial.id),
            role="repeat",
            left=trial.right,
            right=trial.left,
        )

    hits = _into_hits(main, catch, n_repeats, swapped, trials_per_hit, rng)
    return Schedule(hits=hits, catch_answers=answers)


def _into_hits(
    main: Sequence[Trial],
    catch: Sequence[Trial],
    n_repeats: int,
    again: Callable[[Trial], Trial],
    trials_per_hit: int,
    rng: random.Random,
) -> tuple[HitSpec, ...]:
    """Deal the main trials, then spread catch trials and repeats evenly over the HITs.

    A catch trial is never first or last where a HIT has room inside; a repeat stands in the HIT of
    its first showing, one of the first trials again as one of the last.
    """
    sizes = hit_sizes(
        len(main), n_repeats=n_repeats, n_catch=len(catch), trials_per_hit=trials_per_hit
    )
    hits = arrange(main, [size.main for size in sizes], rng)
    waiting = list(catch)
    rng.shuffle(waiting)
    for size, hit in zip(sizes, hits, strict=True):
        # Drawn from the first half where it has enough, so that there is room in between.
        first = hit[: max(size.repeats, len(hit) // 2)]
        for trial in rng.sample(first, size.repeats):
            after = max(len(hit) // 2, hit.index(trial))
            insert_apart(hit, again(trial), range(len(hit), after, -1))
        for _ in range(size.catch):
            inside = list(range(1, len(hit))) or [len(hit)]
            rng.shuffle(inside)
            insert_apart(hit, waiting.pop(), inside)
    digits = len(str(len(hits)))
    return tuple(
        HitSpec(name=f"hit-{number:0{max(3, digits)}d}", trials=tuple(hit))
        for number, hit in enumerate(hits, start=1)
    )


def _trial_id(batch: str, seed: int, *parts: str) -> str:
    """An opaque name: it tells a rater nothing, and is the same whenever the batch is generated."""
    digest = hashlib.sha256("\x1f".join((batch, str(seed), *parts)).encode()).hexdigest()
    return f"t{digest[:14]}"
