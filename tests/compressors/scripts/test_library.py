"""The library of elements and its manifest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from mturk_eval.compressors.scripts import catalogue, read_library, script_sizes, use
from mturk_eval.compressors.scripts.errors import LibraryError
from mturk_eval.compressors.scripts.script import Script
from mturk_eval.errors import StimuliError
from tests.compressors.scripts.samples import write_library

HASH = "0" * 64


def test_ids_stay_and_new_elements_get_the_next(tmp_path: Path) -> None:
    first = write_library(tmp_path)
    assert [(e.id, e.name) for e in first.elements] == [
        (0, "bar.webp"),
        (1, "dot.png"),
        (2, "shapes/disc.png"),
    ]
    Image.new("RGBA", (2, 2)).save(tmp_path / "aaa.png")
    (tmp_path / "notes.txt").write_text("not an element")
    grown = catalogue(tmp_path)
    assert grown.elements[:3] == first.elements
    assert (grown.elements[3].id, grown.elements[3].name) == (3, "aaa.png")
    assert read_library(tmp_path) == grown == catalogue(tmp_path)
    assert grown.mark([0, 2]) == first.mark([2, 0, 0])


def test_a_changed_or_broken_file_leaves_the_manifest_as_it_was(tmp_path: Path) -> None:
    write_library(tmp_path)
    before = (tmp_path / "elements.csv").read_bytes()
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(LibraryError, match=r"broken\.png: not a PNG or WebP picture"):
        catalogue(tmp_path)
    (tmp_path / "broken.png").unlink()
    Image.new("RGBA", (3, 3)).save(tmp_path / "dot.png")
    with pytest.raises(LibraryError, match=r"dot\.png .* is not the file that .* lists"):
        catalogue(tmp_path)
    assert (tmp_path / "elements.csv").read_bytes() == before


def test_a_disk_that_is_full_leaves_the_manifest_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_library(tmp_path)
    before = (tmp_path / "elements.csv").read_bytes()
    Image.new("RGBA", (2, 2)).save(tmp_path / "new.png")

    def full(source: object, target: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StimuliError, match="No space left on device"):
        catalogue(tmp_path)
    assert (tmp_path / "elements.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_without_pictures_is_no_library(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="no PNG or WebP"):
        catalogue(tmp_path)
    with pytest.raises(LibraryError, match=r"elements\.csv does not exist.*script library"):
        read_library(tmp_path)
    with pytest.raises(LibraryError, match="not a folder"):
        catalogue(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("id,name\n0,a.png\n", "column sha256 is missing"),
        ("id,name,sha256\n0,a.png\n", "row 2: not as many cells"),
        (f"id,name,sha256\n-1,a.png,{HASH}\n", "row 2, column id"),
        (f"id,name,sha256\n99999999,a.png,{HASH}\n", "row 2, column id"),
        (f"id,name,sha256\n0,../a.png,{HASH}\n", "row 2, column name: .* no path inside"),
        (f"id,name,sha256\n0,/etc/a.png,{HASH}\n", "row 2, column name"),
        (f"id,name,sha256\n0,,{HASH}\n", "row 2, column name"),
        ("id,name,sha256\n0,a.png,12ab\n", "row 2, column sha256"),
        (f"id,name,sha256\n0,a.png,{HASH}\n0,b.png,{HASH}\n", "row 3: this id or this name"),
        (f"id,name,sha256\n0,a.png,{HASH}\n1,a.png,{HASH}\n", "row 3: this id or this name"),
        ('id,name,sha256\n0,"a', "not a readable CSV"),
        ("", "column id is missing"),
    ],
)
def test_a_manifest_that_is_none_is_refused_at_its_row(
    tmp_path: Path, text: str, problem: str
) -> None:
    (tmp_path / "elements.csv").write_text(text)
    with pytest.raises(LibraryError, match=problem):
        read_library(tmp_path)


def test_too_many_pixels_are_not_opened(tmp_path: Path) -> None:
    Image.new("1", (9000, 9000)).save(tmp_path / "bomb.png")
    with pytest.raises(LibraryError, match=r"bomb\.png: more than 33,554,432 pixels"):
        catalogue(tmp_path)


def test_sizes_count_each_element_once_and_share_it_out(tmp_path: Path) -> None:
    library = write_library(tmp_path)
    layers = (use("dot.png").place(1, 1), use("dot.png").place(3, 3), use("bar.webp").place())
    sizes = script_sizes(Script(width_px=40, height_px=30, layers=layers), library)
    files = sum((tmp_path / name).stat().st_size for name in ("dot.png", "bar.webp"))
    assert sizes.elements == files
    assert sizes.compiled < sizes.script
    assert sizes.amortised(1) == sizes.compiled + files
    assert sizes.amortised(1000) == pytest.approx(sizes.compiled + files / 1000)
