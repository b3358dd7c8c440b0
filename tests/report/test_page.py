"""The report: one file that needs nothing else, whatever the study has and lacks."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser

from mturk_eval.errors import NoDataError
from mturk_eval.report.page import write_report
from mturk_eval.report.rater_section import rater_section
from tests.report.studies import METHODS, a_rating_study, a_voting_study

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
    assert summary.methods == tuple(sorted({*METHODS, "human", "webp"}))
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
