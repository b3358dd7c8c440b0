"""What tests of pages in a browser share: screens, the way to a page, a rater's hands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from playwright.sync_api import Page, expect

from mturk_eval.trials import Trial
from tests.hits.marketplace import PageServer

DESK = {"width": 1440, "height": 820}
PHONE = {"width": 390, "height": 844}
# What a worker site leaves of the screens of phones.
PHONE_FRAMES = [
    {"width": 390, "height": 799},
    {"width": 375, "height": 620},
    {"width": 844, "height": 345},
    {"width": 667, "height": 330},
]
Open = Callable[..., Page]


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
