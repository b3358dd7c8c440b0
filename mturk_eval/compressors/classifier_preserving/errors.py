"""What can go wrong with a classifier, its classes and its answers."""

from __future__ import annotations

from mturk_eval.errors import InvalidInputError


class ClassifierError(InvalidInputError):
    """A classifier cannot be loaded, or what it answers is no probabilities of classes."""


class ClassListError(InvalidInputError):
    """A file of class labels or superclasses does not fit the classifier."""


class RuleError(InvalidInputError):
    """A rule says nothing about this classifier, or does not hold for the original itself."""
