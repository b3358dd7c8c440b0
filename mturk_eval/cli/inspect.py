"""``mturk-eval check``, ``preview`` and ``cost``: look at a batch before anything is spent."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from mturk_eval.cli.context import count, print_json, settings_of
from mturk_eval.cli.options import BatchFolder, Json


def check(folder: BatchFolder, json: Json = False) -> None:
    """Check a batch folder.

    Every problem is told at once, with file and row.
    """
    from mturk_eval.batch import read_batch
    from mturk_eval.errors import BatchError, InvalidInputError
    from mturk_eval.hits.pages import check_pages
    from mturk_eval.hits.templates import load_templates

    try:
        batch = read_batch(folder)
        check_pages(batch.hits, batch.kind, batch.settings.wording, load_templates())
    except InvalidInputError as error:
        if not json:
            raise
        problems = error.problems if isinstance(error, BatchError) else [str(error)]
        print_json({"folder": str(folder), "ok": False, "problems": list(problems)})
        raise typer.Exit(error.exit_code) from error
    if json:
        print_json(
            {
                "folder": str(folder),
                "ok": True,
                "problems": [],
                "batch": batch.name,
                "batch_id": batch.id,
                "hits": len(batch.hits),
                "trials": len(batch.trials),
            }
        )
        return
    typer.echo(
        f"{folder}: fine. {len(batch.trials)} trials in {count(len(batch.hits), 'HIT')}, "
        f"{len(batch.stimuli)} stimuli, batch {batch.id[:12]}."
    )


def preview(
    folder: BatchFolder,
    hit: Annotated[int | None, typer.Option("--hit", min=1, help="Open this HIT only.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write the pages; default: a new folder.")
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open a browser, or only write the pages.")
    ] = True,
    json: Json = False,
) -> None:
    """Show the pages as a rater sees them.

    They open in a browser; nothing is published.
    """
    import tempfile

    from mturk_eval.batch import read_batch
    from mturk_eval.errors import InvalidInputError
    from mturk_eval.hits.preview import write_previews
    from mturk_eval.hits.templates import load_templates

    batch = read_batch(folder)
    hits = batch.hits
    if hit is not None:
        if hit > len(hits):
            raise InvalidInputError(f"--hit {hit}: {folder} has {len(hits)} HITs.")
        hits = hits[hit - 1 : hit]
    target = out or Path(tempfile.mkdtemp(prefix="mturk-eval-preview-"))
    pages = write_previews(
        hits,
        batch.kind,
        batch.settings.wording,
        folder / "images",
        target,
        load_templates(),
    )
    start = pages[0] if hit is None else pages[-1]
    if json:
        print_json({"folder": str(target), "pages": [str(page) for page in pages]})
    else:
        typer.echo(f"{len(pages) - 1} pages in {target}; open {start}")
    if open_browser and not json and has_desktop():
        typer.launch(start.resolve().as_uri())


def has_desktop() -> bool:
    """Whether a browser can be opened: asking in vain prints many lines of noise."""
    import os
    import sys

    return sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def cost(
    ctx: typer.Context,
    folder: BatchFolder,
    target_hourly: Annotated[
        str | None,
        typer.Option("--target-hourly", help="The reward that pays this many US dollars an hour."),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a batch costs and pays.

    Reward, fees, total, per response, expected hourly pay.
    """
    from mturk_eval.batch import read_batch
    from mturk_eval.errors import InvalidInputError
    from mturk_eval.requester.costs import batch_cost

    target = None
    if target_hourly is not None:
        try:
            target = Decimal(target_hourly)
        except InvalidOperation as error:
            raise InvalidInputError(f"--target-hourly {target_hourly}: not a number.") from error
        if not target.is_finite() or target <= 0:
            raise InvalidInputError("--target-hourly must be above zero.")
    settings = settings_of(ctx)
    found = batch_cost(read_batch(folder, verify_images=False), settings.fee_schedule)
    suggested = None if target is None else found.reward_for(target)
    if json:
        extra = {} if suggested is None else {"reward_for_target_hourly_usd": f"{suggested:.2f}"}
        print_json(found.document() | extra)
        return
    typer.echo(describe_cost(found.document()))
    if suggested is not None:
        typer.echo(f"A reward of ${suggested:.2f} pays ${target:.2f} an hour.")


def describe_cost(document: dict[str, object]) -> str:
    """A cost in words, from its JSON document."""
    schedule = {"none": "no fees", "mturk": "MTurk's fee schedule"}[str(document["fees"])]
    minutes = float(str(document["expected_seconds_per_assignment"])) / 60
    return (
        f"{count(int(str(document['hits'])), 'HIT')} × {document['assignments_per_hit']} raters = "
        f"{document['assignments']} assignments, {document['responses']} responses\n"
        f"reward     ${document['reward_usd']} an assignment\n"
        f"fees       ${document['fee_per_assignment_usd']} an assignment ({schedule})\n"
        f"total      ${document['total_usd']} (${document['per_response_usd']} a response)\n"
        f"hourly pay ${document['expected_hourly_usd']} expected, at {minutes:.1f} minutes an "
        "assignment"
    )
