"""Any file that Pillow opens becomes the 8-bit sRGB picture that a rater should see."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from mturk_eval.errors import ImageError, SettingsError
from mturk_eval.stimuli.images import (
    degrade,
    is_coded,
    open_for_display,
    open_still,
    parse_background,
    png_bytes,
)

GREY = (128, 128, 128)


def grey_profile() -> bytes:
    """The smallest grey ICC profile: gamma 2.2, white point D50."""
    white = b"XYZ " + bytes(4) + bytes.fromhex("0000f6d6000100000000d32d")
    curve = b"curv" + bytes(4) + (1).to_bytes(4, "big") + bytes.fromhex("0233") + bytes(2)
    text = b"desc" + bytes(4) + (5).to_bytes(4, "big") + b"grey\0" + bytes(78)
    tags = {b"desc": text + bytes(-len(text) % 4), b"wtpt": white, b"kTRC": curve}
    place = 128 + 4 + 12 * len(tags)
    table, body = len(tags).to_bytes(4, "big"), b""
    for name, data in tags.items():
        table += name + (place + len(body)).to_bytes(4, "big") + len(data).to_bytes(4, "big")
        body += data
    head = bytearray(128)
    head[0:4] = (128 + len(table) + len(body)).to_bytes(4, "big")
    head[8:12] = bytes.fromhex("02100000")
    head[12:24] = b"mntrGRAYXYZ "
    head[36:40] = b"acsp"
    head[68:80] = bytes.fromhex("0000f6d6000100000000d32d")
    return bytes(head) + table + body


GREY_PROFILE = grey_profile()
PHOTOGRAPHS = sorted(
    (Path(__file__).parents[2] / "mturk_eval" / "demo" / "photographs").glob("*.webp")
)


def shown(path: Path, background: tuple[int, int, int] = GREY) -> np.ndarray:
    image = open_for_display(path, background)
    assert image.mode == "RGB"
    assert not image.info
    return np.asarray(image)


def gradient(size: tuple[int, int] = (6, 4)) -> Image.Image:
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[..., 0] = np.arange(size[0]) * 40
    pixels[..., 1] = np.arange(size[1])[:, None] * 60
    return Image.fromarray(pixels)


def test_pixels_of_a_plain_picture_are_kept(tmp_path: Path) -> None:
    gradient().save(tmp_path / "a.png")
    assert np.array_equal(shown(tmp_path / "a.png"), np.asarray(gradient()))


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270° to see it upright
    gradient().save(tmp_path / "a.png", exif=exif)
    expected = np.asarray(gradient().transpose(Image.Transpose.ROTATE_270))
    assert np.array_equal(shown(tmp_path / "a.png"), expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_alpha_is_flattened_on_the_stated_background(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGBA", (2, 1), (255, 255, 255, 255))
    picture.putpixel((1, 0), (255, 255, 255, 0))
    picture.convert(mode).save(tmp_path / "a.png")
    assert shown(tmp_path / "a.png", (10, 20, 30)).tolist() == [[[255] * 3, [10, 20, 30]]]


def test_half_transparent_pixels_are_mixed(tmp_path: Path) -> None:
    Image.new("RGBA", (1, 1), (255, 0, 0, 128)).save(tmp_path / "a.png")
    red, green, blue = shown(tmp_path / "a.png", (0, 0, 0))[0, 0]
    assert (red, green, blue) == (128, 0, 0)


def test_a_wider_colour_profile_is_converted_to_srgb(tmp_path: Path) -> None:
    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    to_lab = ImageCms.buildTransform(srgb, lab, "RGB", "LAB")
    colour = Image.new("RGB", (2, 2), (200, 100, 50))
    picture = ImageCms.applyTransform(colour, to_lab)
    assert picture is not None
    profile = ImageCms.ImageCmsProfile(lab).tobytes()
    picture.save(tmp_path / "a.tif", icc_profile=profile)
    assert np.abs(shown(tmp_path / "a.tif").astype(int) - (200, 100, 50)).max() <= 2


def test_a_profile_is_taken_by_what_it_does_not_by_its_name(tmp_path: Path) -> None:
    """A linear profile shows a half as bright as it is, whatever it is called."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (2, 2), (128, 128, 128)).save(tmp_path / "a.png", icc_profile=profile)
    assert shown(tmp_path / "a.png")[0, 0].tolist() == [128, 128, 128]
    # The same profile with its curves made straight: gamma 1.0 in each `para` or `curv` tag.
    linear = linear_profile(profile)
    Image.new("RGB", (2, 2), (128, 128, 128)).save(tmp_path / "b.png", icc_profile=linear)
    assert shown(tmp_path / "b.png")[0, 0].tolist() == pytest.approx([188, 188, 188], abs=2)


def linear_profile(profile: bytes) -> bytes:
    """An RGB profile whose curves are straight; tags are replaced in place."""
    data = bytearray(profile)
    n_tags = int.from_bytes(data[128:132], "big")
    for number in range(n_tags):
        entry = 132 + 12 * number
        name = bytes(data[entry : entry + 4])
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            place = int.from_bytes(data[entry + 4 : entry + 8], "big")
            data[place : place + 12] = b"curv" + bytes(4) + (0).to_bytes(4, "big")
            data[entry + 8 : entry + 12] = (12).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1"])
def test_a_grey_profile_fits_grey_pixels_however_they_are_stored(tmp_path: Path, mode: str) -> None:
    Image.new("L", (2, 2), 255).convert(mode).save(tmp_path / "a.png", icc_profile=GREY_PROFILE)
    assert shown(tmp_path / "a.png")[0, 0].tolist() == pytest.approx([255] * 3, abs=1)


def test_a_profile_that_does_not_fit_is_refused_with_advice(tmp_path: Path) -> None:
    gradient().save(tmp_path / "a.png", icc_profile=b"not a profile")
    with pytest.raises(ImageError, match=r"a\.png: its colour profile .* save it again as sRGB"):
        open_for_display(tmp_path / "a.png", GREY)


def test_sixteen_bits_are_scaled_not_cut(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257 * 7, 65535]], np.uint16)).save(tmp_path / "a.png")
    assert shown(tmp_path / "a.png")[0, :, 0].tolist() == [0, 7, 255]


@pytest.mark.parametrize("mode", ["1", "L", "CMYK", "YCbCr", "HSV"])
def test_other_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    suffix = {"CMYK": "tif", "YCbCr": "tif", "HSV": "gif"}.get(mode, "png")
    picture = gradient().convert(mode)
    (picture.convert("RGB") if mode == "HSV" else picture).save(tmp_path / f"a.{suffix}")
    assert shown(tmp_path / f"a.{suffix}").shape == (4, 6, 3)


def test_the_first_frame_of_an_animation_is_shown(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert shown(tmp_path / "a.webp")[0, 0].tolist() == [255, 0, 0]


def test_floating_point_samples_have_no_stated_range(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="convert it to PNG"):
        open_for_display(tmp_path / "a.tif", GREY)


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_broken_file_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.png: not an image that can be decoded"):
        open_for_display(tmp_path / "a.png", GREY)


def test_a_cut_file_is_named(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    gradient((200, 200)).save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue()[:-60])
    with pytest.raises(ImageError, match=r"a\.png"):
        open_for_display(tmp_path / "a.png", GREY)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gradient((60, 60)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match="too many pixels"):
        open_for_display(tmp_path / "a.png", GREY)


def test_the_same_pixels_give_the_same_bytes() -> None:
    assert png_bytes(gradient()) == png_bytes(gradient())
    with Image.open(io.BytesIO(png_bytes(gradient()))) as image:
        assert np.array_equal(np.asarray(image), np.asarray(gradient()))


@pytest.mark.parametrize("path", PHOTOGRAPHS, ids=lambda path: path.stem)
def test_a_degraded_photograph_is_far_from_its_original(path: Path) -> None:
    image = open_for_display(path, GREY)
    degraded = degrade(image)
    assert degraded.size == image.size
    difference = np.asarray(degraded, float) - np.asarray(image, float)
    assert 10 * np.log10(255**2 / np.mean(difference**2)) < 26


@pytest.mark.parametrize("colour", ["white", "black", "#808080"])
def test_even_a_flat_picture_is_visibly_degraded(colour: str) -> None:
    flat = Image.new("RGB", (40, 30), colour)
    difference = np.asarray(degrade(flat), float) - np.asarray(flat, float)
    assert np.abs(difference).mean() >= 4


def test_only_what_a_lossy_codec_wrote_has_a_rate(tmp_path: Path) -> None:
    for name in ("a.png", "c.webp", "d.jpg"):
        gradient().save(tmp_path / name)
    gradient().save(tmp_path / "b.webp", lossless=True)
    coded = [p.name for p in sorted(tmp_path.iterdir()) if is_coded(p)]
    assert coded == ["c.webp", "d.jpg"]


def test_a_background_must_be_a_colour() -> None:
    assert parse_background("#010203") == (1, 2, 3)
    with pytest.raises(SettingsError, match="not a colour"):
        parse_background("greyish")


def test_no_program_is_run_to_decode_a_file(tmp_path: Path) -> None:
    """Pillow would hand PostScript, which is a program, to Ghostscript."""
    path = tmp_path / "cat.eps"
    gradient().save(path)
    with pytest.raises(ImageError, match="not an image that can be decoded"):
        open_for_display(path, GREY)


@pytest.mark.parametrize(
    ("suffix", "place", "value"),
    [(".dds", 80, 0), (".tif", 10, 255), (".avif", 16, 0), (".spi", 4, 255), (".jp2", 60, 255)],
)
def test_whatever_a_decoder_raises_names_the_file(
    tmp_path: Path, suffix: str, place: int, value: int
) -> None:
    """Fuzzing found RuntimeError, NotImplementedError, TypeError, AttributeError, MemoryError."""
    image = gradient((40, 30))
    path = tmp_path / f"cat{suffix}"
    (image.convert("F") if suffix == ".spi" else image).save(
        path, format="SPIDER" if suffix == ".spi" else None
    )
    data = bytearray(path.read_bytes())
    for length in (1, 4, 40):
        data[place : place + length] = bytes([value]) * length
        path.write_bytes(data)
        with suppress(ImageError):  # some changes are harmless
            open_still(path, GREY)
