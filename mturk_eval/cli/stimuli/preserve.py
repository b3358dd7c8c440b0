"""``mturk-eval stimuli preserve``: compress as far as a classifier's answer stays the same."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mturk_eval.cli.context import count, print_json, progress_bar, say, settings_of, stopping
from mturk_eval.cli.options import Json
from mturk_eval.cli.stimuli.following import next_generate
from mturk_eval.cli.stimuli.options import Dask, Workers, end, failures_json, processes

if TYPE_CHECKING:
    from mturk_eval.compressors.classifier_preserving import (
        Coding,
        Outcome,
        Rule,
        Search,
    )
    from mturk_eval.stimuli.codecs.codec import Codec

SHRINK = "shrink"
LOSSLESS = "png"
LEVELS = 101  # that an exhaustive search tries; bisection uses all that a codec tells apart


class SearchName(StrEnum):
    """How the last picture that passes is looked for."""

    steps = "steps"
    bisection = "bisection"
    exhaustive = "exhaustive"


def preserve(
    ctx: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Original images, or folders of them.")
    ],
    classifier: Annotated[
        str,
        typer.Option(
            "--classifier",
            metavar="FILE.onnx|MODULE:FUNCTION",
            help="An ONNX file, or a Python function: RGB picture to probabilities.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of stimuli, new or to be added to.")],
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="Names of the classes: one per line, or JSON."),
    ] = None,
    preprocessing: Annotated[
        Path | None,
        typer.Option(
            "--preprocessing",
            help="TOML or JSON: how pictures are prepared for FILE.onnx. Default: FILE.toml or "
            "FILE.json beside it, else ImageNet's.",
            show_default=False,
        ),
    ] = None,
    step: Annotated[
        str,
        typer.Option(
            "--step", help="What is taken away: shrink, or a codec's quality (jpeg, webp, …)."
        ),
    ] = SHRINK,
    search: Annotated[
        SearchName,
        typer.Option(
            "--search",
            help="steps: the post's loop, each step from the last (shrink by --pixels, or a codec "
            "at random quality). bisection: for the smallest size or lowest quality of the "
            "original that passes. exhaustive: every size, or 101 qualities.",
        ),
    ] = SearchName.steps,
    pixels: Annotated[
        int, typer.Option("--pixels", min=1, help="With shrink by steps: how much each takes.")
    ] = 10,
    codec: Annotated[
        str, typer.Option("--codec", help="With shrink: what the small picture is stored as.")
    ] = LOSSLESS,
    quality: Annotated[
        float | None, typer.Option("--quality", help="Of --codec, where it is not png.")
    ] = None,
    rule: Annotated[
        str,
        typer.Option(
            "--rule", help="What must stay: top-1, top-5 (any number), superclass, probability."
        ),
    ] = "top-1",
    superclasses: Annotated[
        Path | None,
        typer.Option("--superclasses", help="With superclass: CSV of class,superclass."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold", min=0, max=1, help="With probability: least of the original's class."
        ),
    ] = None,
    max_iterations: Annotated[
        int, typer.Option("--max-iterations", min=1, help="Most pictures tried for an original.")
    ] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of random qualities.")] = 0,
    method: Annotated[
        str, typer.Option("--method", help="Name of what comes out, in the folder's table.")
    ] = "classifier-preserving",
    workers: Workers = None,
    dask: Dask = None,
    json: Json = False,
) -> None:
    """Compress as far as a classifier's answer stays.

    E.g. mturk-eval stimuli preserve photos/ --classifier resnet152.onnx --labels imagenet.txt
    --step jpeg --search bisection --out stimuli/
    """
    from mturk_eval.compressors.classifier_preserving import Job, Source, preserve_files
    from mturk_eval.compressors.classifier_preserving.classes import numbered, read_labels
    from mturk_eval.compressors.classifier_preserving.classifiers import number_of_classes
    from mturk_eval.stimuli.images import parse_background
    from mturk_eval.stimuli.matching import find_pictures

    settings = settings_of(ctx)
    originals = find_pictures(paths)
    way = _search(step, search, pixels=pixels, codec=codec, quality=quality)
    source = Source(name=classifier, preprocessing=preprocessing, folder=Path.cwd())
    n = number_of_classes(source.load())
    names = numbered(n) if labels is None else read_labels(labels, n)
    job = Job(
        out=out,
        source=source,
        labels=names,
        search=way,
        rule=_rule(rule, names, superclasses=superclasses, threshold=threshold),
        method=method,
        max_iterations=max_iterations,
        seed=seed,
        background=parse_background(settings.design.background),
    )
    advice = f"What is in {out} stays there; the same command goes on from there."
    with stopping(advice), progress_bar("Preserving") as progress:
        outcome = preserve_files(
            job, originals, workers=processes(workers), dask=dask, progress=progress
        )
    _show(outcome, originals=paths, out=out, label=job.rule.label, json=json)
    end(outcome.failures)


def _search(
    step: str, search: SearchName, *, pixels: int, codec: str, quality: float | None
) -> Search:
    from mturk_eval.compressors.classifier_preserving import (
        Bisection,
        Exhaustive,
        Ladder,
        Qualities,
        RandomQuality,
        Shrink,
        Sizes,
        Step,
        Steps,
    )

    shrinks = step == SHRINK
    coding = _coding(codec, quality, shrinks=shrinks)
    if search is SearchName.steps:
        taken: Step = (
            Shrink(pixels=pixels, coding=coding) if shrinks else RandomQuality(codec=_codec(step))
        )
        return Steps(step=taken)
    if search is SearchName.bisection:
        ladder: Ladder = Sizes(coding=coding) if shrinks else Qualities(codec=_codec(step))
        return Bisection(ladder=ladder)
    ladder = Sizes(coding=coding) if shrinks else Qualities(codec=_codec(step), levels=LEVELS)
    return Exhaustive(ladder=ladder)


def _coding(name: str, quality: float | None, *, shrinks: bool) -> Coding:
    from mturk_eval.compressors.classifier_preserving import Coding
    from mturk_eval.errors import SettingsError
    from mturk_eval.stimuli.rate_matching import check_quality

    if name == LOSSLESS:
        if quality is not None:
            raise SettingsError("--quality: PNG has none; give --codec with it.")
        return Coding()
    if not shrinks:
        raise SettingsError(f"--codec {name} is for --step {SHRINK}; another step names its own.")
    if quality is None:
        raise SettingsError(f"--codec {name} needs --quality.")
    codec = _codec(name)
    check_quality(codec, quality)
    return Coding(codec=codec, quality=quality)


def _codec(name: str) -> Codec:
    from mturk_eval.stimuli.codecs import find_codec

    return find_codec(name)


def _rule(
    name: str, labels: tuple[str, ...], *, superclasses: Path | None, threshold: float | None
) -> Rule:
    from mturk_eval.compressors.classifier_preserving import (
        ProbabilityAtLeast,
        SameSuperclass,
        TopK,
        read_superclasses,
    )
    from mturk_eval.errors import SettingsError

    if (superclasses is not None) != (name == "superclass"):
        raise SettingsError("--superclasses FILE and --rule superclass belong together.")
    if (threshold is not None) != (name == "probability"):
        raise SettingsError("--threshold P and --rule probability belong together.")
    if superclasses is not None:
        return SameSuperclass(read_superclasses(superclasses, labels))
    if threshold is not None:
        return ProbabilityAtLeast(threshold)
    top = re.fullmatch(r"top-(\d{1,6})", name)
    if top is None:
        raise SettingsError(
            f"--rule {name}: give top-1, top-5 (any number), superclass, probability."
        )
    k = int(top[1])
    if not 1 <= k < len(labels):
        raise SettingsError(
            f"--rule {name} always or never holds for {len(labels)} classes; give top-1 to "
            f"top-{len(labels) - 1}."
        )
    return TopK(k)


def _show(outcome: Outcome, *, originals: list[Path], out: Path, label: str, json: bool) -> None:
    rows = [
        {
            "image": made.image,
            "class": made.original_class,
            "bytes": made.entry.stimulus.bytes,
            "bpp": made.entry.stimulus.bpp,
            "coded": made.entry.stimulus.encoded_path,
            "width": made.coded_size[0],
            "height": made.coded_size[1],
            "iterations": made.iterations,
            "ending": made.ending,
            "trace": made.trace.relative_to(out.absolute()).as_posix(),
        }
        for made in outcome.made
    ]
    if json:
        print_json(
            {
                "out": str(out),
                "rule": label,
                "rows": rows,
                "done_before": list(outcome.done_before),
                "failures": failures_json(outcome.failures),
            }
        )
        return
    for made, row in zip(outcome.made, rows, strict=True):
        typer.echo(
            f"{made.image}: {made.original_class}; {row['bytes']:,} bytes, {row['bpp']:.3f} bpp, "
            f"coded at {row['width']}×{row['height']}; {count(made.iterations, 'iteration')}, "
            f"{made.ending}"
        )
    if outcome.done_before:
        say(f"{count(len(outcome.done_before), 'image')} done before.")
    if outcome.made or outcome.done_before:
        typer.echo(next_generate(originals, out))
