"""``mturk-eval export``: the study's responses as files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mturk_eval.cli.context import print_json, settings_of
from mturk_eval.cli.options import BatchNames, Json, LedgerUrl


class FormatName(StrEnum):
    """The formats that can be written."""

    tidy = "tidy"


def export(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option("--out", help="CSV file to write.")],
    format: Annotated[  # noqa: A002  # the option's name
        FormatName, typer.Option("--format", help="tidy: one row per answer.")
    ] = FormatName.tidy,
    batch: BatchNames = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """Write the responses as tidy CSV.

    FILE.csv, or FILE.ratings.csv and FILE.votes.csv where both kinds are there. Raters stand
    under pseudonyms; trials of all roles are there, told by the column `role`.
    """
    from mturk_eval.tidy.ledger import export_tidy

    assert format is FormatName.tidy  # noqa: S101  # the only one so far
    settings = settings_of(ctx, {"ledger": ledger})
    written = export_tidy(settings.ledger, batch or (), out)
    if json:
        print_json(
            {
                "files": [
                    {
                        "path": str(one.path),
                        "kind": one.kind,
                        "rows": one.n_rows,
                        "batches": list(one.batches),
                    }
                    for one in written
                ]
            }
        )
        return
    for one in written:
        typer.echo(f"{one.path}: {one.n_rows} rows of {', '.join(one.batches)}")
