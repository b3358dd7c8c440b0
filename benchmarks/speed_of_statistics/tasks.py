"""All tasks, in the order of the table."""

from __future__ import annotations

from benchmarks.speed_of_statistics import bootstrap, kenward_roger, linear, ordinal, pairs, studies
from benchmarks.speed_of_statistics.contenders import Task

TASKS: dict[str, Task] = {
    task.key: task
    for module in (linear, kenward_roger, ordinal, pairs, bootstrap, studies)
    for task in module.TASKS
}
