"""A planned study, and the truth that simulated raters are given."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from mturk_eval.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyDesign:
    """How many images, methods and raters, and who rates what.

    Attributes
    ----------
    images : int
        At least 2; the claim about a method generalises over them.
    methods : int
        At least 2; the first is the reference.
    ratings_per_cell : int
        Ratings of each image x method cell, each by another rater.
    raters : int
        The pool. With as many as ``ratings_per_cell`` everyone rates everything; with more, each
        cell is rated by a random choice of them, as on a crowd platform.
    scale : (int, int), optional
        Lowest and highest rating: answers are rounded and clipped to it. None leaves them
        continuous.

    Raises
    ------
    InvalidInputError
        If the numbers make no study.
    """

    images: int
    methods: int = 2
    ratings_per_cell: int
    raters: int
    scale: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.images < 2:
            raise InvalidInputError(
                f"{self.images} images: give at least 2, since the claim is about images."
            )
        if self.methods < 2:
            raise InvalidInputError(f"{self.methods} methods: give at least 2 to compare.")
        if self.ratings_per_cell < 1:
            raise InvalidInputError(
                f"{self.ratings_per_cell} ratings a cell: give at least 1 per image and method."
            )
        if self.raters < max(2, self.ratings_per_cell):
            raise InvalidInputError(
                f"{self.raters} raters cannot give {self.ratings_per_cell} ratings a cell, each by "
                f"another rater: give at least {max(2, self.ratings_per_cell)} raters."
            )
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            raise InvalidInputError(
                f"The scale {self.scale[0]} {self.scale[1]}: the lowest rating must be below the "
                "highest."
            )

    @property
    def n_cells(self) -> int:
        """Images x methods."""
        return self.images * self.methods

    @property
    def n_observations(self) -> int:
        """Ratings in all."""
        return self.n_cells * self.ratings_per_cell

    @property
    def everyone_rates_everything(self) -> bool:
        """Whether each rater rates each cell."""
        return self.raters == self.ratings_per_cell

    @property
    def ratings_per_rater(self) -> float:
        """On average."""
        return self.n_observations / self.raters


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of the images, methods and raters of a simulated study, in rating points.

    The rating of image i under method m by rater r is ``mean + effect[m > 0] + image_i + slope_im
    + rater_r + rater_slope_rm + noise``, every random part normal; slopes are those of the methods
    after the first.

    Attributes
    ----------
    effect : float
        Mean of each method after the first, minus that of the first.
    slope_sd : float
        How much the effect differs from image to image: what limits a study of few images.
    image_sd : float
        Of the first method's mean from image to image.
    slope_correlation : float
        Between an image's mean under the first method and its slopes, -1 to 1.
    rater_sd : float
        Of raters' leniency.
    rater_slope_sd : float
        How much the effect differs from rater to rater.
    residual_sd : float
        Of single ratings around all that.
    mean : float
        Of the first method.

    Raises
    ------
    InvalidInputError
        If a number is not finite, a standard deviation negative or the correlation beyond 1.
    """

    effect: float
    slope_sd: float
    image_sd: float = 1.0
    slope_correlation: float = 0.0
    rater_sd: float = 1.0
    rater_slope_sd: float = 0.0
    residual_sd: float = 2.0
    mean: float = 5.5

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            words = field.name.replace("_", " ")
            if not math.isfinite(value):
                raise InvalidInputError(f"The {words} is {value}: give a number.")
            if field.name.endswith("_sd") and value < 0:
                raise InvalidInputError(
                    f"The {words} is {value:g}: a standard deviation is 0 or more."
                )
        if abs(self.slope_correlation) > 1:
            raise InvalidInputError(
                f"The slope correlation is {self.slope_correlation:g}: it lies between -1 and 1."
            )
        if self.residual_sd == 0:
            raise InvalidInputError(
                "The residual sd is 0: raters who never waver are no study. Give e.g. 2 points."
            )
