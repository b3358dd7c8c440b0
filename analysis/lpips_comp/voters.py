"""Voters with a known taste, in place of the paper's.

Two tastes, each a distance d; a voter chooses the second reconstruction with probability
``lapse / 2 + (1 - lapse) * logistic(care * (d_first - d_second) / scale)``:

- **channels**: hidden weights on 30 channels of the backbone, those that equal weights overlook
  most. The metric can become the voters', so this tells whether votes lead to the right weights.
- **masked error**: squared error against the original's activity around it, in luma, with blurred
  colour beside it. No weighting of channels is that, as none is a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special
from scipy.ndimage import uniform_filter

N_VOTERS: Final = 120
VOTES: Final = 6
_CARE: Final = 1.6
_CARE_SPREAD: Final = 0.4  # standard deviation of its logarithm between voters
_LAPSE: Final = 0.03
_CHANNELS: Final = 30
_ALIVE: Final = 0.05  # of the median channel's mean feature
_LUMA: Final = np.array([0.299, 0.587, 0.114])

Pixels = NDArray[np.uint8]
_Floats = NDArray[np.float64]


def hidden_weights(differences: _Floats, mean_features: _Floats, seed: int) -> _Floats:
    """A taste for what equal weights overlook.

    Of the channels that are not nearly dead, the 30 whose differences follow the equally weighted
    distance least count, each by its share of the distance times a log-normal number; the others
    do not.

    Parameters
    ----------
    differences : ndarray, shape (n, C)
        Features of the first less those of the second reconstruction, of all triplets.
    mean_features : ndarray, shape (C,)
    """
    equal = differences.sum(axis=1)
    centred = differences - differences.mean(axis=0)
    spread = np.sqrt((centred**2).sum(axis=0) * ((equal - equal.mean()) ** 2).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        follows = (centred * (equal - equal.mean())[:, None]).sum(axis=0) / spread
    alive = mean_features > _ALIVE * np.median(mean_features)
    chosen = np.argsort(np.where(alive, follows, np.inf), kind="stable")[:_CHANNELS]
    weights = np.zeros(len(mean_features))
    numbers = np.random.default_rng([seed, 1]).normal(0, 0.5, len(chosen))
    weights[chosen] = np.exp(numbers) / mean_features[chosen]
    return weights


def masked_error(original: Pixels, reconstruction: Pixels) -> float:
    """Root of the mean squared error, less where the original is busy.

    Examples
    --------
    >>> flat = np.full((32, 32, 3), 128, np.uint8)
    >>> busy = np.random.default_rng(1).integers(0, 256, flat.shape).astype(np.uint8)
    >>> masked_error(flat, flat + 4) > 2 * masked_error(busy // 2, busy // 2 + 4)
    True
    """
    x, y = original.astype(np.float64), reconstruction.astype(np.float64)
    luma, error = x @ _LUMA, (x - y) @ _LUMA
    activity = uniform_filter(luma**2, 9) - uniform_filter(luma, 9) ** 2
    seen = np.mean(error**2 / (1 + np.maximum(activity, 0) / 100))
    colour = uniform_filter((x - y) - error[..., None], (5, 5, 0))
    return float(np.sqrt(seen + 0.15 * np.mean(colour**2)))


def votes(
    triplets: pd.DataFrame, distance: Mapping[tuple[str, str, float], float], seed: int
) -> pd.DataFrame:
    """Six votes on every triplet, as `mturk-eval metric train --votes` reads them.

    Parameters
    ----------
    triplets : DataFrame
        Columns ``image``, ``bpp``, ``method_a``, ``method_b``.
    distance : mapping of (image, method, bpp) to float
        What voters see.
    """
    rng = np.random.default_rng([seed, 2])
    gap = np.array(
        [
            distance[image, a, bpp] - distance[image, b, bpp]
            for image, bpp, a, b in triplets[["image", "bpp", "method_a", "method_b"]].itertuples(
                index=False
            )
        ]
    )
    care = _CARE * np.exp(rng.normal(0, _CARE_SPREAD, N_VOTERS))
    voter = np.argsort(rng.random((len(triplets), N_VOTERS)), axis=1)[:, :VOTES]
    chance = special.expit(care[voter] * (gap / gap.std())[:, None])
    chooses_b = rng.random(voter.shape) < _LAPSE / 2 + (1 - _LAPSE) * chance
    a_is_left = rng.random(voter.shape) < 0.5
    rows = triplets.loc[triplets.index.repeat(VOTES)].reset_index(drop=True)
    left = a_is_left.ravel()
    return pd.DataFrame(
        {
            "rater": [f"voter{k:03d}" for k in voter.ravel()],
            "image": rows["image"],
            "bpp": rows["bpp"],
            "method_left": rows["method_a"].where(left, rows["method_b"]),
            "method_right": rows["method_b"].where(left, rows["method_a"]),
            "choice": np.where(chooses_b.ravel() == left, "right", "left"),
        }
    )
