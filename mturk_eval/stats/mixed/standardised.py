"""A fit written for orthonormal columns, in which no unit and no correlation costs digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.linear.fitting import LinearFit

Matrix = NDArray[np.float64]


def column_root(block: RandomBlock) -> Matrix:
    """R with ``columns = Q R``, Q of orthonormal columns (of unit size, for ``||``), (K, K).

    Examples
    --------
    >>> year = np.array([2018.0, 2019, 2020, 2021])
    >>> block = RandomBlock(
    ...     group="rater", terms=("(Intercept)", "year"), levels=("r1", "r2"),
    ...     codes=np.array([0, 0, 1, 1], dtype=np.int32),
    ...     columns=np.column_stack([np.ones(4), year]),
    ... )
    >>> np.abs(column_root(block)).round(3)  # the mean and the spread of the years
    array([[1.0000e+00, 2.0195e+03],
           [0.0000e+00, 1.1180e+00]])
    """
    if not block.correlated:
        return np.diag(np.linalg.norm(block.columns, axis=0) / np.sqrt(len(block.codes)))
    return np.asarray(np.linalg.qr(block.columns, mode="r") / np.sqrt(len(block.codes)))


def standardised(fit: LinearFit, roots: Sequence[Matrix]) -> LinearFit:
    """The same fit of orthonormal fixed and random columns.

    Its factors are not triangular, and its ``estimates`` and ``deviance`` are still those of the
    columns as they were.

    Parameters
    ----------
    roots : sequence of ndarray
        Per block its `column_root`.
    """
    rotation = fit.deviance.profiled.rotation
    point = fit.deviance.point(fit.theta)
    return replace(
        fit,
        fixed=rotation.contrasts(fit.fixed),
        covariance=point.fixed_covariance * fit.residual_variance,
        blocks=tuple(
            replace(block, columns=block.columns @ np.linalg.inv(root))
            for block, root in zip(fit.blocks, roots, strict=True)
        ),
        factors=tuple(root @ factor for root, factor in zip(roots, fit.factors, strict=True)),
    )
