"""A person on the worker site: Chromium, on a desk and on a phone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from mturk_eval.wire.answers import read_answers
from mturk_eval.wire.question import HtmlQuestion
from tests.market import Market, running_market

pytestmark = pytest.mark.browser

# Where to keep pictures of each page for a person to look at; without it none are taken.
PICTURES = os.environ.get("MTURK_EVAL_TEST_PICTURES")
SIZES = {"desk": (1440, 900), "phone": (390, 844)}


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    with running_market(tmp_path) as market:
        yield market.as_requester("Vision Lab")


@pytest.fixture(params=SIZES)
def person(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    width, height = SIZES[request.param]
    on_phone = request.param == "phone"
    context = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=on_phone, is_mobile=on_phone
    )
    yield context
    context.close()


def shoot(page: Page, name: str) -> None:
    assert page.viewport_size is not None
    width = page.viewport_size["width"]
    if PICTURES is not None:
        size = "desk" if width > 800 else "phone"
        page.screenshot(path=Path(PICTURES) / f"{name}-{size}.png")
    # Not innerWidth: a phone zooms out to hide that a page is too wide.
    assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_a_person_works(market: Market, person: BrowserContext) -> None:
    description = "Look at two pictures of the same scene and say how close they are."
    many = {"Title": "Rate pictures of houses and gardens", "Description": description}
    hits = [market.create_hit(**many, Reward="0.40", MaxAssignments=2) for _ in range(3)]
    market.create_hit(
        Title="Which of two pictures is closer to the original? A magnifier helps",
        Description="Twelve pairs. Best on a large screen.",
        Reward="1.20",
        AssignmentDurationInSeconds=5400,
    )
    page = person.new_page()
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))

    page.goto(f"{market.url}/")
    shoot(page, "1-sign-in")
    page.get_by_label("Your name or nickname").fill("Ada")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Open tasks")).to_be_visible()
    shoot(page, "2-open-tasks")

    page.get_by_role("link", name="Preview: Rate pictures").click()
    frame = page.frame_locator("#task")
    expect(frame.get_by_role("heading", name="Which colour?")).to_be_visible()
    shoot(page, "3-preview")
    frame.get_by_label("Red").check()
    frame.get_by_role("button", name="Submit").click()
    expect(frame.get_by_role("heading", name="This is a preview")).to_be_visible()
    shoot(page, "4-preview-refused")

    page.get_by_role("button", name="Accept").click()
    page.wait_for_url(re.compile("assignment_id="))
    expect(page.locator("#countdown")).to_have_text(re.compile(r"^(10:00|9:5\d)$"))
    shoot(page, "5-work")
    box = page.locator("#task").bounding_box()
    size = page.viewport_size
    assert box is not None
    assert size is not None
    assert box["width"] == size["width"]
    assert box["height"] >= size["height"] - 50  # the bar is thin

    page.get_by_role("button", name="Return").click()
    expect(page.get_by_role("heading", name="Open tasks")).to_be_visible()
    page.get_by_role("button", name="Accept: Rate pictures").click()
    for n in range(3):
        expect(page.locator("#countdown")).to_be_visible()
        if n == 1:  # leave and come back
            page.goto(f"{market.url}/")
            shoot(page, "6-open-tasks-holding-one")
            page.get_by_role("link", name="Continue").click()
        frame = page.frame_locator("#task")
        frame.get_by_label("Blue").check()
        frame.get_by_role("button", name="Submit").click()
        expect(frame.get_by_role("heading", name="Submitted, thank you")).to_be_visible()
        if n == 0:
            shoot(page, "7-submitted")
        if n < 2:
            page.wait_for_function(
                "() => document.querySelector('#task')?.contentDocument?.title !== 'Submitted'"
            )
    expect(page.get_by_role("heading", name="That is all for now")).to_be_visible()
    shoot(page, "8-done")

    assert {market.hit(hit)["NumberOfAssignmentsAvailable"] for hit in hits} == {1}
    works = [
        work
        for hit in hits
        for work in market.mturk.list_assignments_for_hit(HITId=hit["HITId"])["Assignments"]
    ]
    assert [read_answers(work["Answer"]) for work in works] == [{"colour": "blue"}] * 3
    market.mturk.approve_assignment(
        AssignmentId=works[0]["AssignmentId"], RequesterFeedback="Careful work, thank you."
    )
    market.mturk.reject_assignment(
        AssignmentId=works[1]["AssignmentId"], RequesterFeedback="Every answer was the same."
    )
    page.goto(f"{market.url}/")
    page.get_by_role("button", name="Accept: Which of two").click()
    page.goto(f"{market.url}/tasks")
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    shoot(page, "9-my-work")
    page.goto(f"{market.url}/nowhere")
    shoot(page, "10-not-found")
    expected = ("status of 400", "status of 404")
    assert [problem for problem in problems if not any(e in problem for e in expected)] == []


def test_dark(market: Market, person: BrowserContext) -> None:
    market.create_hit(Title="Rate pictures of houses and gardens")
    page = person.new_page()
    page.emulate_media(color_scheme="dark")
    page.goto(f"{market.url}/")
    page.get_by_label("Your name or nickname").fill("Ada")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Open tasks")).to_be_visible()
    shoot(page, "11-dark-open-tasks")
    page.get_by_role("button", name="Accept").click()
    expect(page.frame_locator("#task").get_by_role("button", name="Submit")).to_be_visible()
    shoot(page, "12-dark-work")


def test_a_hostile_page_gets_at_nothing(market: Market, browser: Browser) -> None:
    """A requester's page runs with scripts, but in an origin of its own."""
    spy = """<!doctype html><title>waiting</title><p id="out"></p><script>
    const found = {origin: self.origin};
    try { found.cookie = document.cookie; } catch (e) { found.cookie = e.name; }
    try { found.parent = parent.document.title; } catch (e) { found.parent = e.name; }
    try { found.storage = localStorage.length; } catch (e) { found.storage = e.name; }
    try { top.location = "/tasks"; } catch (e) { found.top = e.name; }
    parent.postMessage("mturk-eval:submitted", "*");
    fetch("/tasks", {credentials: "include"}).then(r => r.text()).catch(e => e.name).then(text => {
      found.tasks = text;
      document.getElementById("out").textContent = JSON.stringify(found);
    });
    </script>"""
    hit = market.create_hit(Question=HtmlQuestion(spy).to_xml())
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{market.url}/")
    page.get_by_label("Your name or nickname").fill("Ada")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Accept").click()
    out = page.frame_locator("#task").locator("#out")
    expect(out).to_contain_text("tasks")
    page.wait_for_timeout(900)  # longer than the step to the next task would take
    assert '"origin":"null"' in out.inner_text()
    assert out.inner_text().count("SecurityError") >= 3
    assert '"tasks":"TypeError"' in out.inner_text()
    assert hit["HITId"] in page.url
    context.close()


def test_the_next_task_without_scripts(market: Market, browser: Browser) -> None:
    form = (
        '<form method="post" action="/mturk/externalSubmit?x=1&assignmentId=ID">'
        "<button>Submit</button></form>"
    )
    hits = [market.create_hit() for _ in range(2)]
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{market.url}/")
    page.get_by_label("Your name or nickname").fill("Ada")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Accept").click()
    assignment_id = page.url.partition("=")[2]
    expect(page.locator("#countdown")).to_have_text(re.compile(r"^(10:00|9:5\d)$"))
    page.set_content(form.replace("/mturk", f"{market.url}/mturk").replace("ID", assignment_id))
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("link", name="Next task").click()
    expect(page.get_by_role("button", name="Accept")).to_be_visible()
    assert {market.hit(hit)["HITStatus"] for hit in hits} == {"Reviewable", "Assignable"}
    context.close()


def test_the_helper_that_pages_used_to_load(market: Market, browser: Browser) -> None:
    html = """<!doctype html>
    <script src="https://s3.amazonaws.com/mturk-public/externalHIT_v1.js"></script>
    <form id="mturk_form" method="post" action="https://www.mturk.com/mturk/externalSubmit">
    <input type="hidden" id="assignmentId" name="assignmentId"><input name="word" value="yes">
    <input type="submit" id="submitButton" value="Send"></form>
    <script>turkSetAssignmentID();</script>"""
    hit = market.create_hit(Question=HtmlQuestion(html).to_xml())
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{market.url}/")
    page.get_by_label("Your name or nickname").fill("Ada")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Preview").click()
    button = page.frame_locator("#task").locator("#submitButton")
    expect(button).to_be_disabled()
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url(re.compile("assignment_id="))
    button.click()
    expect(page.get_by_role("heading", name="That is all for now")).to_be_visible()
    (work,) = market.mturk.list_assignments_for_hit(HITId=hit["HITId"])["Assignments"]
    assert read_answers(work["Answer"]) == {"word": "yes"}
    context.close()
