"""The report: one file that needs nothing else, whatever the study has and lacks."""

from __future__ import annotations

import io
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser

from mturk_eval.errors import NoDataError
from mturk_eval.report.blocks import Section
from mturk_eval.report.figures_raters import over_time_figure, rating_behaviour_figure, time_ticks
from mturk_eval.report.figures_ratings import means_figure
from mturk_eval.report.figures_votes import (
    scores_by_rate_figure,
    scores_figure,
    win_matrix_figure,
)
from mturk_eval.report.page import methods_by_rating, methods_by_votes, write_report
from mturk_eval.report.rater_section import rater_section, raters_by_ratings
from mturk_eval.report.rating_section import rating_section
from mturk_eval.report.style import NARROW_IN, WIDE_IN, looks, paper_style
from mturk_eval.stats.mixed.model import fit_mixed
from mturk_eval.stats.pairs.vote_scores import score_methods
from mturk_eval.stats.ratings.mos import mean_opinion_scores
from tests.report.studies import METHODS, a_rating_study, a_voting_study
from tests.stats.reference import crossed_study

RATINGS = ["rater", "image", "method", "bpp", "rating"]
VOTES = ["rater", "image", "bpp", "method_left", "method_right", "choice"]


class _Page(HTMLParser):
    """What a page refers to and shows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.captions = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [given[key] or "" for key in ("src", "href", "srcset") if key in given]
        if tag == "img":
            self.images.append(given)
        self.captions += tag == "figcaption"


@pytest.fixture(scope="module")
def report_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "report.html"
    write_report(a_rating_study(), a_voting_study(), out, title="Four codecs & <friends>")
    return out


def test_the_summary_counts_main_trials(tmp_path: Path) -> None:
    summary = write_report(a_rating_study(), a_voting_study(), tmp_path / "r.html", title="A study")
    assert (summary.n_ratings, summary.images) == (120, 6)
    assert summary.methods[:2] == ("human", "webp")
    assert set(summary.methods) == {*METHODS, "human", "webp"}
    assert summary.rates_bpp == (0.1, 0.5)
    assert any("human − webp" in finding for finding in summary.findings)
    assert any("hific" in finding for finding in summary.findings)


def test_the_page_refers_to_nothing_outside_itself(report_file: Path) -> None:
    page = _Page(report_file.read_text())
    assert page.addresses
    assert all(address.startswith(("data:", "#")) for address in page.addresses)


def test_every_figure_has_a_description_and_a_caption(report_file: Path) -> None:
    page = _Page(report_file.read_text())
    assert len(page.images) == page.captions >= 6
    assert all(len(image["alt"] or "") > 20 for image in page.images)


def test_captions_say_what_the_interval_is(report_file: Path) -> None:
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", report_file.read_text(), re.DOTALL)
    for caption in captions:
        assert "interval" in caption or "95%" in caption or "Answers submitted" in caption, caption


def test_the_title_is_text(report_file: Path) -> None:
    assert "<title>Four codecs &amp; &lt;friends&gt;</title>" in report_file.read_text()


def test_catch_and_repeat_results_are_shown(report_file: Path) -> None:
    text = report_file.read_text()
    assert "Ratings: catch trials" in text
    assert "100% within 1 of the answer" in text
    assert "Votes: identical pairs, decided" in text


RATED, VOTED = a_rating_study(), a_voting_study()
MAIN_RATINGS, MAIN_VOTES = (
    RATED.query("role == 'main'")[RATINGS],
    VOTED.query("role == 'main'")[VOTES],
)


@pytest.mark.parametrize(
    ("ratings", "votes"),
    [
        pytest.param(MAIN_RATINGS, None, id="only ratings, no times, no roles"),
        pytest.param(None, MAIN_VOTES, id="only votes, no times, no roles"),
        pytest.param(
            MAIN_RATINGS.query("image == 'photo-0'"),
            MAIN_VOTES.query("image == 'photo-0'"),
            id="one image",
        ),
        pytest.param(
            MAIN_RATINGS.query("rater == 'r0'"), MAIN_VOTES.query("rater == 'r0'"), id="one rater"
        ),
        pytest.param(MAIN_RATINGS.query("method == 'webp'"), None, id="one method"),
        pytest.param(MAIN_RATINGS.assign(rating=7.0), None, id="all ratings equal"),
        pytest.param(None, MAIN_VOTES.assign(choice="left"), id="all votes left"),
        pytest.param(None, MAIN_VOTES.assign(choice="not_sure"), id="nobody sure"),
        pytest.param(MAIN_RATINGS.head(1), MAIN_VOTES.head(1), id="one answer"),
        pytest.param(
            RATED.assign(submitted_at=RATED["submitted_at"].astype(str)), None, id="times as text"
        ),
    ],
)  # fmt: skip
def test_a_study_may_lack_things(
    ratings: pd.DataFrame | None, votes: pd.DataFrame | None, tmp_path: Path
) -> None:
    write_report(ratings, votes, tmp_path / "r.html", title="Little")
    assert "</html>" in (tmp_path / "r.html").read_text()


def test_a_model_that_cannot_be_fitted_is_explained(tmp_path: Path) -> None:
    write_report(MAIN_RATINGS.query("rater == 'r0'"), None, tmp_path / "r.html", title="One")
    assert "was not fitted: There is one rater" in (tmp_path / "r.html").read_text()


def test_no_main_trials_are_no_report(tmp_path: Path) -> None:
    with pytest.raises(NoDataError):
        write_report(RATED.query("role == 'catch'"), None, tmp_path / "r.html", title="None")
    assert not (tmp_path / "r.html").exists()


def test_raters_without_times_have_no_figure_of_them() -> None:
    section = rater_section(None, MAIN_VOTES)
    assert len(section.blocks) == 1


def _three_methods() -> pd.DataFrame:
    """webp is best and hific, the last in the alphabet but one, worst."""
    rows = MAIN_RATINGS.query("method == 'webp'")
    worse = rows.assign(method="hific", rating=(rows["rating"] - 2).clip(1, 10))
    better = rows.assign(method="zap", rating=(rows["rating"] + rows.index % 3).clip(1, 10))
    return pd.concat([rows, worse, better], ignore_index=True)


def _text(section: Section) -> str:
    parts = []
    for block in section.blocks:
        parts += [getattr(block, "text", ""), getattr(block, "caption", "")]
        parts += [" ".join(row) for row in getattr(block, "rows", ())]
    return " ".join(parts)


def test_every_pair_of_methods_is_compared_and_the_sentences_say_by_which_test() -> None:
    section = rating_section(_three_methods(), looks(["zap", "webp", "hific"]))
    text = _text(section)
    assert all(pair in text for pair in ("webp − hific", "zap − hific", "zap − webp"))
    assert "In plain words (p adjusted by Holm for 3 comparisons)" in text
    assert any("zap − webp" in finding for finding in section.findings)
    assert any("Holm-adjusted p" in finding for finding in section.findings)
    assert "methodwebp" in text  # hific, first in the alphabet, is the reference as in analyze
    assert "methodhific" not in text


def test_the_report_and_analyze_have_the_same_numbers() -> None:
    table = _three_methods()
    text = _text(rating_section(table, looks(["zap", "webp", "hific"])))
    result = fit_mixed(table)
    for effect in result.fixed_effects:
        assert f"{effect.term} {effect.estimate:.2f}" in text
    for test in result.balanced_check:
        assert f"{test.method} − {test.reference} {test.mean_difference:.2f}" in text


def test_a_model_and_a_paired_test_that_disagree_are_explained() -> None:
    """One side of .05 in one table and the other in the next needs a word."""
    for seed in range(400):
        study = crossed_study(seed, images=5, raters=12).sample(frac=0.5, random_state=seed)
        result = fit_mixed(study)
        paired = result.balanced_check[0].p
        assert paired is not None
        if (result.fixed_effects[1].p < 0.05) != (paired < 0.05):
            break
    text = _text(rating_section(study.assign(bpp=float("nan")), looks(["b", "a"])))
    assert "They fall on different sides of 0.05 for b − a" in text
    assert "Take it as not settled" in text


def test_missing_cells_are_said_beside_the_means_and_the_comparisons() -> None:
    table = _three_methods().query("method != 'hific' or image == 'photo-1'")
    section = rating_section(table, looks(["zap", "webp", "hific"]))
    text = _text(section)
    assert "5 of 18 image x method cells have no ratings: the methods' means are over" in text
    assert "The data are unbalanced: 5 of 18" in text
    assert "webp − hific has no paired test: only one image" in text
    assert any("means are over different images" in finding for finding in section.findings)
    assert any("hific" in f and "interval over images" in f for f in section.findings)


def test_methods_have_one_order_one_colour_and_one_marker_in_all_figures() -> None:
    """Best rated first, though the votes and the alphabet say otherwise."""
    rows = a_voting_study(3).query("role == 'main'")[VOTES].replace({"hific": "human"})
    votes = rows.assign(bpp=0.1)
    rated = _three_methods().replace({"webp": "jpeg", "zap": "avif", "hific": "human"})
    order = [*methods_by_rating(rated), "jpegxl"]
    assert order == ["avif", "jpeg", "human", "jpegxl"]
    assert methods_by_votes(votes)[0] == "human"
    styles = looks(order)
    means = mean_opinion_scores(rated, resamples=9)
    legend = means_figure(means, styles, None).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["avif", "jpeg", "human"]
    scores = score_methods(votes)
    axes = scores_figure(scores, styles).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == order
    axes = win_matrix_figure(scores.counts, order).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == order
    figure = scores_by_rate_figure({0.1: scores, 0.2: scores}, styles)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == order


@pytest.mark.parametrize(
    ("first", "last", "labels"),
    [
        ("07:32:58.5", "07:33:02.5", ["07:32:59", "07:33:00", "07:33:01", "07:33:02"]),
        ("07:32:10", "07:35:20", ["07:33", "07:34", "07:35"]),
        ("07:32", "11:20", ["08:00", "09:00", "10:00", "11:00"]),
    ],
)
def test_times_of_a_day_are_written_out(first: str, last: str, labels: list[str]) -> None:
    """Ticks once read 59, 07:32, 01, 02."""
    day = "2026-11-21 "
    ticks = time_ticks(
        pd.Timestamp(day + first, tz="UTC"), pd.Timestamp(day + last, tz="UTC"), most=4
    )
    assert ticks[1] == labels


@given(
    start=st.datetimes(pd.Timestamp("2020-01-01"), pd.Timestamp("2030-01-01")),
    seconds=st.floats(0.5, 1e9),
    most=st.integers(3, 8),
)
def test_ticks_are_few_distinct_and_inside(start: object, seconds: float, most: int) -> None:
    first = pd.Timestamp(start, tz="UTC")  # type: ignore[arg-type]
    last = first + pd.Timedelta(seconds=seconds)
    ticks, labels = time_ticks(first, last, most=most)
    assert 1 <= len(ticks) == len(set(labels)) <= most
    assert all(first <= tick <= last for tick in ticks)


@pytest.mark.parametrize("width_in", [NARROW_IN, WIDE_IN])
@pytest.mark.parametrize("minutes", [0.0, 0.05, 3.0, 200.0, 2_000.0, 20_000.0, 900_000.0])
def test_labels_of_times_do_not_overlap(minutes: float, width_in: float) -> None:
    times = pd.Series(pd.to_datetime(["2026-11-21 07:32:58Z"] * 2))
    times[1] += pd.Timedelta(minutes=minutes)
    figure = over_time_figure({"ratings": times}, width_in=width_in)
    with paper_style():
        figure.savefig(io.BytesIO(), format="png")
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    for left, right in itertools.pairwise(sorted(boxes, key=lambda box: box.x0)):
        assert left.x1 + 2 < right.x0


def test_the_dot_of_the_most_varying_rater_is_inside_the_axes() -> None:
    raters = raters_by_ratings(MAIN_RATINGS)
    axes = rating_behaviour_figure(raters).axes[0]
    assert axes.get_ylim()[1] > raters["sd"].max() * 1.05


@pytest.mark.browser
def test_tables_fit_a_phone_with_their_intervals(report_file: Path, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(report_file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    sizes = page.evaluate(
        "[...document.querySelectorAll('.scroll')].map(e => [e.scrollWidth, e.clientWidth])"
    )
    assert sizes
    assert all(needed <= there for needed, there in sizes)
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_page_works_in_a_browser_at_every_width(
    report_file: Path, browser: Browser, width: int, height: int
) -> None:
    """No request, no console message, nothing wider than the screen, every figure drawn."""
    page = browser.new_page(viewport={"width": width, "height": height})
    requests: list[str] = []
    messages: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(report_file.as_uri())
    outside = [url for url in requests if not url.startswith("data:")]
    assert outside == [report_file.as_uri()]
    assert messages == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    page.close()
