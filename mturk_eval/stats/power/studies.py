"""One simulated study with a known truth, as arrays: what a fit needs and no more."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.power.design import StudyDesign, Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedStudy:
    """Ratings of one study; all arrays have shape (n,), codes count from 0 without gaps.

    ``method`` 0 is the reference.
    """

    rating: NDArray[np.float64]
    image: NDArray[np.int32]
    method: NDArray[np.int32]
    rater: NDArray[np.int32]
    n_images: int
    n_methods: int
    n_raters: int

    @property
    def fixed(self) -> NDArray[np.float64]:
        """Columns ``(Intercept)`` and one indicator per method after the first, shape (n, p)."""
        return _indicators(self.n_images, self.n_methods, len(self.rating))

    def blocks(self, *, rater_slopes: bool = False) -> tuple[RandomBlock, RandomBlock]:
        """By-image intercepts and slopes; by-rater intercepts, with slopes if asked for."""
        terms = ("(Intercept)", *_names("method", self.n_methods)[1:])
        columns = self.fixed
        return (
            RandomBlock(
                group="image",
                terms=terms,
                levels=_names("image", self.n_images),
                codes=self.image,
                columns=columns,
            ),
            RandomBlock(
                group="rater",
                terms=terms if rater_slopes else terms[:1],
                levels=_names("rater", self.n_raters),
                codes=self.rater,
                columns=columns if rater_slopes else columns[:, :1],
            ),
        )

    def table(self) -> pd.DataFrame:
        """Tidy ratings: rater, image, method, rating; the reference is ``method1``."""
        return pd.DataFrame(
            {
                "rater": np.array(_names("rater", self.n_raters))[self.rater],
                "image": np.array(_names("image", self.n_images))[self.image],
                "method": np.array(_names("method", self.n_methods))[self.method],
                "rating": self.rating,
            }
        )


def simulate_study(design: StudyDesign, truth: Truth, rng: np.random.Generator) -> SimulatedStudy:
    """Draw images, raters, who rates what, and the ratings.

    Parameters
    ----------
    design : StudyDesign
    truth : Truth
    rng : Generator
        All that is random comes from it.

    Returns
    -------
    SimulatedStudy
        Rows sorted by image and method. Raters of the pool who rated nothing are left out.

    Examples
    --------
    >>> design = StudyDesign(images=2, ratings_per_cell=3, raters=3, scale=(1, 10))
    >>> study = simulate_study(design, Truth(effect=1, slope_sd=1), np.random.default_rng(0))
    >>> study.rating.shape, study.n_raters, set(study.rating) <= set(range(1, 11))
    ((12,), 3, True)
    """
    image, method = _cells(design.images, design.methods, design.ratings_per_cell)
    rater = _assign(design, rng)
    image_effects = _effects(
        rng,
        levels=design.images,
        methods=design.methods,
        sd=truth.image_sd,
        slope_sd=truth.slope_sd,
        correlation=truth.slope_correlation,
    )
    rater_effects = _effects(
        rng,
        levels=design.raters,
        methods=design.methods,
        sd=truth.rater_sd,
        slope_sd=truth.rater_slope_sd,
        correlation=0.0,
    )
    image_effects[:, 1:] += truth.effect
    rating = truth.residual_sd * rng.standard_normal(design.n_observations)
    rating += truth.mean
    rating += np.repeat(image_effects.ravel(), design.ratings_per_cell)  # rows are sorted by cell
    rating += rater_effects.ravel()[rater * np.int32(design.methods) + method]
    if design.scale is not None:
        rating = np.clip(np.rint(rating), *design.scale)
    n_raters = design.raters
    seen = np.bincount(rater, minlength=n_raters) > 0
    if not seen.all():
        rater = (np.cumsum(seen, dtype=np.int32) - np.int32(1))[rater]
        n_raters = int(seen.sum())
    return SimulatedStudy(
        rating=rating,
        image=image,
        method=method,
        rater=rater,
        n_images=design.images,
        n_methods=design.methods,
        n_raters=n_raters,
    )


def _assign(design: StudyDesign, rng: np.random.Generator) -> NDArray[np.int32]:
    """The rater of every row: all of them, or a fresh random choice for each cell."""
    if design.everyone_rates_everything:
        return np.tile(np.arange(design.raters, dtype=np.int32), design.n_cells)
    keys = rng.random((design.n_cells, design.raters))
    chosen = np.argpartition(keys, design.ratings_per_cell, axis=1)[:, : design.ratings_per_cell]
    return chosen.astype(np.int32).ravel()


def _effects(
    rng: np.random.Generator,
    *,
    levels: int,
    methods: int,
    sd: float,
    slope_sd: float,
    correlation: float,
) -> NDArray[np.float64]:
    """Deviation of each level under each method, shape (levels, methods)."""
    standard = rng.standard_normal((levels, methods))
    own = np.sqrt(1.0 - correlation**2)
    effects = np.empty((levels, methods))
    effects[:, 0] = sd * standard[:, 0]
    slopes = correlation * standard[:, :1] + own * standard[:, 1:]
    effects[:, 1:] = effects[:, :1] + slope_sd * slopes
    return effects


# What all studies of one design share is made once.


@lru_cache(maxsize=8)
def _cells(images: int, methods: int, ratings: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    image = np.repeat(np.arange(images, dtype=np.int32), methods * ratings)
    method = np.tile(np.repeat(np.arange(methods, dtype=np.int32), ratings), images)
    return _read_only(image), _read_only(method)


@lru_cache(maxsize=8)
def _indicators(images: int, methods: int, rows: int) -> NDArray[np.float64]:
    _, method = _cells(images, methods, rows // (images * methods))
    indicators = np.zeros((rows, methods))
    indicators[np.arange(rows), method] = 1.0
    indicators[:, 0] = 1.0
    indicators.setflags(write=False)
    return indicators


@lru_cache(maxsize=64)
def _names(noun: str, count: int) -> tuple[str, ...]:
    """Names that sort as their numbers do: image01, image02, …."""
    width = len(str(count))
    return tuple(f"{noun}{number:0{width}d}" for number in range(1, count + 1))


def _read_only(codes: NDArray[np.int32]) -> NDArray[np.int32]:
    codes.setflags(write=False)
    return codes
