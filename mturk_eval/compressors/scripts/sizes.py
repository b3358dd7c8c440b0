"""Bytes of a script in each of its forms, without the library and with a share of it."""

from __future__ import annotations

import bz2
from dataclasses import dataclass

from mturk_eval.compressors.scripts.compiled import compile_script
from mturk_eval.compressors.scripts.library import ElementLibrary
from mturk_eval.compressors.scripts.script import Script
from mturk_eval.compressors.scripts.source import format_script


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptSizes:
    """Sizes in bytes.

    Attributes
    ----------
    script : int
        As text (`format_script`), which has no comments.
    script_bzip2, compiled_bzip2 : int
        These through bzip2 at level 9; for a few hundred bytes its header is most of the loss.
    compiled : int
        What is counted as the size of a reconstruction.
    elements : int
        Files of the elements that the script uses, which decoder and encoder both have.
    """

    script: int
    script_bzip2: int
    compiled: int
    compiled_bzip2: int
    elements: int

    def amortised(self, n_pictures: int) -> float:
        """Compiled size plus a share of its elements, were they sent once for this many pictures.

        Examples
        --------
        >>> sizes = ScriptSizes(
        ...     script=400, script_bzip2=220, compiled=160, compiled_bzip2=150, elements=50_000
        ... )
        >>> sizes.amortised(1_000)
        210.0
        """
        return self.compiled + self.elements / n_pictures


def script_sizes(script: Script, library: ElementLibrary) -> ScriptSizes:
    """Measure a script; raises LibraryError if an element is missing or changed."""
    text = format_script(script).encode()
    compiled = compile_script(script, library)
    return ScriptSizes(
        script=len(text),
        script_bzip2=len(bz2.compress(text)),
        compiled=len(compiled),
        compiled_bzip2=len(bz2.compress(compiled)),
        elements=library.file_bytes(script.elements),
    )
