"""Codecs that make reconstructions: Pillow's, JPEG XL, HEIC, and any external command."""

from mturk_eval.stimuli.codecs.codec import Codec, Knob
from mturk_eval.stimuli.codecs.errors import (
    CodecError,
    CodecMissingError,
    CommandTemplateError,
    UnknownCodecError,
)
from mturk_eval.stimuli.codecs.registry import CODEC_NAMES, find_codec

__all__ = [
    "CODEC_NAMES",
    "Codec",
    "CodecError",
    "CodecMissingError",
    "CommandTemplateError",
    "Knob",
    "UnknownCodecError",
    "find_codec",
]
