"""Everything needed to answer is in sight, on phones in both orientations and on a desk."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from mturk_eval.trials import Trial
from tests.hits.browsing import DESK, PHONE, PHONE_FRAMES, Open, ready, sized
from tests.hits.marketplace import HEIGHT, WIDTH, PageServer, choice, coordinate_png, rating

pytestmark = pytest.mark.browser


def cut_off(page: Page) -> list[str]:
    """What of a trial is cut off, or covered by something else, without scrolling."""
    found: list[str] = page.evaluate("""() => {
      const parts = ".current :is(legend, img, figcaption, .answers label), nav button, #help";
      const overlap = (a, b) => a.left < b.right - 1 && b.left < a.right - 1
        && a.top < b.bottom - 1 && b.top < a.bottom - 1;
      const shown = [...document.querySelectorAll(parts)].filter(part => part.offsetWidth);
      const box = new Map(shown.map(part => [part, part.getBoundingClientRect()]));
      return shown.filter(part => {
        const { left, top, right, bottom } = box.get(part);
        return left < 0 || top < 0 || right > innerWidth + .5 || bottom > innerHeight + .5
          || shown.some(other => other !== part && overlap(box.get(part), box.get(other)));
      }).map(part => part.alt || part.textContent.trim());
    }""")
    return found


@pytest.mark.parametrize("make", [rating, choice])
@pytest.mark.parametrize("picture", [(480, 320), (480, 480), (320, 480)])
@pytest.mark.parametrize("viewport", PHONE_FRAMES)
def test_a_phone_shows_all_of_a_trial_from_the_first(
    open_page: Open,
    server: PageServer,
    make: Callable[[int], Trial],
    viewport: dict[str, int],
    picture: tuple[int, int],
) -> None:
    """Instructions push nothing off the screen: one line of them, the rest after a tap on Help."""
    server.picture = coordinate_png(*picture)
    trials = [make(1), make(2)]
    page = open_page(*(sized(t, *picture) for t in trials), viewport=viewport, ratio=2, touch=True)
    ready(page)
    root = "document.documentElement"
    assert cut_off(page) == []
    assert page.evaluate(f"{root}.scrollHeight - innerHeight") <= 0
    assert page.evaluate(f"{root}.scrollWidth - innerWidth") <= 0
    box = page.locator("fieldset.current img").first.bounding_box()
    assert box is not None
    assert box["width"] * box["height"] >= 9000  # large enough to be judged

    summary = page.locator("#instructions p").first
    line = summary.bounding_box()
    assert line is not None
    assert line["height"] <= 24
    expect(page.locator("#help")).to_have_attribute("aria-expanded", "false")
    page.locator("#help").tap()
    expect(page.locator("#help")).to_have_attribute("aria-expanded", "true")
    assert page.locator("fieldset.current img").first.bounding_box() == box  # nothing moved
    opened = summary.bounding_box()
    assert opened is not None
    assert opened["height"] > line["height"]
    page.locator("#close").tap()
    expect(page.locator("#close")).to_be_hidden()

    page.locator("fieldset.current .answers label").last.tap()
    page.locator("#next").tap()
    ready(page)
    expect(page.locator("#instructions")).to_be_hidden()
    assert cut_off(page) == []


def test_the_sheet_of_instructions_closes_by_what_is_under_it(open_page: Open) -> None:
    page = open_page(rating(1), viewport=PHONE)
    ready(page)
    trial = page.locator("fieldset.current")
    for close in (
        partial(page.keyboard.press, "Escape"),
        trial.locator(".answers label").first.click,
        trial.locator("input").first.focus,
        page.locator("#help").click,
    ):
        page.locator("#instructions").click()  # the line of the first trial opens them as well
        expect(page.locator("#close")).to_be_visible()
        close()
        expect(page.locator("#close")).to_be_hidden()


@pytest.mark.parametrize("make", [rating, choice])
@pytest.mark.parametrize(
    "viewport", [DESK, PHONE, {"width": 1280, "height": 640}, {"width": 720, "height": 410}]
)
def test_a_trial_needs_no_scrolling(
    open_page: Open, make: Callable[[int], Trial], viewport: dict[str, int]
) -> None:
    """Everything is on the screen, equally large, with targets that a finger meets."""
    page = open_page(make(1), viewport=viewport)
    ready(page)
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollHeight - innerHeight") <= 0
    assert cut_off(page) == []
    if page.locator("#help").get_attribute("aria-expanded") == "true":
        page.locator("#help").click()
    page.wait_for_timeout(100)
    page.set_viewport_size({"width": viewport["width"], "height": viewport["height"] + 100})
    page.wait_for_timeout(100)
    page.set_viewport_size({"width": viewport["width"], "height": viewport["height"]})
    page.wait_for_timeout(100)
    assert page.evaluate(f"{root}.scrollWidth - innerWidth") <= 0
    assert page.evaluate(f"{root}.scrollHeight - innerHeight") <= 0
    assert cut_off(page) == []
    boxes = [img.bounding_box() for img in page.locator("fieldset.current img").all()]
    sizes = {(round(box["width"]), round(box["height"])) for box in boxes if box}
    assert len(sizes) == 1
    ((width, height),) = sizes
    assert width / height == pytest.approx(WIDTH / HEIGHT, rel=0.02)
    for control in page.locator("button:visible, fieldset.current .answers label").all():
        box = control.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["width"] >= (32 if viewport is PHONE else 44)


def test_the_stage_has_a_frame_for_keyboard_users_only(open_page: Open) -> None:
    """Next moves the focus to the pictures; a frame beside them would be in the way of judging."""
    page = open_page(*[choice(n) for n in range(3)])

    def frame() -> str:
        expect(page.locator(".current .stage")).to_be_focused()
        return str(
            page.evaluate(
                "getComputedStyle(document.querySelector('.current .stage')).outlineStyle"
            )
        )

    ready(page)
    page.keyboard.press("a")
    page.locator("#next").click()
    ready(page)
    assert frame() == "none"
    page.keyboard.press("b")
    expect(page.locator("#next")).to_be_enabled()
    page.keyboard.press("Enter")
    ready(page)
    assert frame() == "solid"
