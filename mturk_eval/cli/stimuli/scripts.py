"""``mturk-eval stimuli script``: pictures from elements and a script of a few hundred bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mturk_eval.cli.context import count, print_json, progress_bar, say, stopping
from mturk_eval.cli.options import Json
from mturk_eval.cli.stimuli.following import next_generate
from mturk_eval.cli.stimuli.options import Dask, Workers, end, failures_json, processes

if TYPE_CHECKING:
    from mturk_eval.compressors.scripts import ElementLibrary, Script

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Rebuild pictures from elements by scripts.\n\nAfter Mahtab et al. (2019).",
)

Elements = Annotated[
    Path, typer.Option("--elements", help="Folder of elements with its elements.csv.")
]
ScriptFile = Annotated[
    Path,
    typer.Argument(metavar="SCRIPT", help="A script (.py), or a compiled one (.haac)."),
]


@app.command()
def make(
    scripts: Annotated[
        list[Path], typer.Argument(metavar="SCRIPT", help="Scripts (.py or .haac), or folders.")
    ],
    elements: Elements,
    originals: Annotated[Path, typer.Option("--originals", help="Folder of original images.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of stimuli to add to.")],
    method: Annotated[
        str, typer.Option("--method", help="Name of the method in the folder.")
    ] = "script",
    workers: Workers = None,
    dask: Dask = None,
    json: Json = False,
) -> None:
    """Add the scripts' pictures to a folder of stimuli.

    Each is a reconstruction of the original of the same name.

    E.g. mturk-eval stimuli script make scripts/ --elements elements/ --originals photos/
    --out stimuli/
    """
    from mturk_eval.compressors.scripts import read_library
    from mturk_eval.compressors.scripts.reconstructing import find_scripts, reconstruct
    from mturk_eval.stimuli.folder import StimuliFolder
    from mturk_eval.stimuli.matching import find_originals

    folder = StimuliFolder(out)
    kept = f"What was written to {out} is kept; the same command goes on from there."
    with stopping(kept), progress_bar("Drawing scripts") as progress:
        made = reconstruct(
            find_scripts(scripts),
            find_originals(originals),
            read_library(elements),
            folder,
            method=method,
            workers=processes(workers),
            dask=dask,
            progress=progress,
        )
    rows = [entry.stimulus for entry in made.entries]
    if json:
        print_json(
            {
                "table": str(folder.table),
                "made": [{"image": s.image, "bytes": s.bytes, "bpp": s.bpp} for s in rows],
                "done_before": list(made.done_before),
                "failures": failures_json(made.failures),
            }
        )
    else:
        for stimulus in rows:
            typer.echo(f"{stimulus.image}: {stimulus.bytes:,} bytes, {stimulus.bpp:.5f} bpp")
        before = f", {len(made.done_before)} done before" if made.done_before else ""
        typer.echo(f"{folder.table}: {count(len(rows), 'reconstruction')} made{before}.")
        if rows or made.done_before:
            typer.echo(next_generate([originals], out))
    end(made.failures)


@app.command()
def library(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of PNG and WebP files.")],
    json: Json = False,
) -> None:
    """List a folder's pictures in its elements.csv.

    Those that were listed before keep their ids.

    E.g. mturk-eval stimuli script library elements/
    """
    from mturk_eval.compressors.scripts import catalogue

    catalogued = catalogue(folder)
    names = [element.name for element in catalogued.elements]
    total = catalogued.file_bytes(names)
    if json:
        listed = [{"id": e.id, "name": e.name, "sha256": e.sha256} for e in catalogued.elements]
        print_json({"manifest": catalogued.place, "bytes": total, "elements": listed})
        return
    for element in catalogued.elements:
        typer.echo(f"{element.id:4}  {element.name}")
    typer.echo(f"{catalogued.place}: {count(len(names), 'element')}, {total:,} bytes.")


@app.command(name="compile")
def compile_(
    script: ScriptFile,
    elements: Elements,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; without it, to stdout.")
    ] = None,
    json: Json = False,
) -> None:
    """Compile a script, and show its sizes.

    E.g. mturk-eval stimuli script compile rocket.py --elements elements/ --out rocket.haac
    """
    from dataclasses import asdict

    from mturk_eval.compressors.scripts import compile_script, script_sizes
    from mturk_eval.stimuli.whole_file import write_whole

    source, catalogued = _read(script, elements)
    compiled = compile_script(source, catalogued)
    sizes = script_sizes(source, catalogued)
    if out is not None:
        write_whole(out, compiled)
    if json:
        print_json({"compiled": compiled.decode(), "bytes": asdict(sizes)})
        return
    if out is None:
        typer.echo(compiled.decode())
    say(
        f"Bytes: script {sizes.script:,} ({sizes.script_bzip2:,} by bzip2), compiled "
        f"{sizes.compiled:,} ({sizes.compiled_bzip2:,} by bzip2), its elements {sizes.elements:,}."
    )


@app.command()
def decompile(
    compiled: ScriptFile,
    elements: Elements,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; without it, to stdout.")
    ] = None,
    json: Json = False,
) -> None:
    """Write a compiled script as a readable one.

    E.g. mturk-eval stimuli script decompile rocket.haac --elements elements/
    """
    from mturk_eval.compressors.scripts import format_script
    from mturk_eval.stimuli.whole_file import write_whole

    text = format_script(_read(compiled, elements)[0])
    if out is not None:
        write_whole(out, text.encode())
    if json:
        print_json({"script": text})
    elif out is None:
        typer.echo(text, nl=False)


@app.command()
def render(
    script: ScriptFile,
    elements: Elements,
    out: Annotated[Path, typer.Option("--out", help="PNG file to write.")],
    json: Json = False,
) -> None:
    """Draw a script as a PNG file, to look at it.

    E.g. mturk-eval stimuli script render rocket.py --elements elements/ --out rocket.png
    """
    from hashlib import sha256

    from mturk_eval.compressors.scripts import render as rendered
    from mturk_eval.compressors.scripts.errors import ScriptFileError
    from mturk_eval.errors import InvalidInputError
    from mturk_eval.stimuli.images import png_bytes
    from mturk_eval.stimuli.whole_file import write_whole

    source, catalogued = _read(script, elements)
    try:
        picture = rendered(source, catalogued)
    except InvalidInputError as error:
        raise ScriptFileError(script, error) from error
    write_whole(out, png_bytes(picture))
    digest = sha256(picture.tobytes()).hexdigest()
    if json:
        print_json({"picture": str(out), "size": list(picture.size), "pixels_sha256": digest})
        return
    typer.echo(f"{out}: {picture.width}×{picture.height}, pixels' SHA-256 {digest[:16]}")


@app.command()
def difference(
    original: Annotated[Path, typer.Argument(metavar="ORIGINAL", help="An image file.")],
    reconstruction: Annotated[Path, typer.Argument(metavar="RECONSTRUCTION", help="Another.")],
    json: Json = False,
) -> None:
    """Count the pixels of two pictures that differ.

    At 1000×1000 pixels, by tolerance, as in the paper's Table 2.

    E.g. mturk-eval stimuli script difference photos/rocket.png rocket.png
    """
    from mturk_eval.compressors.scripts import pixel_difference
    from mturk_eval.compressors.scripts.difference import TOLERANCES
    from mturk_eval.report.tables import text_table
    from mturk_eval.stimuli.images import open_for_display

    grey = (128, 128, 128)
    found = pixel_difference(
        open_for_display(original, grey), open_for_display(reconstruction, grey)
    )
    if json:
        print_json({"method": found.method, "percent_beyond": found.curve.round(4).tolist()})
        return
    typer.echo(
        text_table(
            ["tolerance", "pixels that differ, %"],
            [(tolerance, found.percent(tolerance)) for tolerance in TOLERANCES],
            digits=2,
        )
    )
    say(f"A pixel differs if one of its channels, 0 to 255, is off by more ({found.method}).")


def _read(path: Path, elements: Path) -> tuple[Script, ElementLibrary]:
    from mturk_eval.compressors.scripts import read_library
    from mturk_eval.compressors.scripts.reconstructing import read_script

    catalogued = read_library(elements)
    return read_script(path, catalogued), catalogued
