"""Take the README's pictures anew from a demo: ``python docs/take_pictures.py demo``.

Needs the extra ``dev`` and chromium.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from mturk_eval.batch import read_batch
from mturk_eval.hits.preview import write_previews
from mturk_eval.hits.templates import load_templates

PICTURES = Path(__file__).parent / "pictures"
LIVELY = ("astronaut", "cat", "coffee")


def save(name: str, png: bytes) -> None:
    """Keep a picture with few colours: a third of the bytes, hardly to be told apart."""
    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
    small.save(PICTURES / name, optimize=True)


def take_hit(browser: Browser, demo: Path) -> None:
    """A 2AFC page as a rater sees it, the magnifier over its pictures."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        batch = read_batch(demo / "2afc")
        pages = write_previews(
            batch.hits, batch.kind, batch.settings.wording, demo / "2afc" / "images", out,
            load_templates(out),
        )  # fmt: skip
        page = browser.new_page(viewport={"width": 1280, "height": 640})
        first = [hit.trials[0].original.image for hit in batch.hits]
        chosen = min(range(len(first)), key=lambda n: (first[n] not in LIVELY, n))
        page.goto(f"{pages[1 + chosen].as_uri()}?assignmentId=PICTURE")
        page.locator("#help").click()
        page.locator("fieldset.current.ready").wait_for()
        page.locator("fieldset.current img").nth(1).hover(position={"x": 220, "y": 150})
        page.wait_for_timeout(300)
        save("2afc.png", page.screenshot())


def take_figure(browser: Browser, demo: Path) -> None:
    """The report's first figure."""
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.goto((demo / "report.html").resolve().as_uri())
    save("means.png", page.locator("figure").first.screenshot())


def main() -> None:
    """Take both pictures."""
    demo = Path(sys.argv[1])
    chromium = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        take_hit(browser, demo)
        take_figure(browser, demo)
        browser.close()


main()
