"""``stimuli encode`` as a user meets it, and `generate` on what it makes."""

from __future__ import annotations

import csv
import shlex
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Cli
from tests.samples import picture

ENCODE = ("stimuli", "encode")
# An encoder of another house: it keeps as many colours as it is told, and writes PNG.
COLOURS = """
import sys
from PIL import Image
original, coded, colours = sys.argv[1:]
if Image.open(original).size == (33, 33):
    sys.exit("no such colour")
Image.open(original).quantize(int(colours)).save(coded, "PNG")
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(("ant", "bee", "cat")):
        picture(number, (96, 64)).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def colours(tmp_path: Path) -> str:
    (tmp_path / "colours.py").write_text(COLOURS)
    template = f"{shlex.quote(sys.executable)} colours.py {{original}} {{coded:.png}}"
    return f"colours=command:{template} {{quality:2..250}}"


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def test_codecs_at_rates_become_batches_of_both_kinds(cli: Cli, photos: Path) -> None:
    """Without a further option, and the batch keeps sizes, settings and the coded files' names."""
    encoded = cli(
        *ENCODE, photos, "--codec", "jpeg", "--codec", "webp", "--bpp", "1.5", "--bpp", "2",
        "--out", "coded", "--workers", "1",
    )  # fmt: skip
    assert encoded.code == 0, encoded.err
    lines = [line.split() for line in encoded.out.splitlines()]
    assert lines[0][:3] == ["method", "target", "reached"]
    assert max(map(len, encoded.out.splitlines()[:6])) <= 100
    assert [line[:5] for line in lines[2:6]] == [
        [method, rate, "3", "of", "3"] for method in ("jpeg", "webp") for rate in ("1.5", "2")
    ]
    next_command = encoded.out.splitlines()[-1].removeprefix("Next: mturk-eval ")
    assert cli(*shlex.split(next_command)).code == 0
    satisfaction = ("generate", "satisfaction", "--originals", photos)
    assert cli(*satisfaction, "--reconstructions", "coded", "--out", "rating").code == 0
    listed = {row["stimulus_id"]: row for row in rows(Path("coded/stimuli.csv"))}
    for batch in ("rating", "batch"):
        made = [r for r in rows(Path(batch, "stimuli.csv")) if r["encoded_path"]]
        assert len(made) == 12
        for row in made:
            source = listed[row["stimulus_id"]]
            assert Path("coded", row["encoded_path"]).stat().st_size == int(row["bytes"])
            for column in ("target_bpp", "bpp", "encoder", "sha256"):
                assert row[column] == source[column]


def test_the_papers_rule_for_webp(cli: Cli, photos: Path) -> None:
    """As large as a description or a little larger, at quality 0 in fewer pixels."""
    Path("sizes.csv").write_text("image,bytes\nant,150\nbee,120\ncat,135\n")
    encoded = cli(
        *ENCODE, photos, "--codec", "webp", "--bytes-from", "sizes.csv", "--allow", "over",
        "--out", "coded", "--json", "--workers", "1",
    )  # fmt: skip
    assert encoded.code == 0, encoded.err
    (summary,) = encoded.json["rows"]
    assert (summary["method"], summary["target"], summary["reached"]) == ("webp", "matched", 3)
    assert summary["resized"] == 3
    wanted = {"ant": 150, "bee": 120, "cat": 135}
    for row in rows(Path("coded/stimuli.csv")):
        assert wanted[row["image"]] <= int(row["bytes"]) <= 1.061 * wanted[row["image"]] + 2
        assert row["target_bpp"] == ""
        assert "quality 0," in row["settings"]
        assert "shown at 96×64" in row["settings"]
        with Image.open(Path("coded", row["path"])) as shown:
            assert shown.size == (96, 64)
    files = Path("described")
    files.mkdir()
    for name, size in wanted.items():
        (files / f"{name}.bz2").write_bytes(bytes(size))
    again = cli(
        *ENCODE, photos, "--codec", "webp", "--bytes-from", "described", "--allow", "over",
        "--out", "coded", "--json",
    )  # fmt: skip
    assert again.json["rows"][0]["encodes"] == 0  # the same sizes: nothing to do


def test_any_command_is_a_codec(cli: Cli, photos: Path, colours: str) -> None:
    encoded = cli(*ENCODE, photos / "ant.png", "--codec", colours, "--bpp", "6", "--out", "coded")
    assert encoded.code == 0, encoded.err
    (row, *_) = rows(Path("coded/stimuli.csv"))
    assert row["method"] == "colours"
    assert row["encoded_path"] == "colours/6/ant.png"
    assert row["path"] == "colours/6/ant.shown.png"


def test_a_failing_command_spoils_no_other_image(cli: Cli, photos: Path, colours: str) -> None:
    """Exit 1, the image and the encoder's own words at the end; then the rest is done."""
    picture(7, (33, 33)).save(photos / "dog.png")
    (photos / "eel.png").write_bytes(b"no picture")
    command = (*ENCODE, photos, "--codec", colours, "--quality", 16, "--out", "coded")
    failed = cli(*command, "--workers", "1")
    assert failed.code == 1
    assert "dog/colours@quality-16" in failed.err
    assert "no such colour" in failed.err
    assert "eel.png: not an image that can be decoded" in failed.err
    assert "2 files failed" in failed.err
    assert "Next:" not in failed.out
    assert len(rows(Path("coded/stimuli.csv"))) == 3
    for name in ("dog", "eel"):
        picture(7, (96, 64)).save(photos / f"{name}.png")
    done = cli(*command, "--json")
    assert done.code == 0, done.err
    assert done.json["rows"][0]["encodes"] == 2
    assert done.json["failed"] == []
    assert len(rows(Path("coded/stimuli.csv"))) == 5


def test_unreachable_targets_and_unfair_pairs_are_named(cli: Cli, photos: Path) -> None:
    encoded = cli(
        *ENCODE, photos, "--codec", "jpeg", "--codec", "webp", "--bpp", ".3", "--no-resize",
        "--out", "coded", "--workers", "1",
    )  # fmt: skip
    assert encoded.code == 0
    assert "unreachable" in encoded.err
    assert "ant/jpeg@0.3: no less than" in encoded.err
    assert "without --no-resize fewer pixels are tried" in encoded.err
    coarse = cli(
        *ENCODE, photos / "ant.png", "--codec", "jpeg", "--bpp", "2", "--out", "c", "--json"
    )
    assert coarse.json["unequal_rates"] == []
    unfair = cli(
        *ENCODE, photos / "ant.png", "--codec", "webp", "--bpp", "2", "--allow", "over",
        "--no-resize", "--out", "c", "--json",
    )  # fmt: skip
    assert unfair.code == 0
    settings = Path("mturk_eval.toml")
    settings.write_text("[design]\nrate_tolerance = 0.0\n")
    strict = cli(
        *ENCODE, photos / "ant.png", "--codec", "jpeg", "--bpp", "2", "--out", "c", "--json"
    )
    (pair,) = strict.json["unequal_rates"]
    assert (pair["smaller"], pair["larger"]) == ("ant/jpeg@2", "ant/webp@2")
    assert "ant/jpeg@2: " in strict.err
    assert "bytes), ant/webp@2: " in strict.err


def test_a_method_can_have_a_name_of_its_own(cli: Cli, photos: Path) -> None:
    """Which is how two qualities of one codec come into one batch."""
    common = (*ENCODE, photos, "--codec", "webp", "--out", "coded")
    assert cli(*common, "--quality", 5).code == 0
    refused = cli(*common, "--quality", 50)
    assert refused.code == 2
    assert "--method" in refused.err
    assert cli(*common, "--quality", 50, "--method", "webp-50").code == 0
    assert {row["method"] for row in rows(Path("coded/stimuli.csv"))} == {"webp", "webp-50"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give one of --bpp"),
        (("--bpp", 1, "--bytes", 900), "give one of --bpp"),
        (("--bpp", 0), "--bpp 0"),
        (("--bpp", "nan"), "--bpp nan"),
        (("--bytes", 0), "--bytes"),
        (("--bytes-from", "none.csv"), "none.csv"),
        (("--quality", 101), "from 0 to 100"),
        (("--bpp", 1, "--codec", "jpeg", "--method", "x"), "--method names one codec"),
        (("--bpp", 1, "--codec", "gif"), "no such codec"),
        (("--bpp", 1, "--workers", 2, "--dask", "local"), "not both"),
        (("--bpp", 1, "--dask", "nowhere"), "--dask nowhere"),
        (("--bpp", 1, "--method", " "), "--method is empty"),
    ],
)
def test_wrong_usage_is_refused_before_any_work(
    cli: Cli, photos: Path, options: tuple[object, ...], message: str
) -> None:
    refused = cli(*ENCODE, photos, "--codec", "webp", "--out", "coded", *options)
    assert refused.code == 2
    assert message in refused.err
    assert not Path("coded").exists()


def test_an_output_that_is_no_folder_is_refused(cli: Cli, photos: Path) -> None:
    Path("coded").write_text("mine")
    refused = cli(*ENCODE, photos, "--codec", "webp", "--bpp", "2", "--out", "coded")
    assert refused.code == 2
    assert "coded" in refused.err
    assert Path("coded").read_text() == "mine"
