"""Agreement of votes: counted by hand, zero for coins, and the same whichever side was shown."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.reliability.krippendorff import count_values, krippendorff_alpha
from mturk_eval.stats.reliability.votes import vote_reliability
from tests.stats.reference import reference_votes


def _votes(choices: dict[str, str], left: str = "jxl", right: str = "webp") -> pd.DataFrame:
    """Of each image's letters, l, r or n (not sure), one rater each."""
    words = {"l": "left", "r": "right", "n": "not_sure"}
    rows = [
        (f"r{rater}", image, left, right, words[letter])
        for image, letters in choices.items()
        for rater, letter in enumerate(letters)
    ]
    columns = ["rater", "image", "method_left", "method_right", "choice"]
    return pd.DataFrame(rows, columns=columns)


def _values(votes: pd.DataFrame) -> list[float | None]:
    return [row.value for row in vote_reliability(votes, resamples=20).rows]


def test_agreement_is_that_of_pairs_of_votes() -> None:
    """sky: 3 of 6 pairs agree (all but one vote alike); sea: 1 of 3."""
    observed, chance, alpha = _values(_votes({"sky": "lllr", "sea": "lrr"}))
    assert observed == pytest.approx((4 * 3 / 6 + 3 * 1 / 3) / 7)
    assert chance == pytest.approx((4 * 3 + 3 * 2) / (7 * 6))  # four for jxl, three for webp
    assert alpha == pytest.approx((observed - chance) / (1 - chance))  # type: ignore[operator]


def test_with_one_pair_alpha_is_the_nominal_one() -> None:
    rng = np.random.default_rng(2)
    choices = {f"i{i}": "".join(rng.choice(list("lrn"), 8, p=[0.6, 0.3, 0.1])) for i in range(15)}
    units = np.repeat(np.arange(15), 8)
    answers = np.array(["lrn".index(letter) for letter in "".join(choices.values())], dtype=float)
    expected = krippendorff_alpha(count_values(units, answers), "nominal")
    assert _values(_votes(choices))[2] == pytest.approx(expected, abs=1e-12)


def test_sides_do_not_matter() -> None:
    votes = reference_votes()
    swapped = votes.rename(
        columns={"method_left": "method_right", "method_right": "method_left"}
    ).assign(choice=votes["choice"].map({"left": "right", "right": "left"}))
    mixed = pd.concat([votes.iloc[::2], swapped.iloc[1::2]])
    assert _values(mixed) == pytest.approx(_values(votes))


def test_coins_agree_by_chance_also_when_there_are_many_pairs_of_methods() -> None:
    rng = np.random.default_rng(3)
    votes = pd.concat(
        [
            _votes({f"i{i}": "".join(rng.choice(list("lr"), 10)) for i in range(80)}, *pair)
            for pair in itertools.combinations("abcd", 2)
        ]
    )
    observed, chance, alpha = _values(votes)
    assert (observed, chance) == pytest.approx((0.5, 0.5), abs=0.02)
    assert alpha == pytest.approx(0, abs=0.03)


def test_knowing_the_better_method_is_no_agreement_about_images() -> None:
    """a is better everywhere: agreement is high, and none of it concerns single images."""
    rng = np.random.default_rng(4)
    letters = {f"i{i}": "".join(rng.choice(list("lr"), 10, p=[0.9, 0.1])) for i in range(300)}
    observed, chance, alpha = _values(_votes(letters))
    assert observed == pytest.approx(0.82, abs=0.02)
    assert chance == pytest.approx(0.82, abs=0.02)
    assert alpha == pytest.approx(0, abs=0.05)


def test_votes_that_depend_on_the_image_only_agree_fully() -> None:
    assert _values(_votes({"sky": "lll", "sea": "rrr", "sun": "lll"}))[2] == pytest.approx(1.0)


def test_unanimous_votes_have_agreement_and_no_alpha() -> None:
    result = vote_reliability(_votes({"sky": "lll", "sea": "lll"}), resamples=9)
    assert [row.value for row in result.rows] == [1.0, 1.0, None]
    assert any("not defined" in warning.replace("\n", " ") for warning in result.warnings)


def test_rates_are_units_of_their_own() -> None:
    low, high = _votes({"sky": "ll", "sea": "rr"}), _votes({"sky": "rr", "sea": "ll"})
    both = pd.concat([low.assign(bpp=0.1), high.assign(bpp=0.5)])
    assert _values(both)[0] == 1.0
    assert _values(both.drop(columns="bpp"))[0] == pytest.approx(1 / 3)


def test_what_is_left_out_is_said() -> None:
    votes = pd.concat(
        [
            _votes({"sky": "llr", "sea": "rrl", "sun": "l"}),
            _votes({"sky": "l"}, "jxl", "jxl"),
        ]
    )
    votes = pd.concat([votes, votes.head(1)])
    result = vote_reliability(votes, resamples=9)
    said = " ".join(result.warnings)
    assert result.n_observations == 7
    assert "1 votes between a method and itself" in said
    assert "1 votes are the only one" in said
    assert "1 votes repeat" in said


def test_votes_that_cannot_agree_are_refused() -> None:
    with pytest.raises(StatisticsError, match="two votes"):
        vote_reliability(_votes({"sky": "l", "sea": "r"}))
    with pytest.raises(StatisticsError, match="two votes"):
        vote_reliability(_votes({}))
    with pytest.raises(StatisticsError, match="none of left"):
        vote_reliability(_votes({"sky": "ll"}).assign(choice="both"))


def test_limits_are_quantiles_over_units_and_the_document_is_json() -> None:
    result = vote_reliability(reference_votes(), resamples=200)
    for row in result.rows:
        assert row.ci_low is not None
        assert row.value is not None
        assert row.ci_high is not None
        assert row.ci_low < row.value < row.ci_high
    json.dumps(result.document(), allow_nan=False)
