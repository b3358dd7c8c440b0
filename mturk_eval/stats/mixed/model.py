"""Linear mixed models of ratings, with images and raters as crossed random effects.

The default is `rating ~ method + (1 + method || image) + (1 | rater)`. Without the by-image slope
of the method a test of the method speaks about these images only, and rejects a true null in a
quarter to three quarters of studies.

statsmodels does the fitting here: independent variance components in one group that holds all
rows. It has no degrees of freedom, so the tests are z tests, and the paired t test over images
stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.formulas.design import Contrasts, MixedDesign, build_design
from mturk_eval.stats.formulas.grammar import ModelFormula, parse_formula
from mturk_eval.stats.mixed.paired import PairedTest, paired_tests
from mturk_eval.stats.mixed.variance_fit import VarianceFit, fit_variances

Estimation = Literal["reml", "ml"]

DEFAULT_FORMULA = "rating ~ method + (1 + method || image) + (1 | rater)"
_UNITS = {"image": "images", "rater": "raters"}
_FEW_LEVELS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedEffect:
    """One coefficient; ``t`` is estimate / std_error, and ``df`` None where it is a z value."""

    term: str
    estimate: float
    std_error: float
    df: float | None
    t: float
    p: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """The variance of one random effect, in squared units of the response."""

    group: str
    term: str
    variance: float

    @property
    def std_dev(self) -> float:
        """Its square root."""
        return float(np.sqrt(self.variance))


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedResult:
    """A fitted mixed model; ``criterion`` is the REML criterion, or the deviance for ML."""

    formula: str
    estimation: Estimation
    contrasts: Contrasts
    n_observations: int
    groups: dict[str, int]
    fixed_effects: tuple[FixedEffect, ...]
    components: tuple[Component, ...]
    residual_variance: float
    criterion: float
    converged: bool
    singular: bool
    balanced_check: tuple[PairedTest, ...]
    ci_level: float
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """The random units: other images, other raters."""
        units = [_UNITS.get(part, part) for group in self.groups for part in group.split(":")]
        return tuple(dict.fromkeys(units))

    def document(self) -> Document:
        """The JSON object of ``analyze --model mixed --json``."""
        return {
            "model": "mixed",
            "n_observations": self.n_observations,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "formula": self.formula,
            "estimation": self.estimation,
            "contrasts": self.contrasts,
            "ci_method": "Wald, normal",
            "ci_level": self.ci_level,
            "groups": self.groups,
            "fixed_effects": [
                {
                    "term": effect.term,
                    "estimate": effect.estimate,
                    "std_error": effect.std_error,
                    "df": effect.df,
                    "t": number(effect.t),
                    "p": number(effect.p),
                    "ci_low": effect.ci_low,
                    "ci_high": effect.ci_high,
                }
                for effect in self.fixed_effects
            ],
            "variance_components": [
                {
                    "group": component.group,
                    "term": component.term,
                    "variance": component.variance,
                    "std_dev": component.std_dev,
                }
                for component in self.components
            ],
            "residual_variance": self.residual_variance,
            "criterion": self.criterion,
            "log_likelihood": -self.criterion / 2,
            "converged": self.converged,
            "singular": self.singular,
            "balanced_check": {
                "test": "paired t over image means, every pair of methods",
                "p_adjustment": "Holm",
                "rows": [test.document() for test in self.balanced_check],
            },
        }


def fit_mixed(
    ratings: pd.DataFrame,
    formula: str | None = None,
    *,
    estimation: Estimation = "reml",
    reference: Mapping[str, str] | None = None,
    contrasts: Contrasts = "treatment",
    ci_level: float = 0.95,
) -> MixedResult:
    """Fit a linear mixed model with independent variance components.

    Parameters
    ----------
    ratings : DataFrame
        One row per answer, with the columns the formula names; the response in rating points.
    formula : str, optional
        lme4's syntax with ``||`` for slopes; `DEFAULT_FORMULA` if not given, without the rater's
        term where every rater answered once (it is then part of the residual).
    estimation : {"reml", "ml"}
        Restricted or full maximum likelihood.
    reference : mapping, optional
        The reference level of a factor: ``{"method": "webp"}``; the alphabetically first if not
        given.
    contrasts : {"treatment", "sum"}
        How factors are coded, in the fixed and in the random part.

    Returns
    -------
    MixedResult
        z tests (``df`` None), and the paired check over images of every pair of methods where
        there are methods and images.

    Raises
    ------
    FormulaError
        If the formula cannot be read, names no column, or needs correlated components.
    StatisticsError
        If the data do not determine the model; the message names the reason.

    References
    ----------
    .. [1] Barr et al. (2013), Random effects structure for confirmatory hypothesis testing: keep
       it maximal, J. Mem. Lang. 68(3).
    """
    reference = reference or {}
    notes: list[str] = []
    model = parse_formula(formula or DEFAULT_FORMULA)
    if formula is None:
        model = _default_for(ratings, notes)
    response = ratings[model.response] if model.response in ratings else pd.Series(dtype=float)
    if len(response) and response.nunique() == 1:
        raise StatisticsError(
            f"Every {model.response} is {response.iloc[0]:g}: there is no variation to model. "
            "Report the mean."
        )
    design = build_design(model, ratings, reference=reference, contrasts=contrasts)
    fit = fit_variances(design, reml=estimation == "reml")
    return MixedResult(
        formula=str(model),
        estimation=estimation,
        contrasts=contrasts,
        n_observations=len(ratings),
        groups=design.groups,
        fixed_effects=_fixed_effects(design, fit, ci_level),
        components=tuple(
            Component(group=component.group, term=component.term, variance=float(variance))
            for component, variance in zip(design.components, fit.variances, strict=True)
        ),
        residual_variance=fit.residual_variance,
        criterion=fit.criterion,
        converged=fit.converged,
        singular=fit.singular,
        balanced_check=_balanced_check(ratings, model, design, ci_level),
        ci_level=ci_level,
        warnings=(*_warnings(model, design, fit), *_unbalanced(ratings, model)),
        notes=(*notes, *_notes(design, contrasts)),
    )


def _default_for(ratings: pd.DataFrame, notes: list[str]) -> ModelFormula:
    """The default model, with the terms these data can carry."""
    images, raters = ratings["image"].nunique(), ratings["rater"].nunique()
    if images < 2:
        raise StatisticsError(
            "There is one image: a mixed model over images needs at least two. To compare the "
            "methods on this image alone use --formula 'rating ~ method + (1 | rater)', or "
            "--model mos."
        )
    if raters < 2:
        raise StatisticsError(
            "There is one rater: a model over raters needs at least two. To describe this rater "
            "alone use --formula 'rating ~ method + (1 + method || image)', or --model mos."
        )
    if raters == len(ratings):
        notes.append(
            "Every rater answered once: differences between raters are part of the residual, and "
            "the model has no term for them."
        )
        return parse_formula("rating ~ method + (1 + method || image)")
    return parse_formula(DEFAULT_FORMULA)


def _fixed_effects(
    design: MixedDesign, fit: VarianceFit, ci_level: float
) -> tuple[FixedEffect, ...]:
    quantile = float(stats.norm.ppf(0.5 + ci_level / 2))
    errors = np.sqrt(np.diag(fit.covariance))
    return tuple(
        FixedEffect(
            term=term,
            estimate=float(estimate),
            std_error=float(error),
            df=None,
            t=float(estimate / error),
            p=float(2 * stats.norm.sf(abs(estimate / error))),
            ci_low=float(estimate - quantile * error),
            ci_high=float(estimate + quantile * error),
        )
        for term, estimate, error in zip(design.terms, fit.estimates, errors, strict=True)
    )


def _balanced_check(
    ratings: pd.DataFrame, model: ModelFormula, design: MixedDesign, ci_level: float
) -> tuple[PairedTest, ...]:
    if "method" not in model.fixed_variables or not {"image", "method"} <= set(ratings.columns):
        return ()
    first = design.levels.get("method", (None,))[0]
    return paired_tests(ratings, response=model.response, reference=first, ci_level=ci_level)


def _warnings(model: ModelFormula, design: MixedDesign, fit: VarianceFit) -> list[str]:
    found = [
        "The mixed model has no degrees of freedom here: its t is a z value, and tests and "
        "intervals are normal, which is too sure of itself with few images. The balanced check, a "
        "paired t test over images, has exact degrees of freedom."
    ]
    if not fit.converged:
        found.append("The optimizer did not converge: do not report these numbers.")
    if fit.singular:
        zero = [
            f"{component.term} by {component.group}"
            for component, variance in zip(design.components, fit.variances, strict=True)
            if variance == 0
        ]
        found.append(
            f"The fit is singular: the variance of {', '.join(zero)} is estimated as zero. The "
            "data carry a simpler random part."
        )
    few = [f"{n} {_UNITS.get(name, name)}" for name, n in design.groups.items() if n < _FEW_LEVELS]
    if few:
        found.append(f"A variance over {' and '.join(few)} is known only roughly.")
    if "image" in design.groups and _lacks_image_slope(model):
        found.append(
            "There is no by-image slope of the method: its standard error ignores that methods do "
            "better on some images than on others, and p is far too small for a claim about other "
            "images. Write (1 + method || image)."
        )
    return found


def _unbalanced(ratings: pd.DataFrame, model: ModelFormula) -> list[str]:
    """Say what the two analyses make of cells that are missing or of different sizes."""
    if "method" not in model.fixed_variables or not {"image", "method"} <= set(ratings.columns):
        return []
    sizes = ratings.groupby(["image", "method"], observed=True).size()
    cells = ratings["image"].nunique() * ratings["method"].nunique()
    if len(sizes) < cells:
        return [
            f"The data are unbalanced: {cells - len(sizes)} of {cells} image x method cells have "
            "no ratings. A comparison in the balanced check is over the images that both methods "
            "have (column images), the mixed model is over all of them, and the two differ."
        ]
    if sizes.min() == sizes.max():
        return []
    return [
        f"The data are unbalanced: image x method cells hold {sizes.min()} to {sizes.max()} "
        "ratings. The balanced check counts every image the same, the mixed model weighs by "
        "ratings, and the two differ a little."
    ]


def _lacks_image_slope(model: ModelFormula) -> bool:
    if "method" not in model.fixed_variables:
        return False
    slopes = any(t.groups == ("image",) and "method" in t.expression for t in model.random)
    cells = any(set(t.groups) == {"image", "method"} for t in model.random)
    return not (slopes or cells)


def _notes(design: MixedDesign, contrasts: Contrasts) -> list[str]:
    slopes = [
        component.term
        for component in design.components
        if any(component.term.startswith(name) for name in design.levels)
    ]
    if not slopes:
        return []
    if contrasts == "sum":
        coded = "sum-coded columns (1, 0, -1)"
    else:
        coded = (
            "columns that are 1 for the level and 0 elsewhere, so the choice of reference counts"
        )
    return [
        f"Slopes of a factor ({', '.join(dict.fromkeys(slopes))}) are independent components over "
        f"{coded}; to fit the same in lme4, write these columns as numeric variables after ||."
    ]
