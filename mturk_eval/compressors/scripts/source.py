"""Scripts as text: Python's syntax, read and never run.

A script is one statement a line, ``canvas(…)`` first and then ``use(…)`` with its operations
chained. Names, strings, numbers and comments are all there is, so that a script from somebody else
can do nothing but draw; loops belong into a Python program that builds a `Script` and writes it.
"""

from __future__ import annotations

import ast
import io
import json
import tokenize
from collections.abc import Iterator
from typing import Final

from mturk_eval.compressors.scripts.errors import OperationError, ScriptError
from mturk_eval.compressors.scripts.operations import Literal, Operation, written_operation
from mturk_eval.compressors.scripts.script import Layer, Script, check_layer, script_of

LONGEST_SCRIPT: Final = 1 << 19
"""Characters of a script that are read at most."""

_LINE: Final = 100
_SILENT: Final = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.ENCODING})


def parse_script(text: str) -> Script:
    """Read a script.

    Raises
    ------
    ScriptError
        At the first place that is no script; says line and column.

    Examples
    --------
    >>> script = parse_script('''
    ... canvas(480, 320, "#182840")  # dusk
    ... use("rocket.webp").resize(60, 210).place(240, 205)
    ... ''')
    >>> script.layers[0].element, script.n_operations
    ('rocket.webp', 2)
    """
    if len(text) > LONGEST_SCRIPT:
        raise ScriptError(1, 1, f"{len(text):,} characters; {LONGEST_SCRIPT:,} are read at most")
    statements = _Statements(text)
    canvas: Operation | None = None
    layers: list[Layer] = []
    while statements.more():
        where = statements.place
        name, literals = statements.opening()
        if name == "canvas":
            if canvas is not None or layers:
                raise ScriptError(*where, "canvas(…) stands once, at the beginning")
            canvas = _checked(where, name, literals)
            statements.end()
        elif name == "use":
            if canvas is None:
                raise ScriptError(*where, "canvas(width, height) must come first")
            if len(literals) != 1 or not isinstance(literals[0], str):
                raise ScriptError(*where, 'use takes the name of an element, as use("tree.png")')
            layers.append(_layer(where, literals[0], statements))
        else:
            raise ScriptError(*where, f"a line begins with canvas or use, not with {name}")
    if canvas is None:
        raise ScriptError(1, 1, "there is no canvas(width, height)")
    return script_of(canvas, tuple(layers))


def format_script(script: Script) -> str:
    """Write a script as a person would; `parse_script` gives an equal one.

    Examples
    --------
    >>> from mturk_eval.compressors.scripts import use
    >>> layers = (use("a.png").rotate(-2.5).place(),)
    >>> print(format_script(Script(width_px=80, height_px=60, layers=layers)), end="")
    canvas(80, 60)
    use("a.png").rotate(-2.5).place()
    """
    lines = [_call("canvas", script.canvas.written())]
    for layer in script.layers:
        head = _call("use", (layer.element,))
        calls = ["." + _call(step.name, step.written()) for step in layer.operations]
        flat = head + "".join(calls)
        lines.append(flat if len(flat) <= _LINE else _wrapped(head, calls))
    return "\n".join(lines) + "\n"


def _layer(where: tuple[int, int], element: str, statements: _Statements) -> Layer:
    operations = []
    for place, name, literals in statements.chained():
        if name == "canvas":
            raise ScriptError(*place, "canvas(…) is done to no element")
        operations.append(_checked(place, name, literals))
    layer = Layer(element=element, operations=tuple(operations))
    try:
        check_layer(layer)
    except OperationError as error:
        raise ScriptError(*where, str(error)) from error
    return layer


def _checked(where: tuple[int, int], name: str, literals: list[Literal]) -> Operation:
    try:
        return written_operation(name, literals)
    except OperationError as error:
        raise ScriptError(*where, str(error)) from error


def _call(name: str, literals: tuple[Literal, ...]) -> str:
    return f"{name}({', '.join(_literal(value) for value in literals)})"


def _literal(value: Literal) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _wrapped(head: str, calls: list[str]) -> str:
    lines, line = [], f"({head}"
    for call in calls:
        if len(line) + len(call) >= _LINE:
            lines.append(line)
            line = "    "
        line += call
    return "\n".join([*lines, line + ")"])


class _Statements:
    """Tokens of a script, taken from the front; no recursion, so that no chain is too long."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._token = next(self._tokens)
        self._wrapped = False

    @property
    def place(self) -> tuple[int, int]:
        """Line and column of the next token, from 1."""
        line, column = self._token.start
        return line, column + 1

    def more(self) -> bool:
        """Whether another statement begins."""
        return self._token.type != tokenize.ENDMARKER

    def opening(self) -> tuple[str, list[Literal]]:
        """The first call of a statement, which parentheses may wrap."""
        self._wrapped = self._accept("(")
        return self._named_call()

    def chained(self) -> Iterator[tuple[tuple[int, int], str, list[Literal]]]:
        """The calls after it, each with its place, to the statement's end."""
        while self._accept("."):
            where = self.place
            yield (where, *self._named_call())
        self.end()

    def end(self) -> None:
        """The end of a statement."""
        if self._wrapped:
            self._expect(")")
        if self._token.type not in (tokenize.NEWLINE, tokenize.ENDMARKER):
            raise self._unexpected("the end of the line or a `.`")
        if self._token.type == tokenize.NEWLINE:
            self._token = next(self._tokens)

    def _named_call(self) -> tuple[str, list[Literal]]:
        if self._token.type != tokenize.NAME:
            raise self._unexpected("a name")
        name = self._take()
        self._expect("(")
        literals: list[Literal] = []
        while not self._accept(")"):
            literals.append(self._literal())
            if not self._accept(","):
                self._expect(")")
                break
        return name, literals

    def _literal(self) -> Literal:
        where = self.place
        negative = self._accept("-")
        if self._token.type == tokenize.STRING and not negative:
            value = _evaluated(where, self._take())
            if isinstance(value, str):
                return value
        elif self._token.type == tokenize.NUMBER:
            value = _evaluated(where, self._take())
            if isinstance(value, int | float):
                return -value if negative else value
        else:
            raise self._unexpected("a number or a string in quotes")
        raise ScriptError(*where, f"{value!r} is neither a number nor a text")

    def _accept(self, sign: str) -> bool:
        if self._token.type != tokenize.OP or self._token.string != sign:
            return False
        self._take()
        return True

    def _expect(self, sign: str) -> None:
        if not self._accept(sign):
            raise self._unexpected(f"`{sign}`")

    def _take(self) -> str:
        text = self._token.string
        self._token = next(self._tokens)
        return text

    def _unexpected(self, wanted: str) -> ScriptError:
        found = self._token.string.strip()[:40]
        return ScriptError(*self.place, f"{wanted} is expected here, not {found or 'the end'!r}")


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    """Python's tokens without comments and empty lines."""
    last = (1, 0)
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            last = token.start
            if token.type not in _SILENT:
                yield token
    except (tokenize.TokenError, SyntaxError, ValueError) as error:
        line, column = last
        raise ScriptError(line, column + 1, f"not Python's syntax after this ({error})") from error


def _evaluated(where: tuple[int, int], token: str) -> object:
    """The value of one string or number, as written; no name or expression gets here."""
    try:
        value: object = ast.literal_eval(token)
    except (ValueError, SyntaxError, MemoryError) as error:
        raise ScriptError(*where, f"{token[:40]} is neither a number nor a text") from error
    return value
