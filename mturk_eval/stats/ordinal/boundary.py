"""Singular fits: variances that are estimated as zero, and correlations as one."""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np
from numpy.typing import NDArray

from mturk_eval.stats.ordinal.factors import without_pivot
from mturk_eval.stats.ordinal.fit import RandomTermFit
from mturk_eval.stats.ordinal.laplace import LaplaceCriterion
from mturk_eval.stats.ordinal.search import Point, continue_from

_NEGLIGIBLE = 1e-6
"""Rise of the criterion that a parameter set to zero may cost."""
_SMALL_PIVOT = 0.1


def at_the_boundary(criterion: LaplaceCriterion, point: Point) -> Point:
    """Set what is as good as zero to zero, smallest first, and go on from there.

    A search along the square root of a variance approaches zero without reaching it.
    """
    for term in criterion.layout.terms:
        tried: set[int] = set()
        while (place := _smallest_pivot(term.factor(point.parameters), tried)) is not None:
            tried.add(place)
            reduced = without_pivot(term.factor(point.parameters), place)
            parameters = point.parameters.copy()
            parameters[term.start : term.start + len(term.rows)] = reduced[term.rows, term.cols]
            value, gradient = criterion.value_and_gradient(parameters)
            if value <= point.value + _NEGLIGIBLE:
                point = continue_from(criterion, point, parameters, value, gradient)
    return point


def _smallest_pivot(factor: NDArray[np.float64], tried: Set[int]) -> int | None:
    """Place of the smallest diagonal entry that is small but not zero, and was not tried."""
    pivots = np.abs(np.diag(factor))
    places = [int(p) for p in np.argsort(pivots) if 0 < pivots[p] < _SMALL_PIVOT]
    return next((place for place in places if place not in tried), None)


def boundary_warnings(random: Sequence[RandomTermFit]) -> list[str]:
    """Name the variances that are zero, and the terms with a correlation of one."""
    zero = [
        f"{name} by {term.group}"
        for term in random
        for name, deviation in zip(term.terms, term.std_devs, strict=True)
        if deviation == 0
    ]
    bound = [
        f"{' and '.join(term.terms)} by {term.group}"
        for term in random
        if term.singular and np.all(term.std_devs > 0)
    ]
    found = []
    if zero:
        found.append(
            f"The fit is singular: the variance of {', '.join(zero)} is estimated as zero. The "
            "data carry a simpler random part."
        )
    if bound:
        found.append(
            f"The fit is singular: {'; '.join(bound)} are estimated as perfectly correlated. "
            "Write || instead of | in that term to leave the correlation out."
        )
    return found
