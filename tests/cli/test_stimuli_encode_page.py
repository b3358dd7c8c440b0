"""The page on stimuli is true: its commands run in order and print what it shows."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

from mturk_eval.demo.run import PHOTOGRAPHS
from mturk_eval.stimuli.codecs.registry import CODEC_NAMES
from tests.cli.conftest import Cli

PAGE = Path(__file__).parents[2] / "docs" / "stimuli.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)


def test_every_command_works_and_prints_what_is_shown(cli: Cli) -> None:
    """A shown line that ends with … is the beginning of a printed one."""
    shutil.copytree(PHOTOGRAPHS, "originals")
    printed: list[str] = []
    n_commands = 0
    for kind, block in BLOCKS.findall(TEXT):
        lines = block.replace("\\\n", " ").strip().splitlines()
        for line in lines if kind == "sh" else []:
            program, *arguments = shlex.split(line)
            if program == "mturk-eval":
                done = cli(*arguments)
                assert done.code == 0, f"$ {line}\n{done.out}{done.err}"
                printed += [" ".join(text.split()) for text in done.out.splitlines()]
            else:
                subprocess.run(["sh", "-c", line], check=True)
            n_commands += 1
        if kind == "text" and "command:" not in block:
            for line in lines:
                beginning, cut, _ = " ".join(line.split()).partition(" …")
                assert any(
                    text.startswith(beginning) if cut else text == beginning for text in printed
                ), f"nothing prints '{line}'"
        if kind == "python":
            exec(compile(block, str(PAGE), "exec"), {})  # the page's own code
    assert n_commands >= 8
    sizes = dict(
        line.split(",") for line in Path("sizes.csv").read_text().split() if line[-1].isdigit()
    )
    larger = []
    for row in Path("matched/stimuli.csv").read_text().splitlines()[1:]:
        cells = row.split(",")
        larger.append(int(cells[6]) / int(sizes[cells[2]]) - 1)
    assert 0 <= min(larger) <= max(larger) <= 0.02  # as the page says


def test_every_codec_and_every_link_is_there() -> None:
    for name in CODEC_NAMES:
        assert f"| `{name}` |" in TEXT
    for target in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (PAGE.parent / target).exists(), target
