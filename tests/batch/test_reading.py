"""A batch folder is checked before anything is spent: every problem at once, with file and row."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mturk_eval.batch import read_batch
from mturk_eval.errors import BatchError
from tests.samples import make_batch


def edit(folder: Path, name: str, pattern: str, replacement: str, count: int = 1) -> None:
    text = (folder / name).read_text()
    changed = re.sub(pattern, replacement, text, count=count, flags=re.MULTILINE)
    assert changed != text
    (folder / name).write_text(changed)


def spoil_image(folder: Path) -> None:
    image = next((folder / "images").iterdir())
    image.write_bytes(image.read_bytes() + b"x")


SPOILS: list[tuple[Callable[[Path], object], str]] = [
    (lambda f: (f / "hits.csv").unlink(), "hits.csv: the file is missing"),
    (
        lambda f: next((f / "images").iterdir()).unlink(),
        r"stimuli.csv, row \d+, path: .* is missing",
    ),
    (spoil_image, r"stimuli.csv, row \d+, path: .* has changed"),
    (
        lambda f: edit(f, "trials.csv", r"image1/jpeg", "image1/hific"),
        r"trials.csv, row \d+, \w+: stimulus 'image1/hific' is not in stimuli.csv",
    ),
    (
        lambda f: edit(f, "trials.csv", r"^(t\w+,2afc,main,)image1,,image1", r"\1image1,,image2"),
        r"trials.csv, row \d+, image: .* does not show 'image2'",
    ),
    (lambda f: edit(f, "hits.csv", r"^hit-001,1,.*\n", ""), "1 trials are in no HIT"),
    (lambda f: edit(f, "hits.csv", r"^(hit-001),1,", r"\1,one,"), "'one' is not a whole number"),
    (lambda f: edit(f, "hits.csv", r",t[0-9a-f]{14}$", ",t0"), "'t0' is not in trials.csv"),
    (lambda f: edit(f, "answers.csv", r"(left|right)$", "both"), "'both' is no answer"),
    (lambda f: edit(f, "answers.csv", r"^t.*\n", ""), "has no expected answer"),
    (
        lambda f: edit(f, "trials.csv", r"^(t\w+,2afc,main),image1,", r"\1,zebra,"),
        "image: 'zebra', but the stimuli say 'image1'",
    ),
    (
        lambda f: edit(f, "trials.csv", r"^(t\w+,2afc,main,image1),,", r"\1,9,"),
        "target_bpp: '9', but the stimuli say ''",
    ),
    (
        lambda f: edit(f, "stimuli.csv", r"(image1,jpeg),,", r"\1,nan,"),
        r"stimuli.csv, row \d+, target_bpp: 'nan' is not a positive number",
    ),
    (
        lambda f: edit(f, "stimuli.csv", r"(image1,jpeg),,", r"\1,0.5,"),
        "the two sides have different target_bpp",
    ),
    (lambda f: edit(f, "stimuli.csv", r"sha256", "sha"), "stimuli.csv: column sha256 is missing"),
    (lambda f: edit(f, "stimuli.csv", r",ok$", ",fine"), "'fine' is not ok or unreachable"),
    (lambda f: edit(f, "batch.toml", r"reward_usd", "reward"), "unknown key `payment.reward`"),
    (lambda f: edit(f, "batch.toml", r'"0.30"', '"0.305"'), "decimal places"),
    (lambda f: (f / "batch.toml").write_text("name ="), "batch.toml: not a readable TOML file"),
    (lambda f: (f / "trials.csv").write_bytes(b"\xff\xfe\0"), "not a readable CSV"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILS, ids=[m for _, m in SPOILS])
def test_each_problem_is_told_with_its_place(
    tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    _, folder = make_batch(tmp_path, "2afc", design__catch=0.5)
    spoil(folder)
    with pytest.raises(BatchError, match=message):
        read_batch(folder)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    _, folder = make_batch(tmp_path, "2afc", design__catch=0.5)
    spoil_image(folder)
    edit(folder, "answers.csv", r"(left|right)$", "both")
    with pytest.raises(BatchError) as raised:
        read_batch(folder)
    assert len(raised.value.problems) == 3  # the changed image, the answer, and its missing one
    (folder / "batch.toml").write_text("name =")
    (folder / "hits.csv").unlink()
    with pytest.raises(BatchError) as raised:
        read_batch(folder)
    assert any("batch.toml" in problem for problem in raised.value.problems)
    assert any("hits.csv: the file is missing" in problem for problem in raised.value.problems)


def test_unbalanced_sides_are_told(tmp_path: Path) -> None:
    _, folder = make_batch(tmp_path, "2afc", images=8)
    edit(folder, "trials.csv", r",(image\d/jpeg),(image\d/blur)$", r",\2,\1", count=0)
    with pytest.raises(
        BatchError, match="blur stands left of jpeg in 8 trials and right of it in 0"
    ):
        read_batch(folder)


def test_a_path_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    _, folder = make_batch(tmp_path, "2afc")
    edit(folder, "stimuli.csv", r"images/\w+\.png", "../originals/image0.png")
    with pytest.raises(BatchError, match="outside the batch folder"):
        read_batch(folder)


def test_spreadsheet_line_ends_and_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    batch, folder = make_batch(tmp_path, "2afc")
    for name in ("stimuli.csv", "trials.csv", "hits.csv"):
        text = (folder / name).read_text()
        (folder / name).write_text("\ufeff" + text, newline="\r\n")
    assert read_batch(folder).id == batch.id


def test_a_changed_reward_is_another_batch(tmp_path: Path) -> None:
    batch, folder = make_batch(tmp_path, "2afc")
    edit(folder, "batch.toml", r'"0.30"', '"0.40"')
    assert read_batch(folder).id != batch.id


def test_no_batch_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="make a batch with `generate`"):
        read_batch(tmp_path)
