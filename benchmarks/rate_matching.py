"""How near to a target rate does each codec come, after how many encodes, in what time?

Every codec that is installed on the sample photographs, by the matching of ``mturk-eval stimuli
encode``: the largest file at or under the target. Writes the tables as Markdown.

    python -m benchmarks.rate_matching --out benchmarks/rate_matching.md
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from PIL import Image

from mturk_eval.parallel import map_tasks
from mturk_eval.stimuli.codecs import CODEC_NAMES, Codec, CodecMissingError, Knob, find_codec
from mturk_eval.stimuli.codecs.with_pillow import Jpeg
from mturk_eval.stimuli.images import open_for_display
from mturk_eval.stimuli.rate_matching import Match, PictureFiles

RATES_BPP = (0.15, 0.3, 0.6, 1.0)
WHOLE_QUALITIES = replace(
    Jpeg(), name="jpeg, whole qualities", knob=Knob(lowest=1, highest=100, step=1)
)
LIMITS_PERCENT = {"jpeg": 2.0, "webp": 2.0, "jxl": 2.0, "jpeg2000": 0.3}
"""What the median gap must stay under, where the encoder's quality is fine enough."""
FEWEST_BYTES = {"jpeg2000": 5_000}
"""Below, a limit cannot hold: OpenJPEG cuts its stream at coding passes, of some 30 bytes each."""
COARSE = (WHOLE_QUALITIES.name, "avif", "heic")
"""Encoders that take whole qualities only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One photograph, one codec, one rate."""

    photograph: Path
    codec: Codec
    rate_bpp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the matching found.

    ``gap_percent`` of the target (None if it is out of reach); ``seconds`` of processor time, of
    external programs too.
    """

    target: int
    gap_percent: float | None
    is_smaller: bool
    encodes: int
    seconds: float


def match(task: Task) -> Result:
    """Match one file, from nothing."""
    image, target = _opened(task)
    started = sum(os.times()[:4])
    found = PictureFiles(image, task.codec).match(target)
    seconds = sum(os.times()[:4]) - started
    missing = target - len(found.coded) if isinstance(found, Match) else None
    return Result(
        target=target,
        gap_percent=None if missing is None else 100 * missing / target,
        is_smaller=isinstance(found, Match) and found.coded_size != image.size,
        encodes=found.encodes,
        seconds=seconds,
    )


def step_percent(task: Task) -> float:
    """How far apart the files of the two whole qualities around a target are, in per cent of it."""
    image, target = _opened(task)
    knob = task.codec.knob

    def size_at(step: int) -> int:
        return len(task.codec.encode(image, knob.at(step)))

    above = min(max(bisect_right(range(knob.n_steps), target, key=size_at), 1), knob.n_steps - 1)
    return 100 * (size_at(above) - size_at(above - 1)) / target


def _opened(task: Task) -> tuple[Image.Image, int]:
    image = open_for_display(task.photograph, (128, 128, 128))
    return image, int(task.rate_bpp * image.width * image.height / 8)


def installed() -> tuple[list[Codec], list[str]]:
    """The codecs there are, and what is said of those there are not."""
    codecs: list[Codec] = []
    missing = []
    for name in CODEC_NAMES:
        try:
            codecs.append(find_codec(name))
        except CodecMissingError as error:
            missing.append(str(error))
        if name == "jpeg":
            codecs.append(WHOLE_QUALITIES)
    return codecs, missing


def measure(codec: Codec, photographs: Sequence[Path], workers: int) -> tuple[str, str, list[str]]:
    """One codec's row in both tables, the second empty for fine qualities, and limits not kept."""
    print(f"{codec.name} …", file=sys.stderr)
    rows = [
        [Task(photograph=photograph, codec=codec, rate_bpp=rate) for photograph in photographs]
        for rate in RATES_BPP
    ]
    tasks = [task for row in rows for task in row]
    map_tasks(len, ["start the processes"] * workers, workers=workers)
    started = time.monotonic()
    results = map_tasks(match, tasks, workers=workers)
    seconds = time.monotonic() - started
    n = len(photographs)
    cells, broken = [], []
    for k, rate in enumerate(RATES_BPP):
        cell, problem = _gap_cell(codec.name, results[n * k : n * (k + 1)])
        cells.append(cell)
        if problem:
            broken.append(f"{codec.name} at {rate:g} bpp: {problem}")
    encodes = statistics.mean(result.encodes for result in results)
    each = statistics.mean(result.seconds for result in results)
    row = (
        f"| {codec.name} | {' | '.join(cells)} | {encodes:.1f} | {each:.2f} | {seconds:.1f} "
        f"| {codec.encoder()} |"
    )
    if codec.name not in COARSE:
        return row, "", broken
    steps = map_tasks(step_percent, tasks, workers=workers)
    by_rate = [steps[n * k : n * (k + 1)] for k in range(len(RATES_BPP))]
    cells = [f"{statistics.median(group):.1f} ({max(group):.1f})" for group in by_rate]
    return row, f"| {codec.name} | {' | '.join(cells)} |", broken


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the tables, and fail where a limit is not kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="Markdown file; default: stdout")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    folder = Path(str(files("mturk_eval"))) / "demo" / "photographs"
    photographs = sorted(folder.glob("*.webp"))
    codecs, missing = installed()
    measured = [measure(codec, photographs, options.workers) for codec in codecs]
    text = _page(
        [row for row, _, _ in measured],
        [steps for _, steps, _ in measured if steps],
        missing,
        len(photographs),
        options.workers,
    )
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text)
    broken = [line for _, _, lines in measured for line in lines]
    for line in broken:
        print(f"Not kept: {line}", file=sys.stderr)
    return 1 if broken else 0


def _gap_cell(name: str, group: Sequence[Result]) -> tuple[str, str]:
    """A cell, and what is wrong with it."""
    gaps = [result.gap_percent for result in group if result.gap_percent is not None]
    if not gaps:
        return "unreachable", ""
    median = statistics.median(gaps)
    limit = LIMITS_PERCENT.get(name)
    is_large = statistics.median(r.target for r in group) >= FEWEST_BYTES.get(name, 0)
    problem = f"{median:.2f} %, not under {limit:g} %" if limit and median >= limit else ""
    text = f"{median:.2f} ({max(gaps):.2f})"
    if problem:
        text = f"**{text}**" if is_large else f"{text}, small files"
    n_smaller = sum(result.is_smaller for result in group)
    if n_smaller:
        text += f", {n_smaller} with fewer pixels"
    if len(gaps) < len(group):
        text += f", {len(group) - len(gaps)} unreachable"
    return text, problem if is_large else ""


def _page(
    rows: Sequence[str], steps: Sequence[str], missing: Sequence[str], n: int, workers: int
) -> str:
    rates = " | ".join(f"{rate:g} bpp" for rate in RATES_BPP)
    limits = ", ".join(f"{name} {limit:g} %" for name, limit in LIMITS_PERCENT.items())
    lines = [
        "# Gap to a target rate",
        "",
        "Made by `python -m benchmarks.rate_matching --out benchmarks/rate_matching.md`: the",
        f"largest file at or under each rate, for the {n} sample photographs (451×300 to 480×480",
        "pixels), each search from nothing. Gap: what is missing to the target, in per cent of it,",
        "median (largest) over the photographs. Encodes and seconds of processor time: mean per",
        f"photograph and rate. In all: seconds that passed for {n * len(RATES_BPP)} files with",
        f"{workers} processes.",
        "",
        f"Limits of the median: {limits}; what is over its limit is bold. OpenJPEG cuts its",
        "stream between coding passes of some 30 bytes: its limit holds from",
        f"{FEWEST_BYTES['jpeg2000']:,} bytes on.",
        "",
        f"Python {platform.python_version()}.",
        "",
        f"| codec | {rates} | encodes | s | s, in all | encoder |",
        "|---|" + "--:|" * (len(RATES_BPP) + 3) + "---|",
        *rows,
        "",
        "Encoders that take whole qualities cannot come nearer than their steps: the change in",
        "size from one quality to the next around the target, in per cent of it, median (largest).",
        "",
        f"| codec | {rates} |",
        "|---|" + "--:|" * len(RATES_BPP),
        *steps,
        "",
        *(f"Not measured: {line}" for line in missing),
    ]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
