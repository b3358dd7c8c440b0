"""Schedules: coverage, balance, order, and the same again from the same seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations, pairwise, permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mturk_eval.design import Schedule, satisfaction_schedule, two_afc_schedule
from mturk_eval.design.arrangement import arrange, hit_sizes
from mturk_eval.design.schedule import CatchSource
from mturk_eval.errors import StimuliError
from mturk_eval.trials import SatisfactionTrial, Stimulus, Trial, TwoAfcTrial


def stimulus(image: str, method: str, rate: float | None = None) -> Stimulus:
    role = "original" if method == "original" else "reconstruction"
    return Stimulus(
        id=f"{image}/{method}@{rate}",
        role=role,  # type: ignore[arg-type]
        image=image,
        method=method,
        width_px=8,
        height_px=8,
        sha256=f"{image}{method}{rate}",
        path="images/x.png",
        target_bpp=rate,
    )


def study(
    n_images: int, n_methods: int, rates: tuple[float | None, ...] = (None,)
) -> tuple[list[Stimulus], list[Stimulus]]:
    originals = [stimulus(f"i{i}", "original") for i in range(n_images)]
    reconstructions = [
        stimulus(o.image, f"m{m}", rate)
        for o in originals
        for m in range(n_methods)
        for rate in rates
    ]
    return originals, reconstructions


def catch_sources(originals: list[Stimulus], n: int) -> list[CatchSource]:
    return [
        CatchSource(
            original=originals[i % len(originals)],
            degraded=stimulus(originals[i % len(originals)].image, "catch-degraded"),
        )
        for i in range(n)
    ]


SIZES = st.tuples(st.integers(1, 7), st.integers(2, 5), st.integers(1, 12), st.integers(0, 99))


def two_afc(sizes: tuple[int, int, int, int], n_catch: int = 0, n_repeats: int = 0) -> Schedule:
    n_images, n_methods, per_hit, seed = sizes
    originals, reconstructions = study(n_images, n_methods, (0.25, 0.5))
    return two_afc_schedule(
        originals,
        reconstructions,
        batch="b",
        trials_per_hit=per_hit,
        seed=seed,
        catch_sources=catch_sources(originals, n_catch),
        n_repeats=n_repeats,
    )


@given(SIZES)
def test_each_reconstruction_is_rated_once_beside_its_own_original(
    sizes: tuple[int, int, int, int],
) -> None:
    n_images, n_methods, per_hit, seed = sizes
    originals, reconstructions = study(n_images, n_methods)
    schedule = satisfaction_schedule(
        originals, reconstructions, batch="b", trials_per_hit=per_hit, seed=seed
    )
    shown = [t.reconstruction.id for t in schedule.trials if isinstance(t, SatisfactionTrial)]
    assert sorted(shown) == sorted(r.id for r in reconstructions)
    assert all(t.original.image == t.stimuli[1].image for t in schedule.trials)
    assert len({t.id for t in schedule.trials}) == len(schedule.trials)
    assert max(len(hit.trials) for hit in schedule.hits) <= per_hit


@given(SIZES)
def test_all_pairs_of_methods_are_compared_once_per_original_and_rate(
    sizes: tuple[int, int, int, int],
) -> None:
    n_images, n_methods, _, _ = sizes
    found = Counter(
        (t.original.image, t.left.target_bpp, frozenset({t.left.method, t.right.method}))
        for t in two_afc(sizes).trials
        if isinstance(t, TwoAfcTrial)
    )
    assert set(found.values()) == {1}
    assert len(found) == n_images * 2 * n_methods * (n_methods - 1) / 2


@given(SIZES)
def test_sides_are_balanced(sizes: tuple[int, int, int, int]) -> None:
    trials = [t for t in two_afc(sizes).trials if isinstance(t, TwoAfcTrial)]
    left = Counter((t.left.target_bpp, t.left.method, t.right.method) for t in trials)
    n_methods = sizes[1]
    for rate in (0.25, 0.5):
        for a, b in combinations([f"m{m}" for m in range(n_methods)], 2):
            assert abs(left[rate, a, b] - left[rate, b, a]) <= 1
    # Over both rates the odd ones out of a pair fall on opposite sides.
    for a, b in combinations([f"m{m}" for m in range(n_methods)], 2):
        assert sum(left[r, a, b] - left[r, b, a] for r in (0.25, 0.5)) == 0


@given(SIZES, st.integers(0, 6), st.data())
def test_catch_trials_and_repeats(
    sizes: tuple[int, int, int, int], n_catch: int, data: st.DataObject
) -> None:
    n_main = len(two_afc(sizes).trials)
    n_repeats = data.draw(st.integers(0, n_main if sizes[2] > 1 else 0))
    schedule = two_afc(sizes, n_catch, n_repeats)
    assert Counter(t.role for t in schedule.trials) == +Counter(
        {"main": n_main, "catch": n_catch, "repeat": n_repeats}
    )
    for hit in schedule.hits:
        assert len(hit.trials) <= sizes[2]
        seen: list[tuple[str, str]] = []
        for position, trial in enumerate(hit.trials):
            assert isinstance(trial, TwoAfcTrial)
            sides = (trial.left.id, trial.right.id)
            if trial.role == "repeat":
                assert sides[::-1] in seen  # after its first showing, sides swapped
            if trial.role == "catch" and sum(t.role != "catch" for t in hit.trials) >= 2:
                assert 0 < position < len(hit.trials) - 1
                answer = schedule.catch_answers[trial.id]
                right = trial.left if answer == "left" else trial.right
                assert right.role == "original"
            seen.append(sides)
    assert set(schedule.catch_answers) == {t.id for t in schedule.trials if t.role == "catch"}


@given(st.integers(4, 20), st.integers(2, 4), st.integers(2, 30), st.integers(0, 99))
def test_every_method_stands_as_often_early_as_late(
    n_images: int, n_methods: int, per_hit: int, seed: int
) -> None:
    originals, reconstructions = study(n_images, n_methods)
    schedule = satisfaction_schedule(
        originals, reconstructions, batch="b", trials_per_hit=per_hit, seed=seed
    )
    for hit in schedule.hits:
        methods = [t.reconstruction.method for t in hit.trials if isinstance(t, SatisfactionTrial)]
        # At every moment in a HIT, the methods shown so far are even up to a few.
        for seen in range(1, len(methods) + 1):
            counts = Counter({f"m{m}": 0 for m in range(n_methods)}) + Counter(methods[:seen])
            every = [counts[f"m{m}"] for m in range(n_methods)]
            assert max(every) - min(every) <= 3


@given(SIZES)
def test_the_same_seed_gives_the_same_schedule(sizes: tuple[int, int, int, int]) -> None:
    assert two_afc(sizes) == two_afc(sizes)


def test_another_seed_or_batch_gives_other_trials() -> None:
    originals, reconstructions = study(3, 3)

    def ids(batch: str, seed: int) -> set[str]:
        schedule = two_afc_schedule(
            originals, reconstructions, batch=batch, trials_per_hit=5, seed=seed
        )
        return {t.id for t in schedule.trials}

    assert not ids("a", 1) & ids("a", 2)
    assert not ids("a", 1) & ids("b", 1)


def adjacent_repeats(hit: Sequence[Trial]) -> int:
    """How often a trial shows the same original as the one before it."""
    return sum(a.original.image == b.original.image for a, b in pairwise(hit))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4).filter(lambda n: sum(n) <= 6),
    st.integers(1, 6),
    st.integers(0, 99),
)
def test_an_original_follows_itself_only_where_no_order_avoids_it(
    counts: list[int], per_hit: int, seed: int
) -> None:
    trials = [
        SatisfactionTrial(
            id=f"{image}-{n}",
            role="main",
            original=stimulus(f"i{image}", "original"),
            reconstruction=stimulus(f"i{image}", f"m{n}"),
        )
        for image, count in enumerate(counts)
        for n in range(count)
    ]
    sizes = [size.main for size in hit_sizes(len(trials), trials_per_hit=per_hit)]

    def repeats(order: Sequence[Trial]) -> int:
        total, start = 0, 0
        for size in sizes:
            total += adjacent_repeats(order[start : start + size])
            start += size
        return total

    arranged = [t for hit in arrange(trials, sizes, Random(seed)) for t in hit]
    best = min(repeats(list(order)) for order in permutations(trials))
    assert repeats(arranged) == best


@given(st.integers(1, 60), st.integers(0, 9), st.integers(0, 9), st.integers(2, 20))
def test_hits_are_as_few_and_as_even_as_can_be(
    n_main: int, n_repeats: int, n_catch: int, per_hit: int
) -> None:
    n_repeats = min(n_repeats, n_main)
    sizes = hit_sizes(n_main, n_repeats=n_repeats, n_catch=n_catch, trials_per_hit=per_hit)
    totals = [size.total for size in sizes]
    assert sum(totals) == n_main + n_repeats + n_catch
    assert max(totals) <= per_hit
    if n_repeats == 0:
        assert len(sizes) == -(-sum(totals) // per_hit)
        assert max(totals) - min(totals) <= 1


def test_one_method_leaves_nothing_to_compare() -> None:
    originals, reconstructions = study(3, 1)
    with pytest.raises(StimuliError, match="two methods"):
        two_afc_schedule(originals, reconstructions, batch="b", trials_per_hit=5, seed=0)


def test_a_repeat_needs_room_in_its_hit() -> None:
    with pytest.raises(StimuliError, match="at least 2"):
        hit_sizes(3, n_repeats=1, trials_per_hit=1)
