"""The tournament's count, by hand: majorities, level pairs, shared first places, ways to break."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mturk_eval.errors import InvalidInputError, StatisticsError
from mturk_eval.stats.pairs.tournament import TournamentResult, run_tournament


def _votes(*results: tuple[str, str, str, int, int], bpp: float | None = None) -> pd.DataFrame:
    """(image, a, b, votes for a, votes for b), sides alternating; each vote of another rater."""
    rows = []
    for image, a, b, for_a, for_b in results:
        winners = [a] * for_a + [b] * for_b
        for n, winner in enumerate(winners):
            left, right = (a, b) if n % 2 else (b, a)
            choice = "left" if winner == left else "right"
            rows.append((f"r{n}", image, left, right, choice))
    columns = ["rater", "image", "method_left", "method_right", "choice"]
    table = pd.DataFrame(rows, columns=columns)
    return table if bpp is None else table.assign(bpp=bpp)


def _won(result: TournamentResult) -> dict[str, float]:
    return {row.method: row.images_won for row in result.rows}


ONE_EACH = _votes(
    ("sky", "a", "b", 3, 2), ("sky", "a", "c", 4, 1), ("sky", "b", "c", 5, 0),
    ("sea", "a", "b", 1, 4), ("sea", "a", "c", 3, 2), ("sea", "b", "c", 3, 2),
)  # fmt: skip
CYCLE = _votes(("sky", "a", "b", 5, 0), ("sky", "b", "c", 4, 1), ("sky", "c", "a", 3, 2))


def test_most_majorities_win_an_image() -> None:
    result = run_tournament(ONE_EACH, resamples=20)
    assert _won(result) == {"a": 1, "b": 1, "c": 0}
    assert all(row.ties == 0 and row.bpp is None and row.n_images == 2 for row in result.rows)
    (rate,) = result.rates
    assert (rate.chance, rate.n_pairs, rate.level_pairs, rate.tied_images) == (2 / 3, 6, 0, 0)


def test_a_cycle_is_shared_and_broken_by_votes() -> None:
    result = run_tournament(CYCLE, resamples=20)
    assert _won(result) == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    assert [row.ties for row in result.rows] == [1, 1, 1]
    row = {row.method: row for row in result.rows}
    # each beats one of the others, so head to head stays shared; a has 7 of its 10 votes
    assert row["a"].by_head_to_head == pytest.approx(1 / 3)
    assert (row["a"].by_vote_share, row["b"].by_vote_share, row["c"].by_vote_share) == (1, 0, 0)
    assert row["a"].by_score == 1
    assert any("depend on how ties are broken" in warning for warning in result.warnings)


def test_head_to_head_breaks_what_it_can() -> None:
    """a and b win two of three; a beat b with fewer votes in all (10 of 15 against 12 of 15)."""
    votes = _votes(
        ("sky", "a", "b", 3, 2), ("sky", "a", "c", 2, 3), ("sky", "a", "d", 5, 0),
        ("sky", "b", "c", 5, 0), ("sky", "b", "d", 5, 0), ("sky", "c", "d", 2, 3),
    )  # fmt: skip
    result = run_tournament(votes, resamples=20)
    row = {row.method: row for row in result.rows}
    assert (row["a"].images_won, row["b"].images_won, row["c"].images_won) == (0.5, 0.5, 0)
    assert (row["a"].by_head_to_head, row["b"].by_head_to_head) == (1, 0)
    assert (row["a"].by_vote_share, row["b"].by_vote_share) == (0, 1)


def test_level_and_missing_pairs_are_half_a_win_each() -> None:
    votes = _votes(("sky", "a", "b", 3, 3), ("sky", "b", "c", 2, 0))
    result = run_tournament(votes, resamples=20)
    # a: 1/2 + 1/2 (never met c), b: 1/2 + 1, c: 1/2
    assert _won(result) == {"a": 0, "b": 1, "c": 0}
    (rate,) = result.rates
    assert (rate.level_pairs, rate.missing_pairs) == (1, 1)
    assert any("half a win each" in warning for warning in result.warnings)


def test_not_sure_is_half_a_vote_for_each() -> None:
    votes = _votes(("sky", "a", "b", 2, 1))
    votes.loc[votes["choice"].index[0], "choice"] = "not_sure"
    sure = votes[votes["choice"] != "not_sure"]
    assert _won(run_tournament(votes, resamples=20)) == _won(run_tournament(sure, resamples=20))
    assert run_tournament(votes, resamples=20).document()["n_observations"] == 3


def test_a_method_that_was_not_shown_at_an_image_cannot_win_it() -> None:
    votes = pd.concat([ONE_EACH, _votes(("hill", "c", "d", 5, 0))])
    row = {row.method: row for row in run_tournament(votes, resamples=20).rows}
    assert (row["c"].images_won, row["d"].n_images, row["a"].n_images) == (1, 1, 2)
    (rate,) = run_tournament(votes, resamples=20).rates
    assert rate.chance == pytest.approx(1 / 3 + 1 / 3 + 1 / 2)


def test_each_rate_is_its_own_tournament() -> None:
    votes = pd.concat([ONE_EACH.assign(bpp=0.5), CYCLE.assign(bpp=0.25)])
    result = run_tournament(votes, resamples=20)
    assert [row.bpp for row in result.rows] == [0.25] * 3 + [0.5] * 3
    assert [rate.n_images for rate in result.rates] == [1, 2]
    document = result.document()
    assert {"bpp", "method", "images_won", "ties"} <= set(document["rows"][0])
    assert document["model"] == "tournament"
    assert document["generalises_to"] == ["images"]
    assert run_tournament(votes, unit="both", resamples=20).generalises_to == ("raters", "images")
    assert sum(row["images_won"] for row in document["rows"]) == pytest.approx(3)


def test_images_won_add_up_and_lie_between_their_limits() -> None:
    rng = np.random.default_rng(6)
    strength = dict(zip("abcd", (0.8, 0.3, 0.0, -0.6), strict=True))
    rows = []
    for image in range(24):
        for a in "abcd":
            for b in "abcd":
                for _ in range(3 if a != b else 0):
                    odds = np.exp(strength[b] - strength[a])
                    choice = "left" if rng.random() < 1 / (1 + odds) else "right"
                    rows.append((int(rng.integers(30)), image, a, b, choice))
    columns = ["rater", "image", "method_left", "method_right", "choice"]
    votes = pd.DataFrame(rows, columns=columns)
    result = run_tournament(votes, unit="both", resamples=300, seed=3)
    assert sum(_won(result).values()) == pytest.approx(24)
    assert result.rows[0].method == "a"
    for row in result.rows:
        assert (row.ci_low or 0) <= row.images_won <= (row.ci_high or 24)
    again = run_tournament(votes, unit="both", resamples=300, seed=3)
    assert again == result
    images = run_tournament(votes)
    width = [(r.ci_high or 0) - (r.ci_low or 0) for r in (result.rows[0], images.rows[0])]
    assert width[0] > 0.9 * width[1] > 0


def test_over_images_the_limits_are_wilson_s() -> None:
    """Without a shared image, images won are a count of yes/no answers: Wilson (1927), t for z."""
    votes = _votes(*((f"image-{n}", "a", "b", 3 if n < 6 else 0, 1) for n in range(20)))
    result = run_tournament(votes)
    assert (result.unit, result.resamples) == ("image", 0)
    a = {row.method: row for row in result.rows}["a"]
    assert a.images_won == 6
    n, p = 19, 0.3  # of the unbiased variance p (1 - p) 20 / 19
    t = float(stats.t.ppf(0.975, 19))
    centre = (p + t**2 / (2 * n)) / (1 + t**2 / n)
    half = t / (1 + t**2 / n) * np.sqrt(p * (1 - p) / n + t**2 / (4 * n**2))
    assert (a.ci_low, a.ci_high) == pytest.approx((20 * (centre - half), 20 * (centre + half)))


def test_no_image_won_is_no_certainty() -> None:
    votes = _votes(*((f"image-{n}", "a", "b", 3, 0) for n in range(12)))
    row = {row.method: row for row in run_tournament(votes).rows}
    assert row["a"].images_won == 12
    assert row["a"].ci_high == pytest.approx(12)
    assert row["b"].ci_low == pytest.approx(0, abs=1e-9)
    assert 2 < (row["b"].ci_high or 0) < 4


def test_one_rater_has_counts_and_no_limits() -> None:
    votes = ONE_EACH.assign(rater="ann")
    result = run_tournament(votes, unit="rater", resamples=20)
    assert all(row.ci_low is None for row in result.rows)
    assert any("one rater" in warning for warning in result.warnings)
    assert run_tournament(votes, unit="image", resamples=20).rows[0].ci_low is not None


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(StatisticsError, match="two different methods"):
        run_tournament(_votes(("sky", "a", "a", 2, 1)))
    with pytest.raises(InvalidInputError, match="rater, image or both"):
        run_tournament(ONE_EACH, unit="rating")
    with pytest.raises(InvalidInputError):
        run_tournament(ONE_EACH, ci_level=0)
