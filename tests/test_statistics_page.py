"""The pages on statistics are true: commands run, and their numbers are those that come out."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from mturk_eval.cli import main
from mturk_eval.cli.analyze import ModelName

DOCS = Path(__file__).parents[1] / "docs"
INDEX = DOCS / "statistics.md"
PAGES = sorted((DOCS / "statistics").glob("*.md"))
BLOCKS = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?|(?<![\w.,])\.\d+")

STATED = {
    "mixed-model.md": {"1.82", ".090"},  # as the paper printed
    "ordinal-model.md": {".092"},  # of the mixed model, on its page
    "votes.md": {"173.72"},  # 400 / log 10
}
"""Numbers with a decimal point that no command prints, and why they are on a page."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples, made by the index page's own commands."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "docs").symlink_to(DOCS)
    commands = [line for _, block in _blocks(INDEX, "sh") for line in block.splitlines()]
    assert commands == ["python docs/example_tables.py examples", "cd examples"]
    subprocess.run([sys.executable, *commands[0].split()[1:]], cwd=folder, check=True)
    return folder / "examples"


def _blocks(page: Path, *kinds: str) -> list[tuple[str, str]]:
    return [found for found in BLOCKS.findall(page.read_text("utf-8")) if found[0] in kinds]


def _run(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command of ours prints; it must end well."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stopped:
            code = int(str(stopped.code or 0))
    assert code == 0, f"$ {command}\n{out.getvalue()}{err.getvalue()}"
    return out.getvalue()


def _spaced(line: str) -> str:
    return " ".join(line.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_prints_what_the_page_shows(
    page: Path, tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line of an excerpt is a line of the output of the commands above it."""
    everything = ""
    for kind, block in _blocks(page, "sh", "text"):
        if kind == "sh":
            for command in block.replace("\\\n", " ").strip().splitlines():
                assert command.startswith("mturk-eval ")
                everything += _run(command, tables, monkeypatch)
            continue
        lines = {_spaced(line) for line in everything.splitlines()}
        for line in block.strip().splitlines():
            assert line == "…" or _spaced(line) in lines, f"{page.name}: nothing prints '{line}'"
    assert everything, f"{page.name} has no command"
    _check_prose(page, everything)


def _check_prose(page: Path, printed: str) -> None:
    """A number with decimals in the prose is one that was printed, or that value rounded."""
    known = {_value(number) for number in NUMBER.findall(printed)}
    prose = BLOCKS.sub("", page.read_text("utf-8"))
    prose = re.sub(r"`[^`]*`|<picture>.*?</picture>|\]\([^)]*\)|\*\*Sources\.\*\*.*?(?=\n\n|\Z)",
                   "", prose, flags=re.S)  # fmt: skip
    for number in set(NUMBER.findall(prose)):
        if "." not in number or number in STATED.get(page.name, ()) or number == ".05":
            continue
        decimals = len(number.partition(".")[2])
        assert any(round(value, decimals) == _value(number) for value in known), (
            f"{page.name}: no command prints {number}"
        )


def _value(number: str) -> float:
    return float(number.replace(",", ""))


@pytest.mark.parametrize(("preference", "votes"), [(0.65, 97), (0.75, 35)])
def test_so_many_votes_tell_a_preference(preference: float, votes: int) -> None:
    """From there on the power stays at .8, as the page on power says."""
    text = (DOCS / "statistics" / "power.md").read_text("utf-8")
    assert f"{preference:.0%}".replace("%", " %") in text
    assert f"{votes}" in text
    power = {}
    for n in range(votes - 1, votes + 6):
        rejected = [k for k in range(n + 1) if stats.binomtest(k, n).pvalue <= 0.05]
        power[n] = float(np.sum(stats.binom.pmf(rejected, n, preference)))
    assert power.pop(votes - 1) < 0.8
    assert min(power.values()) >= 0.8


def test_every_model_and_power_have_a_command() -> None:
    commands = "".join(block for page in PAGES for _, block in _blocks(page, "sh"))
    shown = set(re.findall(r"--model ([\w-]+)", commands))
    assert shown == {model.value for model in ModelName}
    assert "mturk-eval power" in commands


def test_every_model_of_the_index_is_linked() -> None:
    text = INDEX.read_text("utf-8")
    for model in ModelName:
        assert f"`{model.value}`" in text
    for page in PAGES:
        assert f"statistics/{page.name}" in text


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", BLOCKS.sub("", page.read_text("utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [INDEX, *PAGES], ids=lambda page: page.stem)
def test_links_and_pictures_are_there(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)]+)\)|(?:src|srcset)=\"([^\"]+)\"", text):
        path, _, anchor = (target[0] or target[1]).partition("#")
        if path.startswith("http"):
            continue
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name} links to {path}"
        if anchor:
            assert anchor in _anchors(found), f"{page.name} links to {path}#{anchor}"
    assert all(alt for alt in re.findall(r"<img [^>]*alt=\"([^\"]*)\"", text))


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script that draws the figures."""
    monkeypatch.syspath_prepend(str(DOCS))
    spec = importlib.util.spec_from_file_location("draw_statistics", DOCS / "draw_statistics.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in [
        name for name in sys.modules if name.startswith(("statistics_figures", "example_tables"))
    ]:
        del sys.modules[name]


def test_pictures_are_those_that_the_script_draws(drawing: ModuleType) -> None:
    drawn = {
        f"statistics-{name}{suffix}.svg" for name in drawing.FIGURES for suffix in ("", "-phone")
    }
    assert {path.name for path in (DOCS / "pictures").glob("statistics-*")} == drawn
    shown = "".join(page.read_text("utf-8") for page in PAGES)
    assert all(name in shown for name in drawn)


def test_every_figure_can_be_drawn(drawing: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = sys.modules["statistics_figures.of_plans"]
    monkeypatch.setattr(plans, "_simulated", lambda images, ratings: (0.5, 0.45, 0.55))  # minutes
    for name, figure in drawing.FIGURES.items():
        labels = [text for axes in figure(3.6).axes for text in (axes.get_xlabel(),)]
        assert any(labels), f"{name} has no label"
