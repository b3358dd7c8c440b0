"""Runs one contender and prints what it measured: ``child TASK CONTENDER TABLE WARM_UP``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.speed_of_statistics.contenders import PythonContender
from benchmarks.speed_of_statistics.processes import run_here
from benchmarks.speed_of_statistics.tables import read_table
from benchmarks.speed_of_statistics.tasks import TASKS


def main() -> None:
    """Print one line of JSON."""
    key, name, data, warm_up = sys.argv[1:]
    contender = next(c for c in TASKS[key].contenders if c.name == name)
    if not isinstance(contender, PythonContender):
        raise TypeError(f"{name} is not a Python contender")
    found = run_here(contender, read_table(Path(data)), read_table(Path(warm_up)))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
