"""``mturk-eval init``: a new study's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mturk_eval.cli.context import print_json
from mturk_eval.cli.options import Json


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the new study.")],
    json: Json = False,
) -> None:
    """Start a new study in a folder.

    Writes settings with comments, page templates, and a README of what is next.
    """
    from mturk_eval.study import start_study

    written = start_study(folder)
    if json:
        print_json({"folder": str(folder), "written": [str(path) for path in written]})
        return
    typer.echo(f"A new study in {folder}. Read {folder / 'README.md'} for the next steps.")
