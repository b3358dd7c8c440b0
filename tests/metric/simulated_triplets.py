"""Triplets for tests: features and votes simulated from known weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mturk_eval.metric.triplets import Triplets

METHODS = ("bpg", "jpeg2000", "mentzer", "patel")
RATES = (0.15, 0.3, 0.6, 1.0)
PAIRS = [(a, b) for a in range(4) for b in range(a + 1, 4)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedStudy:
    """Every original at 4 rates by 4 methods, all 6 pairs voted on.

    Attributes
    ----------
    chance : ndarray, shape (n,)
        Of a vote for the second: what the 2AFC score is expected from.
    weights : ndarray, shape (C,)
        The voters'.
    """

    triplets: Triplets
    first: NDArray[np.float32]
    second: NDArray[np.float32]
    chance: NDArray[np.float64]
    weights: NDArray[np.float64]


def simulated_study(
    seed: int = 0,
    *,
    originals: int = 40,
    layer_sizes: Sequence[int] = (8, 12, 20),
    votes: int | tuple[int, int] = 6,
    slope: float = 1.5,
) -> SimulatedStudy:
    """Voters with a hidden w choose by a logistic of ``w . (z_first - z_second)``.

    Channels share each reconstruction's severity, as those of a real backbone do.
    """
    rng = np.random.default_rng(seed)
    channels = sum(layer_sizes)
    shape = (originals, len(RATES), len(METHODS))
    severity = rng.normal(0, 0.3, shape) - 0.5 * np.arange(len(RATES))[:, None]
    z = np.exp(
        rng.normal(-3, 1, channels)
        + severity[..., None]
        + rng.normal(0, 0.3, (len(METHODS), channels))
        + rng.normal(0, 0.3, (originals, 1, 1, channels))
        + rng.normal(0, 0.3, (*shape, channels))
    ).astype(np.float32)
    weights = np.exp(rng.normal(0, 1, channels)) * (rng.random(channels) < 0.5)
    weights[0] = 1.0  # voters see something
    image, rate, pair = (
        index.ravel()
        for index in np.meshgrid(range(originals), range(len(RATES)), range(6), indexing="ij")
    )
    one, two = np.array(PAIRS)[pair].T
    first, second = z[image, rate, one], z[image, rate, two]
    difference = (first - second).astype(np.float64) @ weights
    chance = special.expit(slope * difference / difference.std())
    n = np.full(len(image), votes) if isinstance(votes, int) else rng.integers(*votes, len(image))
    chosen = rng.binomial(n, chance)
    name = np.array([f"image{k:03d}" for k in image])
    method = np.array(METHODS)
    return SimulatedStudy(
        triplets=Triplets(
            image=name,
            bpp=np.array(RATES)[rate],
            method_first=method[one],
            method_second=method[two],
            original=np.char.add("digest-of-", name),
            first=_keys(name, rate, one),
            second=_keys(name, rate, two),
            votes_first=n - chosen,
            votes_second=chosen,
            votes_not_sure=np.zeros_like(chosen),
        ),
        first=first,
        second=second,
        chance=chance,
        weights=weights,
    )


def bare_triplets(
    votes_first: Sequence[int] | NDArray[np.int64],
    votes_second: Sequence[int] | NDArray[np.int64],
    *,
    image: Sequence[str] | None = None,
    votes_not_sure: Sequence[int] | None = None,
) -> Triplets:
    """Triplets of which only votes and images matter; by default each has its own image."""
    n = len(votes_first)
    name = np.array([f"i{k}" for k in range(n)] if image is None else image)
    return Triplets(
        image=name,
        bpp=np.full(n, np.nan),
        method_first=np.full(n, "a"),
        method_second=np.full(n, "b"),
        original=np.char.add("digest-of-", name),
        first=np.array([f"first{k}" for k in range(n)]),
        second=np.array([f"second{k}" for k in range(n)]),
        votes_first=np.asarray(votes_first),
        votes_second=np.asarray(votes_second),
        votes_not_sure=np.zeros(n, np.int64)
        if votes_not_sure is None
        else np.array(votes_not_sure),
    )


def repeated(triplets: Triplets, times: NDArray[np.int64]) -> Triplets:
    """Every triplet several times, as rows."""
    return triplets.take(np.repeat(np.arange(len(triplets)), times))


def _keys(
    name: NDArray[np.str_], rate: NDArray[np.int64], method: NDArray[np.int64]
) -> NDArray[np.str_]:
    return np.array([f"{i}-{r}-{m}" for i, r, m in zip(name, rate, method, strict=True)])
