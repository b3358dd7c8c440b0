"""The mixed models that the published test may be, fitted to matched ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd
from matched_ratings import Cell, RaterDesign, matched_ratings
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq

from mturk_eval.stats.mixed.model import MixedResult, fit_mixed

REFERENCE: Final = {"method": "webp"}
BY_IMAGE_SLOPES: Final = "rating ~ method + (1 + method | image) + (1 | rater)"
INTERCEPTS: Final = "rating ~ method + (1 | image) + (1 | rater)"
BOTH_SLOPES: Final = "rating ~ method + (1 + method | image) + (1 + method | rater)"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTest:
    """The model line of the paper."""

    estimate: float
    t: float
    p: float


PUBLISHED: Final = PublishedTest(estimate=0.984, t=1.82, p=0.090)


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A random part, and what a test of the method from it claims."""

    formula: str
    claim: str


STRUCTURES: Final[Sequence[Structure]] = (
    Structure(
        formula="rating ~ method + (1 | image)",
        claim="About these 13 images and these raters: all ratings of an image count as "
        "independent, and the method is taken to do the same on every image.",
    ),
    Structure(
        formula=INTERCEPTS,
        claim="About other raters of these 13 images: people may be lenient or strict, but the "
        "method is still taken to do the same on every image. This is the model the paper's text "
        "names.",
    ),
    Structure(
        formula="rating ~ method + (1 | image:method) + (1 | rater)",
        claim="About other pictures and raters, as if the 26 pictures were of 26 unrelated images. "
        "That both methods show the same image is thrown away, and as human and WebP means go in "
        "opposite directions here, the standard error comes out too small.",
    ),
    Structure(
        formula=BY_IMAGE_SLOPES,
        claim="About other images and other raters: the method may do better on some images than "
        "on others. This is the claim the paper makes, and the model that gives its t.",
    ),
    Structure(
        formula="rating ~ method + (1 + method || image) + (1 | rater)",
        claim="The same claim, if an image's WebP rating told nothing about how much the human "
        "reconstruction gains on it; here it does, so this standard error is too small.",
    ),
    Structure(
        formula=BOTH_SLOPES,
        claim="The same claim, where raters may also differ in which method they prefer.",
    ),
)

DfMethod = Literal["satterthwaite", "kenward-roger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodTest:
    """Human minus WebP, in rating points, from one model."""

    formula: str
    df_method: str
    estimate: float
    std_error: float
    t: float
    df: float
    p: float
    ci_low: float
    ci_high: float
    singular: bool
    steps: tuple[str, ...]

    @classmethod
    def of(cls, model: MixedResult) -> MethodTest:
        """The method's line of a fitted model."""
        effect = next(e for e in model.fixed_effects if e.term == "methodhuman")
        if effect.df is None or effect.ci_low is None or effect.ci_high is None:
            raise ValueError(f"{model.formula} has no degrees of freedom.")
        return cls(
            formula=model.formula,
            df_method=model.df_method,
            estimate=effect.estimate,
            std_error=effect.std_error,
            t=effect.t,
            df=effect.df,
            p=effect.p,
            ci_low=effect.ci_low,
            ci_high=effect.ci_high,
            singular=model.singular,
            steps=model.steps,
        )


def method_test(
    ratings: pd.DataFrame, formula: str | None = None, df: DfMethod = "satterthwaite"
) -> MethodTest:
    """Human against WebP under a model; under the default rule's if no formula is given."""
    return MethodTest.of(fit_mixed(ratings, formula, df=df, reference=REFERENCE))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLine:
    """One model of one study; ``formula`` is None where the default rule chose it."""

    formula: str | None
    satterthwaite: MethodTest
    kenward_roger: MethodTest

    @classmethod
    def of(cls, ratings: pd.DataFrame, formula: str | None) -> ModelLine:
        """Fitted to some ratings."""
        return cls(
            formula=formula,
            satterthwaite=method_test(ratings, formula, "satterthwaite"),
            kenward_roger=method_test(ratings, formula, "kenward-roger"),
        )


def model_lines(ratings: pd.DataFrame) -> tuple[ModelLine, ...]:
    """Every structure, then the default rule's."""
    formulas = [*(structure.formula for structure in STRUCTURES), None]
    return tuple(ModelLine.of(ratings, formula) for formula in formulas)


def draw_again(cells: tuple[Cell, ...], design: RaterDesign, drawings: int) -> NDArray[np.float64]:
    """The by-image slope test when other raters had come: columns estimate, SE, t, df, p."""
    tests = (
        method_test(matched_ratings(cells, design, seed=seed), BY_IMAGE_SLOPES)
        for seed in range(drawings)
    )
    return np.array([(test.estimate, test.std_error, test.t, test.df, test.p) for test in tests])


def implied_df(test: PublishedTest) -> tuple[float, float]:
    """The degrees of freedom for which t and p, as rounded in print, belong together.

    Examples
    --------
    >>> low, high = implied_df(PUBLISHED)
    >>> round(low, 1), round(high, 1)
    (13.3, 15.1)
    """

    def df_of(t: float, p: float) -> float:
        return float(brentq(lambda df: 2 * stats.t.sf(t, df) - p, 1.0, 1000.0))

    return df_of(test.t + 0.005, test.p + 0.0005), df_of(test.t - 0.005, test.p - 0.0005)
