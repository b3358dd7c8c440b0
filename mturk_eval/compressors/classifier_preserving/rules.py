"""When a picture still says the same: what the classifier's answer must keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mturk_eval.compressors.classifier_preserving.classifiers import Probabilities
from mturk_eval.compressors.classifier_preserving.errors import RuleError


class Rule(Protocol):
    """Compares the answer to a picture with the answer to its original."""

    @property
    def label(self) -> str:
        """A word for folders and tables, such as ``top-1``."""

    def holds(self, original: Probabilities, now: Probabilities) -> bool:
        """Whether the picture still passes; both of shape (n,).

        Raises
        ------
        RuleError
            If the rule does not fit a classifier of n classes.
        """


@dataclass(frozen=True, slots=True)
class TopK:
    """The original's class stays among the k most probable ones; k = 1 is the post's rule.

    Examples
    --------
    >>> cat, other_cat = np.array([0.6, 0.3, 0.1]), np.array([0.4, 0.5, 0.1])
    >>> TopK(1).holds(cat, other_cat), TopK(2).holds(cat, other_cat)
    (False, True)
    """

    k: int = 1

    @property
    def label(self) -> str:
        """``top-1``, ``top-5``."""
        return f"top-{self.k}"

    def holds(self, original: Probabilities, now: Probabilities) -> bool:
        """See `Rule`."""
        if not 1 <= self.k < now.size:
            raise RuleError(
                f"The rule {self.label} always or never holds for a classifier of {now.size} "
                f"classes; give 1 to {now.size - 1}."
            )
        best = np.argsort(-now, kind="stable")[: self.k]
        return int(np.argmax(original)) in best


@dataclass(frozen=True, slots=True)
class SameSuperclass:
    """The most probable class stays within the superclass of the original's.

    Parameters
    ----------
    superclasses : sequence of str, length n
        Of every class.
    """

    superclasses: Sequence[str]

    @property
    def label(self) -> str:
        """``superclass``."""
        return "superclass"

    def holds(self, original: Probabilities, now: Probabilities) -> bool:
        """See `Rule`."""
        if len(self.superclasses) != now.size:
            raise RuleError(
                f"{len(self.superclasses)} superclasses for a classifier of {now.size} classes."
            )
        groups = self.superclasses
        return groups[int(np.argmax(now))] == groups[int(np.argmax(original))]


@dataclass(frozen=True, slots=True)
class ProbabilityAtLeast:
    """The original's class keeps a probability of at least ``threshold``.

    Examples
    --------
    >>> ProbabilityAtLeast(0.5).holds(np.array([0.9, 0.1]), np.array([0.5, 0.5]))
    True
    """

    threshold: float

    @property
    def label(self) -> str:
        """``probability-0.5``."""
        return f"probability-{self.threshold:g}"

    def holds(self, original: Probabilities, now: Probabilities) -> bool:
        """See `Rule`."""
        return bool(now[int(np.argmax(original))] >= self.threshold)
