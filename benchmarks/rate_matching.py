"""How near to a target rate does each codec come, after how many encodes, in what time?

Every codec that is installed on the sample photographs, by the matching of ``mturk-eval stimuli
encode``: the largest file at or under the target. Writes the tables as Markdown.

    python -m benchmarks.rate_matching --out benchmarks/rate_matching.md
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from PIL import Image

from mturk_eval.parallel import map_tasks
from mturk_eval.stimuli.codecs import CODEC_NAMES, Codec, CodecMissingError, Knob, find_codec
from mturk_eval.stimuli.codecs.with_pillow import Jpeg
from mturk_eval.stimuli.images import open_for_display
from mturk_eval.stimuli.rate_matching import Miss, PictureFiles

RATES_BPP = (0.15, 0.3, 0.6, 1.0)
WHOLE_QUALITIES = replace(
    Jpeg(), name="jpeg, whole qualities", knob=Knob(lowest=1, highest=100, step=1)
)
LIMITS_PERCENT = {"jpeg": 2.0, "webp": 2.0, "jxl": 2.0, "jpeg2000": 0.3}
"""What the median gap must stay under at every rate, where the encoder's quality is fine enough."""
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

    ``gap_percent`` of the target (None if it is out of reach), ``step_percent`` the change in size
    from one quality to the next at the match, ``seconds`` of one core.
    """

    gap_percent: float | None
    step_percent: float
    is_smaller: bool
    encodes: int
    seconds: float


def match(task: Task) -> Result:
    """Match one file, from nothing."""
    image = open_for_display(task.photograph, (128, 128, 128))
    target = int(task.rate_bpp * image.width * image.height / 8)
    started = time.process_time()
    begun = time.monotonic()
    found = PictureFiles(image, task.codec).match(target)
    # External programs spend time of their own, which only the clock sees.
    seconds = max(time.process_time() - started, time.monotonic() - begun)
    if isinstance(found, Miss):
        return Result(
            gap_percent=None,
            step_percent=0,
            is_smaller=False,
            encodes=found.encodes,
            seconds=seconds,
        )
    return Result(
        gap_percent=100 * (target - len(found.coded)) / target,
        step_percent=100 * _step(image, task.codec, target) / target,
        is_smaller=found.coded_size != image.size,
        encodes=found.encodes,
        seconds=seconds,
    )


def _step(image: Image.Image, codec: Codec, target: int) -> float:
    """How many bytes lie between the two whole qualities around a target; 0 for fine ones."""
    if codec.name not in COARSE:
        return 0.0
    low, high = 0, codec.knob.n_steps - 1
    sizes: dict[int, int] = {}
    while high - low > 1:
        middle = (low + high) // 2
        sizes[middle] = len(codec.encode(image, codec.knob.at(middle)))
        low, high = (middle, high) if sizes[middle] <= target else (low, middle)
    below, above = (len(codec.encode(image, codec.knob.at(step))) for step in (low, high))
    return above - below


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


def measure(codec: Codec, photographs: Sequence[Path], workers: int) -> tuple[list[Result], float]:
    """All photographs at all rates, in the order of rates; and the seconds that passed."""
    tasks = [
        Task(photograph=photograph, codec=codec, rate_bpp=rate)
        for rate in RATES_BPP
        for photograph in photographs
    ]
    started = time.monotonic()
    return map_tasks(match, tasks, workers=workers), time.monotonic() - started


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
    # Starting the processes is no codec's time.
    map_tasks(
        match,
        [Task(photograph=p, codec=codecs[0], rate_bpp=1) for p in photographs],
        workers=options.workers,
    )
    rows, steps, broken = [], [], []
    for codec in codecs:
        print(f"{codec.name} …", file=sys.stderr)
        results, seconds = measure(codec, photographs, options.workers)
        n = len(photographs)
        by_rate = [results[n * k : n * (k + 1)] for k in range(len(RATES_BPP))]
        limit = LIMITS_PERCENT.get(codec.name)
        cells = []
        for rate, group in zip(RATES_BPP, by_rate, strict=True):
            cell, is_kept = _gap_cell(group, limit)
            cells.append(cell)
            if not is_kept:
                broken.append(f"{codec.name} at {rate:g} bpp: {cell} %, limit {limit:g} %")
        rows.append(
            f"| {codec.name} | {' | '.join(cells)} | "
            f"{statistics.mean(result.encodes for result in results):.1f} | "
            f"{statistics.mean(result.seconds for result in results):.2f} | {seconds:.1f} | "
            f"{codec.encoder()} |"
        )
        if codec.name in COARSE:
            medians = [statistics.median(r.step_percent for r in group) for group in by_rate]
            largest = [max(r.step_percent for r in group) for group in by_rate]
            pairs = zip(medians, largest, strict=True)
            steps.append(f"| {codec.name} | {' | '.join(f'{a:.1f} ({b:.1f})' for a, b in pairs)} |")
    text = _page(rows, steps, missing, len(photographs), options.workers)
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text)
    for line in broken:
        print(f"Not kept: {line}", file=sys.stderr)
    return 1 if broken else 0


def _gap_cell(group: Sequence[Result], limit: float | None) -> tuple[str, bool]:
    gaps = [result.gap_percent for result in group if result.gap_percent is not None]
    if not gaps:
        return "unreachable", limit is None
    median = statistics.median(gaps)
    is_kept = limit is None or median < limit
    text = f"{median:.2f} ({max(gaps):.2f})"
    n_smaller = sum(result.is_smaller for result in group)
    notes = [f"{n_smaller} with fewer pixels"] if n_smaller else []
    if len(gaps) < len(group):
        notes.append(f"{len(group) - len(gaps)} unreachable")
    text = text if is_kept else f"**{text}**"
    return ", ".join([text, *notes]), is_kept


def _page(
    rows: Sequence[str], steps: Sequence[str], missing: Sequence[str], n: int, workers: int
) -> str:
    rates = " | ".join(f"{rate:g} bpp" for rate in RATES_BPP)
    lines = [
        "# Gap to a target rate",
        "",
        "Made by `python -m benchmarks.rate_matching --out benchmarks/rate_matching.md`: the largest file",
        f"at or under each rate, for the {n} sample photographs (451×300 to 480×480 pixels), each search",
        "from nothing. Gap: what is missing to the target, in per cent of it, median (largest) over the",
        "photographs. Encodes and seconds of one core: mean per photograph and rate. The last but one",
        f"column: seconds that passed for all {n * len(RATES_BPP)} files on {workers} cores. Bold: over its "
        "limit ("
        + ", ".join(f"{name} {limit:g} %" for name, limit in LIMITS_PERCENT.items())
        + ").",
        "",
        f"Python {platform.python_version()}.",
        "",
        f"| codec | {rates} | encodes | s | s in all | encoder |",
        "|---|" + "--:|" * (len(RATES_BPP) + 3) + "---|",
        *rows,
        "",
        "Encoders that take whole qualities cannot come nearer than their steps: the change in size from",
        "one quality to the next around the target, in per cent of it, median (largest).",
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
