"""The study's memory: every HIT, assignment, raw answer and response. Nothing is ever deleted."""

from __future__ import annotations

from mturk_eval.ledger.ledger import Ledger
from mturk_eval.ledger.opening import ledger_exists, open_ledger
from mturk_eval.ledger.records import PublishedBatch, PublishedHit

__all__ = ["Ledger", "PublishedBatch", "PublishedHit", "ledger_exists", "open_ledger"]
