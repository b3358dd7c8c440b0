"""The errors of the requester API, with the texts that existing clients look for."""

from __future__ import annotations


class RequestFailure(Exception):  # noqa: N818  (named after MTurk's RequestError, of which it is the wider)
    """An operation is refused; becomes an HTTP reply.

    Parameters
    ----------
    message : str
        What is wrong; the reply adds the time, as MTurk does.
    code : str
        ``TurkErrorCode`` without its prefix, if there is one.
    kind : str
        ``__type``; what boto3 shows as the error's code.
    """

    def __init__(
        self, message: str, *, code: str = "", kind: str = "RequestError", status: int = 400
    ) -> None:
        self.message, self.code, self.kind, self.status = message, code, kind, status
        super().__init__(message)


def missing(noun: str, name: str) -> RequestFailure:
    """``noun`` is Hit, HITType, Assignment, QualificationType or Qualification."""
    codes = {"Hit": "HITDoesNotExist"}
    return RequestFailure(
        f"{noun} {name} does not exist.", code=codes.get(noun, f"{noun}DoesNotExist")
    )


def wrong_state(code: str, allowed: str, *, current: str = "", noun: str = "") -> RequestFailure:
    """``allowed`` is a list of states separated by commas."""
    lead = f"This {noun} is currently in the state '{current}'. " if current else ""
    return RequestFailure(
        f"{lead}This operation can be called with a status of: {allowed}", code=code
    )


def bad_value(parameter: str, value: object, why: str = "") -> RequestFailure:
    """A value that the service model allows and MTurk does not."""
    shown = str(value)
    shown = shown if len(shown) <= 100 else f"{shown[:100]}…"
    return RequestFailure(
        f'The value "{shown}" is not valid for the parameter {parameter}. {why}'.rstrip(),
        code="InvalidParameterValue",
        kind="ParameterValidationError",
    )


def bad_combination(message: str) -> RequestFailure:
    """Parameters that exclude or need each other."""
    return RequestFailure(
        message, code="InvalidParameterCombination", kind="InvalidParameterCombinationError"
    )


def bad_question(details: str) -> RequestFailure:
    """Question XML that cannot be shown."""
    return RequestFailure(
        "There was an error parsing the XML question or answer data in your request. Please make "
        "sure the data is well-formed and validates against the appropriate schema. "
        f"Details: {details}",
        code="XMLParseError",
        kind="ParameterValidationError",
    )


def token_used(token: str) -> RequestFailure:
    """A token that has done its work, for operations that return nothing."""
    return RequestFailure(
        f'The idempotency token "{token}" has already been processed.', code="DuplicateRequest"
    )
