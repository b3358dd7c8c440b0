"""What the model predicts for each image or rater: conditional modes (BLUPs), with errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mturk_eval.stats.linear.fitting import LinearFit
from mturk_eval.stats.threads import threads_for

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionalModes:
    """Predicted coefficients of one random term.

    Attributes
    ----------
    group : str
    terms : tuple of str, length K
    levels : tuple of str, length L
    modes : ndarray, shape (L, K)
        Deviations from the fixed effects, in units of the response (per unit of the column).
    std_errors : ndarray, shape (L, K)
        Given the variances and the fixed effects, as lme4's ``condVar``.
    """

    group: str
    terms: tuple[str, ...]
    levels: tuple[str, ...]
    modes: Array
    std_errors: Array


def conditional_modes(fit: LinearFit) -> tuple[ConditionalModes, ...]:
    """The conditional modes of every random term, in the order of ``fit.blocks``."""
    profiled = fit.deviance.profiled
    with threads_for(profiled.sums.n_rest):
        point = fit.deviance.point(fit.theta)
        modes, covariances = point.block_modes(), point.block_mode_covariances()
    result = []
    for block, own, covariance, transform in zip(
        fit.blocks, modes, covariances, fit.deviance.units.transforms, strict=True
    ):
        back = np.linalg.inv(transform)
        variances = np.einsum("ka,lab,kb->lk", back, covariance, back)
        result.append(
            ConditionalModes(
                group=block.group,
                terms=block.terms,
                levels=block.levels,
                modes=own @ back.T * profiled.rotation.scale,
                std_errors=np.sqrt(np.maximum(variances, 0.0) * fit.residual_variance),
            )
        )
    return tuple(result)
