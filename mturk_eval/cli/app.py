"""All commands in the order of a study's life."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mturk_eval import __version__
from mturk_eval.cli.analyze import analyze
from mturk_eval.cli.collect import collect, status
from mturk_eval.cli.context import GlobalOptions
from mturk_eval.cli.demo import demo
from mturk_eval.cli.export import export
from mturk_eval.cli.generate import generate
from mturk_eval.cli.inspect import check, cost, preview
from mturk_eval.cli.metric import app as metric_app
from mturk_eval.cli.power import power
from mturk_eval.cli.publish import publish
from mturk_eval.cli.report import report
from mturk_eval.cli.serve import serve
from mturk_eval.cli.simulate import simulate
from mturk_eval.cli.start import init
from mturk_eval.cli.stimuli import app as stimuli_app

app = typer.Typer(
    name="mturk-eval",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Human image-quality studies: stimuli, HITs, raters, statistics, report.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mturk-eval {__version__}")
        raise typer.Exit


@app.callback()
def common(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Settings file; default ./mturk_eval.toml if it is there."),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show version.")
    ] = False,
) -> None:
    """Options that stand before the command."""
    ctx.obj = GlobalOptions(config=config)


for command in (
    demo,
    init,
    power,
    generate,
    check,
    preview,
    cost,
    serve,
    publish,
    simulate,
    collect,
    status,
    analyze,
    report,
    export,
):
    app.command()(command)

app.add_typer(stimuli_app, name="stimuli")
app.add_typer(metric_app, name="metric")
