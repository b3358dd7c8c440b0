"""The lives of a HIT and of an assignment, each one table; no clock, SQL or HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar


class HitStatus(StrEnum):
    """``HITStatus`` of the API."""

    ASSIGNABLE = "Assignable"
    UNASSIGNABLE = "Unassignable"
    REVIEWABLE = "Reviewable"
    REVIEWING = "Reviewing"
    DISPOSED = "Disposed"


class HitEvent(StrEnum):
    """What moves a HIT on."""

    CLOSE = "close"
    REOPEN = "reopen"
    FINISH = "finish"
    REVIEW = "review"
    UNREVIEW = "unreview"
    DISPOSE = "dispose"


class AssignmentStatus(StrEnum):
    """``AssignmentStatus`` of the API, and before it the three that requesters never see."""

    ACCEPTED = "Accepted"
    RETURNED = "Returned"
    ABANDONED = "Abandoned"
    SUBMITTED = "Submitted"
    APPROVED = "Approved"
    REJECTED = "Rejected"


class AssignmentEvent(StrEnum):
    """What moves an assignment on."""

    RETURN = "return"
    ABANDON = "abandon"
    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    OVERRIDE = "override rejection"


HIT_TRANSITIONS: Final[Mapping[tuple[HitStatus, HitEvent], HitStatus]] = {
    # The last slot was taken, or the HIT expired while someone works.
    (HitStatus.ASSIGNABLE, HitEvent.CLOSE): HitStatus.UNASSIGNABLE,
    # A slot was returned, abandoned or added.
    (HitStatus.UNASSIGNABLE, HitEvent.REOPEN): HitStatus.ASSIGNABLE,
    # Expired with nobody working; or the last work was submitted.
    (HitStatus.ASSIGNABLE, HitEvent.FINISH): HitStatus.REVIEWABLE,
    (HitStatus.UNASSIGNABLE, HitEvent.FINISH): HitStatus.REVIEWABLE,
    # Extended in time or in assignments.
    (HitStatus.REVIEWABLE, HitEvent.REOPEN): HitStatus.ASSIGNABLE,
    (HitStatus.REVIEWING, HitEvent.REOPEN): HitStatus.ASSIGNABLE,
    (HitStatus.REVIEWABLE, HitEvent.REVIEW): HitStatus.REVIEWING,
    (HitStatus.REVIEWING, HitEvent.UNREVIEW): HitStatus.REVIEWABLE,
    (HitStatus.REVIEWABLE, HitEvent.DISPOSE): HitStatus.DISPOSED,
    (HitStatus.REVIEWING, HitEvent.DISPOSE): HitStatus.DISPOSED,
}

ASSIGNMENT_TRANSITIONS: Final[
    Mapping[tuple[AssignmentStatus, AssignmentEvent], AssignmentStatus]
] = {
    (AssignmentStatus.ACCEPTED, AssignmentEvent.RETURN): AssignmentStatus.RETURNED,
    (AssignmentStatus.ACCEPTED, AssignmentEvent.ABANDON): AssignmentStatus.ABANDONED,
    (AssignmentStatus.ACCEPTED, AssignmentEvent.SUBMIT): AssignmentStatus.SUBMITTED,
    (AssignmentStatus.SUBMITTED, AssignmentEvent.APPROVE): AssignmentStatus.APPROVED,
    (AssignmentStatus.SUBMITTED, AssignmentEvent.REJECT): AssignmentStatus.REJECTED,
    (AssignmentStatus.REJECTED, AssignmentEvent.OVERRIDE): AssignmentStatus.APPROVED,
}

# Statuses that occupy a slot of the HIT; a worker has at most one such assignment per HIT.
TAKEN: Final = (
    AssignmentStatus.ACCEPTED,
    AssignmentStatus.SUBMITTED,
    AssignmentStatus.APPROVED,
    AssignmentStatus.REJECTED,
)
SUBMITTED_OR_LATER: Final = TAKEN[1:]

Status = TypeVar("Status", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


class IllegalStepError(Exception):
    """The life cycle has no such step."""


def advance(
    transitions: Mapping[tuple[Status, Event], Status], status: Status, event: Event
) -> Status:
    """The status after ``event``.

    Raises
    ------
    IllegalStepError
        If the table has no step for ``event`` from ``status``.

    Examples
    --------
    >>> advance(HIT_TRANSITIONS, HitStatus.REVIEWABLE, HitEvent.REVIEW)
    <HitStatus.REVIEWING: 'Reviewing'>
    """
    try:
        return transitions[status, event]
    except KeyError:
        raise IllegalStepError(f"{status} does not allow: {event}") from None


@dataclass(frozen=True, slots=True)
class Slots:
    """How the slots of a HIT stand: Max = completed + pending + available + undecided."""

    maximum: int
    pending: int
    undecided: int
    completed: int
    expired: bool

    @property
    def available(self) -> int:
        """Slots a worker could take now."""
        free = self.maximum - self.pending - self.undecided - self.completed
        return 0 if self.expired else max(0, free)


def due_hit_event(status: HitStatus, slots: Slots) -> HitEvent | None:
    """The event that slots and expiry call for, or None if the status is right as it is.

    Examples
    --------
    >>> due_hit_event(HitStatus.ASSIGNABLE, Slots(5, 5, 0, 0, expired=False))
    <HitEvent.CLOSE: 'close'>
    """
    if status is HitStatus.DISPOSED:
        return None
    if slots.available:
        return None if status is HitStatus.ASSIGNABLE else HitEvent.REOPEN
    if status in (HitStatus.REVIEWABLE, HitStatus.REVIEWING):
        return None
    if slots.pending == 0:
        return HitEvent.FINISH
    return HitEvent.CLOSE if status is HitStatus.ASSIGNABLE else None
