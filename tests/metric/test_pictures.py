"""Pictures are decoded as raters saw them, and what cannot be compared is named by its row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mturk_eval.metric.errors import MetricInputError
from mturk_eval.metric.pictures import (
    decoded_ahead,
    pixel_digest,
    read_picture,
    read_pictures,
    read_pixels,
)
from tests.metric.pictures import photograph, save

PHOTOGRAPH = photograph(20, 30, seed=1)


def test_the_digest_is_of_pixels_not_of_files(tmp_path: Path) -> None:
    png, tiff = (save(tmp_path / f"a.{kind}", PHOTOGRAPH) for kind in ("png", "tiff"))
    pictures = read_pictures([png, tiff, png])
    assert png.read_bytes() != tiff.read_bytes()
    assert pictures[png].digest == pictures[tiff].digest == pixel_digest(PHOTOGRAPH)
    assert (pictures[png].width_px, pictures[png].height_px) == (30, 20)
    changed = PHOTOGRAPH.copy()
    changed[0, 0, 0] ^= 1
    assert pixel_digest(changed) != pixel_digest(PHOTOGRAPH)
    # The same bytes in another shape are another picture.
    assert pixel_digest(PHOTOGRAPH.reshape(30, 20, 3)) != pixel_digest(PHOTOGRAPH)


def test_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(PHOTOGRAPH).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.png"), np.rot90(PHOTOGRAPH, -1))


def test_grey_becomes_three_channels_and_is_said(tmp_path: Path) -> None:
    grey = np.ascontiguousarray(PHOTOGRAPH[:, :, 0])
    picture = read_picture(save(tmp_path / "grey.png", grey))
    assert picture.was_grey
    np.testing.assert_array_equal(read_pixels(picture.path), np.repeat(grey[:, :, None], 3, 2))
    assert not read_picture(save(tmp_path / "colour.png", PHOTOGRAPH)).was_grey


def test_transparent_pixels_are_refused_and_an_opaque_channel_is_not(tmp_path: Path) -> None:
    alpha = np.full((20, 30, 1), 255, np.uint8)
    opaque = save(tmp_path / "opaque.png", np.concatenate([PHOTOGRAPH, alpha], axis=2))
    np.testing.assert_array_equal(read_pixels(opaque), PHOTOGRAPH)
    alpha[3, 3] = 254
    clear = save(tmp_path / "clear.png", np.concatenate([PHOTOGRAPH, alpha], axis=2))
    with pytest.raises(MetricInputError, match=r"Row 7: .*clear.png: some pixels are transparent"):
        read_pixels(clear, row=7)


def test_unreadable_files_are_named_by_row(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(MetricInputError, match=r"^Row 3: .*text.png: not an image that can be de"):
        read_pictures([tmp_path / "text.png"], rows={tmp_path / "text.png": 3})
    with pytest.raises(MetricInputError, match=r"gone.png: the file does not exist"):
        read_picture(tmp_path / "gone.png")
    whole = save(tmp_path / "whole.png", PHOTOGRAPH).read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MetricInputError, match=r"half.png: not an image"):
        read_picture(tmp_path / "half.png")


def test_pictures_are_decoded_ahead_in_order(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{k}.png", photograph(8, 8, seed=k)) for k in range(7)]
    for ahead in (1, 3, 50):
        decoded = list(decoded_ahead(paths, threads=2, ahead=ahead))
        assert [path for path, _ in decoded] == paths
        for seed, (_, pixels) in enumerate(decoded):
            np.testing.assert_array_equal(pixels, photograph(8, 8, seed=seed))
    assert list(decoded_ahead([], threads=1, ahead=3)) == []


def test_progress_counts_files(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{k}.png", PHOTOGRAPH) for k in range(3)]
    seen: list[tuple[int, int]] = []
    read_pictures([*paths, *paths], progress=lambda n, of: seen.append((n, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
