"""Fixed effects without a finite estimate: answers that a combination of columns separates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from mturk_eval.stats.ordinal.layout import Layout

_SURELY = 1e-6


def separating_columns(layout: Layout) -> NDArray[np.intp]:
    """Fixed columns along which the likelihood rises without end; none if it has a maximum.

    There is no maximum where some direction in thresholds and fixed effects widens every answer's
    interval or leaves it alone, and widens at least one [1]_. A linear program finds such a
    direction if there is one.

    Parameters
    ----------
    layout : Layout
        Of the fixed part.

    Returns
    -------
    ndarray of intp
        The columns of the direction found, the largest first.

    References
    ----------
    .. [1] Albert & Anderson (1984), On the existence of maximum likelihood estimates in logistic
       regression models, Biometrika 71(1), whose argument holds for any log-concave interval
       probability.
    """
    n_thresholds = layout.n_thresholds
    rows = np.arange(len(layout.y))
    has_upper, has_lower = layout.y < n_thresholds, layout.y > 0
    upper = np.zeros((len(rows), layout.n_location))
    lower = np.zeros_like(upper)
    upper[rows[has_upper], layout.y[has_upper]] = 1
    lower[rows[has_lower], layout.y[has_lower] - 1] = 1
    upper[:, n_thresholds:] = lower[:, n_thresholds:] = -layout.x.T
    widening = np.concatenate([upper[has_upper], -lower[has_lower]])
    found = linprog(
        -widening.sum(axis=0),
        A_ub=-widening,
        b_ub=np.zeros(len(widening)),
        bounds=(-1, 1),
        method="highs",
    )
    if found.x is None or found.fun is None or -found.fun < _SURELY * len(widening):
        return np.zeros(0, dtype=np.intp)
    direction = np.abs(found.x[n_thresholds:])
    involved = np.flatnonzero(direction > 1e-3 * direction.max())
    return involved[np.argsort(-direction[involved])]
