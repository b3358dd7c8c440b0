"""What every codec promises, whatever library or program is behind it."""

from __future__ import annotations

import io
import pickle
import shutil
from collections.abc import Callable
from importlib.util import find_spec

import pytest
from PIL import Image, ImageCms

from mturk_eval.stimuli.codecs import CODEC_NAMES, Codec, CodecError, find_codec
from mturk_eval.stimuli.codecs.heic import HeicPrograms, find_heic
from mturk_eval.stimuli.codecs.jpeg_xl import JpegXlLibrary, JpegXlPrograms
from tests.stimuli.codecs.pictures import error, picture


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def _jxl_library() -> Codec:
    if find_spec("imagecodecs") is None:
        pytest.skip("imagecodecs is not installed")
    return JpegXlLibrary()


def _jxl_programs() -> Codec:
    return JpegXlPrograms(cjxl=_program("cjxl"), djxl=_program("djxl"), timeout_s=60)


def _heic_programs() -> Codec:
    decoder = "heif-dec" if shutil.which("heif-dec") else "heif-convert"
    return HeicPrograms(heif_enc=_program("heif-enc"), heif_dec=_program(decoder), timeout_s=60)


def _heic_library() -> Codec:
    if find_spec("pillow_heif") is None:
        pytest.skip("pillow-heif is not installed")
    return find_heic(60)


CODECS: dict[str, Callable[[], Codec]] = {
    "jpeg": lambda: find_codec("jpeg"),
    "jpeg2000": lambda: find_codec("jpeg2000"),
    "webp": lambda: find_codec("webp"),
    "avif": lambda: find_codec("avif"),
    "jxl by imagecodecs": _jxl_library,
    "jxl by cjxl": _jxl_programs,
    "heic by heif-enc": _heic_programs,
    "heic by pillow-heif": _heic_library,
}


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> Codec:
    return CODECS[request.param]()


def _middle(codec: Codec) -> float:
    """A quality of about 1 bpp or more, that any picture survives."""
    return 2.0 if codec.name == "jpeg2000" else codec.knob.at(codec.knob.n_steps // 2)


def test_the_codecs_of_the_issue_have_names() -> None:
    assert CODEC_NAMES == ("jpeg", "jpeg2000", "webp", "avif", "jxl", "heic")


def test_more_quality_is_a_larger_file_that_is_nearer(codec: Codec) -> None:
    original = picture()
    best = 8.0 if codec.name == "jpeg2000" else codec.knob.highest
    files = [codec.encode(original, quality) for quality in (codec.knob.lowest, best)]
    errors = [error(codec.decode(data), original) for data in files]
    assert len(files[0]) < len(files[1])
    assert errors[1] < min(errors[0], 12)


def test_the_same_quality_gives_the_same_bytes(codec: Codec) -> None:
    """Also in another process, which gets the codec pickled."""
    again: Codec = pickle.loads(pickle.dumps(codec))
    assert again == codec
    assert again.encode(picture(), _middle(codec)) == codec.encode(picture(), _middle(codec))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (17, 33)])
def test_every_size_of_picture_comes_back_at_its_size(codec: Codec, size: tuple[int, int]) -> None:
    shown = codec.decode(codec.encode(picture(*size), _middle(codec)))
    assert (shown.mode, shown.size) == ("RGB", size)


def test_a_grey_picture_stays_grey(codec: Codec) -> None:
    grey = picture().convert("L").convert("RGB")
    assert error(codec.decode(codec.encode(grey, _middle(codec))), grey) < 20


def test_no_metadata_is_written(codec: Codec) -> None:
    """EXIF, profiles and XMP are no part of what a rater sees, and would count as rate."""
    original = picture()
    exif = Image.Exif()
    exif[0x010E] = "a description of the picture"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    loaded = original.copy()
    loaded.info = {
        "exif": exif.tobytes(),
        "icc_profile": profile,
        "xmp": b"<x:xmpmeta>a description</x:xmpmeta>",
        "comment": b"a description",
        "dpi": (300, 300),
    }
    data = codec.encode(loaded, _middle(codec))
    assert data == codec.encode(original, _middle(codec))
    for mark in (b"Exif", b"ICC_PROFILE", b"ICCP", b"rICC", b"prof", b"xmp", b"description"):
        assert mark not in data
    assert not codec.decode(data).info


@pytest.mark.parametrize("damaged", [b"", b"not a picture", "half"])
def test_a_file_that_is_not_whole_is_an_error_that_names_the_codec(
    codec: Codec, damaged: bytes | str
) -> None:
    whole = codec.encode(picture(), _middle(codec))
    data = damaged if isinstance(damaged, bytes) else whole[: len(whole) // 3]
    with pytest.raises(CodecError, match=codec.name):
        codec.decode(data)


def test_it_says_who_encoded_and_how(codec: Codec) -> None:
    assert any(character.isdigit() for character in codec.encoder())
    settings = codec.settings(_middle(codec))
    assert f"{_middle(codec):g}" in settings
    assert "4:2:0" in settings or "4:4:4" in settings  # fixed, whatever the quality


def test_only_an_encoder_that_takes_a_rate_aims(codec: Codec) -> None:
    aimed = codec.aim((200, 100), 2500)
    assert aimed == (1.0 if codec.name == "jpeg2000" else None)


@pytest.mark.parametrize(("name", "side"), [("webp", 16_384), ("jpeg", 65_501)])
def test_a_picture_beyond_the_format_is_an_error_that_names_its_size(name: str, side: int) -> None:
    with pytest.raises(CodecError, match=rf"{name} cannot encode {side}×1 pixels"):
        find_codec(name).encode(Image.new("RGB", (side, 1)), 50)


def test_jpeg_holds_the_noisiest_picture_at_the_best_quality() -> None:
    """More than a byte per pixel: Pillow's buffer must have room for all of the file."""
    noise = Image.effect_noise((256, 256), 400).convert("RGB")
    assert len(find_codec("jpeg").encode(noise, 100)) > 256 * 256


def test_jpeg_2000_meets_a_rate_at_once() -> None:
    codec, original = find_codec("jpeg2000"), picture(256, 256)
    target = 8192
    quality = codec.aim(original.size, target)
    assert quality is not None
    assert 0.97 * target < len(codec.encode(original, quality)) <= target


def test_subsampling_is_what_the_settings_say() -> None:
    from PIL import JpegImagePlugin

    for quality in (5, 95, 100):
        data = find_codec("jpeg").encode(picture(), quality)
        with Image.open(io.BytesIO(data)) as opened:
            assert JpegImagePlugin.get_sampling(opened) == 2  # 4:2:0
            assert opened.info["progressive"]
        avif = find_codec("avif").encode(picture(), quality)
        # av1C (AV1 in ISOBMFF, 2.3.3): after 3 bytes, chroma_subsampling_x and _y are bits 3, 2.
        flags = avif[avif.index(b"av1C") + 4 + 2]
        assert flags & 0b1100 == 0b1100
