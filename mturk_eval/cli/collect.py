"""``mturk-eval collect`` and ``status``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from mturk_eval.cli.context import print_json, progress_bar, say, settings_of, stopping
from mturk_eval.cli.options import BatchNames, Endpoint, Json, LedgerUrl

if TYPE_CHECKING:
    from mturk_eval.requester.collect import Collected


def collect(
    ctx: typer.Context,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on until every batch is complete.")
    ] = False,
    every: Annotated[
        float, typer.Option("--every", min=0.1, help="With --watch: seconds between rounds.")
    ] = 10.0,
    batch: BatchNames = None,
    endpoint: Endpoint = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """Fetch new answers into the ledger.

    Repeat it at any time; collecting twice changes nothing.
    """
    from mturk_eval.errors import EndpointUnreachableError
    from mturk_eval.ledger import open_ledger
    from mturk_eval.requester.client import connect
    from mturk_eval.requester.collect import batches_at
    from mturk_eval.requester.collect import collect as collect_batches

    settings = settings_of(ctx, {"endpoint": endpoint, "ledger": ledger})
    with open_ledger(settings.ledger, create=False) as study:
        here, elsewhere = batches_at(study, settings.endpoint_url, batch or ())
        for other in elsewhere:
            say(f"{other.name} was published to {other.endpoint} and is not collected here.")
        marketplace = connect(settings.endpoint_url)
        again = "What was collected is in the ledger; run the same command again to go on."
        with stopping(again), progress_bar("Assignments") as bar:
            found = collect_batches(study, marketplace, here)
            n_new = sum(one.n_new for one in found)
            while watch and any(one.waiting for one in found):
                bar(sum(one.n_assignments for one in found), sum(one.n_planned for one in found))
                time.sleep(every)
                try:
                    found = collect_batches(study, marketplace, here, ask_finished=False)
                except EndpointUnreachableError as error:
                    say(f"{error} Trying again in {every:g} s.")
                else:
                    n_new += sum(one.n_new for one in found)
    if json:
        print_json(
            {
                "new_assignments": n_new,
                "complete": all(one.complete for one in found),
                "batches": [one.document() for one in found],
            }
        )
    else:
        for one in found:
            _show(one)
    if any(one.unreachable for one in found):
        raise typer.Exit(1)
    if not json and all(one.complete for one in found):
        typer.echo(
            "Next: mturk-eval analyze --model mixed   and: mturk-eval report --out report.html"
        )


def _show(found: Collected) -> None:
    state = "complete" if found.complete else f"{found.n_finished} of {found.n_hits} HITs finished"
    typer.echo(
        f"{found.batch}: {found.n_new} new, {found.n_assignments} of {found.n_planned} "
        f"assignments, {state}."
    )
    if found.n_not_posted:
        say(f"{found.n_not_posted} HITs are not posted yet; run `mturk-eval publish` again.")
    for assignment, problem in found.unreadable:
        say(f"Assignment {assignment} is kept but cannot be read: {problem}")
    for hit, problem in found.unreachable:
        say(f"Error: {hit} could not be collected, all others were: {problem}")


def status(ctx: typer.Context, ledger: LedgerUrl = None, json: Json = False) -> None:
    """Show where the study stands.

    As of the last collect, from the ledger alone.
    """
    from mturk_eval.ledger import open_ledger
    from mturk_eval.requester.status import study_status

    settings = settings_of(ctx, {"ledger": ledger})
    with open_ledger(settings.ledger, create=False) as study:
        found = study_status(study)
    if json:
        print_json({"batches": [one.document() for one in found]})
        return
    if not found:
        typer.echo("Nothing was published from this ledger yet.")
    for one in found:
        states = ", ".join(f"{n} {state.lower()}" for state, n in one.assignments_by_state.items())
        missing = f", {one.n_hits_not_posted} not posted" if one.n_hits_not_posted else ""
        typer.echo(
            f"{one.batch} ({one.kind}) at {one.endpoint}\n"
            f"  HITs         {one.n_hits}, {one.n_hits_finished} finished{missing}\n"
            f"  assignments  {states or 'none yet'}, of {one.n_planned}\n"
            f"  responses    {one.n_responses}"
            + (f", {one.n_unreadable} assignments unreadable" if one.n_unreadable else "")
            + f"\n  money        ${one.spent_usd:.2f} spent, ${one.committed_usd:.2f} committed"
        )
