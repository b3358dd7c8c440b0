"""One rating by value: the answer clicked in the browser is the number in the CSV and the model.

From image file to HIT, to a click, to the ledger, to a coefficient, with the real command line, a
real server and a real browser.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, ViewportSize, expect

from mturk_eval.tidy.ledger import ratings_table
from tests.cli.conftest import Cli, cli, endpoint
from tests.market import Market
from tests.samples import write_study

__all__ = ["cli", "endpoint"]  # fixtures of the command line's tests
pytestmark = pytest.mark.browser

FOLDERS = ("--originals", "originals", "--reconstructions", "reconstructions")
LEDGER = "sqlite:///mturk_eval.db"
DESKTOP = ViewportSize(width=1440, height=900)
PHONE = ViewportSize(width=390, height=844)


def publish(cli: Cli, kind: str) -> None:
    assert cli("generate", kind, *FOLDERS, "--out", kind, "--assignments", 2).code == 0
    assert cli("publish", kind, "--yes").code == 0


def exported(cli: Cli) -> dict[str, dict[str, str]]:
    """The rows of the exported CSV by trial id."""
    assert cli("collect").code == 0
    assert cli("export", "--out", "data.csv").code == 0
    with Path("data.csv").open(newline="") as file:
        return {row["trial_id"]: row for row in csv.DictReader(file)}


def sign_in(browser: Browser, market: Market, name: str, viewport: ViewportSize) -> Page:
    page = browser.new_context(viewport=viewport, has_touch=viewport == PHONE).new_page()
    page.goto(market.url)
    page.fill("input[name=name]", name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Open tasks")).to_be_visible()
    return page


def accept(page: Page, title: str) -> FrameLocator:
    page.get_by_role("button", name=f"Accept: {title}").click()
    return page.frame_locator("iframe#task")


def answer(hit: FrameLocator, choose: list[str]) -> list[str]:
    """Answer the trials one by one by clicking, and submit; the trial ids in the order shown."""
    shown = []
    for number, value in enumerate(choose, start=1):
        trial = hit.locator("fieldset.current.ready")
        expect(hit.locator("#progress")).to_contain_text(f"{number} of {len(choose)}")
        trial_id = trial.get_attribute("data-trial-id")
        assert trial_id is not None
        shown.append(trial_id)
        trial.locator(f'label:has(input[value="{value}"])').click()
        last = number == len(choose)
        hit.locator("#submitButton" if last else "#next").click()
    return shown


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_rating_clicked_is_the_rating_analyzed(
    browser: Browser,
    cli: Cli,
    endpoint: str,
    market: Market,
    tmp_path: Path,
    viewport: ViewportSize,
) -> None:
    write_study(tmp_path, images=3)
    Path("mturk_eval.toml").write_text(f"[satisfaction]\ntitle = 'Rate {market.account[:100]}'\n")
    publish(cli, "satisfaction")
    page = sign_in(browser, market, f"rater {market.account[:40]}", viewport)
    hit = accept(page, f"Rate {market.account[:100]}")
    clicked = ["1", "10", "3", "8", "5", "6"]
    order = answer(hit, clicked)
    expect(page.locator("body")).to_contain_text("Thank you")
    page.context.close()

    rows = exported(cli)
    assert [rows[trial_id]["rating"] for trial_id in order] == clicked
    assert all(float(row["response_time_ms"]) > 0 for row in rows.values())
    # What a model is given is the same numbers.
    frame = ratings_table(LEDGER).frame.set_index("trial_id")
    assert [str(frame.loc[trial_id, "rating"]) for trial_id in order] == clicked
    means = cli("analyze", "--model", "mos", "--json").json["rows"]
    by_cell = {(row["image"], row["method"]): row["rating"] for row in rows.values()}
    for row in means:
        assert row["mean"] == float(by_cell[row["image"], row["method"]])


def test_a_choice_clicked_is_the_choice_analyzed(
    browser: Browser, cli: Cli, endpoint: str, market: Market, tmp_path: Path
) -> None:
    write_study(tmp_path, images=4)
    title = f"Compare {market.account[:100]}"
    Path("mturk_eval.toml").write_text(f"[two_afc]\ntitle = '{title}'\nnot_sure = true\n")
    publish(cli, "2afc")
    page = sign_in(browser, market, f"judge {market.account[:40]}", DESKTOP)

    # A preview shows the task and cannot be submitted.
    page.get_by_role("link", name=f"Preview: {title}").click()
    preview = page.frame_locator("iframe#task")
    expect(preview.locator("#preview")).to_be_visible()
    expect(preview.locator("#submitButton")).to_be_disabled()
    page.get_by_role("button", name="Accept").click()

    hit = page.frame_locator("iframe#task")
    expect(hit.locator("fieldset.current.ready")).to_be_visible()
    hit.locator("fieldset.current img").first.hover()
    expect(hit.locator("fieldset.current canvas").first).to_be_visible()
    clicked = ["left", "not_sure", "right", "left"]
    order = answer(hit, clicked)
    expect(page.locator("body")).to_contain_text("Thank you")
    page.context.close()

    rows = exported(cli)
    assert [rows[trial_id]["choice"] for trial_id in order] == clicked
    assert float(rows[order[0]]["magnifier_ms"]) > 0
    wins = cli("analyze", "--model", "bradley-terry", "--json").json
    assert wins["n_votes"] == 4
