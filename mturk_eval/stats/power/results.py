"""What a design promises, by simulation and by formula, as frozen results and JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.power.design import StudyDesign, Truth
from mturk_eval.stats.power.planning import PlannedPower

_FEW_IMAGES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPower:
    """Shares and means over the studies that could be fitted.

    Attributes
    ----------
    power : float
        Share of the studies whose test rejects: the type I error where the true effect is 0.
    ci_low, ci_high : float
        Wilson's 95% interval of ``power``: the Monte-Carlo error of so many studies.
    coverage : float
        Share of the 1 - alpha t intervals that contain the true effect.
    mean_effect, sd_effect, mean_std_error : float
        Of the estimates; the mean of their standard errors should be near their sd, which is nan
        of one study.
    median_df : float
        Of Satterthwaite's degrees of freedom.
    singular : float
        Share of the studies with a variance or correlation at its bound.
    """

    power: float
    ci_low: float
    ci_high: float
    coverage: float
    mean_effect: float
    sd_effect: float
    mean_std_error: float
    median_df: float
    singular: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerResult:
    """The power of one design under one truth.

    ``simulated`` is None if no study could be fitted; ``n_failed`` studies could not and are in no
    share. ``images_needed`` is the fewest images for ``target_power`` by formula, None if no number
    is enough.
    """

    design: StudyDesign
    truth: Truth
    formula: str
    alpha: float
    studies: int
    seed: int
    n_failed: int
    simulated: SimulatedPower | None
    planned: PlannedPower
    target_power: float
    images_needed: int | None

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """What the test speaks about."""
        return ("images", "raters")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before the number is used."""
        found = []
        images, methods = self.design.images, self.design.methods
        if self.n_failed:
            found.append(
                f"{self.n_failed} of {self.studies} simulated studies with {images} images could "
                "not be fitted and are left out: the design is too small for the model. Plan more "
                "ratings a cell, or more images."
            )
        if images < _FEW_IMAGES:
            found.append(
                f"With {images} images the test rests on few of them: analyze such a study with "
                f"--df kenward-roger, and plan {_FEW_IMAGES} images or more."
            )
        if methods > 2:
            pairs = math.comb(methods, 2)
            found.append(
                f"The power is that of one comparison of two methods. For all {pairs} pairs of "
                f"{methods} methods give --alpha {self.alpha / pairs:.2g}."
            )
        return tuple(found)

    def row(self) -> Document:
        """One row of the table of designs."""
        simulated = dict.fromkeys(SimulatedPower.__dataclass_fields__, None)
        if self.simulated is not None:
            simulated |= {name: number(value) for name, value in asdict(self.simulated).items()}
        planned = asdict(self.planned)
        return {
            "images": self.design.images,
            "methods": self.design.methods,
            "raters": self.design.raters,
            "ratings_per_cell": self.design.ratings_per_cell,
            "n_observations": self.design.n_observations,
            "formula": self.formula,
            **simulated,
            "n_failed": self.n_failed,
            **{f"planned_{name}": number(value) for name, value in planned.items()},
            "images_needed": self.images_needed,
        }

    def document(self) -> Document:
        """The JSON object of ``mturk-eval power --json`` for one design."""
        return power_document([self])


def power_document(results: Sequence[PowerResult]) -> Document:
    """The JSON object of ``mturk-eval power --json``: one row per design, all under one truth.

    ``n_observations`` counts the ratings that were simulated for all rows; ``planned_…`` is by
    formula, the rest of a row by simulation.
    """
    first = results[0]
    return {
        "model": "power",
        "n_observations": sum(result.design.n_observations * result.studies for result in results),
        "generalises_to": list(first.generalises_to),
        "warnings": list(dict.fromkeys(w for result in results for w in result.warnings)),
        "test": "t, Satterthwaite, two-sided",
        "alpha": first.alpha,
        "studies": first.studies,
        "seed": first.seed,
        "target_power": first.target_power,
        "scale": None if first.design.scale is None else list(first.design.scale),
        "truth": asdict(first.truth),
        "rows": [result.row() for result in results],
    }
