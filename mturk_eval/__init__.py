"""mturk-eval: human image-quality studies, from image files to a coefficient and a figure.

The names below are the public API; each is imported from its room when it is first used, so that
``import mturk_eval`` stays fast and needs no heavy library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Batch": "mturk_eval.batch",
    "LPIPSComp": "mturk_eval.metric.model",
    "MturkEvalError": "mturk_eval.errors",
    "OnnxMetric": "mturk_eval.metric.onnx_scoring",
    "Settings": "mturk_eval.config",
    "StimuliFolder": "mturk_eval.stimuli.folder",
    "bd_rate": "mturk_eval.stats.evaluation.bd_rate",
    "encode": "mturk_eval.stimuli.encoding",
    "evaluate_metrics": "mturk_eval.stats.evaluation.metrics",
    "find_codec": "mturk_eval.stimuli.codecs.registry",
    "fit_mixed": "mturk_eval.stats.mixed.model",
    "fit_ordinal_ratings": "mturk_eval.stats.ordinal.model",
    "generate": "mturk_eval.generation",
    "load_settings": "mturk_eval.config",
    "mean_opinion_scores": "mturk_eval.stats.ratings.mos",
    "method_difference": "mturk_eval.stats.ratings.differences",
    "open_ledger": "mturk_eval.ledger",
    "rating_reliability": "mturk_eval.stats.reliability.ratings",
    "read_batch": "mturk_eval.batch",
    "run_tournament": "mturk_eval.stats.pairs.tournament",
    "score_methods": "mturk_eval.stats.pairs.vote_scores",
    "vote_reliability": "mturk_eval.stats.reliability.votes",
}

if TYPE_CHECKING:
    from mturk_eval.batch import Batch as Batch
    from mturk_eval.batch import read_batch as read_batch
    from mturk_eval.config import Settings as Settings
    from mturk_eval.config import load_settings as load_settings
    from mturk_eval.errors import MturkEvalError as MturkEvalError
    from mturk_eval.generation import generate as generate
    from mturk_eval.ledger import open_ledger as open_ledger
    from mturk_eval.metric.model import LPIPSComp as LPIPSComp
    from mturk_eval.metric.onnx_scoring import OnnxMetric as OnnxMetric
    from mturk_eval.stats.evaluation.bd_rate import bd_rate as bd_rate
    from mturk_eval.stats.evaluation.metrics import evaluate_metrics as evaluate_metrics
    from mturk_eval.stats.mixed.model import fit_mixed as fit_mixed
    from mturk_eval.stats.ordinal.model import fit_ordinal_ratings as fit_ordinal_ratings
    from mturk_eval.stats.pairs.tournament import run_tournament as run_tournament
    from mturk_eval.stats.pairs.vote_scores import score_methods as score_methods
    from mturk_eval.stats.ratings.differences import method_difference as method_difference
    from mturk_eval.stats.ratings.mos import mean_opinion_scores as mean_opinion_scores
    from mturk_eval.stats.reliability.ratings import rating_reliability as rating_reliability
    from mturk_eval.stats.reliability.votes import vote_reliability as vote_reliability
    from mturk_eval.stimuli.codecs.registry import find_codec as find_codec
    from mturk_eval.stimuli.encoding import encode as encode
    from mturk_eval.stimuli.folder import StimuliFolder as StimuliFolder


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
