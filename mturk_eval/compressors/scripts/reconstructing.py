"""From script files to a folder of stimuli: one reconstruction for each original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import PIL

from mturk_eval.compressors.scripts.compiled import (
    LONGEST_COMPILED,
    VERSION,
    compile_script,
    decompile,
)
from mturk_eval.compressors.scripts.errors import ScriptFileError
from mturk_eval.compressors.scripts.library import ElementLibrary
from mturk_eval.compressors.scripts.rendering import render
from mturk_eval.compressors.scripts.script import Script
from mturk_eval.compressors.scripts.source import LONGEST_SCRIPT, parse_script
from mturk_eval.errors import InvalidInputError, StimuliError
from mturk_eval.parallel import Progress
from mturk_eval.stimuli.folder import (
    Entry,
    Reconstruction,
    StimuliFolder,
    Target,
    request_digest,
)
from mturk_eval.stimuli.images import open_still
from mturk_eval.stimuli.making import FAILURES, Failure, make_each, problem_of

SCRIPT_SUFFIX: Final = ".py"
COMPILED_SUFFIX: Final = ".haac"
METHOD: Final = "script"

# A script has no rate to aim at: its size is what it needs.
_TARGET: Final = Target(label="compiled")
_ANY_BACKGROUND: Final = (128, 128, 128)  # of an original, only the size is asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconstructed:
    """What came of all scripts.

    Attributes
    ----------
    entries : tuple of Entry
        Written now.
    done_before : tuple of str
        Images that needed no work.
    failures : tuple of Failure
    """

    entries: tuple[Entry, ...]
    done_before: tuple[str, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    script: Path
    original: Path
    library: ElementLibrary
    out: Path
    method: str
    done: frozenset[str]


def read_script(path: Path, library: ElementLibrary) -> Script:
    """Read a script's file, as text or compiled (``.haac``).

    Raises
    ------
    ScriptFileError
        If it cannot be read or is no script; names file and place.
    """
    is_compiled = path.suffix.lower() == COMPILED_SUFFIX
    longest = LONGEST_COMPILED if is_compiled else 4 * LONGEST_SCRIPT  # UTF-8's longest signs
    try:
        with path.open("rb") as file:
            data = file.read(longest + 1)
        return decompile(data, library) if is_compiled else parse_script(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ScriptFileError(path, ValueError("not a text in UTF-8")) from error
    except OSError as error:
        raise ScriptFileError(path, ValueError(error.strerror or str(error))) from error
    except InvalidInputError as error:
        raise ScriptFileError(path, error) from error


def find_scripts(paths: Sequence[Path]) -> dict[str, Path]:
    """Scripts by stem, from files and from the files of folders.

    Raises
    ------
    StimuliError
        If there are none, or two have the same stem.
    """
    suffixes = (SCRIPT_SUFFIX, COMPILED_SUFFIX)
    found: dict[str, Path] = {}
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in inside:
            if path.is_dir() and (file.suffix.lower() not in suffixes or file.name[0] == "."):
                continue
            if file.stem in found:
                raise StimuliError(
                    f"{found[file.stem]} and {file} are scripts for the same image; give one."
                )
            found[file.stem] = file
    if not found:
        raise StimuliError(f"{paths[0]}: no scripts ({SCRIPT_SUFFIX} or {COMPILED_SUFFIX}).")
    return found


def reconstruct(
    scripts: dict[str, Path],
    originals: dict[str, Path],
    library: ElementLibrary,
    folder: StimuliFolder,
    *,
    method: str = METHOD,
    workers: int = 1,
    dask: str | None = None,
    progress: Progress | None = None,
) -> Reconstructed:
    """Write the picture of every script into a folder of stimuli.

    The coded file, whose bytes count, is the compiled script as it is; the library is not counted.
    What was done before is not done again, and a script that fails leaves the others unharmed.

    Parameters
    ----------
    scripts, originals : dict of str to Path
        By the image's name.

    Raises
    ------
    StimuliError
        If a script has no original, or the folder cannot be written.
    """
    orphans = [str(path) for image, path in scripts.items() if image not in originals]
    if orphans:
        raise StimuliError(
            f"No original of the same name (without suffix) for: {', '.join(orphans[:20])}. Rename "
            "them, or add the originals."
        )
    done = frozenset(folder.begin((image, method, _TARGET) for image in scripts))
    tasks = [
        _Task(
            script=path.absolute(),  # processes elsewhere do not start here
            original=originals[image].absolute(),
            library=library,
            out=folder.path.absolute(),
            method=method,
            done=done,
        )
        for image, path in scripts.items()
    ]
    results = make_each(_written, tasks, folder, workers=workers, dask=dask, progress=progress)
    return Reconstructed(
        entries=tuple(result for result in results if isinstance(result, Entry)),
        done_before=tuple(
            image for image, result in zip(scripts, results, strict=True) if result is None
        ),
        failures=tuple(result for result in results if isinstance(result, Failure)),
    )


def _written(task: _Task) -> Entry | Failure | None:
    """One reconstruction written; None if it was there."""
    image = task.script.stem
    try:
        script = read_script(task.script, task.library)
        compiled = compile_script(script, task.library)
        size = open_still(task.original, _ANY_BACKGROUND).size
        encoder = f"mturk-eval scripts {VERSION}, Pillow {PIL.__version__}"
        request = request_digest(
            task.original.read_bytes(), image, task.method, _TARGET, compiled, encoder
        )
        if request in task.done:
            return None
        try:
            shown = render(script, task.library)
        except InvalidInputError as error:
            raise ScriptFileError(task.script, error) from error
        made = Reconstruction(
            image=image,
            method=task.method,
            target=_TARGET,
            coded=compiled,
            suffix=COMPILED_SUFFIX,
            shown=shown,
            encoder=encoder,
            settings=f"{len(script.layers)} layers of {len(script.elements)} elements, "
            f"{script.n_operations} operations, library not counted",
            request=request,
        )
        folder = StimuliFolder(task.out)
        return folder.leave(folder.write(made, size))
    except FAILURES as error:
        return Failure(image=image, problem=problem_of(task.script, error))
