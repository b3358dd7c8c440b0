"""The results as Markdown: the table of times, and how far the rivals' numbers are from ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.speed_of_statistics.contenders import Measurement, Row, Target, Task

Results = Mapping[str, Mapping[str, Measurement]]
"""Measurements by task and contender."""

_HEAD = (
    "| task | ours, s | memory | rival | rival, s | memory | ratio | at least | beyond |",
    "|---|--:|--:|---|--:|--:|--:|--:|--:|",
)


def times_table(tasks: Sequence[Task], results: Results) -> str:
    """One line per row and rival; a missed target is bold."""
    lines = [*_HEAD]
    for task in tasks:
        found = results[task.key]
        ours = found[task.ours.name]
        for row in task.rows:
            lines += _row_lines(row, ours, found)
    return "\n".join(lines)


def _row_lines(row: Row, ours: Measurement, found: Mapping[str, Measurement]) -> list[str]:
    seconds = ours.seconds(row.laps)
    own = _own_cells(row, ours, seconds)
    if not row.targets:
        return [_line(own, "–", "", "", "", "", "")]
    lines: list[str] = []
    for target in row.targets:
        rival = found[target.rival]
        lines.append(
            _line(own if not lines else ("", "", ""), *_rival_cells(row, target, seconds, rival))
        )
    return lines


def _line(own: tuple[str, str, str], *rest: str) -> str:
    return f"| {' | '.join((*own, *rest))} |"


def _own_cells(row: Row, ours: Measurement, seconds: float | None) -> tuple[str, str, str]:
    limits = [
        f"{name} {limit:g} {unit}"
        for name, limit, unit in (
            ("limit", row.limit_s, "s"),
            ("aim", row.beyond_s, "s"),
            ("limit", row.limit_gb, "GB"),
            ("aim", row.beyond_gb, "GB"),
        )
        if limit is not None
    ]
    title = f"{row.title} ({', '.join(limits)})" if limits else row.title
    if seconds is None:
        return title, ours.absent or "not run", ""
    time = f"{_seconds(seconds)} ({ours.repeats})"
    if row.limit_s is not None and seconds > row.limit_s:
        time = f"**{time}**"
    memory = _memory(ours)
    if row.limit_gb is not None and ours.peak_gb is not None and ours.peak_gb > row.limit_gb:
        memory = f"**{memory}**"
    return title, time, memory


def _rival_cells(
    row: Row, target: Target, ours: float | None, rival: Measurement
) -> tuple[str, str, str, str, str, str]:
    at_least = "" if target.at_least is None else f"{target.at_least:g}×"
    beyond = "" if target.beyond is None else f"{target.beyond:g}×"
    seconds = rival.seconds(target.laps or row.laps)
    if seconds is None:
        return target.rival, rival.absent or "not run", "", "", at_least, beyond
    ratio = ""
    if ours is not None:
        ratio = f"{seconds / ours:,.{0 if seconds / ours >= 100 else 1}f}×"
        if target.at_least is not None and seconds < target.at_least * ours:
            ratio = f"**{ratio}**"
    time = f"{_seconds(seconds)} ({rival.repeats})"
    return target.rival, time, _memory(rival), ratio, at_least, beyond


def agreement_table(tasks: Sequence[Task], results: Results) -> str:
    """Each number that rivals share with us, and theirs minus ours."""
    lines = ["| task | number | ours | rival | theirs − ours |", "|---|---|--:|---|--:|"]
    for task in tasks:
        ours = results[task.key][task.ours.name].numbers
        for contender in task.contenders[1:]:
            theirs = results[task.key][contender.name].numbers
            lines += [
                f"| {task.key} | {name} | {ours[name]:.10g} | {contender.name} | "
                f"{theirs[name] - ours[name]:+.2g} |"
                for name in task.compare
                if name in ours and name in theirs
            ]
    return "\n".join(lines)


def notes(tasks: Sequence[Task]) -> str:
    """What contenders do differently, one line each."""
    found = {
        f"- {c.name}, {task.key}: {c.note}." for task in tasks for c in task.contenders if c.note
    }
    return "\n".join(sorted(found))


def _seconds(seconds: float) -> str:
    return (
        f"{seconds:.2g}"
        if seconds < 1
        else f"{seconds:,.3g}"
        if seconds < 1000
        else f"{seconds:,.0f}"
    )


def _memory(measurement: Measurement) -> str:
    return "" if measurement.peak_gb is None else f"{measurement.peak_gb:.2f} GB"
