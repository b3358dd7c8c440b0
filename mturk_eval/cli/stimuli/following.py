"""The command that comes after one that made stimuli."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path


def next_generate(originals: Sequence[Path], out: Path, *, kind: str = "satisfaction") -> str:
    """Say how to make a batch of a folder of stimuli.

    Parameters
    ----------
    originals : sequence of Path
        As they were given: files, or folders of them.
    out : Path
        The folder of stimuli.
    kind : {"satisfaction", "2afc"}

    Examples
    --------
    >>> next_generate([Path("p/cat.png")], Path("made"), kind="2afc")
    'Next: mturk-eval generate 2afc --originals p --reconstructions made --out batch'
    """
    folder = originals[0] if originals[0].is_dir() else originals[0].parent
    return "Next: " + shlex.join(
        [
            *("mturk-eval", "generate", kind, "--originals", str(folder)),
            *("--reconstructions", str(out), "--out", "batch"),
        ]
    )
