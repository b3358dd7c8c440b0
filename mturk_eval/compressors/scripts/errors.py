"""What can be wrong with a script, a compiled script or a library of elements."""

from __future__ import annotations

from pathlib import Path

from mturk_eval.errors import InvalidInputError


class OperationError(InvalidInputError):
    """An operation is unknown, or its parameters are none that it takes."""


class ScriptError(InvalidInputError):
    """A script is not written as scripts are; says line and column.

    Attributes
    ----------
    line, column : int
        From 1, as editors count them.
    """

    def __init__(self, line: int, column: int, problem: str) -> None:
        self.line, self.column = line, column
        super().__init__(f"line {line}, column {column}: {problem}")


class CompiledScriptError(InvalidInputError):
    """Bytes are no compiled script; says at which byte.

    Attributes
    ----------
    position : int
        Of the first byte that does not fit, from 0.
    """

    def __init__(self, position: int, problem: str) -> None:
        self.position = position
        super().__init__(f"byte {position}: {problem}")


class LibraryError(InvalidInputError):
    """A library of elements is not what its manifest, or a script, says."""


class RenderingError(InvalidInputError):
    """An operation cannot be applied to its element, or would need too much memory or time."""


class ScriptFileError(InvalidInputError):
    """A file holds no script that can be rendered; says which file and where in it."""

    def __init__(self, path: Path, error: Exception) -> None:
        self.path = path
        super().__init__(f"{path}: {error}")
