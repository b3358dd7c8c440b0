"""What can go wrong with a codec; each message says what to do."""

from __future__ import annotations

from mturk_eval.errors import InvalidInputError, MturkEvalError


class UnknownCodecError(InvalidInputError):
    """A codec's name is none of ours."""


class CodecMissingError(InvalidInputError):
    """A codec is known and not installed; says how to install it."""


class CommandTemplateError(InvalidInputError):
    """The template of an external command does not say what it must."""


class CodecError(MturkEvalError):
    """An encoder or decoder failed on one picture; others are unharmed."""
