"""``mturk-eval stimuli``: reconstructions of originals, by codecs and by compressors."""

from __future__ import annotations

import typer

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Make reconstructions at a target size, by codecs and by other compressors.",
)
