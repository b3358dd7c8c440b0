"""Options that several commands share, with one meaning and one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

BatchFolder = Annotated[Path, typer.Argument(metavar="BATCH", help="Batch folder.")]
Endpoint = Annotated[
    str | None,
    typer.Option("--endpoint", help="local, sandbox, production, or a URL.", show_default=False),
]
LedgerUrl = Annotated[
    str | None,
    typer.Option("--ledger", help="Database URL of the study's ledger.", show_default=False),
]
BatchNames = Annotated[
    list[str] | None,
    typer.Option("--batch", help="Name of a batch; may be given again. Default: all that fit."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
