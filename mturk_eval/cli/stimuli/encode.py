"""``mturk-eval stimuli encode``: originals to reconstructions of a size, by codecs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mturk_eval.cli.context import count, print_json, progress_bar, say, settings_of, stopping
from mturk_eval.cli.options import Json
from mturk_eval.cli.stimuli.following import next_generate
from mturk_eval.cli.stimuli.options import Dask, Workers, processes

if TYPE_CHECKING:
    from mturk_eval.stimuli.codecs.codec import Codec
    from mturk_eval.stimuli.encoding import Outcome
    from mturk_eval.stimuli.encoding_summary import TargetSummary
    from mturk_eval.stimuli.encoding_targets import Asks
    from mturk_eval.stimuli.rates import RatePair

_SHOWN = 20


class SideName(StrEnum):
    """On which side of its target a file may lie."""

    under = "under"
    over = "over"


def encode(
    ctx: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Original images, or folders of them.")
    ],
    codec: Annotated[
        list[str],
        typer.Option(
            "--codec",
            metavar="NAME",
            help="jpeg, jpeg2000, webp, avif, jxl, heic, or any program by NAME=command:TEMPLATE "
            "(docs/stimuli.md); may be given again.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of stimuli to make or to add to.")],
    bpp: Annotated[
        list[float] | None,
        typer.Option("--bpp", help="Bits per pixel of the original; may be given again."),
    ] = None,
    n_bytes: Annotated[
        int | None, typer.Option("--bytes", min=1, help="Size of every file in bytes.")
    ] = None,
    bytes_from: Annotated[
        Path | None,
        typer.Option(
            "--bytes-from",
            metavar="CSV|DIR",
            help="A size for each: a table image,bytes; a folder of files of the same names; or "
            "a method's folder among stimuli, such as stimuli/human/chat.",
        ),
    ] = None,
    quality: Annotated[
        float | None, typer.Option("--quality", help="A quality of the codec, whatever the size.")
    ] = None,
    allow: Annotated[
        SideName, typer.Option("--allow", help="Where a file may lie that misses its target.")
    ] = SideName.under,
    resize: Annotated[
        bool,
        typer.Option(
            "--resize/--no-resize",
            help="Code fewer pixels where the lowest quality is too large, or give up.",
        ),
    ] = True,
    method: Annotated[
        str | None, typer.Option("--method", help="Name of the method; default: the codec's.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=1, help="Seconds for an external command.")
    ] = None,
    workers: Workers = None,
    dask: Dask = None,
    json: Json = False,
) -> None:
    """Encode originals at a rate, a size or a quality, for a fair comparison.

    E.g. mturk-eval stimuli encode photos/ --codec jpeg --codec webp --bpp 0.3 --out stimuli/
    """
    if workers is not None and dask is not None:
        raise typer.BadParameter("give --workers or --dask, not both.")
    from mturk_eval.stimuli.encoding import Manner
    from mturk_eval.stimuli.encoding import encode as encode_all
    from mturk_eval.stimuli.encoding_summary import identical_pictures, summarise
    from mturk_eval.stimuli.folder import StimuliFolder
    from mturk_eval.stimuli.images import parse_background
    from mturk_eval.stimuli.matching import find_pictures
    from mturk_eval.stimuli.rates import unequal_rates

    design = settings_of(ctx).design
    codecs = _codecs(codec, method, timeout)
    found = find_pictures(paths)
    asks = _asks(list(found), bpp, n_bytes, bytes_from, quality)
    originals = {image: path for image, path in found.items() if image in asks}
    _list("original", "without a size, left out", [i for i in found if i not in asks])
    with (
        stopping(f"What is done is kept in {out}; the same command does the rest."),
        progress_bar("Encoding") as progress,
    ):
        outcomes = encode_all(
            originals,
            codecs,
            asks,
            out,
            manner=Manner(
                side=allow.value, resize=resize, background=parse_background(design.background)
            ),
            workers=processes(workers),
            dask=dask,
            progress=progress,
        )
    # Of the whole folder: trials compare with what other commands made, too.
    stimuli = [entry.stimulus for entry in StimuliFolder(out).entries()]
    pairs = unequal_rates(stimuli, design.rate_tolerance)
    same = identical_pictures(stimuli)
    rows = summarise(outcomes, allow.value)
    if json:
        print_json(_document(out, rows, outcomes, pairs, same))
    else:
        typer.echo(_table(rows))
    _tell(outcomes, pairs, design.rate_tolerance)
    _list(
        "group",
        "of files that show the same picture, pixel by pixel",
        [" and ".join(stimulus.id for stimulus in group) for group in same],
    )
    if any(outcome.entry is None for outcome in outcomes):
        say("What is done is kept; the same command tries the failed ones again.")
        raise typer.Exit(1)
    if not json and any(row.reached for row in rows):
        rated = [(s.image, s.target_bpp) for s in stimuli if s.target_bpp and s.state == "ok"]
        is_choice = not pairs and len(set(rated)) < len(rated)  # methods meet at a rate
        typer.echo(next_generate(paths, out, kind="2afc" if is_choice else "satisfaction"))


def _codecs(names: Sequence[str], method: str | None, timeout: float | None) -> dict[str, Codec]:
    """Codecs by method name."""
    from mturk_eval.stimuli.codecs.registry import find_codec

    found = {}
    for name in dict.fromkeys(names):
        codec = find_codec(name) if timeout is None else find_codec(name, timeout_s=timeout)
        if codec.name in found:
            raise typer.BadParameter(f"two codecs have the method name {codec.name}.")
        found[codec.name] = codec
    if method is None:
        return found
    if len(found) > 1:
        raise typer.BadParameter("--method names one codec; give one --codec with it.")
    if not method.strip():
        raise typer.BadParameter("--method is empty.")
    return {method.strip(): codec for codec in found.values()}


def _asks(
    images: Sequence[str],
    bpp: Sequence[float] | None,
    n_bytes: int | None,
    bytes_from: Path | None,
    quality: float | None,
) -> Asks:
    """What is asked for each image, by the one option that says so."""
    from mturk_eval.stimuli import encoding_targets as targets

    given = [bool(bpp), n_bytes is not None, bytes_from is not None, quality is not None]
    if sum(given) != 1:
        raise typer.BadParameter("give one of --bpp, --bytes, --bytes-from and --quality.")
    if bpp:
        wrong = [rate for rate in bpp if not 0 < rate < float("inf")]
        if wrong:
            raise typer.BadParameter(f"--bpp {wrong[0]:g} is not a positive number.")
        return targets.ask_rates(images, bpp)
    if n_bytes is not None:
        return targets.ask_bytes(images, n_bytes)
    if bytes_from is not None:
        return targets.ask_listed(images, bytes_from)
    assert quality is not None  # noqa: S101  # one of the four is given
    return targets.ask_quality(images, quality)


def _table(rows: Sequence[TargetSummary]) -> str:
    from mturk_eval.report.tables import text_table

    header = (
        "method", "target", "reached", "unreachable", "gap %", "largest %", "bpp", "resized",
        "encodes", "seconds",
    )  # fmt: skip
    return text_table(
        header,
        [
            (
                row.method, row.target, f"{row.reached} of {row.images}", row.unreachable,
                row.median_gap, row.largest_gap, row.bpp, row.resized, row.encodes,
                math.ceil(row.seconds),
            )
            for row in rows
        ],
    )  # fmt: skip


def _document(
    out: Path,
    rows: Sequence[TargetSummary],
    outcomes: Sequence[Outcome],
    pairs: Sequence[RatePair],
    same: Sequence[Sequence[Any]],
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "folder": str(out),
        "table": str(out / "stimuli.csv"),
        "rows": [asdict(row) for row in rows],
        "unreachable": [
            {"stimulus": outcome.id, "reason": outcome.entry.stimulus.settings}
            for outcome in outcomes
            if outcome.entry is not None and outcome.entry.stimulus.state == "unreachable"
        ],
        "failed": [
            {"stimulus": outcome.id, "problem": outcome.problem}
            for outcome in outcomes
            if outcome.entry is None
        ],
        "unequal_rates": [
            {
                "smaller": pair.smaller.id,
                "larger": pair.larger.id,
                "difference_percent": round(100 * pair.difference, 2),
            }
            for pair in pairs
        ],
        "identical": [[stimulus.id for stimulus in group] for group in same],
    }


def _tell(outcomes: Sequence[Outcome], pairs: Sequence[RatePair], tolerance: float) -> None:
    """Name what is missing and what is no fair pair, on stderr."""
    _list(
        "file",
        "unreachable",
        [
            f"{outcome.id}: {outcome.entry.stimulus.settings}"
            for outcome in outcomes
            if outcome.entry is not None and outcome.entry.stimulus.state == "unreachable"
        ],
    )
    _list(
        "pair",
        f"apart by more than {100 * tolerance:g} %, which `generate 2afc` refuses "
        "(encode closer, or raise --rate-tolerance)",
        [
            f"{pair.smaller.id}: {pair.smaller.bpp:.4g} bpp ({pair.smaller.bytes} bytes), "
            f"{pair.larger.id}: {pair.larger.bpp:.4g} bpp ({pair.larger.bytes} bytes): "
            f"{100 * pair.difference:.1f} %"
            for pair in pairs
        ],
    )
    _list(
        "file",
        "failed",
        [f"{outcome.id}: {outcome.problem}" for outcome in outcomes if outcome.entry is None],
    )


def _list(noun: str, what: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    say(f"{count(len(lines), noun)} {what}:")
    for line in lines[:_SHOWN]:
        say(f"  {line}")
    if len(lines) > _SHOWN:
        say(f"  and {len(lines) - _SHOWN:,} more")
