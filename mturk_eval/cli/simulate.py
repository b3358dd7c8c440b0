"""``mturk-eval simulate``: raters made of numbers, through the worker site."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mturk_eval.cli.context import print_json, progress_bar, settings_of, stopping
from mturk_eval.cli.options import BatchFolder, Endpoint, Json, LedgerUrl


class ProfileName(StrEnum):
    """Populations of simulated raters."""

    typical = "typical"
    careful = "careful"
    careless = "careless"


def simulate(
    ctx: typer.Context,
    folder: BatchFolder,
    raters: Annotated[int, typer.Option("--raters", min=1, help="How many raters.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of their tastes.")] = 0,
    profile: Annotated[
        ProfileName, typer.Option("--profile", help="How they behave.")
    ] = ProfileName.typical,
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth",
            help="CSV image,method,quality[,bpp] of true qualities, 1 to 10; default: from PSNR.",
        ),
    ] = None,
    endpoint: Endpoint = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """Let simulated raters do a batch.

    Each does every open HIT of the published batch, through the worker site of our server.
    """
    from mturk_eval.batch import read_batch
    from mturk_eval.errors import SimulationError
    from mturk_eval.ledger import open_ledger
    from mturk_eval.simulate.drive import simulate as run
    from mturk_eval.simulate.raters import PROFILES, make_raters, pixel_quality, read_truth

    settings = settings_of(ctx, {"endpoint": endpoint, "ledger": ledger})
    batch = read_batch(folder)
    with open_ledger(settings.ledger, create=False) as study:
        hits = [hit for hit in study.hits(batch.id).values() if hit.hit_id is not None]
    if not hits:
        raise SimulationError(
            f"No HIT of {folder} is published; run `mturk-eval publish {folder}`."
        )
    qualities = pixel_quality(batch, folder) if truth is None else read_truth(truth, batch)
    again = "What was submitted stays; run the same command again to go on."
    with stopping(again), progress_bar("Assignments") as progress:
        done = run(
            batch,
            hits,
            make_raters(raters, seed=seed, profile=PROFILES[profile.value]),
            qualities,
            origin=settings.endpoint_url,
            progress=progress,
        )
    if json:
        print_json(done.document())
        return
    unavailable = f" {done.n_unavailable} were done before or taken." if done.n_unavailable else ""
    typer.echo(f"{done.n_raters} raters submitted {done.n_submitted} assignments.{unavailable}")
