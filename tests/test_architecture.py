"""The house keeps its order: imports point down, and a light import stays light."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_imports_point_down() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "5 kept, 0 broken" in done.stdout


def test_the_public_api_is_imported_lazily() -> None:
    code = "import mturk_eval, sys; assert not {'numpy', 'boto3', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_can_be_imported() -> None:
    import mturk_eval

    for name in mturk_eval._HOMES:
        assert getattr(mturk_eval, name).__name__ == name


def test_every_dependency_has_its_reason() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    block = project.split("\ndependencies = [")[1].split("]")[0]
    names = re.findall(r'"([\w-]+)', block)
    assert len(names) > 10
    for name in names:
        assert re.search(rf"\b{name}\b", reasons), name


def test_ci_calls_the_readmes_test_command() -> None:
    assert "\nCI=true make test\n" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()
