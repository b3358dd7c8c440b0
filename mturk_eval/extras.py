"""Importing a library that an extra installs, or saying which one."""

from __future__ import annotations

import importlib
from types import ModuleType

from mturk_eval.errors import MissingExtraError


def import_extra(module: str, purpose: str, *, extra: str) -> ModuleType:
    """Import a library of an extra, or say how to install it.

    Parameters
    ----------
    module : str
        Such as ``torch`` or ``safetensors.numpy``.
    purpose : str
        What needs it; begins the sentence of the error.
    extra : str

    Raises
    ------
    MissingExtraError
        If it cannot be imported.

    Examples
    --------
    >>> import_extra("json", "Reading", extra="metric").__name__
    'json'
    >>> import_extra("no_such_library", "Training a metric", extra="metric")
    Traceback (most recent call last):
    ...
    mturk_eval.errors.MissingExtraError: Training a metric needs no_such_library, which is not \
installed: run `pip install 'mturk-eval[metric]'`.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(module.split(".", maxsplit=1)[0], purpose, extra=extra) from error
