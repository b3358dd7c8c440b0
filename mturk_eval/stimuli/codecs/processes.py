"""External programs: no shell, a limit of time, and what they said when they fail."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from mturk_eval.stimuli.codecs.errors import CodecError

TIMEOUT_S: Final = 600.0
_SECONDS_TO_SAY_A_VERSION: Final = 20.0
_LINES_SHOWN: Final = 5
LARGEST_FILE: Final = 1 << 28
"""Bytes of a file that a program makes."""
_BYTES_READ: Final = 4096


def convert(
    programs: Sequence[Sequence[str]],
    *,
    given: tuple[str, bytes],
    wanted: str,
    label: str,
    timeout_s: float = TIMEOUT_S,
) -> bytes:
    """Make a file from a file by programs that run one after the other in a temporary folder.

    Parameters
    ----------
    programs : sequence of sequences of str
        Program and arguments, as they are: no shell reads them. ``{folder}`` in a word stands for
        the folder's full path.
    given : (str, bytes)
        Name and contents of the file that is there.
    wanted : str
        Name of the file that should be there at the end.
    label : str
        Names the codec in errors.
    timeout_s : float
        Seconds after which a program is ended, with all that it started.

    Raises
    ------
    CodecError
        If a program does not start, fails or takes too long, with the last lines that it wrote, or
        if there is no file in the end.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="mturk-eval-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            (folder / given[0]).write_bytes(given[1])
            for program in programs:
                _run([word.replace("{folder}", name) for word in program], folder, label, timeout_s)
            made = _read(folder / wanted, label)
    except OSError as error:
        raise CodecError(f"{label}: its temporary folder cannot be used: {error}") from error
    if not made:
        raise CodecError(f"{label}: {programs[-1][0]} ended well and wrote no file to {wanted}")
    return made


def _read(path: Path, label: str) -> bytes:
    if not path.is_file():
        return b""
    if (size := path.stat().st_size) > LARGEST_FILE:
        raise CodecError(
            f"{label}: {path.name} has {size:,} bytes; at most {LARGEST_FILE:,} are read"
        )
    return path.read_bytes()


def _run(words: Sequence[str], folder: Path, label: str, timeout_s: float) -> None:
    # A file instead of a pipe: a grandchild that outlives the program could keep a pipe open.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(  # noqa: S603  # the program is the user's choice
                words,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise CodecError(f"{label}: {words[0]} does not start: {error}") from error
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise CodecError(
                f"{label}: {words[0]} was ended after {timeout_s:g} seconds{_said(output)}"
            ) from error
        finally:  # at its end, after too long, on Ctrl-C: nothing that it started stays
            _end(process)
        if status:
            how = f"exit code {status}" if status > 0 else f"signal {-status}"
            raise CodecError(f"{label}: {words[0]} failed with {how}{_said(output)}")


@functools.cache
def program_output(words: tuple[str, ...]) -> str:
    """What a program says, such as its version; nothing if it does not start or hangs."""
    try:
        done = subprocess.run(  # noqa: S603  # likewise
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS_TO_SAY_A_VERSION,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _said(output: IO[bytes]) -> str:
    lines = _last_lines(output)
    return f": {lines}" if lines else " and said nothing"


def _last_lines(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(size - _BYTES_READ, 0))
    lines = output.read().decode(errors="replace").splitlines()
    return "\n".join([line.rstrip() for line in lines if line.strip()][-_LINES_SHOWN:])
