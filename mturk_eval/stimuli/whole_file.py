"""Writing a file so that it is whole or not there, whatever happens meanwhile."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from mturk_eval.errors import StimuliError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file in one step, making its folder; an older one stays until then.

    Raises
    ------
    StimuliError
        If the disk is full or the place cannot be written; nothing half-written stays.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not named after the file, whose name may be as long as names can be.
        handle, temporary = tempfile.mkstemp(prefix=".part-", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise StimuliError(
            f"{path} cannot be written: {error.strerror or error}. What was written before is "
            "kept; the same command goes on from there."
        ) from error
    finally:  # also on Ctrl-C
        if temporary:
            with suppress(OSError):
                Path(temporary).unlink()
