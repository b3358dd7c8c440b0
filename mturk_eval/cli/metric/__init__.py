"""``mturk-eval metric``: a perceptual metric from the votes that were collected."""

from __future__ import annotations

import typer

from mturk_eval.cli.metric.commands import evaluate, features, train
from mturk_eval.cli.metric.figures import draw_map
from mturk_eval.cli.metric.use import export, score

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Learn a perceptual metric (LPIPS-Comp) from 2AFC votes, and use it.",
)

for command in (train, features, evaluate, score, export):
    app.command()(command)
app.command("map")(draw_map)
