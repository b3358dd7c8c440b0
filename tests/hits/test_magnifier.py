"""Three lenses, one place: the magnifier in a real browser."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from mturk_eval.hits.responses import read_responses
from tests.hits.browsing import DESK, PHONE, PHONE_FRAMES, Open, label, pick, ready, send, sized
from tests.hits.marketplace import HEIGHT, WIDTH, PageServer, choice, coordinate_png

pytestmark = pytest.mark.browser

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
