"""Compiled scripts: a command language of letters and hexadecimal numbers, and back.

``h1`` and ``k`` with a mark of the elements that are used; then commands, each a letter from g to z
and any count of hexadecimal numbers with commas between them. A letter begins the next command, as
a to f are digits, so that nothing needs a length and one letter may take different counts of
numbers. ``u`` takes the next element by its id; the other letters are in `SIGNATURES`. Each script
has exactly one compiled form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from mturk_eval.compressors.scripts.errors import (
    CompiledScriptError,
    LibraryError,
    OperationError,
)
from mturk_eval.compressors.scripts.library import Element, ElementLibrary
from mturk_eval.compressors.scripts.operations import (
    NAMES_BY_LETTER,
    SIGNATURES,
    Operation,
    stored_operation,
)
from mturk_eval.compressors.scripts.script import Layer, Script, check_layer, script_of

VERSION: Final = 1
LONGEST_COMPILED: Final = 1 << 18
"""Bytes of a compiled script that are read at most."""

_USE: Final = "u"
_HEAD: Final = re.compile(rb"h([0-9a-f]{1,6})k([0-9a-f]{8})")
_COMMAND: Final = re.compile(rb"([g-z])([0-9a-f,-]*)")
_NUMBER: Final = re.compile(rb"0|-?[1-9a-f][0-9a-f]{0,5}")


def compile_script(script: Script, library: ElementLibrary) -> bytes:
    """Compile a script; `decompile` gives an equal one.

    Raises
    ------
    LibraryError
        If an element is not in the library; names it.

    Examples
    --------
    >>> from mturk_eval.compressors.scripts import Element, use
    >>> leaf = Element(id=10, name="leaf.png", sha256="0" * 64)
    >>> layers = (use("leaf.png").resize(40).rotate(-2.5).place(160, 90),)
    >>> script = Script(width_px=320, height_px=180, layers=layers)
    >>> compile_script(script, ElementLibrary(elements=(leaf,)))
    b'h1k131e3012g140,b4uas28r-19pa0,5a'
    """
    ids = {name: library.named(name).id for name in sorted(script.elements)}
    parts = [f"h{VERSION:x}k{library.mark(ids.values())}", _command(script.canvas)]
    for layer in script.layers:
        parts.append(f"{_USE}{ids[layer.element]:x}")
        parts.extend(map(_command, layer.operations))
    return "".join(parts).encode("ascii")


def decompile(compiled: bytes, library: ElementLibrary) -> Script:
    """Read a compiled script; nothing of it is run.

    Raises
    ------
    CompiledScriptError
        At the first byte that does not fit.
    LibraryError
        If an element is missing, or the library is not the one it was compiled with.
    """
    if len(compiled) > LONGEST_COMPILED:
        raise CompiledScriptError(
            LONGEST_COMPILED, f"{len(compiled):,} bytes; {LONGEST_COMPILED:,} are read at most"
        )
    head = _HEAD.match(compiled)
    if head is None:
        raise CompiledScriptError(0, "not a compiled script, which begins with h1k and 8 digits")
    if head[1] != b"%x" % VERSION:
        raise CompiledScriptError(1, f"version {head[1].decode()}; this reads version {VERSION}")
    commands = _commands(compiled, head.end())
    canvas = next(commands, None)
    if canvas is None or canvas.letter != SIGNATURES["canvas"].letter:
        raise CompiledScriptError(head.end(), "the canvas must come first")
    ground = _operation(canvas)
    steps = list(commands)
    used = {step.numbers[0] for step in steps if step.letter == _USE and step.numbers}
    elements = {number: library.of_id(number) for number in sorted(used)}
    layers = tuple(_layers(steps, elements))
    if library.mark(used) != head[2].decode():
        raise LibraryError(
            f"The script was compiled with other elements than those of {library.place}: its mark "
            f"is {head[2].decode()}, and that of elements {_listed(used)} here is "
            f"{library.mark(used)}. Use the library it was compiled with."
        )
    return script_of(ground, layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    """A letter with its numbers, and where it stands."""

    position: int
    letter: str
    numbers: tuple[int, ...]


def _commands(compiled: bytes, start: int) -> Iterator[_Command]:
    position = start
    while position < len(compiled):
        found = _COMMAND.match(compiled, position)
        if found is None:
            byte = compiled[position : position + 1]
            raise CompiledScriptError(position, f"{byte!r} begins no command")
        numbers = tuple(_numbers(found[2], found.start(2)))
        yield _Command(position=position, letter=found[1].decode(), numbers=numbers)
        position = found.end()


def _numbers(digits: bytes, position: int) -> Iterator[int]:
    if not digits:
        return
    for number in digits.split(b","):
        if _NUMBER.fullmatch(number) is None:
            shown = number[:12].decode() or "nothing"
            raise CompiledScriptError(
                position,
                f"{shown} is no number of at most six hexadecimal digits, without leading zeros",
            )
        yield int(number, 16)
        position += len(number) + 1


def _layers(commands: Sequence[_Command], elements: Mapping[int, Element]) -> Iterator[Layer]:
    starts = [place for place, command in enumerate(commands) if command.letter == _USE]
    if commands and starts[:1] != [0]:
        raise CompiledScriptError(commands[0].position, "no element is in use yet (u and its id)")
    for start, end in pairwise([*starts, len(commands)]):
        use = commands[start]
        if len(use.numbers) != 1:
            raise CompiledScriptError(use.position, "u takes one number, the id of an element")
        element = elements[use.numbers[0]]
        operations = tuple(_operation(command) for command in commands[start + 1 : end])
        layer = Layer(element=element.name, operations=operations)
        try:
            check_layer(layer)
        except OperationError as error:
            raise CompiledScriptError(use.position, str(error)) from error
        yield layer


def _operation(command: _Command) -> Operation:
    name = NAMES_BY_LETTER.get(command.letter)
    if name is None:
        raise CompiledScriptError(command.position, f"{command.letter} is no command")
    try:
        operation = stored_operation(name, command.numbers)
    except OperationError as error:
        raise CompiledScriptError(command.position, str(error)) from error
    if operation.parameters != command.numbers:
        raise CompiledScriptError(
            command.position, f"{name} is not in its shortest form, {_command(operation)}"
        )
    return operation


def _command(operation: Operation) -> str:
    numbers = ",".join(f"{number:x}" for number in operation.parameters)
    return SIGNATURES[operation.name].letter + numbers


def _listed(ids: set[int]) -> str:
    return ", ".join(map(str, sorted(ids)))
