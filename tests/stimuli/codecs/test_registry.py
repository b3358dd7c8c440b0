"""From a name to a codec, and what is said where there is none."""

from __future__ import annotations

import pytest

from mturk_eval.stimuli.codecs import (
    CodecMissingError,
    CommandTemplateError,
    UnknownCodecError,
    find_codec,
)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownCodecError, match=r"jpg: no such codec.*jpeg, jpeg2000, webp, avif"):
        find_codec("jpg")


def test_a_codec_that_is_not_installed_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for module in ("jpeg_xl", "heic"):
        monkeypatch.setattr(f"mturk_eval.stimuli.codecs.{module}.find_spec", lambda name: None)
    with pytest.raises(CodecMissingError, match=r"pip install 'mturk-eval\[jxl\]'"):
        find_codec("jxl")
    with pytest.raises(CodecMissingError, match=r"apt-get install libheif-examples.*GPL"):
        find_codec("heic")
    monkeypatch.setattr("PIL.features.get_supported", lambda: ["jpg"])
    with pytest.raises(CodecMissingError, match=r"avif: this Pillow .* was built without it"):
        find_codec("avif")


def test_a_command_gets_the_name_before_it() -> None:
    template = "command:true {original} {coded:.x} {quality:0..9}"
    assert find_codec(template).name == "true"
    assert find_codec(f"bpg={template}").name == "bpg"


@pytest.mark.parametrize("name", ["jpeg", "", "a/b", "..", "two words"])
def test_a_command_cannot_take_a_name_that_misleads(name: str) -> None:
    with pytest.raises(CommandTemplateError, match="cannot name a command"):
        find_codec(f"{name}=command:true {{original}} {{coded}} {{bytes}}")
