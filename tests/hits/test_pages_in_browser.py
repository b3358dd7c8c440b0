"""Pages in a real browser, in the sandbox they meet on a worker site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import jinja2
import pytest
from playwright.sync_api import Browser, Page, expect

from mturk_eval.config import DEFAULT_WORDING
from mturk_eval.hits.pages import render_page
from mturk_eval.hits.responses import read_responses
from mturk_eval.trials import HitSpec, Kind, Trial
from tests.hits.marketplace import HEIGHT, WIDTH, PageServer, choice, coordinate_png, rating

pytestmark = pytest.mark.browser

DESK = {"width": 1440, "height": 820}
PHONE = {"width": 390, "height": 844}
# What a worker site leaves of the screens of phones.
PHONE_FRAMES = [
    {"width": 390, "height": 799},
    {"width": 375, "height": 620},
    {"width": 844, "height": 345},
    {"width": 667, "height": 330},
]
# Reads what the sampled pixel at the crosshair, the corners and the lens's own place say.
READ_LENSES = """() => [...document.querySelectorAll(".current .lens")].map(canvas => {
  const { width, height } = canvas, context = canvas.getContext("2d");
  const at = (x, y) => {
    const [r, g, b] = context.getImageData(x, y, 1, 1).data;
    return [r + 256 * (b & 15), g + 256 * (b >> 4)];
  };
  const lens = canvas.getBoundingClientRect();
  const img = canvas.parentElement.querySelector("img").getBoundingClientRect();
  return {
    width, height, css: lens.width, visible: getComputedStyle(canvas).display !== "none",
    middle: at(width >> 1, height >> 1), first: at(0, 0), last: at(width - 1, height - 1),
    row: Array.from({length: 24}, (_, x) => at(x, 0)[0]),
    inside: lens.left >= img.left - 1 && lens.right <= img.right + 1
      && lens.top >= img.top - 1 && lens.bottom <= img.bottom + 1,
  };
})"""
# Notes, for every frame, the places that the three lenses show at that moment.
WATCH_FRAMES = """() => {
  window.frames_seen = [];
  const note = () => {
    const shown = [...document.querySelectorAll(".current .lens")].map(canvas =>
      canvas.width && canvas.getContext("2d").getImageData(0, 0, 1, 1).data.join());
    window.frames_seen.push(shown);
    requestAnimationFrame(note);
  };
  requestAnimationFrame(note);
}"""

Open = Callable[..., Page]


@pytest.fixture
def open_page(
    browser: Browser, server: PageServer, templates: jinja2.Environment
) -> Iterator[Open]:
    """Open the page of some trials; at the end no script may have failed."""
    errors: list[str] = []
    contexts = []

    def open_it(
        *trials: Trial,
        viewport: dict[str, int] = DESK,
        ratio: float = 1,
        touch: bool = False,
        readable: bool = False,
        assignment: str = "ASSIGNMENT1",
    ) -> Page:
        kind: Kind = "2afc" if hasattr(trials[0], "left") else "satisfaction"
        urls = {s.sha256: server.image_url(s) for trial in trials for s in trial.stimuli}
        wording = DEFAULT_WORDING[kind].model_copy(update={"not_sure": True})
        hit = HitSpec(name="h", trials=trials)
        server.html = render_page(hit, kind, wording, urls, templates)
        if readable:  # a canvas can be read only where page and pictures share an origin
            server.policy = ""
        context = browser.new_context(
            viewport={"width": viewport["width"], "height": viewport["height"]},
            device_scale_factor=ratio,
            has_touch=touch,
        )
        context.set_default_timeout(8000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.url(assignment))
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert errors == []


def ready(page: Page) -> None:
    expect(page.locator("fieldset.current.ready")).to_be_visible()
    expect(page.locator("fieldset.current")).not_to_have_attribute("disabled", "")


def sized(trial: Trial, width: int, height: int) -> Trial:
    """The trial with pictures of another size."""
    names = {"original", "reconstruction", "left", "right"} & {f.name for f in fields(trial)}
    changes: dict[str, Any] = {
        name: replace(getattr(trial, name), width_px=width, height_px=height) for name in names
    }
    return replace(trial, **changes)


def label(times: float) -> str:
    """What the page says of a magnification."""
    return f"{times:.{1 if times < 9.5 else 0}f}".removesuffix(".0") + "×"


def pick(page: Page, value: str) -> None:
    page.locator(f"fieldset.current input[value='{value}']").check()


def send(page: Page, server: PageServer) -> dict[str, str]:
    page.locator("#submitButton").click()
    page.wait_for_url("**/mturk/externalSubmit")
    assert server.targets == ["/mturk/externalSubmit"]
    (fields,) = server.submissions
    return fields


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


class TestMagnifier:
    def hover(self, page: Page, u: float, v: float, picture: int = 1) -> None:
        box = page.locator("fieldset.current img").nth(picture).bounding_box()
        assert box is not None
        x = min(box["x"] + u * box["width"], box["x"] + box["width"] - 1)
        page.mouse.move(x, min(box["y"] + v * box["height"], box["y"] + box["height"] - 1))
        page.wait_for_timeout(60)

    def lenses(self, page: Page) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = page.evaluate(READ_LENSES)
        assert len(found) == 3
        return found

    @pytest.mark.parametrize("ratio", [1, 1.25, 2])
    def test_all_three_show_the_place_pointed_at(self, open_page: Open, ratio: float) -> None:
        """The same pixels in all lenses, whole ones, around the place under the pointer."""
        page = open_page(choice(1), ratio=ratio, readable=True)
        ready(page)
        for picture, (u, v) in enumerate([(0.4, 0.5), (0.6, 0.45), (0.5, 0.6)]):
            self.hover(page, u, v, picture)
            first, second, third = self.lenses(page)
            assert first == second == third
            assert first["visible"]
            assert first["inside"]
            assert first["css"] == pytest.approx(240, abs=8)
            x, y = first["middle"]
            assert x == pytest.approx(u * WIDTH, abs=4)
            assert y == pytest.approx(v * HEIGHT, abs=4)

    def test_a_picture_of_another_size_shows_the_same_part(
        self, open_page: Open, server: PageServer
    ) -> None:
        trial = choice(1)
        path = urlsplit(server.image_url(trial.right)).path
        server.other_pictures[path] = coordinate_png(WIDTH // 2, HEIGHT // 2)
        page = open_page(trial, readable=True)
        ready(page)
        self.hover(page, 0.4, 0.5)
        left, original, right = self.lenses(page)
        assert left == original
        assert right["css"] == original["css"]
        assert right["middle"] == [at // 2 for at in original["middle"]]

    def test_the_lenses_move_in_the_same_frame(self, open_page: Open) -> None:
        page = open_page(choice(1), readable=True)
        ready(page)
        self.hover(page, 0.3, 0.3)
        page.evaluate(WATCH_FRAMES)
        page.mouse.move(700, 400, steps=40)
        frames = page.evaluate("window.frames_seen")
        assert len({frame[0] for frame in frames}) > 5
        assert all(len(frame) == 3 and len(set(frame)) == 1 for frame in frames)

    def test_zooms_in_whole_device_pixels(self, open_page: Open) -> None:
        page = open_page(choice(1), readable=True)
        ready(page)
        self.hover(page, 0.5, 0.5)
        for _ in range(4):
            page.mouse.wheel(0, 100)
        width = page.locator("fieldset.current img").first.evaluate("img => img.clientWidth")
        for zoom in (1, 2, 4, 8):
            page.wait_for_timeout(60)
            times = zoom * WIDTH / width  # as the rater sees it, beside the picture
            expect(page.locator("#zoom")).to_have_text(label(times))
            lens = self.lenses(page)[0]
            row = lens["row"]
            assert row == [row[0] + i // zoom for i in range(24)]
            page.mouse.wheel(0, -100)
        page.keyboard.press("-")
        expect(page.locator("#zoom")).to_have_text(label(4 * WIDTH / width))
        page.locator("#zoom_in").click()
        expect(page.locator("#zoom")).to_have_text(label(8 * WIDTH / width))
        expect(page.locator("#zoom_in")).to_be_disabled()

    @pytest.mark.parametrize("size", [(480, 320), (480, 480), (1500, 1000)])
    @pytest.mark.parametrize(
        ("viewport", "ratio"),
        [(DESK, 1), (DESK, 2), *[(frame, r) for frame in PHONE_FRAMES[:3] for r in (1, 2, 3)]],
    )
    def test_starts_at_twice_what_is_shown_or_more(
        self,
        open_page: Open,
        server: PageServer,
        viewport: dict[str, int],
        ratio: float,
        size: tuple[int, int],
    ) -> None:
        server.picture = coordinate_png(*size)
        page = open_page(
            sized(choice(1), *size), viewport=viewport, ratio=ratio, touch=ratio > 1, readable=True
        )
        ready(page)
        self.hover(page, 0.5, 0.5)
        lens = self.lenses(page)[0]
        img = page.locator("fieldset.current img").first.bounding_box()
        assert img is not None
        seen_px = lens["last"][0] - lens["first"][0] + 1
        times = lens["css"] / seen_px / (img["width"] / size[0])
        assert times >= 1.9
        assert times < 4 or lens["width"] == seen_px  # the least zoom: no pixel is left out
        expect(page.locator("#zoom")).to_have_text(label(times))

    @pytest.mark.parametrize("viewport", [PHONE_FRAMES[0], PHONE_FRAMES[2]])
    def test_says_how_on_touch_screens_until_it_was_used(
        self, open_page: Open, viewport: dict[str, int]
    ) -> None:
        """In the places of the lenses, or behind the question where lenses have no places."""
        page = open_page(choice(1), viewport=viewport, ratio=2, touch=True)
        ready(page)
        where = ["figure", "::after"] if viewport["width"] < 500 else ["legend", "::after"]
        hint = """([element, part]) => getComputedStyle(
            document.querySelector(`.current ${element}`), part).content"""
        assert "Touch and drag over a picture to magnify all three" in page.evaluate(hint, where)
        page.locator("fieldset.current img").first.tap()
        assert "Touch" not in page.evaluate(hint, where)
        page.locator("#help").tap()
        expect(page.get_by_text("Touch and drag over a picture")).to_be_visible()

    def test_says_nothing_of_touch_where_there_is_a_mouse(self, open_page: Open) -> None:
        page = open_page(choice(1))
        ready(page)
        expect(page.get_by_text("Touch and drag over a picture")).to_be_hidden()

    def test_never_leaves_the_picture(self, open_page: Open) -> None:
        page = open_page(choice(1), readable=True)
        ready(page)
        for u, v in [(0, 0), (1, 0), (0, 1), (1, 1)]:
            self.hover(page, u, v)
            for lens in self.lenses(page):
                assert lens["inside"]
                corner = lens["last" if (u, v) == (1, 1) else "first"]
                if u == v:
                    assert corner == [(WIDTH - 1) * u, (HEIGHT - 1) * v]

    def test_by_keyboard(self, open_page: Open) -> None:
        page = open_page(choice(1), readable=True)
        ready(page)
        page.locator(".current .stage").focus()
        page.keyboard.press("ArrowRight")
        for _ in range(3):
            page.keyboard.press("Shift+ArrowDown")
        page.wait_for_timeout(60)
        x, y = self.lenses(page)[0]["middle"]
        assert x == pytest.approx(0.51 * WIDTH, abs=4)
        assert y == pytest.approx(0.8 * HEIGHT, abs=4)
        page.keyboard.press("Escape")
        assert not any(lens["visible"] for lens in self.lenses(page))
        page.keyboard.press("m")
        expect(page.locator("#magnify")).to_have_attribute("aria-pressed", "false")
        page.keyboard.press("ArrowRight")
        assert not any(lens["visible"] for lens in self.lenses(page))

    def test_time_with_it_is_recorded(self, open_page: Open, server: PageServer) -> None:
        """In the sandbox, where the canvas may be drawn but not read."""
        trials = [choice(1), choice(2)]
        page = open_page(*trials)
        ready(page)
        self.hover(page, 0.5, 0.5)
        page.wait_for_timeout(300)
        page.mouse.move(5, 300)
        page.wait_for_timeout(400)
        pick(page, "left")
        page.locator("#next").click()
        ready(page)
        pick(page, "right")
        used, unused = read_responses(send(page, server), trials)
        assert used.magnifier_ms == pytest.approx(350, abs=150)
        assert unused.magnifier_ms is None

    def test_escape_holds_until_the_pointer_leaves(self, open_page: Open) -> None:
        page = open_page(choice(1), readable=True)
        ready(page)
        self.hover(page, 0.5, 0.5)
        page.keyboard.press("Escape")
        self.hover(page, 0.6, 0.5)
        assert not self.lenses(page)[0]["visible"]
        page.mouse.move(5, 300)
        self.hover(page, 0.5, 0.5)
        assert self.lenses(page)[0]["visible"]

    def test_by_touch_stays_beside_the_pictures(self, open_page: Open) -> None:
        page = open_page(choice(1), viewport=PHONE, ratio=3, touch=True, readable=True)
        ready(page)
        box = page.locator("fieldset.current img").nth(2).bounding_box()
        assert box is not None
        page.touchscreen.tap(box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"])
        page.wait_for_timeout(100)
        x, y = self.lenses(page)[0]["middle"]
        assert x == pytest.approx(0.25 * WIDTH, abs=8)
        assert y == pytest.approx(0.75 * HEIGHT, abs=8)

        finger = page.context.new_cdp_session(page)  # Playwright itself can only tap
        for kind, u in (("touchStart", 0.4), ("touchMove", 0.5), ("touchMove", 0.6)):
            point = {"x": box["x"] + u * box["width"], "y": box["y"] + u * box["height"]}
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(100)
        first, second, third = self.lenses(page)
        assert first == second == third
        assert first["visible"]
        assert not first["inside"]
        x, y = first["middle"]
        assert x == pytest.approx(0.6 * WIDTH, abs=8)
        assert y == pytest.approx(0.6 * HEIGHT, abs=8)
        overlaps = page.evaluate("""() => {
          const boxes = kind => [...document.querySelectorAll(`.current ${kind}`)].map(
            element => element.getBoundingClientRect());
          return boxes(".lens").some(a => boxes("img").some(b => a.left < b.right - 1
            && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1));
        }""")
        assert not overlaps
