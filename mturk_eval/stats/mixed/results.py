"""What a mixed model says: frozen results, and the JSON object they make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mturk_eval.stats.documents import Document, number

Estimation = Literal["reml", "ml"]
IntervalKind = Literal["wald", "profile"]

_UNITS = {"image": "images", "rater": "raters"}


def unit_name(group: str) -> str:
    """The plural that a claim generalises to: images, raters, or the column's name."""
    return _UNITS.get(group, group)


def unit_names(groups: Iterable[str]) -> tuple[str, ...]:
    """The random units of some groups; ``a:b`` is both a and b.

    Examples
    --------
    >>> unit_names(["image", "image:session", "rater"])
    ('images', 'session', 'raters')
    """
    return tuple(dict.fromkeys(unit_name(part) for group in groups for part in group.split(":")))


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedEffect:
    """One coefficient; ``t`` is estimate / std_error, and ``df`` None where it is a z value."""

    term: str
    estimate: float
    std_error: float
    df: float | None
    t: float
    p: float
    ci_low: float | None
    ci_high: float | None

    def document(self) -> Document:
        """One row of ``fixed_effects``."""
        return {
            "term": self.term,
            "estimate": self.estimate,
            "std_error": self.std_error,
            "df": number(self.df),
            "t": number(self.t),
            "p": number(self.p),
            "ci_low": number(self.ci_low),
            "ci_high": number(self.ci_high),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """The variance of one random effect, or its covariance and correlation with ``with_term``.

    A variance is in squared units of the response, per squared unit of the term's column.
    """

    group: str
    term: str
    variance: float
    with_term: str | None = None
    correlation: float | None = None

    @property
    def std_dev(self) -> float | None:
        """The square root of a variance; None for a covariance."""
        return float(np.sqrt(self.variance)) if self.with_term is None else None

    def document(self) -> Document:
        """One row of ``variance_components``."""
        row: Document = {"group": self.group, "term": self.term}
        if self.with_term is None:
            return row | {"variance": self.variance, "std_dev": self.std_dev}
        return row | {
            "with_term": self.with_term,
            "variance": None,
            "std_dev": None,
            "covariance": self.variance,
            "correlation": number(self.correlation),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedEffect:
    """How far a level lies from the average, shrunk towards it (its conditional mode)."""

    group: str
    level: str
    term: str
    value: float
    std_error: float
    ci_low: float
    ci_high: float

    def document(self) -> Document:
        """One row of ``predicted_effects``."""
        return {
            "group": self.group,
            "level": self.level,
            "term": self.term,
            "value": self.value,
            "std_error": self.std_error,
            "ci_low": self.ci_low,
            "ci_high": self.ci_high,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopeCheck:
    """A coefficient with and without by-image slopes of the method, where these were left out."""

    term: str
    without: FixedEffect
    with_slopes: FixedEffect
    formula: str
    criterion_gain: float

    def document(self) -> Document:
        """One row of ``slope_check``."""
        return {
            "term": self.term,
            "formula": self.formula,
            "criterion_gain": self.criterion_gain,
            "t_without": number(self.without.t),
            "p_without": number(self.without.p),
            "t_with": number(self.with_slopes.t),
            "df_with": number(self.with_slopes.df),
            "p_with": number(self.with_slopes.p),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TermTest:
    """An F test of all coefficients of one term of the fixed part (type III)."""

    term: str
    f: float
    numerator_df: int
    denominator_df: float | None
    p: float

    def document(self) -> Document:
        """One row of ``term_tests``."""
        return {
            "term": self.term,
            "f": number(self.f),
            "numerator_df": self.numerator_df,
            "denominator_df": number(self.denominator_df),
            "p": number(self.p),
        }
