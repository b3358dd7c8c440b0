"""Studies made of numbers, with every role and time a real one has."""

from __future__ import annotations

import numpy as np
import pandas as pd

METHODS = ("avif", "hific", "jpeg", "jpegxl")
_START = pd.Timestamp("2026-11-02 09:00", tz="UTC")


def a_rating_study(seed: int = 1, *, images: int = 6, raters: int = 10) -> pd.DataFrame:
    """Ratings of two methods, with catch trials and repeats."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str, str, float, str, str | None]] = []
    for rater in range(raters):
        for image in range(images):
            for method in ("human", "webp"):
                value = 5 + 1.5 * (method == "human") + 0.4 * image + rng.normal(0, 1.5)
                rows.append((f"r{rater}", f"photo-{image}", method, value, "main", None))
        rows.append((f"r{rater}", "photo-0", "original", 9.6, "catch", "10"))
        rows.append((f"r{rater}", "photo-1", "webp", 5.0, "repeat", None))
    table = pd.DataFrame(rows, columns=["rater", "image", "method", "rating", "role", "expected"])
    return _timed(table.assign(rating=table["rating"].round().clip(1, 10), bpp=np.nan), rng)


def a_voting_study(seed: int = 1, *, images: int = 6, raters: int = 12) -> pd.DataFrame:
    """Votes between four methods at two rates, with every role."""
    rng = np.random.default_rng(seed)
    score = dict(zip(METHODS, (0.3, 0.9, -1.0, -0.2), strict=True))
    rows = []
    for rater in range(raters):
        for _ in range(40):
            left, right = (str(name) for name in rng.choice(METHODS, 2, replace=False))
            role = str(
                rng.choice(["main", "catch", "repeat", "identical"], p=[0.85, 0.05, 0.06, 0.04])
            )
            odds = score[left] - score[right] + 0.1
            choice = "left" if rng.random() < 1 / (1 + np.exp(-odds)) else "right"
            choice = "not_sure" if rng.random() < 0.08 else choice
            rows.append(
                (f"r{rater}", f"photo-{rng.integers(images)}", float(rng.choice([0.1, 0.5])), left,
                 left if role == "identical" else right, choice, role,
                 "left" if role == "catch" else None)
            )  # fmt: skip
    columns = ["rater", "image", "bpp", "method_left", "method_right", "choice", "role", "expected"]
    return _timed(pd.DataFrame(rows, columns=columns), rng)


def _timed(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    minutes = np.sort(rng.uniform(0, 3_000, len(table)))
    return table.assign(
        submitted_at=_START + pd.to_timedelta(minutes, unit="min"),
        response_time_ms=rng.lognormal(8.5, 0.5, len(table)),
        trial_id=[f"t{number}" for number in range(len(table))],
    )
