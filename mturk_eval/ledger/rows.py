"""Stimuli and trials to rows of the ledger, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from mturk_eval.batch import Batch
from mturk_eval.trials import HitSpec, SatisfactionTrial, Stimulus, Trial, TwoAfcTrial


def stimulus_row(batch_id: str, s: Stimulus) -> dict[str, Any]:
    """A stimulus as a row."""
    return {
        "batch_id": batch_id,
        "id": s.id,
        "role": s.role,
        "image": s.image,
        "method": s.method,
        "target_bpp": s.target_bpp,
        "bpp": s.bpp,
        "bytes": s.bytes,
        "width_px": s.width_px,
        "height_px": s.height_px,
        "sha256": s.sha256,
        "path": s.path,
    }


def stimulus(row: Row[Any]) -> Stimulus:
    """The stimulus of a row."""
    values = dict(row._mapping)
    del values["batch_id"]
    return Stimulus(**values)


def trial_row(batch: Batch, hit: HitSpec, position: int, trial: Trial) -> dict[str, Any]:
    """A trial in its place in a HIT as a row."""
    return {
        "batch_id": batch.id,
        "id": trial.id,
        "role": trial.role,
        "original": trial.original.id,
        "reconstruction": trial.reconstruction.id if isinstance(trial, SatisfactionTrial) else None,
        "left": trial.left.id if isinstance(trial, TwoAfcTrial) else None,
        "right": trial.right.id if isinstance(trial, TwoAfcTrial) else None,
        "expected": batch.catch_answers.get(trial.id),
        "hit": hit.name,
        "position": position,
    }


def trial(row: Row[Any], stimuli: Mapping[str, Stimulus]) -> Trial:
    """The trial of a row."""
    original = stimuli[row.original]
    if row.reconstruction is not None:
        return SatisfactionTrial(
            id=row.id,
            role=row.role,
            original=original,
            reconstruction=stimuli[row.reconstruction],
        )
    return TwoAfcTrial(
        id=row.id,
        role=row.role,
        original=original,
        left=stimuli[row.left],
        right=stimuli[row.right],
    )
