"""The model for ratings of methods where none is asked for: maximal, then only what the data carry.

It starts from ``rating ~ method + (1 + method | image) + (1 | rater)``. By-rater slopes of the
method are added where at least half of the raters saw every method and the REML fit improves
(p < .2, [1]_). While the fit is singular, correlations go first, then by-rater slopes, by-image
slopes last, and those only where their own variance is estimated as zero: without them a claim
about other images is unfounded [2]_.

References
----------
.. [1] Matuschek et al. (2017), Balancing type I error and power in linear mixed models, J. Mem.
   Lang. 94.
.. [2] Barr et al. (2013), Random effects structure for confirmatory hypothesis testing: keep it
   maximal, J. Mem. Lang. 68(3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.formulas.design import Design, build_design, has_replicates
from mturk_eval.stats.formulas.factors import check_columns
from mturk_eval.stats.formulas.grammar import parse_formula
from mturk_eval.stats.formulas.matrices import Contrasts
from mturk_eval.stats.linear.fitting import LinearFit, fit_linear, is_singular
from mturk_eval.stats.mixed.comparison import boundary_mixture

FIXED_PART = "rating ~ method"
FULL_FORMULA = f"{FIXED_PART} + (1 + method | image) + (1 | rater)"
IMPROVEMENT_P = 0.2
"""By-rater slopes stay if the likelihood-ratio p value is below this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One decision on the way to the model: the formula it led to, and why."""

    formula: str
    reason: str

    def __str__(self) -> str:
        return f"{self.formula}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultModel:
    """The chosen model: its design, its fit by REML or ML, and the steps that led to it."""

    design: Design
    fit: LinearFit
    steps: tuple[Step, ...]


def fit_default(
    ratings: pd.DataFrame,
    *,
    reml: bool = True,
    reference: Mapping[str, str] | None = None,
    contrasts: Contrasts = "treatment",
) -> DefaultModel:
    """Choose and fit the default model.

    Parameters
    ----------
    ratings : DataFrame
        Columns ``rater``, ``image``, ``method``, ``rating``; one row per answer.
    reml : bool
        How the chosen model is fitted in the end; choices are made by REML.
    reference, contrasts
        See `build_design`.

    Raises
    ------
    FormulaError
        If the table lacks one of these columns.
    StatisticsError
        If there is one image, one rater or one method.
    """
    check_columns(parse_formula(FULL_FORMULA), ratings)
    _check_units(ratings)
    search = _Search.start(ratings, reference or {}, contrasts)
    search = search.with_rater_slopes(ratings)
    search = search.until_regular()
    return search.finished(reml)


def _check_units(ratings: pd.DataFrame) -> None:
    if ratings["image"].nunique() < 2:
        raise StatisticsError(
            "There is one image: a mixed model over images needs at least two. To compare the "
            "methods on this image alone use --formula 'rating ~ method + (1 | rater)', or "
            "--model mos."
        )
    if ratings["rater"].nunique() < 2:
        raise StatisticsError(
            "There is one rater: a model over raters needs at least two. To describe this rater "
            "alone use --formula 'rating ~ method + (1 + method | image)', or --model mos."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """A model under consideration; ``blocks`` leave those of ``design`` as steps are taken."""

    design: Design
    blocks: tuple[RandomBlock, ...]
    fit: LinearFit
    steps: tuple[Step, ...]

    @classmethod
    def start(
        cls, ratings: pd.DataFrame, reference: Mapping[str, str], contrasts: Contrasts
    ) -> _Search:
        groups, reason = _starting_groups(ratings)
        formula = parse_formula(" + ".join([FIXED_PART, *groups]))
        design = build_design(formula, ratings, reference=reference, contrasts=contrasts)
        fit = fit_linear(design.response, design.fixed, design.blocks)
        step = Step(formula=str(formula), reason=reason)
        return cls(design=design, blocks=design.blocks, fit=fit, steps=(step,))

    def moved(self, blocks: Sequence[RandomBlock], fit: LinearFit, reason: str) -> _Search:
        """The search at another model."""
        step = Step(formula=_formula_of(blocks), reason=reason)
        return replace(self, blocks=tuple(blocks), fit=fit, steps=(*self.steps, step))

    def stayed(self, reason: str) -> _Search:
        """The search where it is, with what was considered and left."""
        step = Step(formula=_formula_of(self.blocks), reason=reason)
        return replace(self, steps=(*self.steps, step))

    def fitted(self, blocks: Sequence[RandomBlock], *, reml: bool = True) -> LinearFit:
        return fit_linear(self.design.response, self.design.fixed, blocks, reml=reml)

    def with_rater_slopes(self, ratings: pd.DataFrame) -> _Search:
        """Add by-rater slopes of the method where they can be seen and improve the fit."""
        place = next((i for i, b in enumerate(self.blocks) if b.group == "rater"), None)
        if place is None:
            return self
        methods = ratings.groupby("rater", observed=True)["method"].nunique()
        complete, raters = int((methods == ratings["method"].nunique()).sum()), len(methods)
        seen = f"{complete} of {raters} raters saw every method"
        if complete * 2 < raters:
            return self.stayed(f"no by-rater slopes, since only {seen} (half are needed)")
        columns = self.design.fixed_columns
        slopes = replace(self.blocks[place], terms=columns.names, columns=columns.values)
        if not has_replicates(slopes):
            return self.stayed(
                "no by-rater slopes, since each rater answered once per method: they are part of "
                "the residual"
            )
        blocks = [*self.blocks]
        blocks[place] = slopes
        fit = self.fitted(blocks)
        ratio = max(0.0, self.fit.criterion - fit.criterion)
        p = boundary_mixture(self.blocks, blocks).p(ratio)
        verdict = f"likelihood ratio {ratio:.2f}, p {_p_text(p)}"
        if p < IMPROVEMENT_P:
            return self.moved(
                blocks, fit, f"by-rater slopes added: {seen}, and they improve the fit ({verdict})"
            )
        return self.stayed(
            f"no by-rater slopes: {seen}, but they do not improve the fit ({verdict})"
        )

    def until_regular(self) -> _Search:
        """Simplify while the fit is singular: correlations, by-rater, by-image slopes."""
        search = self
        singular = search.singular_slopes()
        if any(search.blocks[i].correlated for i in singular):
            where = _names(search.blocks[i].group for i in singular)
            blocks = [replace(b, correlated=False) if b.n_terms > 1 else b for b in search.blocks]
            search = search.moved(
                blocks, search.fitted(blocks), f"singular by {where}: correlations left out"
            )
        for group in ("rater", "image"):
            search = search.without_zero_slopes(group)
        return search

    def singular_slopes(self) -> list[int]:
        """Places of blocks with slopes whose covariance is singular."""
        return [
            place
            for place, (block, factor) in enumerate(zip(self.blocks, self.fit.factors, strict=True))
            if block.n_terms > 1 and is_singular(factor)
        ]

    def without_zero_slopes(self, group: str) -> _Search:
        """Leave out slopes whose every variance is estimated as zero."""
        for place, (block, factor) in enumerate(zip(self.blocks, self.fit.factors, strict=True)):
            if block.group != group or block.n_terms < 2 or np.any(np.diag(factor)[1:] > 0):
                continue
            intercept = replace(
                block, terms=block.terms[:1], columns=block.columns[:, :1], correlated=True
            )
            blocks = [*self.blocks]
            blocks[place] = intercept
            reason = f"the slopes' variance by {group} is estimated as zero: left out"
            return self.moved(blocks, self.fitted(blocks), reason)
        return self

    def finished(self, reml: bool) -> DefaultModel:
        formula = parse_formula(_formula_of(self.blocks))
        return DefaultModel(
            design=replace(self.design, formula=formula, blocks=self.blocks),
            fit=self.fit if reml else self.fitted(self.blocks, reml=False),
            steps=self.steps,
        )


def _starting_groups(ratings: pd.DataFrame) -> tuple[list[str], str]:
    """The random terms to start from, and why they are these."""
    methods = ratings.groupby("image", observed=True)["method"].nunique()
    images = ratings.groupby("method", observed=True)["image"].nunique()
    alone = [str(method) for method in images.index[images < 2]]
    if bool((methods >= 2).any()) and alone:
        groups = ["(1 | image)", "(1 | image:method)"]
        reason = (
            f"{', '.join(alone)} was rated on one image only, so methods are taken to differ from "
            "image to image all alike"
        )
    elif bool((methods >= 2).any()):
        groups, reason = ["(1 + method | image)"], "the default model"
    else:
        groups = ["(1 | image)"]
        reason = (
            "every image was rated under one method only, so methods are compared between images"
        )
    if ratings["rater"].nunique() == len(ratings):
        reason += (
            "; every rater answered once, so differences between raters are part of the residual"
        )
    else:
        groups.append("(1 | rater)")
    return groups, reason


def _formula_of(blocks: Sequence[RandomBlock]) -> str:
    terms = [
        f"({'1' if b.n_terms == 1 else '1 + method'} {'|' if b.correlated else '||'} {b.group})"
        for b in blocks
    ]
    return " + ".join([FIXED_PART, *terms])


def _names(groups: object) -> str:
    return " and ".join(dict.fromkeys(groups))  # type: ignore[call-overload]


def _p_text(p: float) -> str:
    return "< .001" if p < 0.001 else f"= {p:.3f}"
