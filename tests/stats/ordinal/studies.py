"""Simulated ratings with a known truth, and blocks of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.ordinal.links import Link

INTERCEPT = "(Intercept)"


def random_block(
    codes: ArrayLike,
    *columns: NDArray[np.float64],
    group: str = "image",
    correlated: bool = True,
) -> RandomBlock:
    """A term with an intercept and a slope per further column."""
    found, levels = pd.factorize(np.asarray(codes), sort=True)
    names = (INTERCEPT, *(f"x{k + 1}" for k in range(len(columns))))
    return RandomBlock(
        group=group,
        terms=names,
        levels=tuple(str(level) for level in levels),
        codes=found.astype(np.int32),
        columns=np.column_stack([np.ones(len(found)), *columns]),
        correlated=correlated,
    )


def study(
    seed: int,
    *,
    images: int = 10,
    raters: int = 30,
    effect: float = 0.8,
    image_sd: float = 0.6,
    slope_sd: float = 0.8,
    rater_sd: float = 1.0,
    categories: int = 5,
    link: Link = "logit",
) -> pd.DataFrame:
    """Everyone rates every image under methods a and b; the latent scale has the link's noise."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0, image_sd, images)
    slope = rng.normal(effect, slope_sd, images)
    rater = rng.normal(0, rater_sd, raters)
    i, r, x = (grid.ravel() for grid in np.meshgrid(
        np.arange(images), np.arange(raters), np.arange(2), indexing="ij"
    ))  # fmt: skip
    noise = rng.logistic(size=len(i)) if link == "logit" else rng.normal(size=len(i))
    latent = image[i] + slope[i] * x + rater[r] + noise
    edges = np.linspace(-1.5, 2.5, categories - 1)
    return pd.DataFrame(
        {
            "rater": [f"r{n:03}" for n in r],
            "image": [f"i{n:02}" for n in i],
            "method": np.where(x == 1, "b", "a"),
            "x": x.astype(np.float64),
            "rating": 1.0 + np.searchsorted(edges, latent),
        }
    )


def slope_blocks(table: pd.DataFrame) -> tuple[RandomBlock, ...]:
    """(1 + x | image) + (1 | rater)."""
    x = table["x"].to_numpy()
    return random_block(table["image"], x), random_block(table["rater"], group="rater")
