"""What can go wrong with a classifier, its classes and its answers."""

from __future__ import annotations

import importlib
from types import ModuleType

from mturk_eval.errors import InvalidInputError, MturkEvalError


class ClassifierError(InvalidInputError):
    """A classifier cannot be loaded, or what it answers is no probabilities of classes."""


class ClassListError(InvalidInputError):
    """A file of class labels or superclasses does not fit the classifier."""


class RuleError(InvalidInputError):
    """A rule says nothing about this classifier, or does not hold for the original itself."""


class MissingExtraError(MturkEvalError):
    """A library of the extra ``classifier`` is not installed."""

    def __init__(self, library: str, purpose: str) -> None:
        self.library = library
        super().__init__(
            f"{purpose} needs {library}, which is not installed: "
            "run `pip install 'mturk-eval[classifier]'`."
        )


def import_extra(module: str, purpose: str) -> ModuleType:
    """Import a library of the extra ``classifier``, or say how to install it.

    Raises
    ------
    MissingExtraError
        If it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(module.split(".", maxsplit=1)[0], purpose) from error
