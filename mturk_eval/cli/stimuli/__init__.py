"""``mturk-eval stimuli``: reconstructions of originals, by codecs and by compressors."""

from __future__ import annotations

import typer

from mturk_eval.cli.stimuli.encode import encode
from mturk_eval.cli.stimuli.micro_bpp import micro_bpp
from mturk_eval.cli.stimuli.preserve import preserve
from mturk_eval.cli.stimuli.scripts import app as script_app
from mturk_eval.cli.stimuli.transcripts import transcripts

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Make reconstructions at a target size, by codecs and by other compressors.",
)

app.command()(encode)
app.command()(preserve)
app.command()(micro_bpp)
app.command()(transcripts)
app.add_typer(script_app, name="script")
