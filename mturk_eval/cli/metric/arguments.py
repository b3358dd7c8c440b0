"""From the options of `mturk-eval metric` to where things are; what makes no sense is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from mturk_eval.cli.context import settings_of
from mturk_eval.cli.metric import options

if TYPE_CHECKING:
    from mturk_eval.cli.metric.sources import VoteSource
    from mturk_eval.cli.metric.training import OtherMetrics
    from mturk_eval.stats.evaluation.metric_results import Direction


def vote_source(
    ctx: typer.Context,
    votes: Path | None,
    originals: Path | None,
    reconstructions: Path | None,
    batch_folders: Sequence[Path] | None,
    bapps: Path | None,
    bapps_votes: int | None,
    column: Sequence[str] | None,
    drop_missing: bool,
    excluded_raters: Sequence[str] | None,
    exclude_rejected: bool,
    minimum_votes: int,
    batches: Sequence[str] | None,
    ledger: str | None,
) -> VoteSource:
    """Where votes and pictures are, with options that mean nothing there refused."""
    from mturk_eval.cli.answers import Answers
    from mturk_eval.cli.metric.sources import PictureSource, VoteSource

    elsewhere = votes is not None or bapps is not None
    if elsewhere and (batches or ledger):
        raise typer.BadParameter(
            "--batch and --ledger are about the ledger; with --votes or --bapps the votes are in "
            "files."
        )
    if votes is None and (column or drop_missing):
        raise typer.BadParameter("--column and --drop-missing are for a CSV given with --votes.")
    if bapps is None and bapps_votes is not None:
        raise typer.BadParameter("--bapps-votes is for a folder given with --bapps.")
    if bapps is not None and (originals or reconstructions or batch_folders):
        raise typer.BadParameter("--bapps holds its pictures: give no other place of pictures.")
    return VoteSource(
        answers=Answers(
            data=votes,
            rename=_pairs("--column", column),
            scale=None,
            drop_missing=drop_missing,
            batches=tuple(batches or ()),
            ledger="" if elsewhere else settings_of(ctx, {"ledger": ledger}).ledger,
        ),
        pictures=PictureSource(
            originals=originals,
            reconstructions=reconstructions,
            batch_folders=tuple(batch_folders or ()),
        ),
        bapps=bapps,
        bapps_votes=bapps_votes,
        excluded_raters=tuple(excluded_raters or ()),
        exclude_rejected=exclude_rejected,
        minimum_votes=minimum_votes,
    )


def bapps_source(folder: Path, votes: int | None) -> VoteSource:
    """Votes and pictures of a folder as BAPPS publishes them."""
    from mturk_eval.cli.answers import Answers
    from mturk_eval.cli.metric.sources import PictureSource, VoteSource

    return VoteSource(
        answers=Answers(
            data=None, rename={}, scale=None, drop_missing=False, batches=(), ledger=""
        ),
        pictures=PictureSource(originals=None, reconstructions=None, batch_folders=()),
        bapps=folder,
        bapps_votes=votes,
    )


def other_metrics(
    classical: bool,
    colours: options.ColoursName,
    table: Path | None,
    direction: Sequence[str] | None,
) -> OtherMetrics:
    """What to compare with, with options that say nothing alone refused."""
    from mturk_eval.cli.metric.training import OtherMetrics

    directions = _pairs("--direction", direction)
    for name, value in directions.items():
        if value not in {"higher", "lower"}:
            raise typer.BadParameter(
                f"--direction {name}={value}: which values are better, higher or lower?"
            )
    others = OtherMetrics(
        classical=classical,
        colours="luma" if colours is options.ColoursName.luma else "RGB",
        table=table,
        directions=cast("dict[str, Direction]", directions),
    )
    others.check()
    return others


def refuse_without_test(given: Mapping[str, bool]) -> None:
    """Refuse options about a comparison where no original is held out for one."""
    for option, is_given in given.items():
        if is_given:
            raise typer.BadParameter(
                f"--test-share 0 trains on every original, so nothing is compared: leave {option} "
                "out, or hold originals out."
            )


def check_out(out: Path, suffix: str) -> None:
    """Refuse a place where no file can be, before the work."""
    if out.is_dir() or out.suffix != suffix:
        raise typer.BadParameter(f"--out {out}: give a file that ends in {suffix}.")
    for folder in out.parents:
        if folder.exists() and not folder.is_dir():
            raise typer.BadParameter(f"--out {out}: {folder} is a file, not a folder.")


def _pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """``NAME=VALUE`` options as a mapping."""
    pairs: dict[str, str] = {}
    for text in given or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value) or name in pairs:
            raise typer.BadParameter(f"{option} {text}: write {option} NAME=VALUE, each name once.")
        pairs[name] = value
    return pairs
