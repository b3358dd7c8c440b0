"""The data: reference sets with known answers, and simulated studies of a given size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

CHECKOUT = Path(__file__).parents[2]
_FOLDERS = (
    CHECKOUT / "tests" / "data" / "stats",
    CHECKOUT.parent / "shared" / "reference" / "stats",
)


class MissingDataError(Exception):
    """A data set that cannot be shipped (GPL) is not on this machine."""


def write_table(name: str, folder: Path) -> Path:
    """Write a data set as CSV, once; columns image, method, rater, rating (or votes')."""
    path = folder / f"{name}.csv"
    if not path.exists():
        table = _SIMULATED[name]() if name in _SIMULATED else _reference(name)
        table.to_csv(path, index=False)
    return path


def read_table(path: Path) -> pd.DataFrame:
    """As a user has it: ids are text, ratings are numbers."""
    text = ("image", "method", "rater", "left", "right")
    return pd.read_csv(path, dtype=dict.fromkeys(text, str))


def simulated_ratings(
    n: int, *, images: int, raters: int, seed: int = 1, slope_sd: float = 0.7
) -> pd.DataFrame:
    """Integers 1-10: raters at random, every image x method with n / (2 images) ratings or so."""
    rng = np.random.default_rng(seed)
    image = np.arange(n) % images
    method = np.arange(n) // images % 2
    rater = rng.integers(0, raters, n)
    image_effect = rng.normal(0.0, 0.9, images)
    slope = 0.5 + rng.normal(0.0, slope_sd, images) - 0.3 * image_effect
    quality = 5.5 + image_effect[image] + slope[image] * method
    leniency = rng.normal(0.0, 1.0, raters)
    rating = np.rint(quality + leniency[rater] + rng.normal(0.0, 1.6, n)).clip(1, 10)
    return pd.DataFrame(
        {
            "image": np.array([f"img{i:05d}" for i in range(images)])[image],
            "method": np.array(["a", "b"])[method],
            "rater": np.array([f"w{r:06d}" for r in range(raters)])[rater],
            "rating": rating.astype(np.int64),
        }
    )


def simulated_votes(n: int, *, items: int, raters: int, seed: int = 2) -> pd.DataFrame:
    """Votes between random pairs of items whose Bradley-Terry scores have sd 0.7 logits."""
    rng = np.random.default_rng(seed)
    left = rng.integers(0, items, n)
    right = (left + rng.integers(1, items, n)) % items
    scores = rng.normal(0.0, 0.7, items)
    left_wins = rng.random(n) < 1.0 / (1.0 + np.exp(scores[right] - scores[left]))
    names = np.array([f"item{i:04d}" for i in range(items)])
    return pd.DataFrame(
        {
            "image": np.array([f"img{i:03d}" for i in range(100)])[np.arange(n) % 100],
            "rater": np.array([f"w{r:04d}" for r in range(raters)])[rng.integers(0, raters, n)],
            "left": names[left],
            "right": names[right],
            "left_wins": left_wins.astype(np.int64),
        }
    )


def _reference(name: str) -> pd.DataFrame:
    for folder in _FOLDERS:
        path = folder / f"{name}.csv.gz"
        if path.exists():
            table = pd.read_csv(path).rename(columns={"worker": "rater"})
            return _insteval(table) if name == "InstEval" else table
    raise MissingDataError(f"the data set {name} is not on this machine (it cannot be shipped)")


def _insteval(table: pd.DataFrame) -> pd.DataFrame:
    """Lecturers as images, students as raters, whether it was a service course as the method."""
    return pd.DataFrame(
        {
            "image": "d" + table["d"].astype(str),
            "method": np.where(table["service"] == 1, "service", "main"),
            "rater": "s" + table["s"].astype(str),
            "rating": table["y"],
        }
    )


_SIMULATED: dict[str, Callable[[], pd.DataFrame]] = {
    "ratings_28800": lambda: simulated_ratings(28_800, images=144, raters=600),
    "ratings_100000": lambda: simulated_ratings(100_000, images=200, raters=2_000),
    "ratings_1000000": lambda: simulated_ratings(1_000_000, images=2_000, raters=20_000),
    "votes_1000_items": lambda: simulated_votes(28_800, items=1_000, raters=600),
    "votes_30_items": lambda: simulated_votes(1_500, items=30, raters=50),
}
