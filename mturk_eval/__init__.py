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
    "MturkEvalError": "mturk_eval.errors",
    "Settings": "mturk_eval.config",
    "generate": "mturk_eval.generation",
    "load_settings": "mturk_eval.config",
    "open_ledger": "mturk_eval.ledger",
    "read_batch": "mturk_eval.batch",
}

if TYPE_CHECKING:
    from mturk_eval.batch import Batch as Batch
    from mturk_eval.batch import read_batch as read_batch
    from mturk_eval.config import Settings as Settings
    from mturk_eval.config import load_settings as load_settings
    from mturk_eval.errors import MturkEvalError as MturkEvalError
    from mturk_eval.generation import generate as generate
    from mturk_eval.ledger import open_ledger as open_ledger


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
