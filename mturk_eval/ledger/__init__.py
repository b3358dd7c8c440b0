"""The study's memory: every HIT, assignment, raw answer and response. Nothing is ever deleted."""

from __future__ import annotations

from mturk_eval.ledger.ledger import Ledger, PublishedBatch, PublishedHit
from mturk_eval.ledger.opening import open_ledger

__all__ = ["Ledger", "PublishedBatch", "PublishedHit", "open_ledger"]
