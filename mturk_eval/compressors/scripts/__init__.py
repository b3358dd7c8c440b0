"""The scripted editor of Mahtab et al. (2019): pictures from elements and a few hundred bytes.

A describer writes a script that places, scales, turns and colours elements of a library; the script
is compiled to a short command language, and that, with the library, is drawn again pixel by pixel.

Examples
--------
>>> script = Script(
...     width_px=320,
...     height_px=180,
...     colour="#88aacc",
...     layers=(use("hill.png").resize(320, 90).place(160, 135), use("tree.png").place(80, 100)),
... )
>>> script.n_operations
3
"""

from mturk_eval.compressors.scripts.compiled import compile_script, decompile
from mturk_eval.compressors.scripts.difference import PixelDifference, pixel_difference
from mturk_eval.compressors.scripts.library import (
    Element,
    ElementLibrary,
    catalogue,
    read_library,
)
from mturk_eval.compressors.scripts.rendering import Limits, decode, render
from mturk_eval.compressors.scripts.script import Layer, Script, use
from mturk_eval.compressors.scripts.sizes import ScriptSizes, script_sizes
from mturk_eval.compressors.scripts.source import format_script, parse_script

__all__ = [
    "Element",
    "ElementLibrary",
    "Layer",
    "Limits",
    "PixelDifference",
    "Script",
    "ScriptSizes",
    "catalogue",
    "compile_script",
    "decode",
    "decompile",
    "format_script",
    "parse_script",
    "pixel_difference",
    "read_library",
    "render",
    "script_sizes",
    "use",
]
