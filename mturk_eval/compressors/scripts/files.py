"""Files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from mturk_eval.errors import MturkEvalError


class UnwritableFileError(MturkEvalError):
    """A file cannot be written: a full disk, a folder that is not there or not ours."""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file in one step.

    Raises
    ------
    UnwritableFileError
        If it cannot be written; what was there before stays.
    """
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            with suppress(OSError):
                Path(temporary).unlink()
        raise UnwritableFileError(
            f"{path} cannot be written: {error.strerror or error}. What was there is kept."
        ) from error
