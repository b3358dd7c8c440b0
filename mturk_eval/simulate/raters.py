"""What a simulated rater answers: a known taste, a person's bias and noise, and lapses.

A stimulus has a true quality from 1 to 10. A rating is that quality with the rater's bias and
noise, rounded to the scale; a choice compares two qualities with the same noise (Thurstone's case
V). A lapse is an answer drawn blindly.
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mturk_eval.batch import Batch
from mturk_eval.errors import TableError
from mturk_eval.trials import HIGHEST_RATING, LOWEST_RATING, Choice, Stimulus

# Peak signal-to-noise ratios, in dB, at which a taste made of pixels says 1 and 10.
_WORST_DB: Final = 18.0
_BEST_DB: Final = 42.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How a population of raters behaves; all on the rating scale but ``lapse_rate``."""

    bias_sd: float
    noise_sd: float
    lapse_rate: float


PROFILES: Final[Mapping[str, Profile]] = {
    "typical": Profile(bias_sd=0.8, noise_sd=1.4, lapse_rate=0.01),
    "careful": Profile(bias_sd=0.4, noise_sd=0.7, lapse_rate=0.0),
    "careless": Profile(bias_sd=1.2, noise_sd=2.0, lapse_rate=0.4),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rater:
    """One simulated person: the same name and seed give the same answers in any order."""

    name: str
    seed: int
    profile: Profile

    def rate(self, trial_id: str, quality: float) -> int:
        """Rate a stimulus of a true quality from 1 to 10."""
        dice = self._dice(trial_id)
        if dice.random() < self.profile.lapse_rate:
            return dice.randint(LOWEST_RATING, HIGHEST_RATING)
        bias = self._dice("bias").gauss(0, self.profile.bias_sd)
        felt = quality + bias + dice.gauss(0, self.profile.noise_sd)
        return max(LOWEST_RATING, min(HIGHEST_RATING, round(felt)))

    def choose(self, trial_id: str, left: float, right: float) -> Choice:
        """Choose between two true qualities."""
        dice = self._dice(trial_id)
        if dice.random() < self.profile.lapse_rate:
            return "left" if dice.random() < 0.5 else "right"
        felt = left - right + dice.gauss(0, math.sqrt(2) * self.profile.noise_sd)
        return "left" if felt > 0 else "right"

    def seconds(self, trial_id: str) -> float:
        """How long this person looks at a trial: log-normal around 6 s."""
        return min(60.0, self._dice(f"time {trial_id}").lognormvariate(math.log(6), 0.5))

    def _dice(self, what: str) -> random.Random:
        return random.Random(f"{self.seed} {self.name} {what}")  # noqa: S311  # numbers, no secret


def make_raters(n: int, *, seed: int, profile: Profile) -> list[Rater]:
    """``n`` raters named ``sim-0001``, …: the same names at every call."""
    return [Rater(name=f"sim-{i:04d}", seed=seed, profile=profile) for i in range(1, n + 1)]


def pixel_quality(batch: Batch, folder: Path) -> dict[str, float]:
    """A taste made of pixels: quality of each stimulus by id, 1 to 10, linear in PSNR of luma."""
    originals = {s.image: s for s in batch.stimuli if s.role == "original"}
    luma: dict[str, NDArray[np.float64]] = {}
    qualities = {}
    for stimulus in sorted(batch.stimuli, key=lambda s: s.image):
        if stimulus.image not in luma:
            luma = {stimulus.image: _luma(folder, originals[stimulus.image])}
        error = np.mean((_luma(folder, stimulus) - luma[stimulus.image]) ** 2)
        decibels = math.inf if error == 0 else 10 * math.log10(255**2 / float(error))
        share = (decibels - _WORST_DB) / (_BEST_DB - _WORST_DB)
        qualities[stimulus.id] = 1 + 9 * min(1.0, max(0.0, share))
    return qualities


def read_truth(file: Path, batch: Batch) -> dict[str, float]:
    """True qualities from a CSV ``image,method,quality`` (and ``bpp`` where rates differ).

    Originals have quality 10 and degraded catch stimuli 1, unless the file says otherwise.

    Raises
    ------
    TableError
        If the file or a column is missing, a cell is no number, or a reconstruction has no quality.
    """
    truth: dict[tuple[str, str, float | None], float] = {}
    if not file.is_file():
        raise TableError(f"{file} does not exist.")
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        missing = {"image", "method", "quality"} - set(reader.fieldnames or ())
        if missing:
            raise TableError(f"{file}: column {sorted(missing)[0]} is missing.")
        for row in reader:
            try:
                rate = float(row["bpp"]) if row.get("bpp") else None
                truth[row["image"], row["method"], rate] = float(row["quality"])
            except (TypeError, ValueError) as error:
                raise TableError(f"{file}, row {reader.line_num}: {error}.") from error
    return {s.id: _true_quality(s, truth, file) for s in batch.stimuli}


def _true_quality(
    stimulus: Stimulus, truth: Mapping[tuple[str, str, float | None], float], file: Path
) -> float:
    key = (stimulus.image, stimulus.method, stimulus.target_bpp)
    if key in truth:
        return truth[key]
    if stimulus.role == "original":
        return float(HIGHEST_RATING)
    if stimulus.method.startswith("catch-"):
        return float(LOWEST_RATING)
    raise TableError(
        f"{file} has no quality for {stimulus.image}, {stimulus.method}"
        + ("" if stimulus.target_bpp is None else f" at {stimulus.target_bpp:g} bpp")
        + "."
    )


def _luma(folder: Path, stimulus: Stimulus) -> NDArray[np.float64]:
    with Image.open(folder / stimulus.path) as image:
        return np.asarray(image.convert("L"), dtype=np.float64)
