"""A batch as a value: settings, stimuli, trials in HITs, catch answers, and their plain files."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field

from mturk_eval.batch.stimuli_table import STIMULI_COLUMNS, number_cell, stimulus_row
from mturk_eval.config import Design, HitSettings, Usd, Wording
from mturk_eval.trials import HitSpec, Kind, SatisfactionTrial, Stimulus, Trial

_SHARED: Final = ("trial_id", "kind", "role", "image", "target_bpp", "original")
TRIALS_COLUMNS: Final[Mapping[Kind, Sequence[str]]] = {
    "satisfaction": (*_SHARED, "reconstruction"),
    "2afc": (*_SHARED, "left", "right"),
}
HITS_COLUMNS: Final = ("hit", "position", "trial_id")
ANSWERS_COLUMNS: Final = ("trial_id", "expected")


class BatchPayment(BaseModel):
    """What a HIT of this batch pays, and how long a trial is expected to take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reward_usd: Usd
    expected_seconds_per_trial: float = Field(gt=0)


class BatchSettings(BaseModel):
    """The contents of batch.toml: no time, nothing random, so that it is the same made again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100, pattern=r"^[\w .+-]+$")
    kind: Kind
    format: Literal[1] = 1
    generator: str = ""
    resize_filter: str = ""
    wording: Wording
    payment: BatchPayment
    hit: HitSettings
    design: Design


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A study's HITs ready to publish: settings, stimuli, trials in HITs, and catch answers."""

    settings: BatchSettings
    stimuli: tuple[Stimulus, ...]
    hits: tuple[HitSpec, ...]
    catch_answers: Mapping[str, str]

    @property
    def name(self) -> str:
        """The batch's name, unique in a ledger."""
        return self.settings.name

    @property
    def kind(self) -> Kind:
        """The kind of all its trials."""
        return self.settings.kind

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All trials in the order of the HITs."""
        return tuple(trial for hit in self.hits for trial in hit.trials)

    @property
    def id(self) -> str:
        """Digest of name and contents: the same study generated again is the same batch."""
        digest = hashlib.sha256()
        for name, text in sorted(_files(self, for_id=True).items()):
            digest.update(f"{name}\0{len(text)}\0{text}".encode())
        return digest.hexdigest()[:32]


def write_batch(batch: Batch, folder: Path) -> None:
    """Write the batch's plain files into a folder; images are the caller's part."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _files(batch, for_id=False).items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _files(batch: Batch, *, for_id: bool) -> dict[str, str]:
    settings = batch.settings.model_dump(mode="json", exclude_none=True)
    if for_id:
        del settings["generator"]
    return {
        "batch.toml": tomli_w.dumps(settings),
        "stimuli.csv": _csv(STIMULI_COLUMNS, map(stimulus_row, batch.stimuli)),
        "trials.csv": _csv(TRIALS_COLUMNS[batch.kind], map(trial_row, _by_id(batch.trials))),
        "hits.csv": _csv(
            HITS_COLUMNS,
            (
                (hit.name, position, trial.id)
                for hit in batch.hits
                for position, trial in enumerate(hit.trials, start=1)
            ),
        ),
        "answers.csv": _csv(ANSWERS_COLUMNS, sorted(batch.catch_answers.items())),
    }


def _by_id(trials: Iterable[Trial]) -> list[Trial]:
    return sorted(trials, key=lambda trial: trial.id)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()


def trial_row(trial: Trial) -> tuple[object, ...]:
    """A trial's cells in trials.csv."""
    kind, shown = "2afc", trial.stimuli[::2]
    if isinstance(trial, SatisfactionTrial):
        kind, shown = "satisfaction", trial.stimuli[1:]
    target = next((s.target_bpp for s in shown if s.target_bpp is not None), None)
    return (
        trial.id, kind, trial.role, trial.original.image, number_cell(target), trial.original.id,
        *(s.id for s in shown),
    )  # fmt: skip
