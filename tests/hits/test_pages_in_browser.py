"""Pages in a real browser, in the sandbox they meet on a worker site."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from mturk_eval.hits.responses import read_responses
from tests.hits.browsing import Open, pick, ready, send
from tests.hits.marketplace import PageServer, choice, rating

pytestmark = pytest.mark.browser


def test_ratings_by_mouse_arrive_with_their_times(open_page: Open, server: PageServer) -> None:
    trials = [rating(1), rating(2)]
    page = open_page(*trials)
    ready(page)
    expect(page.locator("#progress")).to_have_text("1 of 2")
    expect(page.locator("#next")).to_be_disabled()
    expect(page.locator("#back")).to_be_disabled()
    expect(page.locator("#preview")).to_be_hidden()
    pick(page, "7")
    page.locator("#next").click()
    ready(page)
    expect(page.locator("#progress")).to_have_text("2 of 2")
    expect(page.locator("fieldset.current input:checked")).to_have_count(0)
    expect(page.locator("#submitButton")).to_be_disabled()
    pick(page, "2")
    pick(page, "10")
    fields = send(page, server)

    first, second = read_responses(fields, trials)
    assert (first.answer, second.answer) == ("7", "10")
    times = [time for r in (first, second) for time in (r.first_paint_ms, r.answered_ms)]
    assert all(time is not None and time > 0 for time in times)
    assert times == sorted(times, key=lambda time: time or 0)
    assert fields["assignmentId"] == "ASSIGNMENT1"
    assert (fields["page.viewport_width"], fields["page.viewport_height"]) == ("1440", "820")
    assert fields["page.device_pixel_ratio"] == "1"
    assert fields["page.hidden_ms"] == "0"
    assert 0 < float(fields["r0000001.fit_scale"]) < 1


def test_ratings_by_keyboard_alone(open_page: Open, server: PageServer) -> None:
    trials = [rating(n) for n in range(3)]
    page = open_page(*trials)
    for key, n in (("4", 1), ("0", 2), ("1", 3)):
        expect(page.locator("#progress")).to_have_text(f"{n} of 3")
        ready(page)
        page.keyboard.press("Enter")  # nothing is answered yet
        expect(page.locator("#progress")).to_have_text(f"{n} of 3")
        page.keyboard.press(key)
        page.wait_for_timeout(550)
        if n < 3:
            page.keyboard.press("Enter")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert [r.answer for r in read_responses(server.submissions[0], trials)] == ["4", "10", "1"]


def test_choices_by_keyboard(open_page: Open, server: PageServer) -> None:
    trials = [choice(n) for n in range(3)]
    page = open_page(*trials)
    for key in ("b", "1", "3"):
        ready(page)
        page.keyboard.press(key)
        page.wait_for_timeout(550)
        if key != "3":
            page.keyboard.press("Enter")
    fields = send(page, server)
    assert [r.answer for r in read_responses(fields, trials)] == ["right", "left", "not_sure"]


def test_single_keys_can_be_turned_off(open_page: Open) -> None:
    page = open_page(rating(1))
    ready(page)
    page.locator("#shortcuts").uncheck()
    page.keyboard.press("5")
    expect(page.locator("fieldset.current input:checked")).to_have_count(0)


def test_going_back_keeps_answers_and_first_times(open_page: Open, server: PageServer) -> None:
    page = open_page(rating(1), rating(2))
    ready(page)
    pick(page, "3")
    painted = page.locator("input[name='r0000001.first_paint_ms']").input_value()
    page.locator("#next").click()
    ready(page)
    page.locator("#back").click()
    expect(page.locator("fieldset.current input:checked")).to_have_value("3")
    pick(page, "4")
    page.locator("#next").click()
    pick(page, "9")
    fields = send(page, server)
    assert fields["r0000001.rating"] == "4"
    assert fields["r0000001.first_paint_ms"] == painted


@pytest.mark.parametrize("assignment", ["ASSIGNMENT_ID_NOT_AVAILABLE", ""])
def test_a_preview_can_be_tried_and_not_sent(
    open_page: Open, server: PageServer, assignment: str
) -> None:
    page = open_page(rating(1), assignment=assignment)
    expect(page.locator("#preview")).to_contain_text("Accept the task to send your answers.")
    ready(page)
    pick(page, "5")
    page.wait_for_timeout(600)
    expect(page.locator("#submitButton")).to_be_disabled()
    page.keyboard.press("Enter")
    page.evaluate("document.getElementById('mturk_form').requestSubmit()")
    page.wait_for_timeout(200)
    assert server.submissions == []


def test_a_second_click_sends_nothing(open_page: Open, server: PageServer) -> None:
    page = open_page(rating(1))
    ready(page)
    pick(page, "5")
    expect(page.locator("#submitButton")).to_be_enabled()
    page.evaluate("""() => {
        const button = document.getElementById("submitButton");
        button.click(); button.click(); button.form.requestSubmit();
    }""")
    page.wait_for_url("**/mturk/externalSubmit")
    assert len(server.submissions) == 1


@pytest.mark.parametrize(
    ("submit_to", "action"),
    [
        (
            "https://workersandbox.mturk.com/",
            "https://workersandbox.mturk.com/mturk/externalSubmit",
        ),
        ("https%3A%2F%2Fhost%2Fprefix", "https://host/prefix/mturk/externalSubmit"),
        ("javascript:alert(1)", "https://www.mturk.com/mturk/externalSubmit"),
        ("", "https://www.mturk.com/mturk/externalSubmit"),
    ],
)
def test_where_the_form_goes(
    open_page: Open, server: PageServer, submit_to: str, action: str
) -> None:
    page = open_page(rating(1))
    page.goto(f"{server.origin}/hit?turkSubmitTo={submit_to}&assignmentId=A")
    assert page.evaluate("document.getElementById('mturk_form').action") == action


def test_nothing_can_be_answered_before_the_pictures_are_there(
    open_page: Open, server: PageServer
) -> None:
    """Pictures fail four times each: there is a message, and trying again works."""
    server.failures = 8
    page = open_page(rating(1))
    expect(page.locator("#waiting")).to_be_visible()
    page.keyboard.press("5")
    expect(page.locator("#failure")).to_be_visible()
    expect(page.locator("#waiting")).to_be_hidden()
    expect(page.locator("fieldset.current img").first).to_be_hidden()
    expect(page.locator("fieldset.current input:checked")).to_have_count(0)
    assert server.failures == 0
    page.locator("#retry").click()
    ready(page)
    expect(page.locator("#failure")).to_be_hidden()
    pick(page, "5")
    assert send(page, server)["r0000001.rating"] == "5"


def test_a_hiccup_is_nobodys_business(open_page: Open, server: PageServer) -> None:
    server.failures = 2
    page = open_page(rating(1))
    ready(page)
    expect(page.locator("#failure")).to_be_hidden()


def test_only_the_next_trial_is_fetched_ahead(open_page: Open) -> None:
    page = open_page(*[rating(n) for n in range(5)])
    ready(page)
    page.wait_for_timeout(400)
    loaded = page.evaluate(
        "[...document.querySelectorAll('.stage img')].map(i => i.naturalWidth > 0)"
    )
    assert loaded == [True] * 4 + [False] * 6


def test_without_javascript_all_trials_are_a_form(
    open_page: Open, browser: Browser, server: PageServer
) -> None:
    open_page(rating(1), rating(2))
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.url())
    expect(page.locator("fieldset:visible")).to_have_count(2)
    expect(page.locator("#submitButton")).to_be_visible()
    expect(page.locator("#next, #back, #help")).to_have_count(3)
    expect(page.locator("#next:visible, #back:visible, #help:visible")).to_have_count(0)
    context.close()
