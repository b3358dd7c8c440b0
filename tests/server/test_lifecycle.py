"""The life cycle tables: what is in them is all that happens."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mturk_eval.server.lifecycle import (
    ASSIGNMENT_TRANSITIONS,
    HIT_TRANSITIONS,
    AssignmentEvent,
    AssignmentStatus,
    HitEvent,
    HitStatus,
    IllegalStepError,
    Slots,
    advance,
    due_hit_event,
)

LIVES: dict[str, tuple[Mapping[Any, Any], type[StrEnum], type[StrEnum], StrEnum]] = {
    "hit": (HIT_TRANSITIONS, HitStatus, HitEvent, HitStatus.ASSIGNABLE),
    "assignment": (
        ASSIGNMENT_TRANSITIONS,
        AssignmentStatus,
        AssignmentEvent,
        AssignmentStatus.ACCEPTED,
    ),
}
slots = st.builds(
    lambda pending, undecided, completed, free, expired: Slots(
        pending + undecided + completed + free, pending, undecided, completed, expired
    ),
    *[st.integers(0, 3)] * 4,
    st.booleans(),
).filter(lambda s: s.maximum > 0)


@pytest.mark.parametrize("life", LIVES)
def test_every_step_outside_the_table_is_refused(life: str) -> None:
    table, statuses, events, _ = LIVES[life]
    for status in statuses:
        for event in events:
            if (status, event) in table:
                assert advance(table, status, event) is table[status, event]
            else:
                with pytest.raises(IllegalStepError, match=str(event)):
                    advance(table, status, event)


@pytest.mark.parametrize("life", LIVES)
@given(data=st.data())
def test_any_sequence_of_events_stays_in_the_table(life: str, data: st.DataObject) -> None:
    table, _, events, start = LIVES[life]
    status = start
    for event in data.draw(st.lists(st.sampled_from(list(events)), max_size=20)):
        try:
            status = advance(table, status, event)
        except IllegalStepError:
            assert (status, event) not in table
    assert status is start or status in table.values()


@pytest.mark.parametrize("life", LIVES)
def test_every_status_is_reached(life: str) -> None:
    table, statuses, _, start = LIVES[life]
    reached = {start}
    for _ in statuses:
        reached |= {target for (source, _event), target in table.items() if source in reached}
    assert reached == set(statuses)


def test_the_ends_of_a_life_are_ends() -> None:
    ends = {
        "hit": {HitStatus.DISPOSED},
        "assignment": {
            AssignmentStatus.RETURNED,
            AssignmentStatus.ABANDONED,
            AssignmentStatus.APPROVED,
        },
    }
    for life, (table, statuses, _, _) in LIVES.items():
        assert {s for s in statuses if all(source is not s for source, _ in table)} == ends[life]


@given(status=st.sampled_from(HitStatus), state=slots)
def test_the_due_event_is_legal_and_settles_the_hit(status: HitStatus, state: Slots) -> None:
    """One step is enough, and the status it leads to is right for the slots."""
    event = due_hit_event(status, state)
    after = status if event is None else advance(HIT_TRANSITIONS, status, event)
    assert due_hit_event(after, state) is None
    if after is HitStatus.ASSIGNABLE:
        assert state.available > 0
    elif after is HitStatus.DISPOSED:
        assert status is HitStatus.DISPOSED
    else:
        assert state.available == 0
    if status in (HitStatus.ASSIGNABLE, HitStatus.UNASSIGNABLE) and not state.available:
        assert (after is HitStatus.UNASSIGNABLE) == (state.pending > 0)


@given(state=slots)
def test_slots_add_up(state: Slots) -> None:
    in_use = state.pending + state.undecided + state.completed
    assert state.available == (0 if state.expired else state.maximum - in_use)
