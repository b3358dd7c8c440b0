"""Image files to a batch folder: the same again to the byte, and bad input named."""

from __future__ import annotations

import csv
import filecmp
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mturk_eval.batch import read_batch
from mturk_eval.errors import BatchError, ImageError, StimuliError
from mturk_eval.generation import generate
from mturk_eval.trials import Kind
from tests.samples import make_batch, make_settings, picture, write_study


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", ["satisfaction", "2afc"])
def test_a_batch_generated_again_is_the_same_to_the_byte(tmp_path: Path, kind: Kind) -> None:
    first, folder = make_batch(tmp_path, kind, design__catch=0.5, design__repeats=0.3)
    shutil.move(folder, tmp_path / "first")
    second, folder = make_batch(tmp_path, kind, design__catch=0.5, design__repeats=0.3)
    assert first.id == second.id
    names = [str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()]
    assert len(names) > 8
    same, different, missing = filecmp.cmpfiles(tmp_path / "first", folder, names, shallow=False)
    assert (sorted(same), different, missing) == (sorted(names), [], [])


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    batch, folder = make_batch(tmp_path, "2afc", design__catch=0.5)
    read = read_batch(folder)
    assert read.id == batch.id
    assert {t.id for t in read.trials} == {t.id for t in batch.trials}
    assert read.hits == batch.hits
    assert read.catch_answers == batch.catch_answers


def test_another_name_or_seed_is_another_batch(tmp_path: Path) -> None:
    ids = {
        make_batch(tmp_path, "2afc", name=name, design__seed=seed)[0].id
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    }
    assert len(ids) == 3


def test_images_are_shown_losslessly_under_content_hash_names(tmp_path: Path) -> None:
    batch, folder = make_batch(tmp_path, "satisfaction")
    for stimulus in batch.stimuli:
        assert stimulus.path == f"images/{stimulus.sha256}.png"
    original = next(s for s in batch.stimuli if s.id == "image0")
    with Image.open(folder / original.path) as shown:
        assert np.array_equal(np.asarray(shown), np.asarray(picture(0)))
    # A rate belongs to a coded file; a decoded copy has none.
    by_method = {s.method: s for s in batch.stimuli if s.image == "image0"}
    coded = tmp_path / "reconstructions" / "jpeg" / "image0.jpg"
    assert by_method["jpeg"].bytes == coded.stat().st_size
    assert by_method["jpeg"].bpp == pytest.approx(8 * coded.stat().st_size / (48 * 32))
    assert by_method["blur"].bytes is None


def test_a_reconstruction_of_another_size_is_shown_at_the_originals(tmp_path: Path) -> None:
    originals, reconstructions = write_study(tmp_path)
    picture(0, (24, 16)).save(reconstructions / "blur" / "image0.png")
    batch, _ = make_batch(tmp_path, "satisfaction")
    small = next(s for s in batch.stimuli if s.id == "image0/blur")
    assert (small.width_px, small.height_px) == (48, 32)
    assert small.settings == "shown at 48×32 from 24×16"
    assert batch.settings.resize_filter == "lanczos"
    with pytest.raises(StimuliError, match=r"image0\.png is 24×16, its original 48×32"):
        generate(
            "satisfaction",
            originals=originals,
            reconstructions=reconstructions,
            out=tmp_path / "other",
            name="other",
            settings=make_settings(),
            generator="",
            resize=False,
        )
    assert not (tmp_path / "other").exists()


def test_a_reconstruction_of_another_shape_is_named(tmp_path: Path) -> None:
    originals, reconstructions = write_study(tmp_path, images=1, methods=("half", "square"))
    with Image.open(next(originals.iterdir())) as opened:
        width, height = opened.size
    assert width != height
    for method, size in (("half", (width // 2, height // 2)), ("square", (height, height))):
        (path,) = (reconstructions / method).iterdir()
        with Image.open(path) as opened:
            smaller = opened.resize(size)
        smaller.save(path)
    made = generate(
        "satisfaction",
        originals=originals,
        reconstructions=reconstructions,
        out=tmp_path / "batch",
        name="shapes",
        settings=make_settings(),
        generator="test",
    )
    first, second = made.notes[:2]
    assert "2 of 2 reconstructions" in first
    assert "1 of these have another shape" in second
    assert f"square/{path.name} is {height}×{height}" in second


def test_a_stimuli_csv_says_what_the_reconstructions_are(tmp_path: Path) -> None:
    originals, reconstructions = write_study(tmp_path)
    table = reconstructions / "stimuli.csv"
    table.write_text(
        "role,image,method,target_bpp,bytes,path,state\n"
        "reconstruction,image0,a,0.5,96,blur/image0.png,ok\n"
        "reconstruction,image0,b,0.5,97,jpeg/image0.jpg,ok\n"
        "reconstruction,image1,a,0.5,,blur/image9.png,unreachable\n"
    )
    made = generate(
        "2afc",
        originals=originals,
        reconstructions=table,
        out=tmp_path / "batch",
        name="b",
        settings=make_settings(),
        generator="",
    )
    assert [t.original.image for t in made.batch.trials] == ["image0"]
    assert any("image1 has no reconstruction" in note for note in made.notes)


def rated_study(folder: Path, qualities: dict[str, int]) -> tuple[Path, Path]:
    originals, reconstructions = folder / "o", folder / "r"
    originals.mkdir()
    picture(0, (96, 64)).save(originals / "a.png")
    for method, quality in qualities.items():
        (reconstructions / method / "0.5").mkdir(parents=True)
        picture(0, (96, 64)).save(reconstructions / method / "0.5" / "a.jpg", quality=quality)
    return originals, reconstructions


def test_pairs_of_unequal_rate_are_refused_with_both_rows(tmp_path: Path) -> None:
    originals, reconstructions = rated_study(tmp_path, {"m": 20, "n": 80})
    with pytest.raises(StimuliError, match=r"a/m@0\.5: .* bpp .*a/n@0\.5: .* % apart"):
        generate(
            "2afc",
            originals=originals,
            reconstructions=reconstructions,
            out=tmp_path / "batch",
            name="b",
            settings=make_settings(),
            generator="",
        )
    assert not (tmp_path / "batch").exists()


def test_a_satisfaction_batch_may_compare_any_rates(tmp_path: Path) -> None:
    originals, reconstructions = rated_study(tmp_path, {"m": 20, "n": 80})
    made = generate(
        "satisfaction",
        originals=originals,
        reconstructions=reconstructions,
        out=tmp_path / "batch",
        name="b",
        settings=make_settings(),
        generator="",
    )
    assert len(made.batch.trials) == 2


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "thesis.txt").write_text("years of work")
    with pytest.raises(BatchError, match="something else"):
        make_batch(tmp_path, "2afc")
    assert (tmp_path / "study" / "thesis.txt").read_text() == "years of work"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_broken_image_leaves_nothing_half_done(tmp_path: Path) -> None:
    _, reconstructions = write_study(tmp_path)
    (reconstructions / "jpeg" / "image1.jpg").write_bytes(b"broken")
    with pytest.raises(ImageError, match=r"image1\.jpg"):
        make_batch(tmp_path, "2afc")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["originals", "reconstructions"]


def remove(paths: Iterable[Path]) -> None:
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


Spoil = Callable[[Path, Path], object]
SPOILS: list[tuple[Spoil, str]] = [
    (lambda o, r: remove([o / "image1.png"]), "No original of the same name"),
    (lambda o, r: shutil.copy(o / "image1.png", o / "image1.bmp"), "keep one"),
    (lambda o, r: (r / "jpeg" / "best").mkdir(), "bit-rates in bits per pixel"),
    (lambda o, r: remove([r]), "is not a folder"),
    (lambda o, r: remove(r.iterdir()), "no reconstructions found"),
    (lambda o, r: remove(o.iterdir()), "no original images found"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILS, ids=[message for _, message in SPOILS])
def test_files_that_do_not_fit_together_are_named(
    tmp_path: Path, spoil: Spoil, message: str
) -> None:
    spoil(*write_study(tmp_path))
    with pytest.raises(StimuliError, match=message):
        make_batch(tmp_path, "2afc")


def test_expected_answers_stand_in_their_own_file(tmp_path: Path) -> None:
    batch, folder = make_batch(tmp_path, "satisfaction", design__catch=0.5)
    expected = {row["trial_id"]: row["expected"] for row in rows(folder / "answers.csv")}
    trials = {row["trial_id"]: row for row in rows(folder / "trials.csv")}
    assert set(expected.values()) == {"1", "10"}
    assert set(expected) == {t for t, row in trials.items() if row["role"] == "catch"}
    for trial_id, answer in expected.items():
        against_itself = trials[trial_id]["original"] == trials[trial_id]["reconstruction"]
        assert against_itself == (answer == "10")
    assert len(batch.catch_answers) == 3
