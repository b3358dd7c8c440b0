"""``mturk-eval generate``: image files to a batch folder."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mturk_eval.cli.context import count, print_json, progress_bar, say, settings_of, stopping
from mturk_eval.cli.options import Json


class KindName(StrEnum):
    """The kinds of trial."""

    satisfaction = "satisfaction"
    two_afc = "2afc"


def generate(
    ctx: typer.Context,
    kind: Annotated[KindName, typer.Argument(help="What raters are asked.")],
    originals: Annotated[Path, typer.Option("--originals", help="Folder of original images.")],
    reconstructions: Annotated[
        Path,
        typer.Option(
            "--reconstructions",
            help="Folder of METHOD/IMAGE.ext or METHOD/BPP/IMAGE.ext, or a stimuli.csv.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Batch folder to make.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the batch; default: the folder's.")
    ] = None,
    assignments: Annotated[
        int | None, typer.Option("--assignments", min=1, help="Raters of each HIT.")
    ] = None,
    trials_per_hit: Annotated[
        int | None, typer.Option("--trials-per-hit", min=1, help="Most trials of a HIT.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the schedule.")] = None,
    catch: Annotated[
        float | None,
        typer.Option("--catch", min=0, max=1, help="Catch trials, as a share of the main trials."),
    ] = None,
    repeats: Annotated[
        float | None,
        typer.Option("--repeats", min=0, max=1, help="Repeated trials, as a share of the main."),
    ] = None,
    rate_tolerance: Annotated[
        float | None,
        typer.Option(
            "--rate-tolerance", min=0, help="2AFC: largest rate difference within a pair, percent."
        ),
    ] = None,
    reward: Annotated[
        str | None, typer.Option("--reward", help="US dollars for an assignment, e.g. 0.30.")
    ] = None,
    resize: Annotated[
        bool,
        typer.Option(
            help="Show a reconstruction of another size at its original's size (Lanczos), or "
            "refuse it."
        ),
    ] = True,
    json: Json = False,
) -> None:
    """Make a batch folder of HITs from image files.

    E.g. mturk-eval generate satisfaction --originals photos/ --reconstructions coded/ --out batch/
    """
    from mturk_eval import __version__
    from mturk_eval.generation import generate as generate_batch

    settings = settings_of(
        ctx,
        {
            "hit": {"assignments": assignments},
            "payment": {"reward_usd": reward},
            "design": {
                "trials_per_hit": trials_per_hit,
                "seed": seed,
                "catch": catch,
                "repeats": repeats,
                "rate_tolerance": None if rate_tolerance is None else rate_tolerance / 100,
            },
        },
    )
    with stopping("Nothing was written."), progress_bar("Preparing images") as progress:
        made = generate_batch(
            "satisfaction" if kind is KindName.satisfaction else "2afc",
            originals=originals,
            reconstructions=reconstructions,
            out=out,
            name=name or out.resolve().name,
            settings=settings,
            generator=f"mturk-eval {__version__}",
            resize=resize,
            progress=progress,
        )
    batch = made.batch
    roles: dict[str, int] = {}
    for trial in batch.trials:
        roles[trial.role] = roles.get(trial.role, 0) + 1
    if json:
        print_json(
            {
                "batch": batch.name,
                "batch_id": batch.id,
                "kind": batch.kind,
                "folder": str(out),
                "unchanged": made.unchanged,
                "hits": len(batch.hits),
                "trials": len(batch.trials),
                "trials_by_role": roles,
                "assignments": batch.settings.hit.assignments,
                "notes": list(made.notes),
            }
        )
        return
    for note in made.notes:
        say(f"Note: {note}")
    parts = ", ".join(f"{count} {role}" for role, count in roles.items())
    typer.echo(
        f"{out}: {len(batch.trials)} trials ({parts}) in {count(len(batch.hits), 'HIT')}, "
        f"{batch.settings.hit.assignments} raters each"
        + (" (the same batch as before)." if made.unchanged else ".")
    )
    typer.echo(f"Next: mturk-eval preview {out}   then: mturk-eval publish {out}")
