"""``mturk-eval report``: one HTML file with the study's figures, tables and methods."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mturk_eval.cli.context import print_json, settings_of
from mturk_eval.cli.options import BatchNames, Json, LedgerUrl

if TYPE_CHECKING:
    import pandas as pd


def report(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option("--out", help="HTML file to write.")],
    title: Annotated[
        str | None, typer.Option("--title", help="Heading; default: the batches' names.")
    ] = None,
    data_ratings: Annotated[
        Path | None, typer.Option("--data-ratings", help="Ratings from this CSV, not the ledger.")
    ] = None,
    data_votes: Annotated[
        Path | None, typer.Option("--data-votes", help="Votes from this CSV, not the ledger.")
    ] = None,
    batch: BatchNames = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """Write the report as one HTML file.

    Figures, tables and methods text; it needs nothing else.
    """
    from mturk_eval.report.page import write_report

    if data_ratings is not None or data_votes is not None:
        if batch:
            raise typer.BadParameter("--batch chooses from the ledger; with files there is none.")
        answers = _from_files(data_ratings, data_votes)
    else:
        answers = _from_ledger(settings_of(ctx, {"ledger": ledger}).ledger, batch or [])
    summary = write_report(
        answers.ratings,
        answers.votes,
        out,
        title=title or answers.name,
        warnings=answers.warnings,
    )
    if json:
        print_json(
            {
                "path": str(summary.out),
                "title": summary.title,
                "batches": list(answers.batches),
                "n_ratings": summary.n_ratings,
                "n_votes": summary.n_votes,
                "raters": summary.raters,
                "images": summary.images,
                "methods": list(summary.methods),
                "findings": list(summary.findings),
                "warnings": list(answers.warnings),
            }
        )
        return
    origin = f" of {', '.join(answers.batches)}" if answers.batches else ""
    typer.echo(
        f"{out}: {summary.n_ratings:,} ratings and {summary.n_votes:,} votes{origin} by "
        f"{summary.raters:,} raters."
    )
    for finding in summary.findings:
        typer.echo(f"- {finding}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """Tables of all roles, what they are called, and what was noticed when they were read."""

    ratings: pd.DataFrame | None = None
    votes: pd.DataFrame | None = None
    name: str = "Study"
    batches: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def _from_files(ratings: Path | None, votes: Path | None) -> _Answers:
    from mturk_eval.tidy.files import Advice, read_ratings, read_votes

    advice = Advice(  # report has no --model, --column or --drop-missing
        other_kind="Ratings go with --data-ratings, votes with --data-votes.",
        rename="Name a column {} in the file.",
        drop=", or remove the row from the file",
    )
    answers = _Answers(name=" and ".join(path.stem for path in (ratings, votes) if path))
    if ratings is not None:
        table = read_ratings(ratings, advice=advice)
        answers = replace(answers, ratings=table.frame, warnings=table.warnings)
    if votes is not None:
        table = read_votes(votes, advice=advice)
        answers = replace(answers, votes=table.frame, warnings=(*answers.warnings, *table.warnings))
    return answers


def _from_ledger(url: str, names: list[str]) -> _Answers:
    from mturk_eval.errors import NoDataError
    from mturk_eval.report.models import ledger_ratings, ledger_votes
    from mturk_eval.tidy.ledger import ratings_table, votes_table

    answers = _Answers()
    with suppress(NoDataError):
        data = ratings_table(url, names)
        table = ledger_ratings(data)
        answers = replace(
            answers, ratings=table.frame, batches=data.batches, warnings=table.warnings
        )
    with suppress(NoDataError):
        data = votes_table(url, names)
        table = ledger_votes(data)
        answers = replace(
            answers,
            votes=table.frame,
            batches=(*answers.batches, *data.batches),
            warnings=(*answers.warnings, *table.warnings),
        )
    return replace(answers, name=", ".join(answers.batches) or "Study")
