from __future__ import annotations

from collections.abc import Iterator

import jinja2
import pytest
from playwright.sync_api import Browser, Page

from mturk_eval.config import DEFAULT_WORDING
from mturk_eval.hits.pages import render_page
from mturk_eval.hits.templates import load_templates
from mturk_eval.trials import HitSpec, Kind, Trial
from tests.hits.browsing import DESK, Open
from tests.hits.marketplace import PageServer, coordinate_png, serve_pages


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> jinja2.Environment:
    """The shipped templates, whatever the working directory holds."""
    return load_templates(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def coordinates() -> bytes:
    return coordinate_png()


@pytest.fixture
def server(coordinates: bytes) -> Iterator[PageServer]:
    with serve_pages() as pages:
        pages.picture = coordinates
        yield pages


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
