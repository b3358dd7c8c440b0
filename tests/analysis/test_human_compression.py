"""Ratings made to match the human-compression paper's table, and what follows from them."""

from __future__ import annotations

import bz2
import doctest
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from analysis.human_compression import matched_ratings as matching
from analysis.human_compression.matched_ratings import (
    DESIGNS,
    METHODS,
    Cell,
    RaterDesign,
    cells_of,
    matched_ratings,
    matching_counts,
)
from analysis.human_compression.size_matching import SizeLine, match_sizes, published_ratios
from mturk_eval.compressors.transcripts import describe, read_chat

FOLDER = Path(__file__).parents[2] / "analysis" / "human_compression"
PUBLISHED = pd.read_csv(FOLDER / "published.csv")

BY_IMAGE_SLOPES = "rating ~ method + (1 + method | image) + (1 | rater)"
INTERCEPTS = "rating ~ method + (1 | image) + (1 | rater)"

every_design = pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS.keys())


@pytest.fixture(scope="module")
def cells() -> tuple[Cell, ...]:
    return cells_of(PUBLISHED)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script writes, with few drawings for the last table."""
    folder = tmp_path_factory.mktemp("human_compression")
    command = [sys.executable, str(FOLDER / "regenerate.py"), "--out", str(folder)]
    subprocess.run([*command, "--drawings", "3"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def method_tests(out: Path) -> pd.DataFrame:
    """Human - WebP under every model of every design."""
    return pd.read_csv(out / "model.csv")


def under(
    formula: str, method_tests: pd.DataFrame, df_method: str = "satterthwaite"
) -> dict[str, dict[str, float]]:
    """The tests of one model by design."""
    chosen = method_tests[
        (method_tests["formula"] == formula)
        & (method_tests["df_method"] == df_method)
        & ~method_tests["default_rule"]
    ]
    numbers = chosen.set_index("design")[["estimate", "std_error", "t", "df", "p"]]
    return {
        str(name): {str(k): float(v) for k, v in row.items()} for name, row in numbers.iterrows()
    }


# The ratings


@every_design
def test_every_picture_has_the_published_mean_and_standard_error(
    cells: tuple[Cell, ...], design: RaterDesign
) -> None:
    table = matched_ratings(cells, design)
    assert table["rating"].between(1, 10).all()
    given = table.groupby(["image", "method"])["rating"].agg(["size", "sum", "sem"]).unstack()
    published = PUBLISHED.set_index("image")
    for method in METHODS:
        assert (given["size", method] == 100).all()
        assert (given["sum", method] == (100 * published[f"mean_{method}"]).round()).all()
        gap = given["sem", method] - published[f"std_error_{method}"]
        assert gap.abs().max() < 0.0003


@every_design
def test_nobody_rates_a_picture_twice(cells: tuple[Cell, ...], design: RaterDesign) -> None:
    table = matched_ratings(cells, design)
    assert not table.duplicated(["rater", "image", "method"]).any()
    # Whoever comes rarely may not have come at all.
    assert 0.97 * design.n_raters <= table["rater"].nunique() <= design.n_raters


def test_split_raters_see_one_method(cells: tuple[Cell, ...]) -> None:
    for name in ("split", "split_subsets"):
        methods = matched_ratings(cells, DESIGNS[name]).groupby("rater")["method"].nunique()
        assert (methods == 1).all()


def test_raters_are_lenient_or_strict_throughout(cells: tuple[Cell, ...]) -> None:
    table = matched_ratings(cells, DESIGNS["complete"])
    by_rater = table.pivot_table(index="rater", columns=["image", "method"], values="rating")
    halves = by_rater.iloc[:, ::2].mean(axis=1), by_rater.iloc[:, 1::2].mean(axis=1)
    # With a quarter of the variance, the halves' reliability is 13 / (13 + 3) or about .81.
    assert np.corrcoef(*halves)[0, 1] > 0.6


def test_a_seed_gives_the_same_ratings(cells: tuple[Cell, ...]) -> None:
    first, again, other = (
        matched_ratings(cells, DESIGNS["subsets"], seed=seed) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_counts_follow_the_normal_where_the_scale_does_not_end() -> None:
    counts = matching_counts(5.5, 0.1)
    normal = 100 * stats.norm.pdf(np.arange(1, 11), 5.5, 1.0)
    np.testing.assert_allclose(counts, normal, atol=2.5)


@pytest.mark.parametrize(
    ("mean", "std_error"),
    [(5.005, 0.2), (1.0, 0.3), (5.5, 0.6)],
    ids=["no integer sum", "all ratings must be 1", "wider than the scale"],
)
def test_what_no_ratings_can_match_is_refused(mean: float, std_error: float) -> None:
    with pytest.raises(ValueError, match="mean"):
        matching_counts(mean, std_error)


def test_the_documented_example_holds() -> None:
    assert doctest.testmod(matching).failed == 0


# What is regenerated


@pytest.mark.parametrize("df_method", ["satterthwaite", "kenward-roger"])
def test_the_published_test_comes_from_by_image_slopes(
    method_tests: pd.DataFrame, df_method: str
) -> None:
    """t = 1.82, p = .090 in print; lme4 and lmerTest give these numbers on ratings like these."""
    test = under(BY_IMAGE_SLOPES, method_tests, df_method)["complete"]
    assert test["estimate"] == pytest.approx(0.966923, abs=1e-6)
    assert test["t"] == pytest.approx(1.83293, abs=1e-4)
    assert test["df"] == pytest.approx(12.0, abs=0.01)
    assert test["p"] == pytest.approx(0.09173, abs=1e-4)


def test_the_published_test_does_not_come_from_intercepts(method_tests: pd.DataFrame) -> None:
    tests = under(INTERCEPTS, method_tests)
    assert set(tests) == set(DESIGNS)
    assert min(test["t"] for test in tests.values()) > 5
    assert max(test["p"] for test in tests.values()) < 1e-6


def test_more_than_12_df_need_raters_who_see_one_method(method_tests: pd.DataFrame) -> None:
    tests = under(BY_IMAGE_SLOPES, method_tests)
    assert tests["subsets"]["df"] == pytest.approx(12, abs=0.05)
    assert 12.8 < tests["split_subsets"]["df"] < tests["split"]["df"] < 14.5


def test_the_default_rule_ends_at_by_image_slopes(method_tests: pd.DataFrame) -> None:
    chosen = method_tests[method_tests["default_rule"]]
    assert len(chosen) == 2 * len(DESIGNS)
    assert chosen["formula"].str.contains("(1 + method | image)", regex=False).all()
    assert chosen["p"].between(0.07, 0.12).all()


def test_table_1_is_the_published_one(out: Path) -> None:
    table = (out / "table_1.md").read_text()
    assert table.count("\n| ") == 15  # a head, a rule, 13 images
    assert "| wolfsketch | 1914 | 0.869 | 0.922 | **8.25** | 3.46 | 0.20 | 0.19 |" in table
    assert "not the paper's data" in " ".join(table.replace("> ", "").split())


def test_figure_6_orders_the_images_by_their_differences(out: Path) -> None:
    text = (out / "published_against_reproduced.md").read_text()
    assert (
        "wolfsketch, train, intersection, giraffe, fire, guitarman, balloon, beachbridge, "
        "sunsetlake, eiffeltower, rockwall, arch, face" in text
    )
    limits = pd.read_csv(out / "figure_6.csv")
    width = (limits["ci_high"] - limits["ci_low"]).to_numpy()
    np.testing.assert_allclose(width, 2 * 1.96 * limits["std_error"], rtol=0.12)
    for name in ("figure_6.svg", "figure_6_phone.svg"):
        assert (out / name).read_bytes().startswith(b"<?xml")


def test_the_command_line_says_the_same(out: Path, method_tests: pd.DataFrame) -> None:
    command = [
        sys.executable, "-m", "mturk_eval", "analyze", "--model", "mixed", "--json",
        "--data", str(out / "ratings_subsets.csv"), "--reference", "method=webp",
        "--formula", BY_IMAGE_SLOPES,
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    effect = json.loads(done.stdout)["fixed_effects"][1]
    for name, value in under(BY_IMAGE_SLOPES, method_tests)["subsets"].items():
        assert effect[name] == pytest.approx(value, rel=1e-9)


def test_the_committed_results_are_those_of_the_script(out: Path) -> None:
    for name in ("published_against_reproduced.md", "table_1.md", "ratings_complete.csv"):
        assert (out / name).read_text() == (FOLDER / "results" / name).read_text(), (
            f"{name} is out of date: run python analysis/human_compression/regenerate.py"
        )


def test_the_readme_quotes_the_results() -> None:
    table = (FOLDER / "results" / "published_against_reproduced.md").read_text()
    assert table[table.index("|  | published") :] in (FOLDER / "README.md").read_text()


# The sizes of Table 2


@pytest.fixture(scope="module")
def small_sizes() -> tuple[SizeLine, ...]:
    """The two images that are small in print."""
    return match_sizes(PUBLISHED[PUBLISHED["image"].isin(["balloon", "guitarman"])])


def test_webp_is_matched_just_over_the_chat(small_sizes: tuple[SizeLine, ...]) -> None:
    """In print, WebP is 1.003 to 1.061 times the chat, and always over it."""
    ratios = published_ratios(PUBLISHED)
    assert (round(min(ratios), 3), round(max(ratios), 3)) == (1.003, 1.061)
    for line in small_sizes:
        assert 1 <= line.ratio < 1.061
        assert line.webp_width < line.width
        assert line.webp_width / line.webp_height == pytest.approx(
            line.width / line.height, rel=0.01
        )


def test_the_committed_sizes_are_those_of_the_script(small_sizes: tuple[SizeLine, ...]) -> None:
    written = pd.read_csv(FOLDER / "results" / "table_2.csv").set_index("image")
    assert list(written.index) == list(PUBLISHED["image"])
    assert written["ratio"].between(1, 1.061).all()
    for line in small_sizes:
        assert written.loc[line.image, "chat_bytes"] == line.chat_bytes
        # Another libwebp makes other files, hardly larger ones.
        assert written.loc[line.image, "webp_width"] == pytest.approx(line.webp_width, rel=0.05)


def test_the_readme_quotes_the_sizes() -> None:
    table = (FOLDER / "results" / "table_2.md").read_text()
    readme = (FOLDER / "README.md").read_text()
    found = re.search(r"chat: (.*), in print; (.*), here\.", table)
    assert found is not None
    assert f"| WebP / chat | {found[1]} | {found[2]} |" in readme


# The example of a session


def test_the_page_quotes_the_example() -> None:
    """What docs/compressors/human_compression.md says of session/rocket.txt."""
    chat = FOLDER / "session" / "rocket.txt"
    description = describe(read_chat(chat), ["Ada"])
    page = (FOLDER.parents[1] / "docs" / "compressors" / "human_compression.md").read_text()
    size, characters = len(description.coded), len(description.text)
    assert f"after the {size} bytes" in page
    assert f"{description.messages}         {characters}    {size}" in page
    named = "".join(f"Ada: {line}\n" for line in description.text.splitlines())
    assert f"{len(bz2.compress(named.encode())) - size} bytes of {size} in the chat" in page
    assert f"that chat has {len(bz2.compress(chat.read_bytes()))}." in page


def test_the_example_is_compared_with_webp_of_its_size(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    command = [sys.executable, str(FOLDER / "draw_session.py"), "--out", str(picture)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    sizes = {name: int(size) for name, size in re.findall(r"(\w+): (\d+) bytes,", done.stdout)}
    assert sizes["human"] <= sizes["webp"] < 1.1 * sizes["human"]
    with Image.open(picture) as row:
        assert row.size == (3 * 480 + 2 * 8, 320)
