"""A built wheel is the whole product: outside the checkout, templates and photographs included."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_templates_configuration_photographs_and_licences(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "mturk_eval/hit_templates/2afc.html.j2",
        "mturk_eval/sandbox_config.toml",
        "mturk_eval/demo/photographs/cat.webp",
        "mturk_eval/compressors/micro_bpp/prompts/describe.txt",
        "mturk_eval/py.typed",
    ):
        assert name in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith(("tests/", "docs/")) for name in names)


def test_the_wheel_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    # The libraries of this environment, the product of the wheel.
    site = next((environment / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    libraries = next(Path(sys.executable).parents[1].glob("lib/python*/site-packages"))
    (site / "libraries.pth").write_text(f"{libraries}\n")
    python = environment / "bin" / "python"
    work = tmp_path / "work"
    work.mkdir()

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [str(python), "-m", "mturk_eval", *arguments],
            cwd=work, capture_output=True, text=True, check=False,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        [str(python), "-c", "import mturk_eval; print(mturk_eval.__file__)"],
        cwd=work, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert where.startswith(str(site))
    assert "mturk-eval" in run("--version")
    run("init", "study")
    assert (work / "study" / "hit_templates" / "satisfaction.html.j2").exists()
    assert "endpoint" in (work / "study" / "mturk_eval.toml").read_text()
    assert "ratings" in run("demo", "--raters", "2", "--json")
