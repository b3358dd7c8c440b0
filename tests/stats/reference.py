"""The data sets with values computed in R, and simulated studies with a known truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

SHIPPED = Path(__file__).parent.parent / "data" / "stats"
ELSEWHERE = Path(__file__).parents[3] / "shared" / "reference" / "stats"


def reference_table(name: str) -> pd.DataFrame:
    """A reference data set; its worker column is called rater."""
    return pd.read_csv(_file(f"{name}.csv.gz")).rename(columns={"worker": "rater"})


def reference_models(name: str) -> Any:
    """What R says about it."""
    return json.loads(_file(f"{name}.json").read_text())["models"]


def reference_votes() -> pd.DataFrame:
    """votes_4methods in our columns."""
    table = reference_table("votes_4methods").rename(
        columns={"left": "method_left", "right": "method_right"}
    )
    return table.assign(choice=np.where(table["left_wins"] == 1, "left", "right"))


def _file(name: str) -> Path:
    for folder in (SHIPPED, ELSEWHERE):
        if (folder / name).exists():
            return folder / name
    pytest.skip(f"{name} is not in tests/data/stats nor in ../shared/reference/stats")


def crossed_study(
    seed: int,
    *,
    images: int = 8,
    raters: int = 12,
    effect: float = 0.8,
    image_sd: float = 0.8,
    slope_sd: float = 0.7,
    rater_sd: float = 1.0,
    noise_sd: float = 1.2,
) -> pd.DataFrame:
    """Everyone rates every image under methods a and b; b is better by ``effect``."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0, image_sd, images)
    slope = rng.normal(effect, slope_sd, images)
    rater = rng.normal(0, rater_sd, raters)
    rows = [
        (f"r{r}", f"i{i}", method, 5 + image[i] + rater[r] + slope[i] * x + rng.normal(0, noise_sd))
        for r in range(raters)
        for i in range(images)
        for method, x in (("a", 0.0), ("b", 1.0))
    ]
    return pd.DataFrame(rows, columns=["rater", "image", "method", "rating"])
