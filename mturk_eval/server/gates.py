"""Who may see, preview and accept a HIT: qualification requirements, evaluated."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from mturk_eval.server.lifecycle import SUBMITTED_OR_LATER, AssignmentStatus
from mturk_eval.server.store import assignment, qualification
from mturk_eval.wire.qualifications import MASTERS_IDS

Requirement = Mapping[str, Any]  # as in the API, normalised by `api.qualifications`

HITS_APPROVED: Final = "00000000000000000040"
PERCENT_APPROVED: Final = "000000000000000000L0"
LOCALE: Final = "00000000000000000071"
# Below this many submissions a worker counts as having 100 % approved.
_PERCENT_FROM: Final = 100

_COMPARE: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "EqualTo": operator.eq,
    "NotEqualTo": operator.ne,
}


class Action(StrEnum):
    """What a worker wants to do with a HIT."""

    DISCOVER = "discover"
    PREVIEW = "preview"
    ACCEPT = "accept"


_GUARDED_BY: Final[Mapping[Action, frozenset[str]]] = {
    Action.DISCOVER: frozenset({"DiscoverPreviewAndAccept"}),
    Action.PREVIEW: frozenset({"DiscoverPreviewAndAccept", "PreviewAndAccept"}),
    Action.ACCEPT: frozenset({"DiscoverPreviewAndAccept", "PreviewAndAccept", "Accept"}),
}


def is_enforced(type_id: str) -> bool:
    """Whether this server knows the qualification.

    Locale, adult content, Masters and retired system types are facts about AWS's accounts; a
    requirement on one of these is kept and echoed, and lets everybody through.
    """
    if type_id in (HITS_APPROVED, PERCENT_APPROVED):
        return True
    return type_id not in MASTERS_IDS and not (len(type_id) == 20 and type_id.startswith("0" * 15))


def meets(requirement: Requirement, value: int | None) -> bool:
    """Whether a worker with this value (None: without the qualification) meets a requirement.

    Examples
    --------
    >>> meets({"Comparator": "DoesNotExist"}, None)
    True
    >>> meets({"Comparator": "In", "IntegerValues": [1, 2]}, 3)
    False
    """
    comparator = requirement["Comparator"]
    if comparator in ("Exists", "DoesNotExist"):
        return (value is None) is (comparator == "DoesNotExist")
    if value is None:
        return False
    wanted: Sequence[int] = requirement["IntegerValues"]
    if comparator in ("In", "NotIn"):
        return (value in wanted) is (comparator == "In")
    return _COMPARE[comparator](value, wanted[0])


def may(action: Action, requirements: Sequence[Requirement], values: Mapping[str, int]) -> bool:
    """Whether a worker with these qualification values passes every gate before ``action``."""
    return all(
        meets(requirement, values.get(requirement["QualificationTypeId"]))
        for requirement in requirements
        if requirement["ActionsGuarded"] in _GUARDED_BY[action]
        and is_enforced(requirement["QualificationTypeId"])
    )


def worker_values(db: sa.Connection, worker_id: str) -> dict[str, int]:
    """A worker's qualifications: those granted, and those computed from the work done here."""
    granted = db.execute(
        sa.select(qualification.c.type_id, qualification.c.value).where(
            qualification.c.worker_id == worker_id, qualification.c.status == "Granted"
        )
    )
    values = {row.type_id: row.value for row in granted}
    counts: dict[str, int] = {
        row.status: row.n
        for row in db.execute(
            sa.select(assignment.c.status, sa.func.count().label("n"))
            .where(assignment.c.worker_id == worker_id)
            .group_by(assignment.c.status)
        )
    }
    approved = counts.get(AssignmentStatus.APPROVED, 0)
    decided = approved + counts.get(AssignmentStatus.REJECTED, 0)
    submitted = sum(counts.get(status, 0) for status in SUBMITTED_OR_LATER)
    few = submitted < _PERCENT_FROM or not decided
    values[HITS_APPROVED] = approved
    values[PERCENT_APPROVED] = 100 if few else 100 * approved // decided
    return values
