"""What a reader of a mixed model must know: what it lacks, what it cannot tell, what to do."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.formulas.design import Design
from mturk_eval.stats.formulas.grammar import ModelFormula, RandomTerm, columns_in
from mturk_eval.stats.linear.fitting import LinearFit
from mturk_eval.stats.mixed.inference import DegreesOfFreedom
from mturk_eval.stats.mixed.results import Component, unit_name

_FEW_LEVELS = 6
_KENWARD_ROGER_BELOW = 10
_NO_INTERCEPT = re.compile(r"\b0\b|-\s*1\b")


def lacks_image_slope(model: ModelFormula) -> bool:
    """Whether methods are compared over images whose differences in method have no variance."""
    if "method" not in model.fixed_variables:
        return False
    by_image = [term for term in model.random if term.groups == ("image",)]
    slopes = any("method" in columns_in(term.expression) for term in by_image)
    cells = any(set(term.groups) == {"image", "method"} for term in model.random)
    return bool(by_image) and not (slopes or cells)


def with_image_slope(model: ModelFormula) -> ModelFormula:
    """The same model with by-image slopes of the method beside what varies by image in it.

    Examples
    --------
    >>> from mturk_eval.stats.formulas.grammar import parse_formula
    >>> print(with_image_slope(parse_formula("rating ~ method + (1 | image) + (0 + x | image)")))
    rating ~ method + (1 + method | image) + (0 + x | image)
    """
    by_image = [term for term in model.random if term.groups == ("image",)]
    with_intercept = [term for term in by_image if not _NO_INTERCEPT.search(term.expression)]
    home = (with_intercept or by_image)[0]
    slopes = RandomTerm(
        expression=f"{home.expression} + method", groups=home.groups, independent=False
    )
    return ModelFormula(
        response=model.response,
        fixed=model.fixed,
        random=tuple(slopes if term is home else term for term in model.random),
    )


def fit_warnings(
    design: Design, fit: LinearFit, components: tuple[Component, ...], df: DegreesOfFreedom
) -> list[str]:
    """Warnings that follow from the fit alone."""
    found = []
    if not fit.converged:
        found.append(
            "The optimizer did not converge (gradient norm "
            f"{fit.gradient_norm:.2g}): do not report these numbers. A simpler random part or "
            "covariates in other units may help."
        )
    if fit.singular:
        found.append(f"The fit is singular: {_singular_part(components)}. The data carry a simpler "
                     "random part.")  # fmt: skip
    for block in design.blocks:
        if block.n_terms > 1 and not _varies_within(block):
            found.append(
                f"No {block.group} has answers at two settings of {', '.join(block.terms)}: its "
                "variances and their correlation cannot all be told apart. The tests of fixed "
                f"effects stand; do not interpret these variances. Simpler: (1 | {block.group})."
            )
    few = [f"{n} {unit_name(name)}" for name, n in design.groups.items() if n < _FEW_LEVELS]
    if few:
        found.append(f"A variance over {' and '.join(few)} is known only roughly.")
    if df == "none":
        found.append(
            "Without degrees of freedom (--df none) tests and intervals are normal, which is too "
            "sure of itself with few images or raters."
        )
    return found


def _varies_within(block: RandomBlock) -> bool:
    """Whether some level has rows with different columns."""
    low = np.full((block.n_levels, block.n_terms), np.inf)
    high = -low
    np.minimum.at(low, block.codes, block.columns)
    np.maximum.at(high, block.codes, block.columns)
    return bool((high > low).any())


def _singular_part(components: tuple[Component, ...]) -> str:
    zero = [f"{c.term} by {c.group}" for c in components if c.with_term is None and c.variance == 0]
    perfect = [
        f"{c.term} and {c.with_term} by {c.group}"
        for c in components
        if c.correlation is not None and abs(c.correlation) > 0.9999
    ]
    parts = []
    if zero:
        parts.append(f"the variance of {', '.join(zero)} is estimated as zero")
    if perfect:
        parts.append(f"the correlation of {', '.join(perfect)} is estimated as ±1")
    return " and ".join(parts) or "a combination of random effects has no variance"


def unbalanced_warnings(ratings: pd.DataFrame, model: ModelFormula) -> list[str]:
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


def coding_warnings(design: Design) -> list[str]:
    """Say that independent slopes of a factor depend on how it is coded."""
    independent = [
        term
        for block in design.blocks
        if not block.correlated and block.n_terms > 1
        for term in block.terms
        if any(term.startswith(name) for name in design.levels)
    ]
    if not independent:
        return []
    names = ", ".join(dict.fromkeys(independent))
    if design.contrasts == "sum":
        coded = "sum-coded columns (1, 0, -1), where the level left out has a part in it"
        other = "--contrasts treatment"
    else:
        coded = "columns that are 1 for a level and 0 elsewhere, where the reference has a part"
        other = "another --reference and --contrasts sum"
    return [
        f"|| takes the slopes of a factor ({names}) as independent of the intercept, over {coded}: "
        f"other codings give other standard errors. If a conclusion hangs on it, see {other}, or "
        "write (1 | image) + (1 | image:method), which has no such choice."
    ]


def notes_on(design: Design, df: DegreesOfFreedom) -> list[str]:
    """What a reader should know that is no fault."""
    notes = []
    images = design.groups.get("image", _KENWARD_ROGER_BELOW)
    if df == "satterthwaite" and images < _KENWARD_ROGER_BELOW:
        notes.append(
            f"With {images} images Kenward and Roger's test is the safer one: --df kenward-roger."
        )
    return notes
