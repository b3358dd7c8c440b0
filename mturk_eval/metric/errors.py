"""What can go wrong with a learned metric, its backbone, its pictures and its files."""

from __future__ import annotations

import importlib
from types import ModuleType

from mturk_eval.errors import InvalidInputError, MturkEvalError


class MetricError(MturkEvalError):
    """A learned metric cannot be made or used."""


class MetricInputError(MetricError, InvalidInputError):
    """What the user gave a metric is wrong: a picture, a row, an option (exit code 2)."""


class BackboneError(MetricError):
    """A backbone's weights are missing, incomplete, or not those that were asked for."""


class MetricFileError(MetricError, InvalidInputError):
    """A file of metric weights or features is not what it should be (exit code 2)."""


class MissingExtraError(MetricError):
    """A library of the extra ``metric`` is not installed."""

    def __init__(self, library: str, purpose: str) -> None:
        self.library = library
        super().__init__(
            f"{purpose} needs {library}, which is not installed: "
            "run `pip install 'mturk-eval[metric]'`."
        )


def import_extra(module: str, purpose: str) -> ModuleType:
    """Import a library of the extra ``metric``, or say how to install it.

    Parameters
    ----------
    module : str
        Such as ``torch`` or ``safetensors.numpy``.
    purpose : str
        What needs it; begins the sentence of the error.

    Raises
    ------
    MissingExtraError
        If it cannot be imported.

    Examples
    --------
    >>> import_extra("json", "Reading").__name__
    'json'
    >>> import_extra("no_such_library", "Training a metric")
    Traceback (most recent call last):
    ...
    mturk_eval.metric.errors.MissingExtraError: Training a metric needs no_such_library, which is \
not installed: run `pip install 'mturk-eval[metric]'`.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(module.split(".", maxsplit=1)[0], purpose) from error
