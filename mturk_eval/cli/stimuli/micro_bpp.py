"""``mturk-eval stimuli micro-bpp``: pictures as a few words, made again by models."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mturk_eval.cli.context import count, print_json, progress_bar, say, settings_of, stopping
from mturk_eval.cli.options import Json
from mturk_eval.cli.stimuli.following import next_generate
from mturk_eval.cli.stimuli.options import end, failures_json

if TYPE_CHECKING:
    from mturk_eval.compressors.micro_bpp import Compressed, Made, MicroBpp
    from mturk_eval.stimuli.making import Failure


class Shortening(StrEnum):
    """Who leaves out the vowels."""

    rule = "rule"
    model = "model"


class Reflecting(StrEnum):
    """How a picture is changed."""

    edit = "edit"
    text = "text"


def micro_bpp(
    ctx: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Originals: files or folders.")
    ],
    words: Annotated[int, typer.Option("--words", min=1, help="Words to keep; sets the rate.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of stimuli; added to.")],
    text_model: Annotated[
        str, typer.Option("--text-model", help="Model of words, by the server's name for it.")
    ],
    image_model: Annotated[str, typer.Option("--image-model", help="Model that makes pictures.")],
    vision_model: Annotated[
        str | None,
        typer.Option("--vision-model", help="Model that sees pictures; default: the text model."),
    ] = None,
    iterations: Annotated[
        int, typer.Option("--iterations", min=0, help="Reflections: describe, compare, change.")
    ] = 2,
    squares: Annotated[
        Path | None,
        typer.Option(
            "--squares",
            help="Crop the originals to their middle squares, at --size, into this folder; use it "
            "as --originals of `generate`.",
        ),
    ] = None,
    size: Annotated[
        int, typer.Option("--size", min=64, max=4096, help="Side of the pictures, pixels.")
    ] = 1024,
    shorten: Annotated[
        Shortening,
        typer.Option("--shorten", help="Vowels left out by rule, or by the model with synonyms."),
    ] = Shortening.rule,
    reflect_by: Annotated[
        Reflecting,
        typer.Option("--reflect-by", help="Edit the picture, or make it anew from longer text."),
    ] = Reflecting.edit,
    prompts: Annotated[
        Path | None, typer.Option("--prompts", help="Folder with prompts of your own, STEP.txt.")
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            "--base-url", help="The API's address; default: OPENAI_BASE_URL, else OpenAI's."
        ),
    ] = None,
    key_variable: Annotated[
        str, typer.Option("--key-variable", help="Environment variable that holds the key.")
    ] = "OPENAI_API_KEY",
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds to wait for an answer.")
    ] = 300.0,
    retries: Annotated[
        int, typer.Option("--retries", min=0, help="Tries after a failure that may pass.")
    ] = 4,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Sent to models of words; asks anew.")
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="Name of the method in stimuli.csv.")
    ] = "micro-bpp",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Originals at once.")] = 1,
    json: Json = False,
) -> None:
    """Keep a few words of a picture, and paint it anew.

    E.g. mturk-eval stimuli micro-bpp photos/ --words 40 --out stimuli/ --squares squares/
    --text-model MODEL --image-model MODEL
    """
    from mturk_eval.compressors.micro_bpp import (
        OPENAI_URL,
        DecoderSettings,
        EncoderSettings,
        MicroBpp,
        Server,
        compress_files,
        load_prompts,
        write_squares,
    )
    from mturk_eval.stimuli.images import parse_background
    from mturk_eval.stimuli.matching import find_pictures

    background = parse_background(settings_of(ctx).design.background)
    texts = load_prompts(prompts)
    sees = vision_model or text_model
    settings = MicroBpp(
        out=out,
        method=method,
        server=Server(
            # An empty --base-url is a mistake, and must not send pictures and key elsewhere.
            url=(os.environ.get("OPENAI_BASE_URL") or OPENAI_URL) if base_url is None else base_url,
            key_variable=key_variable,
            timeout_s=timeout,
            retries=retries,
        ),
        encoder=EncoderSettings(
            words=words,
            text_model=text_model,
            vision_model=sees,
            prompts=texts,
            seed=seed,
            shorten_by=shorten.value,
        ),
        decoder=DecoderSettings(
            text_model=text_model,
            vision_model=sees,
            image_model=image_model,
            prompts=texts,
            iterations=iterations,
            size_px=size,
            seed=seed,
            reflect_by=reflect_by.value,
        ),
        background=background,
    )
    originals = find_pictures(paths)
    unreadable: tuple[Failure, ...] = ()
    if squares is not None:
        originals, unreadable = write_squares(
            originals, squares, size_px=size, background=background
        )
    advice = "What models answered is kept; the same command goes on from there."
    with stopping(advice), progress_bar("Pictures") as progress:
        result = compress_files(originals, settings, workers=workers, progress=progress)
    failures = (*unreadable, *result.failed)
    shown = paths if squares is None else [squares]
    _show(result, failures, settings=settings, originals=shown, json=json)
    end(failures)


def _row(made: Made) -> dict[str, object]:
    return {
        "image": made.entry.stimulus.image,
        "text": made.text,
        "bytes": made.entry.stimulus.bytes,
        "symbols": made.rate.symbols,
        "symbol_rate_ubpp": made.rate.symbol_rate,
        "payload_rate_ubpp": made.rate.payload_rate,
        "file_rate_ubpp": made.rate.file_rate,
        "coded": made.entry.stimulus.encoded_path,
        "shown": made.entry.stimulus.path,
        "notes": list(made.notes),
    }


def _show(
    result: Compressed,
    failures: tuple[Failure, ...],
    *,
    settings: MicroBpp,
    originals: list[Path],
    json: bool,
) -> None:
    if json:
        print_json(
            {
                "out": str(settings.out),
                "method": settings.method,
                "target": settings.target.label,
                "rows": [_row(made) for made in result.made],
                "done_before": list(result.unchanged),
                "failures": failures_json(failures),
            }
        )
        return
    for made in result.made:
        typer.echo(
            f"{made.entry.stimulus.image}: {made.entry.stimulus.bytes} bytes, "
            f"{made.rate.file_rate:.1f} µbpp ({made.rate.symbols} symbols, "
            f"{made.rate.symbol_rate:.1f} µbpp as the paper counts): {made.text}"
        )
        for note in made.notes:
            say(f"{made.entry.stimulus.image}: {note}.")
    if result.unchanged:
        say(f"{count(len(result.unchanged), 'image')} done before.")
    if result.made or result.unchanged:
        typer.echo(next_generate(originals, settings.out))
