"""Trials into HITs: no two consecutive trials of one original where that can be avoided."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from mturk_eval.errors import StimuliError
from mturk_eval.trials import Trial


@dataclass(frozen=True, slots=True)
class HitSize:
    """How many trials of each role one HIT holds."""

    main: int
    repeats: int
    catch: int

    @property
    def total(self) -> int:
        """All trials of the HIT."""
        return self.main + self.repeats + self.catch


def hit_sizes(
    n_main: int, *, n_repeats: int = 0, n_catch: int = 0, trials_per_hit: int
) -> list[HitSize]:
    """Split trials evenly over as few HITs as possible.

    A repeat stands in a HIT of its own main trial, so no HIT has more repeats than main trials.

    Raises
    ------
    StimuliError
        If repeats are asked for and a HIT is too small to hold a trial and its repeat.

    Examples
    --------
    >>> [size.total for size in hit_sizes(26, trials_per_hit=10)]
    [9, 9, 8]
    """
    if n_repeats and trials_per_hit < 2:
        raise StimuliError(
            "A repeat stands in the HIT of its first showing, so --repeats needs --trials-per-hit "
            "of at least 2."
        )
    n_trials = n_main + n_repeats + n_catch
    for n_hits in range(max(1, -(-n_trials // trials_per_hit)), n_trials + 1):
        main = [n_main // n_hits + (hit < n_main % n_hits) for hit in range(n_hits)]
        total, repeats, catch = list(main), [0] * n_hits, [0] * n_hits
        for _ in range(n_repeats):
            hit = min((h for h in range(n_hits) if repeats[h] < main[h]), key=total.__getitem__)
            repeats[hit] += 1
            total[hit] += 1
        for _ in range(n_catch):
            hit = min(range(n_hits), key=total.__getitem__)
            catch[hit] += 1
            total[hit] += 1
        if max(total) <= trials_per_hit:
            return [HitSize(*size) for size in zip(main, repeats, catch, strict=True)]
    raise StimuliError("There are no trials to put into HITs.")


def arrange(trials: Sequence[Trial], sizes: Sequence[int], rng: random.Random) -> list[list[Trial]]:
    """Deal trials into HITs of the given sizes.

    Within a HIT, the next trial is one of the original with most trials left among those that were
    not shown just before: the rule that leaves a repeat only where no order avoids it. Among these
    trials, one whose methods were shown least so far is taken, so that every method stands as
    often early as late, in each HIT and over all. Ties are drawn.

    Parameters
    ----------
    trials : sequence of Trial
    sizes : sequence of int
        Trials of each HIT; their sum is the number of trials.
    rng : random.Random

    Returns
    -------
    list of list of Trial
        One list for each size.
    """
    waiting: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        waiting[trial.original.image].append(trial)
    hits: list[list[Trial]] = []
    shown: Counter[str] = Counter()
    for size in sizes:
        hit: list[Trial] = []
        shown_here: Counter[str] = Counter()

        def turn(trial: Trial, here: Counter[str] = shown_here) -> tuple[int, int, float]:
            methods = [s.method for s in trial.stimuli if s.role == "reconstruction"]
            # A trial drawn at random among equals: the first of a shuffled list would repeat.
            return sum(here[m] for m in methods), sum(shown[m] for m in methods), rng.random()

        for _ in range(size):
            before = hit[-1].original.image if hit else None
            images = [i for i, queue in waiting.items() if queue and i != before]
            images = images or [i for i, queue in waiting.items() if queue]
            most = max(len(waiting[image]) for image in images)
            candidates = [t for i in images if len(waiting[i]) == most for t in waiting[i]]
            trial = min(candidates, key=turn)
            waiting[trial.original.image].remove(trial)
            hit.append(trial)
            for stimulus in trial.stimuli:
                shown[stimulus.method] += 1
                shown_here[stimulus.method] += 1
        hits.append(hit)
    return hits


def insert_apart(hit: list[Trial], trial: Trial, positions: Sequence[int]) -> None:
    """Insert a trial at the first of ``positions`` where no neighbour shows its original.

    Where every position has such a neighbour, the first one is taken.
    """
    image = trial.original.image

    def neighbours(position: int) -> list[Trial]:
        return hit[max(0, position - 1) : position + 1]

    free = (p for p in positions if all(t.original.image != image for t in neighbours(p)))
    hit.insert(next(free, positions[0]), trial)
