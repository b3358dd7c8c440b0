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


def take_hits(browser: Browser, demo: Path) -> None:
    """Both pages as a rater sees them, the magnifier over the 2AFC's pictures."""
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("satisfaction", "2afc"):
            batch = read_batch(demo / kind)
            out = Path(folder) / kind
            pages = write_previews(
                batch.hits, batch.kind, batch.settings.wording, demo / kind / "images", out,
                load_templates(out),
            )  # fmt: skip
            page = browser.new_page(viewport={"width": 1280, "height": 640})
            first = [hit.trials[0].original.image for hit in batch.hits]
            chosen = min(range(len(first)), key=lambda n: (first[n] not in LIVELY, n))
            page.goto(f"{pages[1 + chosen].as_uri()}?assignmentId=PICTURE")
            page.locator("#help").click()
            page.locator("fieldset.current.ready").wait_for()
            if kind == "2afc":
                page.locator("fieldset.current img").nth(1).hover(position={"x": 220, "y": 150})
                page.wait_for_timeout(300)
            save(f"{kind}.png", page.screenshot())
            page.close()


def take_figures(browser: Browser, demo: Path) -> None:
    """Two of the report's figures."""
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.goto((demo / "report.html").resolve().as_uri())
    for name, number in (("means.png", 0), ("scores.png", 3)):
        save(name, page.locator("figure").nth(number).screenshot())


def main() -> None:
    """Take all pictures."""
    demo = Path(sys.argv[1])
    chromium = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        take_hits(browser, demo)
        take_figures(browser, demo)
        browser.close()


main()
