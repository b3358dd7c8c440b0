"""LPIPS-Comp: a perceptual metric learned from the votes of a study (Patel et al. 2021).

Pictures become feature vectors once (`features`), votes become triplets, a fit gives one weight
per channel, and a small file of them scores new pictures, with torch (`LPIPSComp`) or without
(`OnnxMetric`). Everything but the fit needs the extra ``metric``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "LPIPSComp": "mturk_eval.metric.model",
    "OnnxMetric": "mturk_eval.metric.onnx_scoring",
}

if TYPE_CHECKING:
    from mturk_eval.metric.model import LPIPSComp as LPIPSComp
    from mturk_eval.metric.onnx_scoring import OnnxMetric as OnnxMetric


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
