"""``stimuli preserve``: image files and a classifier in, a folder of stimuli with traces out."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.conftest import Cli
from tests.compressors.classifier_preserving.networks import write_convolutional
from tests.samples import picture

NAMES = ("ant", "bee", "cat")
LABELS = ("zero", "one", "two", "three", "four")


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    folder = tmp_path / "originals"
    folder.mkdir()
    for seed, name in enumerate(NAMES):
        picture(seed, (96, 64)).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def network(tmp_path: Path) -> Path:
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    return write_convolutional(tmp_path / "network.onnx", classes=len(LABELS), seed=1)


@pytest.fixture
def function(tmp_path: Path) -> Iterator[str]:
    """A classifier of the user's: 'wide' of pictures wider than 50 pixels; it counts its calls."""
    (tmp_path / "my_widths.py").write_text(
        "from pathlib import Path\n"
        "HERE = Path(__file__).parent\n"
        "def wide(image):\n"
        "    with (HERE / 'calls').open('a') as calls:\n"
        "        calls.write(f'{image.width}x{image.height}\\n')\n"
        "    limit = HERE / 'stop_after'\n"
        "    n = len((HERE / 'calls').read_text().splitlines())\n"
        "    if limit.exists() and n > int(limit.read_text()):\n"
        "        raise KeyboardInterrupt\n"
        "    return [0.9, 0.1] if image.width > 50 else [0.1, 0.9]\n"
    )
    yield "my_widths:wide"
    sys.modules.pop("my_widths", None)
    if str(tmp_path) in sys.path:
        sys.path.remove(str(tmp_path))
    from mturk_eval.compressors.classifier_preserving.classifiers import load_classifier

    load_classifier.cache_clear()


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "stimuli.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def files(folder: Path) -> dict[str, bytes]:
    """What is there, but for the table's digests of requests."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "stimuli.csv"
    }


def test_originals_become_stimuli_with_traces(cli: Cli, originals: Path, network: Path) -> None:
    done = cli(
        "stimuli", "preserve", originals, "--classifier", network, "--labels", "labels.txt",
        "--step", "jpeg", "--search", "bisection", "--out", "made", "--workers", 1, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = done.json["rows"]
    assert [row["image"] for row in rows] == list(NAMES)
    out = Path("made")
    for row, listed in zip(rows, table(out), strict=True):
        assert row["class"] in LABELS
        assert row["bytes"] == (out / row["coded"]).stat().st_size == int(listed["bytes"])
        assert row["bpp"] == pytest.approx(8 * row["bytes"] / (96 * 64))
        assert listed["method"] == "classifier-preserving"
        assert listed["target_bpp"] == ""
        assert f"top-1 of network.onnx: {row['class']}" in listed["settings"]
        assert Image.open(out / listed["path"]).size == (96, 64)
        trace = list(csv.DictReader((out / row["trace"]).read_text().splitlines()))
        assert len(trace) == row["iterations"] + 1
        assert [r for r in trace if r["kept"] == "yes"][-1]["bytes"] == str(row["bytes"])
        assert all(r["top_1"] == row["class"] for r in trace if r["kept"] == "yes")
    names = {p.name for p in (out / "classifier-preserving" / "top-1").iterdir()}
    assert names >= {"ant.jpg", "ant.png", "ant.trace.csv"}


def test_what_comes_out_can_be_rated(cli: Cli, originals: Path, function: str) -> None:
    done = cli(
        "stimuli", "preserve", originals, "--classifier", function, "--out", "made", "--workers", 1
    )
    assert done.code == 0, done.err
    assert "ant: class 0;" in done.out
    assert "coded at 51×34; 4 iterations, the answer changed" in done.out
    batch = cli(
        "generate", "satisfaction", "--originals", originals, "--reconstructions", "made",
        "--out", "batch", "--json",
    )  # fmt: skip
    assert batch.code == 0, batch.err
    assert batch.json["trials_by_role"]["main"] == len(NAMES)


def test_several_methods_share_a_folder(cli: Cli, originals: Path, function: str) -> None:
    for method, search in (("paper", "steps"), ("bisected", "bisection")):
        done = cli(
            "stimuli", "preserve", originals, "--classifier", function, "--search", search,
            "--method", method, "--out", "made", "--workers", 1,
        )  # fmt: skip
        assert done.code == 0, done.err
    assert {row["method"] for row in table(Path("made"))} == {"paper", "bisected"}


def test_a_second_rule_under_one_name_is_refused_before_any_work(
    cli: Cli, originals: Path, network: Path
) -> None:
    command = (
        "stimuli", "preserve", originals, "--classifier", network, "--out", "made", "--workers", 1
    )  # fmt: skip
    assert cli(*command).code == 0
    before = files(Path("made"))
    refused = cli(*command, "--rule", "top-2")
    assert refused.code == 2
    assert "--method" in refused.err
    assert files(Path("made")) == before


def test_processes_and_order_change_nothing(cli: Cli, originals: Path, network: Path) -> None:
    """Each image draws its own random qualities, whatever stands before it."""
    command = (
        "stimuli", "preserve", "--classifier", network, "--step", "jpeg", "--max-iterations", 20,
        "--seed", 3,
    )  # fmt: skip
    paths = [originals / f"{name}.png" for name in reversed(NAMES)]
    assert cli(*command, originals, "--out", "one", "--workers", 1).code == 0
    assert cli(*command, *paths, "--out", "two", "--workers", 2).code == 0
    assert files(Path("one")) == files(Path("two"))
    traces = [p.read_text() for p in Path("one").rglob("*.trace.csv")]
    assert len({t.splitlines()[2].split(",")[5] for t in traces}) > 1


def test_a_rerun_does_only_what_is_missing(
    cli: Cli, originals: Path, function: str, tmp_path: Path
) -> None:
    command = (
        "stimuli", "preserve", originals, "--classifier", function, "--out", "made", "--workers", 1,
        "--json",
    )  # fmt: skip
    first = cli(*command)
    before = files(Path("made"))
    again = cli(*command)
    assert again.json["rows"] == []
    assert again.json["done_before"] == list(NAMES)
    (Path("made") / first.json["rows"][0]["coded"]).unlink()
    (Path("made") / first.json["rows"][1]["trace"]).unlink()
    repaired = cli(*command)
    assert [row["image"] for row in repaired.json["rows"]] == ["ant", "bee"]
    assert files(Path("made")) == before


def test_after_ctrl_c_the_same_command_goes_on(
    cli: Cli, originals: Path, function: str, tmp_path: Path
) -> None:
    (tmp_path / "stop_after").write_text("8")  # of 1 + 5 for each image
    command = (
        "stimuli", "preserve", originals, "--classifier", function, "--out", "made", "--workers", 1,
        "--json",
    )  # fmt: skip
    stopped = cli(*command)
    assert stopped.code == 1
    assert "the same command goes on" in stopped.err
    assert [row["image"] for row in table(Path("made"))] == ["ant"]
    (tmp_path / "stop_after").unlink()
    done = cli(*command)
    assert done.json["done_before"] == ["ant"]
    assert [row["image"] for row in done.json["rows"]] == ["bee", "cat"]
    assert len(table(Path("made"))) == len(NAMES)


def test_an_image_that_fails_does_not_stop_the_others(
    cli: Cli, originals: Path, network: Path
) -> None:
    whole = (originals / "bee.png").read_bytes()
    (originals / "bee.png").write_bytes(whole[: len(whole) // 2])
    command = (
        "stimuli", "preserve", originals, "--classifier", network, "--out", "made", "--workers", 1,
        "--json",
    )  # fmt: skip
    partly = cli(*command)
    assert partly.code == 1
    assert [failure["image"] for failure in partly.json["failures"]] == ["bee"]
    assert "bee.png: not an image that can be decoded" in partly.err
    assert [row["image"] for row in partly.json["rows"]] == ["ant", "cat"]
    (originals / "bee.png").write_bytes(whole)
    rest = cli(*command)
    assert rest.code == 0
    assert [row["image"] for row in rest.json["rows"]] == ["bee"]


def test_a_trace_that_cannot_be_written_is_a_failure_of_that_image(
    cli: Cli, originals: Path, network: Path
) -> None:
    trace = Path("made/classifier-preserving/top-1/bee.trace.csv")
    (trace / "in the way").mkdir(parents=True)
    done = cli(
        "stimuli", "preserve", originals, "--classifier", network, "--out", "made", "--workers", 1
    )
    assert done.code == 1
    assert "bee.trace.csv cannot be written" in done.err
    assert [row["image"] for row in table(Path("made"))] == ["ant", "cat"]


def test_a_threshold_is_the_images_own_matter(cli: Cli, originals: Path, function: str) -> None:
    picture(9, (40, 30)).save(originals / "narrow.png")
    done = cli(
        "stimuli", "preserve", originals, "--classifier", function, "--rule", "probability",
        "--threshold", 0.95, "--out", "made", "--workers", 1, "--json",
    )  # fmt: skip
    assert done.code == 1
    assert len(done.json["failures"]) == len(NAMES) + 1
    assert "does not hold for the original itself" in done.json["failures"][0]["problem"]


def test_superclasses_let_synonyms_pass(cli: Cli, originals: Path, network: Path) -> None:
    Path("super.csv").write_text("class,superclass\n" + "".join(f"{x},all\n" for x in LABELS))
    done = cli(
        "stimuli", "preserve", originals, "--classifier", network, "--labels", "labels.txt",
        "--rule", "superclass", "--superclasses", "super.csv", "--search", "bisection",
        "--out", "made", "--workers", 1, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["rule"] == "superclass"
    assert {(row["width"], row["height"]) for row in done.json["rows"]} == {(1, 1)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rule", "top"], "--rule top: give top-1"),
        (["--rule", "top-5"], "always or never holds for 5 classes"),
        (["--rule", "superclass"], "belong together"),
        (["--threshold", "0.5"], "belong together"),
        (["--labels", "three.txt"], "has 3 labels, but the classifier has 5 classes"),
        (["--step", "gif"], "gif"),
        (["--codec", "webp"], "--codec webp needs --quality"),
        (
            ["--codec", "webp", "--quality", "101"],
            "--quality 101: webp has qualities from 0 to 100",
        ),
        (["--quality", "50"], "PNG has none"),
        (["--step", "jpeg", "--codec", "webp"], "is for --step shrink"),
        (["--preprocessing", "none.toml"], "none.toml: not a readable file"),
    ],
)
def test_wrong_options_are_named_before_any_work(
    cli: Cli, originals: Path, network: Path, options: list[Any], message: str
) -> None:
    Path("three.txt").write_text("a\nb\nc\n")
    done = cli("stimuli", "preserve", originals, "--classifier", network, "--out", "made", *options)
    assert done.code == 2
    assert message in done.err
    assert not Path("made").exists()


def test_a_file_that_is_no_network_is_named(cli: Cli, originals: Path) -> None:
    Path("broken.onnx").write_bytes(b"\x00")
    done = cli("stimuli", "preserve", originals, "--classifier", "broken.onnx", "--out", "made")
    assert done.code == 2
    assert "broken.onnx: no ONNX file that can be run" in done.err
    assert not Path("made").exists()


def test_two_originals_of_one_name_are_refused(
    cli: Cli, originals: Path, network: Path, tmp_path: Path
) -> None:
    other = tmp_path / "ant.webp"
    picture(5).save(other)
    done = cli("stimuli", "preserve", originals, other, "--classifier", network, "--out", "made")
    assert done.code == 2
    assert "have the same name" in done.err


def test_another_program_of_the_same_name_is_another_request(
    cli: Cli, originals: Path, function: str
) -> None:
    """What the first made is not taken for what the second would make."""
    Path("code.py").write_text(
        "import sys\nfrom PIL import Image\n"
        "image = Image.open(sys.argv[1])\n"
        "image.save(sys.argv[2], 'JPEG', quality=round(float(sys.argv[3])))\n"
    )

    def made(template: str) -> int:
        codec = f"mine=command:{sys.executable} code.py {{original}} {{coded:.jpg}} {template}"
        shown = cli(
            *("stimuli", "preserve", str(originals / "ant.png"), "--classifier", function),
            *("--codec", codec, "--quality", "30", "--pixels", "20", "--out", "out", "--json"),
        )
        assert shown.code == 0, shown.err
        return len(shown.json["rows"])

    assert [made("{quality:1..95}") for _ in range(2)] == [1, 0]
    assert made("{quality:1..90}") == 1
    assert made("{quality:90..1}") == 1  # small numbers may be the good ones
    Path("code.py").write_text(Path("code.py").read_text() + "# version 2\n")
    assert made("{quality:90..1}") == 1
