"""Requests checked against botocore's service model, including what botocore leaves unchecked."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.loaders import Loader
from botocore.model import (
    ListShape,
    OperationModel,
    OperationNotFoundError,
    ServiceModel,
    Shape,
    StringShape,
    StructureShape,
)

from mturk_eval.server.api.errors import RequestFailure

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGER_RANGE: Final = {"integer": 2**31, "long": 2**63}
_TYPE_NAMES: Final = {str: "a string", bool: "a boolean", dict: "an object", list: "a list"}


@functools.cache
def service() -> ServiceModel:
    """MTurk's service model as boto3 ships it."""
    return ServiceModel(Loader().load_service_model("mturk", "service-2"), "mturk")


def operation_model(name: str) -> OperationModel | None:
    """The model of an operation, or None if MTurk has no such operation."""
    try:
        return service().operation_model(name)
    except OperationNotFoundError:
        return None


def validated(operation: OperationModel, request: object) -> dict[str, Any]:
    """The members of a request that the model knows, with timestamps as aware datetimes.

    Raises
    ------
    RequestFailure
        ``SerializationException`` for a wrong JSON type, ``ValidationException`` with every
        broken constraint otherwise.
    """
    shape = operation.input_shape
    if not isinstance(request, dict):
        raise _wrong_type("", "an object")
    if shape is None:
        return {}
    converted: dict[str, Any] = _convert(shape, request, "")
    problems = list(_problems(shape, converted, ""))
    if problems:
        noun = "validation error" if len(problems) == 1 else "validation errors"
        raise RequestFailure(
            f"{len(problems)} {noun} detected: {'; '.join(problems)}", kind="ValidationException"
        )
    return converted


def _convert(shape: Shape, value: Any, path: str) -> Any:
    if isinstance(shape, StructureShape):
        members = _expect(value, dict, path)
        return {
            name: _convert(member, members[name], f"{path}.{name}" if path else name)
            for name, member in shape.members.items()
            if members.get(name) is not None
        }
    if isinstance(shape, ListShape):
        items = _expect(value, list, path)
        return [_convert(shape.member, item, f"{path}[{i}]") for i, item in enumerate(items)]
    match shape.type_name:
        case "timestamp":
            return _timestamp(value, path)
        case "integer" | "long" as kind:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _wrong_type(path, "a number")
            if isinstance(value, float) and not value.is_integer():
                raise _wrong_type(path, "a whole number")
            if not -_INTEGER_RANGE[kind] <= value < _INTEGER_RANGE[kind]:
                raise _wrong_type(path, f"of type {kind}; it is out of range")
            return int(value)
        case "boolean":
            return _expect(value, bool, path)
        case _:
            return _text(value, path)


def _expect(value: Any, kind: type, path: str) -> Any:
    if not isinstance(value, kind):
        raise _wrong_type(path, _TYPE_NAMES[kind])
    return value


def _text(value: Any, path: str) -> str:
    text: str = _expect(value, str, path)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise _wrong_type(path, "Unicode text, without half of a surrogate pair")
    return text


def _wrong_type(path: str, expected: str) -> RequestFailure:
    what = path or "The request"
    return RequestFailure(f"{what} must be {expected}.", kind="SerializationException")


def _timestamp(value: Any, path: str) -> datetime:
    """Seconds since 1970 as a number or a numeric string, or ISO 8601 with an offset."""
    try:
        try:
            # Not datetime.fromtimestamp: it refuses some far dates that clients use for "now".
            return _EPOCH + timedelta(seconds=float(value))
        except ValueError:
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise _wrong_type(path, "a timestamp: seconds since 1970, or ISO 8601") from None


def _problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        for name in shape.required_members:
            if name not in value:
                yield f"Value null at '{_at(path, name)}' failed to satisfy constraint: " + (
                    "Member must not be null"
                )
        for name, member in value.items():
            yield from _problems(shape.members[name], member, _at(path, name))
        return
    if isinstance(shape, ListShape):
        for number, item in enumerate(value, start=1):
            yield from _problems(shape.member, item, f"{path}.{number}.member")
        return
    for constraint in _broken(shape, value):
        yield f"Value '{value}' at '{path}' failed to satisfy constraint: Member must {constraint}"


def _broken(shape: Shape, value: Any) -> Iterator[str]:
    limits = shape.metadata
    size, what = (len(value), "length") if isinstance(value, str) else (value, "value")
    if "min" in limits and size < limits["min"]:
        yield f"have {what} greater than or equal to {limits['min']}"
    if "max" in limits and size > limits["max"]:
        yield f"have {what} less than or equal to {limits['max']}"
    if "pattern" in limits and not _matches(limits["pattern"], value):
        yield f"satisfy regular expression pattern: {limits['pattern']}"
    if isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        yield f"satisfy enum value set: [{', '.join(shape.enum)}]"


def _matches(pattern: str, value: str) -> bool:
    # The model's patterns are anchored with ^ and $; fullmatch also refuses a final line end.
    return re.fullmatch(pattern, value, re.ASCII) is not None


def _at(path: str, name: str) -> str:
    lowered = name[0].lower() + name[1:]
    return f"{path}.{lowered}" if path else lowered
