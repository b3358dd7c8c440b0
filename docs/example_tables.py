"""The tables that the pages on statistics analyze: ``python docs/example_tables.py DIR``.

All are simulated, from fixed seeds, with a known truth; no person rated anything here.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

MATCHED: Final = "analysis/human_compression/results/ratings_complete.csv"
"""Ratings made to have the means and standard errors that Bhown et al. (2019) published."""

CODECS: Final = {"old-codec": 0.0, "new-codec": 0.25}
"""How much less rate each needs than the old one for the same quality: log10 units."""
RATES: Final = (0.1, 0.2, 0.4, 0.8)
METHODS: Final = {"a": 0.6, "b": 0.3, "c": -0.2, "d": -0.7}
"""True scores in logits at the higher rate, where differences are half as large."""


def human_compression() -> pd.DataFrame:
    """100 raters, 13 images, a person's and WebP's reconstruction of each: 2,600 ratings."""
    return pd.read_csv(Path(__file__).resolve().parents[1] / MATCHED)


def rated_codecs(*, images: int = 16, raters: int = 24) -> pd.DataFrame:
    """Two codecs at four rates and the hidden originals, rated from 1 to 10 by everyone.

    Raters differ in leniency and care; two of them answer almost at random.
    """
    rng = np.random.default_rng(11)
    quality = _true_quality(images, rng)
    bias = rng.normal(0, 0.7, raters)
    noise = rng.lognormal(np.log(1.1), 0.25, raters)
    noise[[4, 17]] = 4.0
    rows = []
    for (image, method, bpp), mean in quality.items():
        felt = mean + bias + noise * rng.normal(size=raters)
        for rater, rating in enumerate(np.clip(np.rint(felt), 1, 10).astype(int)):
            role = "catch" if method == "original" else "main"
            rows.append((f"r{rater + 1:02d}", image, method, bpp, rating, role))
    return pd.DataFrame(rows, columns=["rater", "image", "method", "bpp", "rating", "role"])


def metric_values(*, images: int = 16) -> pd.DataFrame:
    """Two metrics of the same stimuli: one follows quality, one is led astray by the image."""
    quality = _true_quality(images, np.random.default_rng(11))
    rng = np.random.default_rng(12)
    of_image = {image: rng.normal(0, 2.5) for image, _, _ in quality}
    rows = [
        (
            image,
            method,
            bpp,
            round(0.62 - 0.055 * mean + rng.normal(0, 0.03), 4),
            round(26 + 1.4 * mean + of_image[image] + rng.normal(0, 0.8), 2),
        )
        for (image, method, bpp), mean in quality.items()
        if method != "original"
    ]
    return pd.DataFrame(rows, columns=["image", "method", "bpp", "distance", "decibels"])


def _true_quality(
    images: int, rng: np.random.Generator
) -> dict[tuple[str, str, float | None], float]:
    """Mean rating of every stimulus: an S-shaped curve over log rate that images shift and tilt."""
    found: dict[tuple[str, str, float | None], float] = {}
    for number in range(images):
        image = f"photo{number + 1:02d}"
        hard, tilt = rng.normal(0, 0.18), rng.normal(0, 0.08)
        found[image, "original", None] = 9.0
        for method, saved in CODECS.items():
            for bpp in RATES:
                steps = np.log10(bpp) + hard + (saved + tilt if saved else 0.0)
                found[image, method, bpp] = 1.5 + 7.5 / (1 + np.exp(-3.2 * (steps + 0.55)))
    return found


def votes(*, images: int = 24, raters: int = 48, per_pair: int = 8) -> pd.DataFrame:
    """Votes between four methods at two rates, with golden trials.

    Methods differ from image to image by as much as from each other; the left side has a small
    advantage; small differences are often "not sure"; two raters flip coins.
    """
    rng = np.random.default_rng(21)
    return pd.DataFrame(
        [*_main_votes(rng, images, raters, per_pair), *_golden_votes(rng, images, raters)],
        columns=[
            "rater", "image", "bpp", "method_left", "method_right", "choice", "role", "expected",
        ],
    )  # fmt: skip


_GUESSERS: Final = (7, 30)
_LEFT_BIAS: Final = 0.15


def _main_votes(
    rng: np.random.Generator, images: int, raters: int, per_pair: int
) -> Iterator[tuple[object, ...]]:
    for number in range(images):
        own = dict(zip(METHODS, rng.normal(0, 0.6, len(METHODS)), strict=True))
        for bpp, spread in ((0.1, 2.0), (0.4, 1.0)):
            for pair in combinations(METHODS, 2):
                for rater in rng.choice(raters, per_pair, replace=False):
                    left, right = pair if rng.random() < 0.5 else pair[::-1]
                    felt = spread * (METHODS[left] - METHODS[right]) + own[left] - own[right]
                    felt = (0.0 if rater in _GUESSERS else felt) + _LEFT_BIAS + rng.logistic()
                    choice = "not_sure" if abs(felt) < 0.2 else "left" if felt > 0 else "right"
                    yield (f"r{rater + 1:02d}", f"photo{number + 1:02d}", bpp, left, right,
                           choice, "main", None)  # fmt: skip


def _golden_votes(
    rng: np.random.Generator, images: int, raters: int, each: int = 6
) -> Iterator[tuple[object, ...]]:
    """An original against its heavily degraded version: whoever looks is right."""
    for rater in range(raters):
        for number in rng.choice(images, each, replace=False):
            sides = ("original", "degraded") if rng.random() < 0.5 else ("degraded", "original")
            expected = "left" if sides[0] == "original" else "right"
            guess = "left" if rng.random() < 0.5 else "right"
            choice = guess if rater in _GUESSERS or rng.random() < 0.04 else expected
            yield (f"r{rater + 1:02d}", f"photo{number + 1:02d}", 0.4, *sides, choice, "catch",
                   expected)  # fmt: skip


def write(folder: Path) -> None:
    """All tables as CSV files."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(__file__).resolve().parents[1] / MATCHED, folder / "human-compression.csv")
    for name, table in {
        "codecs.csv": rated_codecs(),
        "metric-values.csv": metric_values(),
        "votes.csv": votes(),
    }.items():
        table.to_csv(folder / name, index=False)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
