"""The batch folder: plain files that a person can read, edit and diff.

``batch.toml · stimuli.csv · trials.csv · hits.csv · answers.csv · images/``
"""

from __future__ import annotations

from mturk_eval.batch.reading import read_batch
from mturk_eval.batch.record import Batch, BatchPayment, BatchSettings, write_batch

__all__ = ["Batch", "BatchPayment", "BatchSettings", "read_batch", "write_batch"]
