"""What a table says of files must still be so when a batch is made of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mturk_eval.errors import StimuliError
from mturk_eval.stimuli.codecs import find_codec
from mturk_eval.stimuli.encoding import encode
from mturk_eval.stimuli.encoding_targets import ask_listed, ask_quality
from mturk_eval.stimuli.matching import find_originals, find_reconstructions
from tests.samples import picture


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "originals"
    folder.mkdir()
    for number, name in enumerate(("cat", "dog")):
        picture(number, (32, 24)).save(folder / f"{name}.png")
    originals = find_originals(folder)
    asks = ask_quality(originals, 50)
    encode(originals, {"jpeg": find_codec("jpeg")}, asks, tmp_path / "out")
    return tmp_path / "out"


def test_a_picture_that_was_changed_by_hand_is_refused(out: Path) -> None:
    assert len(find_reconstructions(out)) == 2
    Image.new("RGB", (32, 24)).save(out / "jpeg/quality-50/dog.png")
    with pytest.raises(StimuliError, match=r"row 3, column sha256: .*dog\.png has changed"):
        find_reconstructions(out)


def test_a_coded_file_that_was_changed_by_hand_is_refused(out: Path) -> None:
    """Its bytes are the rate."""
    with (out / "jpeg/quality-50/cat.jpg").open("ab") as file:
        file.write(b"more")
    with pytest.raises(
        StimuliError, match=r"row 2, column bytes: .*cat\.jpg has \d+ bytes and not"
    ):
        find_reconstructions(out)


@pytest.mark.parametrize("size", ["9" * 5_000, "9" * 19])
def test_a_size_of_too_many_digits_is_named_by_its_row(tmp_path: Path, size: str) -> None:
    table = tmp_path / "sizes.csv"
    table.write_text(f"image,bytes\ncat,{size}\n")
    with pytest.raises(StimuliError, match="row 2, column bytes"):
        ask_listed(["cat"], table)
