"""Fitting cumulative-link mixed models: thresholds, fixed effects and crossed random effects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.ordinal.boundary import at_the_boundary, boundary_warnings
from mturk_eval.stats.ordinal.checks import (
    check_block,
    check_categories,
    check_fixed,
    check_kept_size,
    checked_arrays,
    extreme_level_warnings,
    gap_warnings,
)
from mturk_eval.stats.ordinal.fit import OrdinalFit, RandomTermFit
from mturk_eval.stats.ordinal.laplace import LaplaceCriterion
from mturk_eval.stats.ordinal.layout import Layout, lay_out
from mturk_eval.stats.ordinal.links import LINKS, Link, LinkFunction
from mturk_eval.stats.ordinal.search import FixedPartFit, Point, fit_fixed_part, maximise, polish
from mturk_eval.stats.ordinal.separation import separating_columns
from mturk_eval.stats.threads import threads_for

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_CONVERGED = 1e-6
_LARGEST_SD = 30.0
"""Of a random effect, in standard deviations of the latent noise; beyond it is without end."""
_LARGE_SD = 8.0
"""Beyond it Laplace's approximation is poor, and a flat likelihood is without end."""
_ILL_CONDITIONED = 1e10
_FAR = 6.0


def fit_ordinal(
    response: ArrayLike,
    fixed: ArrayLike,
    blocks: Sequence[RandomBlock] = (),
    *,
    link: Link = "logit",
    names: Sequence[str] | None = None,
) -> OrdinalFit:
    """Fit a cumulative-link mixed model by maximum Laplace likelihood.

    Parameters
    ----------
    response : array_like, shape (n,)
        Ordered values, e.g. ratings from 1 to 10; two values make a binary model. Only their order
        counts, and values that nobody gave are no categories.
    fixed : array_like, shape (n, p)
        Columns of the fixed effects without an intercept, which the thresholds are; p may be 0.
    blocks : sequence of RandomBlock
        Crossed or nested random terms; none for the cumulative-link model without them.
    link : {"logit", "probit"}
        Logistic (proportional odds) or normal latent noise.
    names : sequence of str, optional
        Of the fixed columns.

    Returns
    -------
    OrdinalFit
        Problems that leave the numbers usable are in ``warnings``.

    Raises
    ------
    InvalidInputError
        If the arrays do not fit together, hold what is no number, or the link is unknown.
    StatisticsError
        If the data do not determine the model: one category, collinear columns, columns that
        separate the categories, a group with one level or a coefficient for every answer, a
        variance without end.

    References
    ----------
    .. [1] McCullagh (1980), Regression models for ordinal data, J. R. Stat. Soc. B 42(2).
    .. [2] Christensen (2019), Cumulative link models for ordinal regression with the R package
       ordinal.

    Examples
    --------
    Without columns the thresholds are the logits of the cumulative shares:

    >>> fit_ordinal([1, 2, 2, 3], np.zeros((4, 0))).thresholds.round(4)
    array([-1.0986,  1.0986])
    """
    if link not in LINKS:
        raise InvalidInputError(f"There is no link {link!r}; use {' or '.join(LINKS)}.")
    values, columns = checked_arrays(response, fixed, blocks)
    labels = tuple(names or (f"x{k + 1}" for k in range(columns.shape[1])))
    if len(labels) != columns.shape[1]:
        raise InvalidInputError(f"{len(labels)} names for {columns.shape[1]} fixed columns.")
    categories, found = np.unique(values, return_inverse=True)
    codes = found.astype(np.intp)
    check_categories(categories)
    check_fixed(columns, labels)
    for block in blocks:
        check_block(block, len(values))
    simple = lay_out(codes, len(categories), columns, ())
    start = _fitted_fixed_part(simple, LINKS[link], labels)
    warnings = gap_warnings(categories)
    change = simple.to_original()
    random: tuple[RandomTermFit, ...] = ()
    if blocks:
        layout = lay_out(codes, len(categories), columns, blocks)
        check_kept_size(layout)
        criterion = LaplaceCriterion(layout, LINKS[link])
        with threads_for(criterion.pattern.q2):
            point, random = _fitted_random_part(criterion, start, blocks, LINKS[link])
        warnings += boundary_warnings(random)
        warnings += _large_variances(random, blocks, LINKS[link])
        warnings += extreme_level_warnings(codes, len(categories), blocks)
    else:
        point = start.point
    location, estimates = len(change), change @ point.parameters[: len(change)]
    covariance = change @ point.inverse_hessian[:location, :location] @ change.T
    converged = bool(point.decrement < _CONVERGED)
    warnings += _numerical_warnings(point, converged)
    return OrdinalFit(
        link=link,
        categories=tuple(categories.tolist()),
        counts=tuple(np.bincount(codes).tolist()),
        names=labels,
        thresholds=estimates[: simple.n_thresholds],
        coefficients=estimates[simple.n_thresholds :],
        covariance=covariance,
        random=random,
        log_likelihood=-point.value,
        converged=converged,
        gradient=float(np.abs(point.gradient).max()),
        evaluations=criterion.evaluations if blocks else start.evaluations,
        warnings=tuple(warnings),
        response=values,
        fixed=columns,
        blocks=tuple(blocks),
    )


def _fitted_fixed_part(layout: Layout, link: LinkFunction, names: Sequence[str]) -> FixedPartFit:
    """The model without random terms; refused where it has no maximum, as then none has."""
    fit = fit_fixed_part(layout, link)
    eta = fit.point.parameters[layout.n_thresholds :] @ layout.x
    if fit.converged and np.ptp(eta) < _FAR * np.sqrt(link.latent_variance):
        return fit
    columns = separating_columns(layout)
    if not len(columns):
        return fit
    which = " and ".join(names[column] for column in columns)
    raise StatisticsError(
        f"The answers separate along {which}: the likelihood rises without end as "
        f"{'its coefficient grows' if len(columns) == 1 else 'their coefficients grow'}, as where "
        "all answers to one method lie in the lowest or highest category. There is no estimate. "
        "Leave the method or column out, or use --model mixed or --model mos."
    )


def _fitted_random_part(
    criterion: LaplaceCriterion,
    start: FixedPartFit,
    blocks: Sequence[RandomBlock],
    link: LinkFunction,
) -> tuple[Point, tuple[RandomTermFit, ...]]:
    point = polish(
        criterion, at_the_boundary(criterion, maximise(criterion, start.point.parameters))
    )
    indefinite = not np.isfinite(point.condition)
    limit = (_LARGE_SD if indefinite else _LARGEST_SD) * np.sqrt(link.latent_variance)
    for term in criterion.layout.terms:
        if np.abs(term.factor(point.parameters)).max() > limit:
            group = blocks[term.place].group
            raise StatisticsError(
                f"The variance by {group} grows without end: as a rule because every {group} gave, "
                "or was given, one category throughout. Leave the term out with --formula, or use "
                "--model mixed."
            )
    return point, _random_terms(criterion, point.parameters, blocks)


def _random_terms(
    criterion: LaplaceCriterion, parameters: Vector, blocks: Sequence[RandomBlock]
) -> tuple[RandomTermFit, ...]:
    """Covariances, conditional modes and their standard errors, in the users' units."""
    by_place: dict[int, RandomTermFit] = {}
    for term, modes, variances in criterion.standardised_effects():
        factor = term.transform @ term.factor(parameters)
        block = blocks[term.place]
        covariances = factor @ variances @ factor.T
        by_place[term.place] = RandomTermFit(
            group=block.group,
            terms=block.terms,
            levels=block.levels,
            correlated=block.correlated,
            covariance=factor @ factor.T,
            modes=modes @ factor.T,
            mode_std_errors=np.sqrt(np.diagonal(covariances, axis1=1, axis2=2)),
        )
    return tuple(by_place[place] for place in range(len(blocks)))


def _large_variances(
    random: Sequence[RandomTermFit], blocks: Sequence[RandomBlock], link: LinkFunction
) -> list[str]:
    limit = _LARGE_SD * np.sqrt(link.latent_variance)
    found = []
    for term, block in zip(random, blocks, strict=True):
        mean_products = block.columns.T @ block.columns / len(block.columns)
        deviation = float(np.sqrt(np.trace(term.covariance @ mean_products)))
        if deviation > limit:
            found.append(
                f"Differences by {term.group} have a standard deviation of {deviation:.3g} on the "
                "latent scale, so that most levels gave, or were given, one category almost "
                "throughout. Laplace's approximation is poor there: leave the term out, or use "
                "--model mixed."
            )
    return found


def _numerical_warnings(point: Point, converged: bool) -> list[str]:
    if np.isnan(point.inverse_hessian).any():
        return [
            "The curvature at the estimates is not positive definite: there are no standard "
            "errors, and the estimates may be no maximum. Simplify the random part."
        ]
    found = []
    if not converged:
        found.append(
            f"The fit did not converge (largest gradient {np.abs(point.gradient).max():.2g}): do "
            "not report these numbers. Simplify the random part."
        )
    if point.condition > _ILL_CONDITIONED:
        found.append(
            "The estimates are nearly undetermined (condition number of the information "
            f"{point.condition:.1g}): standard errors are unreliable. Look for categories with a "
            "handful of answers and for nearly collinear columns."
        )
    return found
