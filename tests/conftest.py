from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from tests.market import Market, running_market

# Timings are noisy: no test fails on a clock. Continuous integration tries the same examples every
# time, so that it fails for a change and not by chance; elsewhere new ones are looked for.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "here")

_CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium; on CI its absence is a failure, elsewhere a skip."""
    chromium = shutil.which("chromium")
    if chromium is None:
        reason = "chromium is not installed (apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=_CHROMIUM_ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def shared_market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """One server for the whole session; see `market`."""
    with running_market(tmp_path_factory.mktemp("market")) as market:
        yield market


@pytest.fixture
def market(shared_market: Market, request: pytest.FixtureRequest) -> Market:
    """A running server as seen by a requester of this test's own; its clock only goes forward."""
    return shared_market.as_requester(request.node.name)
