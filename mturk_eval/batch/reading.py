"""Reading a batch folder: everything is checked, every problem is told with file and row."""

from __future__ import annotations

import csv
import hashlib
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from mturk_eval.batch.cells import filled, one_of, whole
from mturk_eval.batch.record import (
    ANSWERS_COLUMNS,
    HITS_COLUMNS,
    TRIALS_COLUMNS,
    Batch,
    BatchSettings,
    trial_row,
)
from mturk_eval.batch.stimuli_table import STIMULI_COLUMNS, read_stimulus
from mturk_eval.config import describe_validation_error
from mturk_eval.errors import BatchError
from mturk_eval.trials import (
    CHOICES,
    RATINGS,
    ROLES,
    HitSpec,
    Kind,
    Role,
    SatisfactionTrial,
    Stimulus,
    Trial,
    TwoAfcTrial,
)


def read_batch(folder: Path, *, verify_images: bool = True) -> Batch:
    """Read and check a batch folder.

    Parameters
    ----------
    folder : Path
    verify_images : bool, default True
        Whether to compare every image's bytes with its digest in stimuli.csv.

    Raises
    ------
    BatchError
        With every problem found: missing or changed files, unknown stimuli, trials that are in no
        HIT or in two, unbalanced sides, wrong answers.
    """
    if not (folder / "batch.toml").is_file():
        raise BatchError(folder, ["batch.toml is not there; make a batch with `generate`"])
    problems: list[str] = []
    settings = _read_settings(folder / "batch.toml", problems)
    kind = settings.kind if settings is not None else _kind_of(folder)
    stimuli = _read_stimuli(folder, problems, verify_images=verify_images)
    trials, broken = _read_trials(folder, kind, stimuli, problems)
    hits = _read_hits(folder, trials, broken, problems)
    answers = _read_answers(folder, kind, trials, problems)
    problems += _unbalanced(trials.values())
    if settings is None or problems:
        raise BatchError(folder, problems)
    return Batch(
        settings=settings, stimuli=tuple(stimuli.values()), hits=hits, catch_answers=answers
    )


def _read_settings(path: Path, problems: list[str]) -> BatchSettings | None:
    try:
        return BatchSettings.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"batch.toml: not a readable TOML file: {error}")
    except ValidationError as error:
        problems += describe_validation_error("batch.toml", error).splitlines()
    return None


def _kind_of(folder: Path) -> Kind:
    """The kind that trials.csv looks like, where batch.toml does not say it."""
    columns = {column for _, row in _rows(folder, "trials.csv", (), []) for column in row}
    return "2afc" if "left" in columns else "satisfaction"


def _rows(
    folder: Path, name: str, columns: Sequence[str], problems: list[str]
) -> list[tuple[str, dict[str, str]]]:
    """The rows of a CSV file with their place (``trials.csv, row 7``); the header is row 1."""
    path = folder / name
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                problems.append(f"{name}: column {', '.join(missing)} is missing")
                return []
            rows = []
            for row in reader:
                where = f"{name}, row {reader.line_num}"
                if None in row or None in row.values():
                    problems.append(f"{where}: not as many cells as the header")
                else:
                    rows.append((where, row))
            return rows
    except FileNotFoundError:
        problems.append(f"{name}: the file is missing")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problems.append(f"{name}: not a readable CSV file: {error}")
    return []


def _read_stimuli(folder: Path, problems: list[str], *, verify_images: bool) -> dict[str, Stimulus]:
    stimuli: dict[str, Stimulus] = {}
    for where, row in _rows(folder, "stimuli.csv", STIMULI_COLUMNS, problems):
        try:
            stimulus = read_stimulus(row)
        except ValueError as error:
            problems.append(f"{where}, {error}")
            continue
        if not stimulus.id or stimulus.id in stimuli:
            problems.append(f"{where}, stimulus_id: {stimulus.id!r} is empty or stands twice")
        stimuli[stimulus.id] = stimulus
        shown = verify_images and stimulus.state == "ok"
        problem = _image_problem(folder, stimulus) if shown else None
        if problem:
            problems.append(f"{where}, path: {problem}")
    return stimuli


def _image_problem(folder: Path, stimulus: Stimulus) -> str | None:
    path = folder / stimulus.path
    if not path.resolve().is_relative_to(folder.resolve()):
        return f"{stimulus.path} lies outside the batch folder"
    if not path.is_file():
        return f"{stimulus.path} is missing"
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != stimulus.sha256:
        return f"{stimulus.path} has changed: its bytes are not those of sha256 {stimulus.sha256}"
    size = _png_size(data)
    if size is not None and size != (stimulus.width_px, stimulus.height_px):
        return f"{stimulus.path} is {size[0]}×{size[1]}, not as columns width and height say"
    return None


def _png_size(data: bytes) -> tuple[int, int] | None:
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _read_trials(
    folder: Path, kind: Kind, stimuli: Mapping[str, Stimulus], problems: list[str]
) -> tuple[dict[str, Trial], set[str]]:
    """The trials by id, and the ids of rows that could not be read."""
    trials: dict[str, Trial] = {}
    broken: set[str] = set()
    for where, row in _rows(folder, "trials.csv", TRIALS_COLUMNS[kind], problems):
        columns = TRIALS_COLUMNS[kind][5:]
        unknown = [column for column in columns if row[column] not in stimuli]
        for column in unknown:
            problems.append(f"{where}, {column}: stimulus {row[column]!r} is not in stimuli.csv")
        if unknown:
            broken.add(row["trial_id"])
            continue
        shown = {column: stimuli[row[column]] for column in columns}
        try:
            role = cast(Role, one_of(row, "role", ROLES))
            one_of(row, "kind", (kind,))
            trial: Trial
            if kind == "satisfaction":
                trial = SatisfactionTrial(id=filled(row, "trial_id"), role=role, **shown)
            else:
                trial = TwoAfcTrial(id=filled(row, "trial_id"), role=role, **shown)
        except ValueError as error:
            problems.append(f"{where}, {error}")
            broken.add(row["trial_id"])
            continue
        if trial.id in trials:
            problems.append(f"{where}, trial_id: {trial.id!r} stands twice")
        problem = _trial_problem(trial) or _stated_otherwise(row, trial)
        if problem:
            problems.append(f"{where}, {problem}")
        trials[trial.id] = trial
    return trials, broken


def _trial_problem(trial: Trial) -> str | None:
    if trial.original.role != "original":
        return f"original: {trial.original.id!r} is a reconstruction"
    others = [s for s in trial.stimuli if s.image != trial.original.image]
    if others:
        return f"image: {others[0].id!r} does not show {trial.original.image!r}"
    if any(s.state != "ok" for s in trial.stimuli):
        return "a stimulus whose state is unreachable cannot be shown"
    if isinstance(trial, TwoAfcTrial) and (trial.left.id == trial.right.id) != (
        trial.role == "identical"
    ):
        return "left, right: equal sides and role `identical` go together"
    if isinstance(trial, TwoAfcTrial) and trial.role != "catch":
        rates = {trial.left.target_bpp, trial.right.target_bpp}
        if len(rates) > 1:
            return "left, right: the two sides have different target_bpp"
    return None


def _stated_otherwise(row: Mapping[str, str], trial: Trial) -> str | None:
    """Cells that repeat what the stimuli say, and say something else."""
    stated = dict(zip(TRIALS_COLUMNS[_kind(trial)], trial_row(trial), strict=True))
    for column in ("image", "target_bpp"):
        if row[column] != stated[column]:
            return f"{column}: {row[column]!r}, but the stimuli say {stated[column]!r}"
    return None


def _kind(trial: Trial) -> Kind:
    return "2afc" if isinstance(trial, TwoAfcTrial) else "satisfaction"


def _read_hits(
    folder: Path, trials: Mapping[str, Trial], broken: set[str], problems: list[str]
) -> tuple[HitSpec, ...]:
    placed: dict[str, dict[int, Trial]] = defaultdict(dict)
    seen: dict[str, str] = {}
    for where, row in _rows(folder, "hits.csv", HITS_COLUMNS, problems):
        trial_id = row["trial_id"]
        try:
            name, position = filled(row, "hit"), whole(row, "position")
        except ValueError as error:
            problems.append(f"{where}, {error}")
            continue
        if trial_id in broken:
            continue
        if trial_id not in trials:
            problems.append(f"{where}, trial_id: {trial_id!r} is not in trials.csv")
        elif trial_id in seen:
            problems.append(f"{where}, trial_id: {trial_id!r} stands in {seen[trial_id]} already")
        elif position in placed[name]:
            problems.append(f"{where}, position: {position} of {name} is taken already")
        else:
            placed[name][position] = trials[trial_id]
        seen.setdefault(trial_id, name)
    missing = [trial_id for trial_id in trials if trial_id not in seen]
    if missing:
        problems.append(f"hits.csv: {len(missing)} trials are in no HIT, e.g. {missing[0]}")
    return tuple(
        HitSpec(name=name, trials=tuple(trial for _, trial in sorted(positions.items())))
        for name, positions in placed.items()
    )


def _read_answers(
    folder: Path, kind: Kind, trials: Mapping[str, Trial], problems: list[str]
) -> dict[str, str]:
    valid = RATINGS if kind == "satisfaction" else CHOICES
    answers: dict[str, str] = {}
    for where, row in _rows(folder, "answers.csv", ANSWERS_COLUMNS, problems):
        if row["trial_id"] not in trials:
            problems.append(f"{where}, trial_id: {row['trial_id']!r} is not in trials.csv")
        elif row["expected"] not in valid:
            problems.append(f"{where}, expected: {row['expected']!r} is no answer to such a trial")
        else:
            answers[row["trial_id"]] = row["expected"]
    problems += [
        f"answers.csv: catch trial {trial.id} has no expected answer"
        for trial in trials.values()
        if trial.role == "catch" and trial.id not in answers
    ]
    return answers


def _unbalanced(trials: Iterable[Trial]) -> list[str]:
    """Pairs of methods whose sides are not balanced within one rate."""
    left: Counter[tuple[str, str, float]] = Counter()
    for trial in trials:
        if isinstance(trial, TwoAfcTrial) and trial.role == "main":
            left[trial.left.method, trial.right.method, trial.left.target_bpp or 0.0] += 1
    problems = []
    for (first, second, rate), count in left.items():
        other = left.get((second, first, rate), 0)
        allowed = max(2.0, 0.2 * (count + other))
        if count - other > allowed:
            at = f" at {rate:g} bpp" if rate else ""
            problems.append(
                f"trials.csv: {first} stands left of {second}{at} in {count} trials and right of "
                f"it in {other}; swap left and right in some"
            )
    return problems
