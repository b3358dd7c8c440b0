"""``mturk-eval stimuli transcripts``: human compression, from chats and final pictures."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mturk_eval.cli.context import count, print_json, progress_bar, say, settings_of, stopping
from mturk_eval.cli.options import Json
from mturk_eval.cli.stimuli.following import next_generate
from mturk_eval.cli.stimuli.options import Workers, end, failures_json, processes

if TYPE_CHECKING:
    from mturk_eval.compressors.transcripts import ChatFormat, Outcome, Rate

FORMATS = "plain, copied, whatsapp, zoom, slack, discord, telegram"


def transcripts(
    ctx: typer.Context,
    chats: Annotated[
        list[Path],
        typer.Argument(
            metavar="CHAT", help="Chats named like their images, or folders of them.", exists=True
        ),
    ],
    originals: Annotated[Path, typer.Option("--originals", help="Folder of original images.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of stimuli, new or to be added to.")],
    reconstructions: Annotated[
        Path | None,
        typer.Option(
            "--reconstructions",
            help="Folder of the reconstructors' final pictures, named like their originals. "
            "Without it, sizes are counted only.",
        ),
    ] = None,
    describer: Annotated[
        list[str] | None,
        typer.Option(
            "--describer",
            metavar="NAME",
            help="Whose text counts; may be given again where several described.",
        ),
    ] = None,
    speaker: Annotated[
        list[str] | None,
        typer.Option(
            "--speaker",
            metavar="NAME",
            help="Somebody else who wrote; needed where a name holds a colon, or where lines have "
            "no times and a word before a colon is taken for a name.",
        ),
    ] = None,
    chat_format: Annotated[
        str | None,
        typer.Option("--format", help=f"Of all chats: {FORMATS}. Default: guessed and shown."),
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="Name of what comes out, in the folder's table.")
    ] = "human",
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Count what people typed who described pictures.

    The pictures made from it are added to a folder of stimuli. Times and the reconstructor's lines
    are taken out; the rest, compressed by bzip2, is the rate.

    E.g. mturk-eval stimuli transcripts chats/ --originals photos/ --reconstructions screens/
    --describer Ada --out stimuli/
    """
    from mturk_eval.compressors.transcripts import (
        count_chats,
        find_chats,
        pair_sessions,
        write_stimuli,
    )
    from mturk_eval.stimuli.images import parse_background
    from mturk_eval.stimuli.matching import find_originals

    settings = settings_of(ctx)
    pictures = find_originals(originals)
    sessions = pair_sessions(
        find_chats(chats),
        pictures,
        None if reconstructions is None else find_originals(reconstructions),
    )
    counted = count_chats(
        sessions,
        chat_format=_format(chat_format),
        describers=describer or (),
        names=speaker or (),
    )
    advice = f"What is in {out} stays there; the same command goes on from there."
    with stopping(advice), progress_bar("Writing stimuli") as progress:
        outcome = write_stimuli(
            counted,
            out,
            method=method,
            background=parse_background(settings.design.background),
            workers=processes(workers),
            progress=progress,
        )
    missing = [image for image in pictures if image not in outcome.sized]
    if missing:
        say(f"Note: no chat for {count(len(missing), 'original')}: {', '.join(missing)}.")
    _show(outcome, originals=originals, out=out, json=json)
    end(outcome.failures)


def _format(name: str | None) -> ChatFormat | None:
    from mturk_eval.compressors.transcripts import ChatFormat
    from mturk_eval.errors import SettingsError

    if name is None:
        return None
    try:
        return ChatFormat(name)
    except ValueError as error:
        raise SettingsError(f"--format {name}: give {FORMATS}.") from error


def _show(outcome: Outcome, *, originals: Path, out: Path, json: bool) -> None:
    for rate in outcome.rates:
        for note in rate.notes:
            say(f"{rate.image}: {note}.")
    if json:
        print_json(
            {
                "out": str(out),
                "sizes": str(outcome.sizes),
                "rows": [_row(rate) for rate in outcome.rates],
                "failures": failures_json(outcome.failures),
            }
        )
        return
    _print_table(outcome.rates)
    if outcome.rates and not outcome.failures:
        encode = ["mturk-eval", "stimuli", "encode", str(originals), "--codec", "webp"]
        encode += ["--bytes-from", str(out / outcome.sizes.name), "--allow", "over"]
        typer.echo(f"Next: {shlex.join([*encode, '--out', str(out)])}")
        typer.echo(next_generate([originals], out).replace("Next", "then", 1))


def _row(rate: Rate) -> dict[str, object]:
    return {
        "image": rate.image,
        "format": str(rate.format),
        "describer": rate.describer,
        "messages": rate.messages,
        "characters": rate.characters,
        "text_bytes": rate.text_bytes,
        "bytes": rate.coded_bytes,
        "bpp": rate.bpp,
        "original_bytes": rate.original_bytes,
        "ratio": rate.ratio,
        "shown": rate.is_shown,
        "notes": list(rate.notes),
    }


def _print_table(rates: tuple[Rate, ...]) -> None:
    head = ["image", "chat", "messages", "characters", "bytes", "bpp", "original bytes", "ratio"]
    cells = [
        [
            rate.image,
            str(rate.format),
            f"{rate.messages:,}",
            f"{rate.characters:,}",
            f"{rate.coded_bytes:,}",
            f"{rate.bpp:.4f}",
            f"{rate.original_bytes:,}",
            f"{rate.ratio:.0f}",
        ]
        for rate in rates
    ]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    for row in (head, *cells):
        left = (f"{cell:<{width}}" for cell, width in zip(row[:2], widths[:2], strict=True))
        right = (f"{cell:>{width}}" for cell, width in zip(row[2:], widths[2:], strict=True))
        typer.echo("  ".join([*left, *right]))
