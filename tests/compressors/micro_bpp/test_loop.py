"""Encoder and decoder through a stand-in: what goes from one to the other, and what does not."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mturk_eval.compressors.micro_bpp import (
    Answer,
    Ask,
    Code,
    DecoderSettings,
    EncoderSettings,
    ModelAnswerError,
    Models,
    Question,
    Server,
    decode,
    decoder,
    encode,
    load_prompts,
)
from mturk_eval.stimuli.images import png_bytes
from tests import samples
from tests.compressors.micro_bpp.stand_in import COLOURS, StandIn

SIDE = 64
ENCODER = EncoderSettings(
    words=60, text_model="words", vision_model="eyes", prompts=load_prompts(), seed=1
)
DECODER = DecoderSettings(
    text_model="words", vision_model="eyes", image_model="hands", prompts=load_prompts(),
    size_px=SIDE,
)  # fmt: skip


def chequered(n_fields: int) -> Image.Image:
    """A beige picture with so many fields of other colours."""
    picture = Image.new("RGB", (SIDE, SIDE), COLOURS["beige"])
    colours = list(COLOURS.values())
    for number in range(n_fields):
        row, column = divmod(number, 4)
        place = (column * SIDE // 4, row * SIDE // 4)
        picture.paste(Image.new("RGB", (SIDE // 4, SIDE // 4), colours[number]), place)
    return picture


@pytest.fixture
def ask(stand_in: StandIn) -> Ask:
    server = Server(url=stand_in.url)
    return Models(server, server.key()).answer


def difference(made: bytes, original: Image.Image) -> float:
    with Image.open(BytesIO(made)) as picture:
        pair = [np.asarray(p.convert("RGB"), float) for p in (picture, original)]
    return float(np.abs(pair[0] - pair[1]).mean())


def test_a_picture_goes_through_a_few_bytes(ask: Ask) -> None:
    original = chequered(3)
    encoded = encode(png_bytes(original), ENCODER, ask)
    assert encoded.code.text == "bg bckgrnd blck tp lft gr tp mdrght wht tp mdlft"
    assert len(encoded.code.file) == 26
    decoded = decode(Code.read(encoded.code.file), DECODER, ask)
    assert difference(decoded.picture, original) == 0


def test_reflection_mends_what_was_painted_wrong(ask: Ask) -> None:
    """The stand-in paints eight fields at once; each reflection finds one more."""
    original = chequered(11)
    code = encode(png_bytes(original), ENCODER, ask).code
    decoded = decode(code, DECODER, ask)
    assert (len(decoded.pictures), len(decoded.changes)) == (3, 2)
    errors = [difference(picture, original) for picture in decoded.pictures]
    assert errors[0] > errors[1] > errors[2]
    anew = decode(code, dataclasses.replace(DECODER, reflect_by="text"), ask)
    assert anew.pictures == decoded.pictures
    once = decode(code, dataclasses.replace(DECODER, iterations=0), ask)
    assert once.pictures == decoded.pictures[:1]


def test_each_step_asks_its_own_model_in_a_context_of_its_own(ask: Ask, stand_in: StandIn) -> None:
    code = encode(png_bytes(chequered(3)), ENCODER, ask).code
    decode(code, DECODER, ask)
    assert [(request["path"].split("/v1/")[1], request["model"]) for request in stand_in.asked] == [
        ("chat/completions", "eyes"),  # describe
        ("chat/completions", "words"),  # select
        ("chat/completions", "words"),  # expand
        ("images/generations", "hands"),
        *[
            ("chat/completions", "eyes"),  # describe what was made
            ("chat/completions", "words"),  # compare
            ("images/edits", "hands"),
        ]
        * 2,
    ]


def test_the_decoder_knows_nothing_but_the_code(ask: Ask) -> None:
    """Neither by its arguments, nor by its imports, nor by what it asks."""
    assert list(inspect.signature(decode).parameters) == ["code", "settings", "ask"]
    imported = {
        node.module
        for node in ast.walk(ast.parse(Path(str(decoder.__file__)).read_text()))
        if isinstance(node, ast.ImportFrom)
    }
    assert not {module for module in imported if module and "encoder" in module}
    original = png_bytes(samples.picture(4, (SIDE, SIDE)))
    encoded = encode(original, ENCODER, ask)
    asked: list[Question] = []

    def overheard(question: Question) -> Answer:
        asked.append(question)
        return ask(question)

    decode(encoded.code, DECODER, overheard)
    assert all(question.picture != original for question in asked)
    assert all(encoded.description not in question.prompt for question in asked[:2])


def test_words_are_cut_beyond_ten_percent(ask: Ask) -> None:
    settings = dataclasses.replace(ENCODER, words=10, text_model="wordy")
    encoded = encode(png_bytes(chequered(11)), settings, ask)
    assert len(encoded.words) == 10
    assert encoded.notes == ("the model chose 20 words where 10 were asked for; cut to 10",)


@pytest.mark.parametrize("chosen", [9, 10, 11])
def test_a_few_words_more_or_less_are_the_models_choice(chosen: int) -> None:
    settings = dataclasses.replace(ENCODER, words=10)
    encoded = encode(b"", settings, lambda _question: Answer(text=" ".join(["boat"] * chosen)))
    assert (len(encoded.words), encoded.notes) == (chosen, ())


def test_the_model_may_shorten_words_itself(ask: Ask) -> None:
    """And the rule has the last word."""
    by_rule = encode(png_bytes(chequered(3)), ENCODER, ask)
    settings = dataclasses.replace(ENCODER, shorten_by="model")
    assert encode(png_bytes(chequered(3)), settings, ask).code == by_rule.code


@pytest.mark.parametrize(
    ("answer", "said"), [("...", "has no words"), ("eye, aye", "Nothing is left of 'eye aye'")]
)
def test_an_answer_without_words_is_named(answer: str, said: str) -> None:
    with pytest.raises(ModelAnswerError, match=f"step encode.select, model words: .*{said}"):
        encode(b"", ENCODER, lambda _question: Answer(text=answer))
