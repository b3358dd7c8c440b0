"""The SOS parameter is that of the least squares line, and its interval holds the truth."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.ratings.sos import sos
from tests.stats.reference import crossed_study, reference_table


def _study(seed: int, *, a: float, images: int = 30, raters: int = 40) -> pd.DataFrame:
    """Ratings on 0 ... 1 whose variance is a p (1 - p): beta with a known concentration."""
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.1, 0.9, images)
    size = 1 / a - 1
    ratings = rng.beta(share * size, (1 - share) * size, (raters, images))
    rows = [(f"r{r}", f"i{i}", "jxl", ratings[r, i]) for r in range(raters) for i in range(images)]
    return pd.DataFrame(rows, columns=["rater", "image", "method", "rating"])


def test_the_human_compression_study_has_the_published_spread() -> None:
    """The published means and standard errors (of 100 ratings) give a = .261 on 1 ... 10."""
    result = sos(reference_table("paperlike_300workers"), scale=(1, 10))
    assert result.a == pytest.approx(0.261, abs=2e-3)
    assert result.n_images == 13


def test_a_is_the_slope_of_numpy_s_least_squares_without_intercept() -> None:
    table = reference_table("sim_balanced")
    cells = table.groupby(["image", "method"])["rating"].agg(["mean", "var"])
    widest = ((cells["mean"] - 1) * (10 - cells["mean"])).to_numpy()
    slope = np.linalg.lstsq(widest[:, None], cells["var"].to_numpy(), rcond=None)[0][0]
    assert sos(table, scale=(1, 10)).a == pytest.approx(slope)


@pytest.mark.parametrize("kind", ["percentile", "bca", "t"])
def test_intervals_hold_the_known_parameter(kind: str) -> None:
    covered = []
    for seed in range(120):
        result = sos(_study(seed, a=0.2), scale=(0, 1), interval=kind, resamples=300)  # type: ignore[arg-type]
        covered.append((result.ci_low or 1) <= 0.2 <= (result.ci_high or 0))
    assert 0.86 <= np.mean(covered) <= 0.995


def test_only_the_ends_used_is_one_and_full_agreement_is_zero() -> None:
    rng = np.random.default_rng(1)
    ends = _study(1, a=0.2, raters=200).assign(rating=lambda d: rng.integers(0, 2, len(d)))
    assert sos(ends, scale=(0, 1)).a == pytest.approx(1.0, abs=0.02)
    agreed = _study(1, a=0.2).assign(rating=0.3)
    assert sos(agreed, scale=(0, 1)).a == pytest.approx(0.0)


def test_answers_at_random_are_warned_about() -> None:
    rng = np.random.default_rng(2)
    noise = _study(1, a=0.2, raters=100).assign(rating=lambda d: rng.integers(1, 11, len(d)))
    result = sos(noise, scale=(1, 10))
    assert result.a == pytest.approx(0.407, abs=0.02)
    careless = noise.assign(rating=np.where(noise["rating"] > 5, 10, 1))
    assert any("at random" in warning for warning in sos(careless, scale=(1, 10)).warnings)


def test_single_ratings_and_single_images_are_said() -> None:
    study = _study(3, a=0.2, images=2)
    one = sos(study[study["image"] == "i0"], scale=(0, 1))
    assert one.ci_low is None
    assert any("one image" in warning for warning in one.warnings)
    study = study.drop(study[study["image"] == "i1"].index[1:])
    result = sos(study, scale=(0, 1))
    assert len(result.rows) == 1
    assert any("1 of 2 image x method cells" in warning for warning in result.warnings)
    json.dumps(result.document(), allow_nan=False)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="outside the scale"):
        sos(crossed_study(1), scale=(5, 6))
    with pytest.raises(InvalidInputError, match="choose percentile"):
        sos(_study(1, a=0.2), scale=(0, 1), interval="bounded")
    with pytest.raises(InvalidInputError, match="below"):
        sos(_study(1, a=0.2), scale=(1, 0))
    with pytest.raises(StatisticsError, match="two ratings"):
        sos(_study(1, a=0.2, raters=1), scale=(0, 1))
