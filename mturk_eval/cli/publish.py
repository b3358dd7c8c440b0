"""``mturk-eval publish``: post the HITs of a batch that are not posted yet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from mturk_eval.cli.context import count, print_json, progress_bar, say, settings_of, stopping
from mturk_eval.cli.inspect import describe_cost
from mturk_eval.cli.options import BatchFolder, Endpoint, Json, LedgerUrl

if TYPE_CHECKING:
    from mturk_eval.ledger import Ledger
    from mturk_eval.requester.publish import PublishPlan


def publish(
    ctx: typer.Context,
    folder: BatchFolder,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and the cost only.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before spending.")] = False,
    endpoint: Endpoint = None,
    ledger: LedgerUrl = None,
    hosting: Annotated[
        str | None,
        typer.Option("--hosting", help="server, s3://bucket/prefix, or https://base."),
    ] = None,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over HITs that another ledger posted.")
    ] = False,
    json: Json = False,
) -> None:
    """Post the HITs of a batch.

    Those that are posted already are left alone; repeat it at any time.
    E.g. mturk-eval publish batch/
    """
    from mturk_eval.batch import read_batch
    from mturk_eval.errors import InvalidInputError
    from mturk_eval.hits.templates import load_templates
    from mturk_eval.ledger import ledger_exists, open_ledger
    from mturk_eval.requester.client import connect
    from mturk_eval.requester.publish import execute_publish, plan_publish
    from mturk_eval.stimuli.hosting import hosting_for

    settings = settings_of(ctx, {"endpoint": endpoint, "ledger": ledger, "hosting": hosting})
    batch = read_batch(folder)
    templates = load_templates()
    if not (dry_run or yes or sys.stdin.isatty()):
        raise InvalidInputError("There is no terminal to ask on: give --yes, or --dry-run.")
    # A plan alone needs no ledger, and leaves none behind.
    ledger_url = settings.ledger
    if dry_run and not ledger_exists(ledger_url):
        ledger_url = "sqlite://"
    # Before a ledger is made, so that a wrong endpoint leaves nothing behind.
    marketplace = None if dry_run else connect(settings.endpoint_url)
    if marketplace is not None:
        marketplace.balance()  # likewise a key that is refused
    with open_ledger(ledger_url) as study:
        plan = plan_publish(batch, settings, study, templates)
        if not json:
            typer.echo(f"Batch {batch.name} ({batch.id[:12]}) to {plan.record.endpoint}")
            before = f"; {plan.n_posted} were posted before" if plan.n_posted else ""
            typer.echo(f"{count(len(plan.to_post), 'HIT')} to post{before}.")
            if plan.to_post:
                typer.echo(describe_cost(plan.cost.document()))
        if marketplace is None:
            if json:
                print_json(plan.document())
            return
        if plan.to_post and not yes:
            typer.confirm("Publish?", abort=True, err=True)
        place = hosting_for(
            settings.hosting,
            endpoint_url=settings.endpoint_url,
            credentials=marketplace.credentials,
        )
        again = "What is posted is in the ledger; run the same command again to post the rest."
        with stopping(again), posting_on(study, plan), progress_bar("Publishing") as bar:
            done = execute_publish(
                plan,
                folder,
                marketplace=marketplace,
                hosting=place,
                ledger=study,
                templates=templates,
                adopt=adopt,
                progress=lambda _step, number, total: bar(number, total),
            )
    if json:
        print_json(
            plan.document()
            | {
                "hits_posted": done.n_posted,
                "hits_found_posted": done.n_adopted,
                "hit_type_id": done.hit_type_id,
            }
        )
        return
    if done.n_adopted:
        say(f"{count(done.n_adopted, 'HIT')} posted by an earlier run were found there.")
    typer.echo(f"Posted {count(done.n_posted, 'HIT')}; the batch has {len(batch.hits)}.")
    typer.echo("Next: mturk-eval collect --watch")


@contextmanager
def posting_on(study: Ledger, plan: PublishPlan) -> Iterator[None]:
    """Where posting fails half-way, say how far it came."""
    from mturk_eval.errors import MturkEvalError

    try:
        yield
    except MturkEvalError:
        posted = sum(hit.hit_id is not None for hit in study.hits(plan.batch.id).values())
        if posted:
            say(
                f"{posted} of {count(len(plan.batch.hits), 'HIT')} are posted; run the same "
                "command again to post the rest."
            )
        raise
