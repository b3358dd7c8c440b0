"""``mturk-eval demo``: the whole way on sample photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mturk_eval.cli.context import print_json, say, stopping
from mturk_eval.cli.options import Json


def demo(
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to make; default: demo, demo-2, …")
    ] = None,
    raters: Annotated[int, typer.Option("--raters", min=2, help="How many simulated raters.")] = 12,
    json: Json = False,
) -> None:
    """Run a whole study on sample photographs.

    Simulated raters, a server of its own: no account, no network.
    """
    from mturk_eval.cli.metric.demo import train_demo_metric
    from mturk_eval.demo import run_demo

    with stopping("The half-made folder can be removed; the demo begins anew in another one."):
        done = run_demo(out, n_raters=raters, tell=say)
        metric = train_demo_metric(done, say)
    if json:
        path = None if metric.path is None else str(metric.path)
        print_json({**done.document(), "metric": path})
        return
    typer.echo(done.message() + metric.message)
