"""One contender in one process: what the parent starts and what the child does."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.speed_of_statistics.contenders import (
    Contender,
    Measurement,
    Numbers,
    PythonContender,
    Task,
    Watch,
)
from benchmarks.speed_of_statistics.tables import CHECKOUT, MissingDataError, write_table

_R_SCRIPTS = Path(__file__).parent / "r"
_ENOUGH_S = 3.0  # repeat until this much was measured …
_REPEATS = 9  # … or this often


def measure(
    task: Task, contender: Contender, folder: Path, *, timeout_s: float, r_blas: Path | None
) -> Measurement:
    """Run one contender in its own process."""
    try:
        data, warm_up = write_table(task.data, folder), write_table(task.warm_up, folder)
    except MissingDataError as error:
        return Measurement(contender=contender.name, absent=str(error))
    environment = dict(os.environ)
    if isinstance(contender, PythonContender):
        module = "benchmarks.speed_of_statistics.child"
        command = [sys.executable, "-m", module, task.key, contender.name, str(data), str(warm_up)]
    else:
        rscript = shutil.which("Rscript")
        if rscript is None:
            return Measurement(contender=contender.name, absent="R is not installed")
        scripts = (_R_SCRIPTS / contender.script, _R_SCRIPTS / "timing.R")
        paths = [str(path) for path in (*scripts, data, warm_up)]
        command = [rscript, *paths, *contender.arguments]
        environment |= preload(r_blas)
    try:
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, capture_output=True, text=True,
            timeout=timeout_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Measurement(contender=contender.name, absent=f"stopped after {timeout_s:.0f} s")
    return _read(contender.name, done)


def preload(r_blas: Path | None) -> dict[str, str]:
    """What makes R use the BLAS in a folder instead of the one it was installed with."""
    if r_blas is None:
        return {}
    libraries = (r_blas / name for name in ("libblas.so.3", "liblapack.so.3"))
    return {"LD_PRELOAD": ":".join(str(library) for library in libraries)}


def _read(name: str, done: subprocess.CompletedProcess[str]) -> Measurement:
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        complaint = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        return Measurement(contender=name, absent=f"failed: {complaint[:200]}")
    found = json.loads(lines[-1])
    if "missing" in found:
        return Measurement(contender=name, absent=f"not installed: {found['missing']}")
    return Measurement.of(name, found)


def run_here(contender: PythonContender, table: pd.DataFrame, warm_up: pd.DataFrame) -> Any:
    """The child's part: warm up, then repeat the work and take medians of its laps."""
    try:
        contender.work(warm_up, Watch())
    except ImportError as error:
        if str(error.name).startswith("mturk_eval"):
            raise
        return {"missing": error.name or str(error)}
    base_gb = peak_gb()
    runs: list[dict[str, float]] = []
    numbers: Numbers = {}
    while len(runs) < _REPEATS and sum(sum(laps.values()) for laps in runs) < _ENOUGH_S:
        watch = Watch()
        numbers = contender.work(table, watch)
        runs.append(watch.laps)
    return {
        "laps": {lap: statistics.median(run[lap] for run in runs) for lap in runs[0]},
        "repeats": len(runs),
        "peak_gb": peak_gb(),
        "base_gb": base_gb,
        "numbers": {name: float(number) for name, number in numbers.items()},
    }


def peak_gb() -> float | None:
    """Peak resident memory of this process in GB; None where the system does not say.

    Not from getrusage: its maximum survives exec, so that a child starts with its parent's.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024 / 1e9


def describe_r(r_blas: Path | None) -> str:
    """R's version and BLAS, and what it has of the rivals."""
    if shutil.which("Rscript") is None:
        return "R: not installed"
    done = subprocess.run(
        ["Rscript", str(_R_SCRIPTS / "versions.R")], env={**os.environ, **preload(r_blas)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip()
