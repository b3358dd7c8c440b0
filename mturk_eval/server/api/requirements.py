"""Qualification requirements of a HIT type, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mturk_eval.server import gates
from mturk_eval.server.api.errors import bad_combination, bad_value

_MOST: Final = {"QualificationRequirements": 10, "IntegerValues": 15, "LocaleValues": 30}
_NO_VALUE: Final = ("Exists", "DoesNotExist")
_SETS: Final = ("In", "NotIn")
_LOCALE_COMPARATORS: Final = ("EqualTo", "NotEqualTo", "In", "NotIn")


def normalised(requirements: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Requirements with both ``RequiredToPreview`` and ``ActionsGuarded``, as MTurk echoes them.

    Raises
    ------
    RequestFailure
        If there are too many, or values do not fit a comparator.
    """
    if len(requirements) > _MOST["QualificationRequirements"]:
        raise bad_value("QualificationRequirements", len(requirements), "At most 10 are allowed.")
    return [_normalised(requirement) for requirement in requirements]


def _normalised(requirement: Mapping[str, Any]) -> dict[str, Any]:
    if "ActionsGuarded" in requirement and "RequiredToPreview" in requirement:
        raise bad_combination(
            "A QualificationRequirement has either ActionsGuarded or RequiredToPreview, not both."
        )
    _check_values(requirement)
    preview = requirement.get("RequiredToPreview", False)
    guarded = requirement.get("ActionsGuarded", "PreviewAndAccept" if preview else "Accept")
    return {**requirement, "RequiredToPreview": guarded != "Accept", "ActionsGuarded": guarded}


def _check_values(requirement: Mapping[str, Any]) -> None:
    type_id, comparator = requirement["QualificationTypeId"], requirement["Comparator"]
    is_locale = type_id == gates.LOCALE
    member, other = "IntegerValues", "LocaleValues"
    if is_locale:
        member, other = other, member
    values = requirement.get(member, [])
    if requirement.get(other):
        raise bad_value(f"QualificationRequirement.{other}", type_id, f"Use {member} instead.")
    if comparator in _NO_VALUE:
        if values:
            raise bad_value("Comparator", comparator, "It takes no values.")
        return
    if is_locale and comparator not in _LOCALE_COMPARATORS:
        raise bad_value("Comparator", comparator, "Locales are not ordered.")
    most = _MOST[member]
    # Several locales with EqualTo are what Dallinger sends; read as In.
    one = comparator not in _SETS and not is_locale
    if not values or len(values) > most or (one and len(values) != 1):
        wanted = "exactly one" if one else f"1 to {most}"
        raise bad_value(
            f"QualificationRequirement.{member}", values, f"{comparator} takes {wanted}."
        )
