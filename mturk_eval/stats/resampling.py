"""Bootstrap weights: a resample of clusters is one row of counts; all are drawn at once."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

ResamplingUnit = Literal["rater", "rating", "image", "both"]

GENERALISES_TO: dict[ResamplingUnit, tuple[str, ...]] = {
    "rater": ("raters",),
    "rating": ("ratings",),
    "image": ("images",),
    "both": ("raters", "images"),
}
"""What an interval speaks about, by what was resampled: others of the same kind."""


def cluster_weights(
    n_clusters: int, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """How often each cluster occurs in each bootstrap resample, shape (resamples, n_clusters)."""
    share = np.full(n_clusters, 1.0 / n_clusters)
    return rng.multinomial(n_clusters, share, size=resamples).astype(np.float64)


def percentile_interval(
    replicates: NDArray[np.float64], ci_level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentile limits over the first axis; replicates in which a cell was empty are left out."""
    tail = (1.0 - ci_level) / 2.0
    quantile = np.nanquantile if np.isnan(replicates).any() else np.quantile
    low, high = quantile(replicates, [tail, 1.0 - tail], axis=0)
    return np.asarray(low), np.asarray(high)
