"""From a name on the command line to a codec."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from mturk_eval.stimuli.codecs.codec import Codec
from mturk_eval.stimuli.codecs.command import parse_command
from mturk_eval.stimuli.codecs.errors import CommandTemplateError, UnknownCodecError
from mturk_eval.stimuli.codecs.heic import find_heic
from mturk_eval.stimuli.codecs.jpeg_xl import find_jpeg_xl
from mturk_eval.stimuli.codecs.processes import TIMEOUT_S
from mturk_eval.stimuli.codecs.with_pillow import Avif, Jpeg, Jpeg2000, WebP, from_pillow

# Each takes the seconds that an external program may run.
_FINDERS: Final[Mapping[str, Callable[[float], Codec]]] = {
    "jpeg": lambda _: from_pillow(Jpeg()),
    "jpeg2000": lambda _: from_pillow(Jpeg2000()),
    "webp": lambda _: from_pillow(WebP()),
    "avif": lambda _: from_pillow(Avif()),
    "jxl": find_jpeg_xl,
    "heic": find_heic,
}
CODEC_NAMES: Final = tuple(_FINDERS)
"""The codecs that have a name; others are commands."""

_COMMAND: Final = re.compile(r"(?:(?P<name>[^=]*)=)?command:(?P<template>.*)", re.DOTALL)
_METHOD: Final = re.compile(r"\w[\w.+-]*")


def find_codec(name: str, *, timeout_s: float = TIMEOUT_S) -> Codec:
    """Find a codec by its name, or make one of an external command.

    Parameters
    ----------
    name : str
        One of `CODEC_NAMES`, ``command:TEMPLATE``, or ``NAME=command:TEMPLATE``, where NAME becomes
        the method's name (`parse_command` tells how a template is written).
    timeout_s : float, default 600
        Seconds that an external program may take for one step.

    Raises
    ------
    UnknownCodecError
        If there is no such codec; lists those there are.
    CodecMissingError
        If it is not installed; says how to install it.
    CommandTemplateError
        If a template is not one.

    Examples
    --------
    >>> find_codec("jpeg").settings(43.5)
    'quality 43.5, 4:2:0, optimised, progressive'
    """
    if name in _FINDERS:
        return _FINDERS[name](timeout_s)
    command = _COMMAND.fullmatch(name)
    if command is None:
        raise UnknownCodecError(
            f"{name}: no such codec. There are {', '.join(CODEC_NAMES)}, and any external encoder "
            "by [NAME=]command:TEMPLATE."
        )
    method = command["name"]
    if method is not None and (_METHOD.fullmatch(method) is None or method in _FINDERS):
        raise CommandTemplateError(
            f"{name}: {method!r} cannot name a command. Take letters, digits, . + - and _, and "
            f"none of {', '.join(CODEC_NAMES)}."
        )
    return parse_command(command["template"], name=method, timeout_s=timeout_s)
