"""``mturk-eval stimuli script``: from scripts to a folder of stimuli that `generate` reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from mturk_eval.cli.app import app
from mturk_eval.errors import MturkEvalError
from tests.compressors.scripts.samples import write_library
from tests.samples import picture


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with elements/, originals/ and scripts/ for two images."""
    write_library(tmp_path / "elements")
    (tmp_path / "originals").mkdir()
    (tmp_path / "scripts").mkdir()
    for seed, name in enumerate(("dawn", "noon")):
        picture(seed).save(tmp_path / "originals" / f"{name}.png")
        (tmp_path / "scripts" / f"{name}.py").write_text(
            f'# {name}\ncanvas(48, 32, "#406080")\n'
            f'use("shapes/disc.png").resize({10 + seed}).place(20, 12)\n'
        )
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["stimuli", "script", *map(str, arguments)])


def make(study: Path, *options: str) -> Result:
    return run(
        "make", study / "scripts", "--elements", study / "elements",
        "--originals", study / "originals", "--out", study / "stimuli", "--json", *options,
    )  # fmt: skip


def test_scripts_become_stimuli_that_generate_reads(study: Path) -> None:
    done = make(study)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert [row["image"] for row in document["made"]] == ["dawn", "noon"]
    with (study / "stimuli" / "stimuli.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        coded = study / "stimuli" / row["encoded_path"]
        assert coded.suffix == ".haac"
        assert coded.read_bytes().startswith(b"h1k")
        assert int(row["bytes"]) == coded.stat().st_size
        assert float(row["bpp"]) == pytest.approx(8 * int(row["bytes"]) / (48 * 32))
        assert "Pillow" in row["encoder"]
        assert Image.open(study / "stimuli" / row["path"]).size == (48, 32)
    generated = CliRunner().invoke(
        app,
        [
            "generate", "satisfaction", "--originals", str(study / "originals"),
            "--reconstructions", str(study / "stimuli"), "--out", str(study / "batch"), "--json",
        ],
    )  # fmt: skip
    assert generated.exit_code == 0, generated.output
    assert json.loads(generated.stdout)["trials"] == 2


def test_what_is_done_is_not_done_again(study: Path) -> None:
    make(study)
    before = (study / "stimuli" / "stimuli.csv").read_bytes()
    again = json.loads(make(study).stdout)
    assert (again["made"], again["done_before"]) == ([], ["dawn", "noon"])
    (study / "stimuli" / "script" / "compiled" / "noon.png").unlink()
    repaired = json.loads(make(study, "--workers", "2").stdout)
    assert [row["image"] for row in repaired["made"]] == ["noon"]
    script = study / "scripts" / "dawn.py"
    script.write_text(script.read_text() + 'use("dot.png").place(1, 1)\n')
    changed = json.loads(make(study).stdout)
    assert [row["image"] for row in changed["made"]] == ["dawn"]
    script.write_text(script.read_text().replace('use("dot.png").place(1, 1)\n', ""))
    make(study)
    assert (study / "stimuli" / "stimuli.csv").read_bytes() == before


def test_a_script_that_fails_is_named_and_leaves_the_others_unharmed(study: Path) -> None:
    broken = study / "scripts" / "dawn.py"
    broken.write_text('canvas(48, 32)\nuse("moon.png").place()\n')
    done = make(study)
    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert [row["image"] for row in document["made"]] == ["noon"]
    assert document["failures"][0]["image"] == "dawn"
    assert "moon.png is not in" in done.stderr
    broken.write_text('canvas(48, 32)\nuse("dot.png").place()\n')
    assert json.loads(make(study).stdout)["done_before"] == ["noon"]


def test_a_script_without_an_original_is_refused_before_anything_is_written(study: Path) -> None:
    (study / "scripts" / "dusk.py").write_text("canvas(1, 1)\n")
    done = make(study)
    assert isinstance(done.exception, MturkEvalError)
    assert done.exception.exit_code == 2
    assert "dusk.py" in str(done.exception)
    assert not (study / "stimuli").exists()


def test_compile_and_decompile_are_inverse(study: Path) -> None:
    elements = ("--elements", study / "elements")
    compiled, script = study / "noon.haac", study / "again.py"
    done = run("compile", study / "scripts" / "noon.py", *elements, "--out", compiled, "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["compiled"] == compiled.read_text()
    assert document["bytes"]["compiled"] == compiled.stat().st_size
    assert run("decompile", compiled, *elements, "--out", script).exit_code == 0
    source = (study / "scripts" / "noon.py").read_text()
    assert script.read_text() == source.removeprefix("# noon\n")
    assert run("decompile", compiled, *elements).stdout == script.read_text()
    digests = {
        json.loads(run("render", path, *elements, "--out", study / "noon.png", "--json").stdout)[
            "pixels_sha256"
        ]
        for path in (compiled, script, study / "scripts" / "noon.py")
    }
    assert len(digests) == 1


def test_compiled_scripts_can_be_made_too(study: Path) -> None:
    compiled = study / "noon.haac"
    run(
        "compile",
        study / "scripts" / "noon.py",
        "--elements",
        study / "elements",
        "--out",
        compiled,
    )
    first = json.loads(make(study).stdout)
    (study / "scripts" / "noon.py").unlink()
    compiled.rename(study / "scripts" / "noon.haac")
    assert [row["image"] for row in first["made"]] == ["dawn", "noon"]
    assert json.loads(make(study).stdout)["done_before"] == ["dawn", "noon"]


def test_two_scripts_for_one_image_are_refused(study: Path) -> None:
    (study / "scripts" / "noon.haac").write_bytes(b"h1k00000000g1,1")
    done = make(study)
    assert "scripts for the same image" in str(done.exception)


def test_a_bad_file_is_named_with_its_place(study: Path) -> None:
    elements = ("--elements", study / "elements")
    bad = study / "bad.haac"
    bad.write_bytes(b"h1k00000000q")
    done = run("decompile", bad, *elements)
    assert str(done.exception) == f"{bad}: byte 11: the canvas must come first"
    bad = study / "bad.py"
    bad.write_bytes(b"canvas(1, 1)\n\xff")
    assert "not a text in UTF-8" in str(run("render", bad, *elements, "--out", bad).exception)
    missing = run("compile", study / "none.py", *elements)
    assert "No such file" in str(missing.exception)


def test_a_picture_that_cannot_be_written_is_told(study: Path) -> None:
    (study / "nowhere").write_text("a file, not a folder")
    done = run(
        "render", study / "scripts" / "noon.py", "--elements", study / "elements",
        "--out", study / "nowhere" / "noon.png",
    )  # fmt: skip
    assert "cannot be written" in str(done.exception)


def test_the_library_is_listed(study: Path) -> None:
    document = json.loads(run("library", study / "elements", "--json").stdout)
    assert [element["id"] for element in document["elements"]] == [0, 1, 2]
    assert "3 elements" in run("library", study / "elements").stdout


def test_the_difference_is_counted_by_tolerance(study: Path) -> None:
    dawn, noon = (study / "originals" / f"{name}.png" for name in ("dawn", "noon"))
    curve = json.loads(run("difference", dawn, noon, "--json").stdout)["percent_beyond"]
    assert len(curve) == 256
    assert curve[0] > curve[32] > 0
    assert "  16 " in run("difference", dawn, noon).stdout
