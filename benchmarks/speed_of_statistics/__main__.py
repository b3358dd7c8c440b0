"""The runner; see the package."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.speed_of_statistics.contenders import Measurement, Task
from benchmarks.speed_of_statistics.growth import draw_growth, growth_table, measure_growth
from benchmarks.speed_of_statistics.processes import describe_r, measure
from benchmarks.speed_of_statistics.table import agreement_table, notes, times_table
from benchmarks.speed_of_statistics.tasks import TASKS

_OUT = Path(__file__).parents[1] / "speed_of_statistics.md"
_GROWTH = "growth"
_GROWTH_PICTURE = (
    "![Seconds against the number of ratings, for intercepts and for slopes]"
    "(../docs/pictures/time-by-ratings.svg)"
)
_PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "mixedlm",
    "lme-python",
    "gpboost",
    "statsmodels",
    "choix",
    "evalica",
)


def main() -> None:
    """Measure, print, write."""
    arguments = _arguments()
    keys = arguments.only or [*TASKS, _GROWTH]
    tasks = [task for key, task in TASKS.items() if key in keys]
    with tempfile.TemporaryDirectory() as folder:
        results = {task.key: _measure_task(task, Path(folder), arguments) for task in tasks}
    parts = [_introduction(arguments), times_table(tasks, results)]
    parts += ["## What the rivals do differently", notes(tasks)]
    parts += ["## Do they agree?", agreement_table(tasks, results)]
    if _GROWTH in keys and not arguments.quick:
        growths = measure_growth()
        draw_growth(growths)
        parts += ["## Time against the number of ratings", growth_table(growths), _GROWTH_PICTURE]
    text = "\n\n".join(part for part in parts if part) + "\n"
    print(text)
    whole = not (arguments.only or arguments.quick)
    if arguments.out or whole:
        (arguments.out or _OUT).write_text(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed_of_statistics")
    parser.add_argument("--only", action="append", choices=[*TASKS, _GROWTH], metavar="TASK",
                        help=f"one of {', '.join([*TASKS, _GROWTH])}; may be repeated")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    parser.add_argument("--r-blas", type=Path, metavar="FOLDER",
                        help="libblas.so.3 and liblapack.so.3 that R is to use")  # fmt: skip
    parser.add_argument("--timeout", type=float, default=1200.0, help="seconds per contender")
    parser.add_argument(
        "--out", type=Path, help=f"write Markdown here; a whole run writes benchmarks/{_OUT.name}"
    )
    return parser.parse_args()


def _measure_task(
    task: Task, folder: Path, arguments: argparse.Namespace
) -> dict[str, Measurement]:
    found = {}
    for contender in task.contenders:
        if arguments.quick and (contender.slow or task.slow):
            found[contender.name] = Measurement(
                contender=contender.name, absent="left out of a quick run"
            )
            continue
        print(f"{task.key}: {contender.name} …", end=" ", file=sys.stderr, flush=True)
        measurement = measure(
            task, contender, folder, timeout_s=arguments.timeout, r_blas=arguments.r_blas
        )
        laps = ", ".join(f"{lap} {seconds:.4g} s" for lap, seconds in measurement.laps.items())
        print(laps or measurement.absent, file=sys.stderr, flush=True)
        found[contender.name] = measurement
    return found


def _introduction(arguments: argparse.Namespace) -> str:
    versions = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    quick = " --quick" if arguments.quick else ""
    return f"""# Speed of the statistics

Made by `python -m benchmarks.speed_of_statistics{quick}`: every contender in a process of its own,
after a warm-up on a small table, R timed inside R, all in one run on one machine. Ours starts from
a table with text ids and a formula; R has its factors ready. Seconds are medians over the number
of repeats in brackets (up to 9 within 3 s). Memory is the peak resident memory of the whole
process, table included. A ratio says how many times longer the rival took; what misses its target
is bold.

{os.cpu_count()} cores ({_processor()}), Python {platform.python_version()}; {versions}.
{describe_r(arguments.r_blas)}."""


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
