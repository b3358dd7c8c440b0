"""The same numbers in this process, in others, and on a cluster; clear words where that fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.parallel import map_tasks

SEEDS = np.random.SeedSequence(7).spawn(6)


def draw(seed: np.random.SeedSequence) -> float:
    return float(np.random.default_rng(seed).normal())


def draw_and_say_where(seed: np.random.SeedSequence) -> tuple[float, int]:
    time.sleep(0.05)  # long enough for the second process to take its share
    return draw(seed), os.getpid()


def refuse(seed: np.random.SeedSequence) -> float:
    raise StatisticsError("these data determine nothing")


@pytest.mark.parametrize("how", [{"workers": 2}, {"dask": "local"}], ids=["processes", "dask"])
def test_the_way_changes_no_number(how: dict[str, Any]) -> None:
    """Each task has its own seed, so the numbers and their order are those of one process."""
    results = map_tasks(draw_and_say_where, SEEDS, **how)
    assert [number for number, _ in results] == map_tasks(draw, SEEDS)
    processes = {process for _, process in results}
    assert os.getpid() not in processes
    assert len(processes) == 2


@pytest.mark.parametrize("how", [{}, {"workers": 2}], ids=["here", "processes"])
def test_progress_is_told_after_each_task(how: dict[str, Any]) -> None:
    told: list[tuple[int, int]] = []
    map_tasks(draw, SEEDS, progress=lambda done, total: told.append((done, total)), **how)
    assert told == [(done, 6) for done in range(1, 7)]


@pytest.mark.parametrize("how", [{}, {"workers": 2}], ids=["here", "processes"])
def test_an_error_of_a_task_is_raised_here(how: dict[str, Any]) -> None:
    with pytest.raises(StatisticsError, match="determine nothing"):
        map_tasks(refuse, SEEDS, **how)


def test_no_tasks_start_no_process() -> None:
    assert map_tasks(draw, [], workers=64, dask="local") == []


def test_no_worker_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="0 workers: give 1 or more"):
        map_tasks(draw, SEEDS, workers=0)


@pytest.mark.parametrize("address", ["remote", "host:8786", "http://host:8786"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidInputError, match="tcp://host:8786"):
        map_tasks(draw, SEEDS, dask=address)


def test_a_cluster_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mturk_eval.parallel._SECONDS_TO_CONNECT", 0.3)
    with pytest.raises(InvalidInputError, match="no dask scheduler answers there"):
        map_tasks(draw, SEEDS, dask="tcp://127.0.0.1:9")


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InvalidInputError, match=r"pip install 'mturk-eval\[dask\]'"):
        map_tasks(draw, SEEDS, dask="local")


@pytest.mark.parametrize("how", ["workers=2", "dask='local'"])
def test_ctrl_c_stops_all_processes_without_a_traceback(how: str) -> None:
    """As a terminal does it: the interrupt goes to every process of the group."""
    code = (
        "import time\n"
        "from mturk_eval.parallel import map_tasks\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        map_tasks(time.sleep, [0.02] * 5_000, "
        f"progress=lambda done, total: done == 1 and print('go', flush=True), {how})\n"
        "    except KeyboardInterrupt:\n"
        "        print('stopped')\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "go\n"
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (out, running.returncode) == ("stopped\n", 0)
    assert "KeyboardInterrupt" not in err
