"""The official client against a server: answers, refusals, failures; and the key stays secret."""

from __future__ import annotations

import dataclasses
import socket
from io import BytesIO

import pytest
from PIL import Image

from mturk_eval.compressors.micro_bpp import Models, ModelServerError, Question, Server
from mturk_eval.compressors.micro_bpp.models import read_picture
from mturk_eval.errors import CredentialsError, InvalidInputError
from mturk_eval.stimuli.images import png_bytes
from tests.compressors.micro_bpp.stand_in import WRONG_KEY, StandIn

DESCRIBE = Question(
    step="encode.describe",
    model="stand-in",
    prompt="Describe this picture.",
    picture=png_bytes(Image.new("RGB", (64, 64), "red")),
)
DRAW = Question(step="decode.generate", model="stand-in", prompt="blue top left", size_px=64)


def models_of(server: Server) -> Models:
    return Models(server, server.key())


@pytest.fixture
def server(stand_in: StandIn) -> Server:
    return Server(url=stand_in.url, retries=2, timeout_s=20)


def test_words_and_their_cost(server: Server) -> None:
    answer = models_of(server).answer(dataclasses.replace(DESCRIBE, seed=5))
    assert answer.text == "A huge red background."
    assert (answer.served_by, answer.problem) == ("stand-in-2026-01-01", "")
    assert answer.usage["total_tokens"] == answer.usage["prompt_tokens"] + 4


@pytest.mark.parametrize("model", ["stand-in", "address", "dall-e-3"])
def test_a_picture_comes_as_data_or_as_an_address(server: Server, model: str) -> None:
    answer = models_of(server).answer(dataclasses.replace(DRAW, model=model))
    assert answer.picture is not None
    with Image.open(BytesIO(answer.picture)) as picture:
        assert (picture.format, picture.size) == ("PNG", (64, 64))
        assert picture.getpixel((3, 3)) == (45, 80, 200)


def test_a_picture_is_edited(server: Server) -> None:
    edit = dataclasses.replace(DRAW, picture=DESCRIBE.picture)
    answer = models_of(server).answer(edit)
    assert answer.picture is not None
    with Image.open(BytesIO(answer.picture)) as picture:
        assert picture.getpixel((3, 3)) == (45, 80, 200)
        assert picture.getpixel((40, 40)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("shy", r"refused \(I cannot describe this picture.\)"),
        ("filtered", "refused .*content filter"),
        ("strict", r"refused \(Your request was rejected"),
        ("mute", "the answer is empty"),
        ("cut", "cut off at the model's limit"),
        ("broken", r"the server failed \(The server had an error"),
    ],
)
def test_words_that_cannot_be_used(server: Server, model: str, problem: str) -> None:
    answer = models_of(server).answer(dataclasses.replace(DESCRIBE, model=model))
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(answer.problem)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("half-size", "has 32×32 pixels, and 64×64 were asked for"),
        ("oblong", "has 64×32 pixels"),
        ("noise", "cannot be decoded"),
        ("silent", "no picture came"),
    ],
)
def test_pictures_that_cannot_be_used(server: Server, model: str, problem: str) -> None:
    answer = models_of(server).answer(dataclasses.replace(DRAW, model=model))
    assert problem in answer.problem
    assert answer.picture is None


def test_a_busy_server_is_asked_again(server: Server, stand_in: StandIn) -> None:
    assert models_of(server).answer(dataclasses.replace(DESCRIBE, model="busy-twice")).text
    assert len(stand_in.asked) == 3
    with pytest.raises(ModelServerError, match=r"no more requests for now .* 2 retries"):
        models_of(server).answer(dataclasses.replace(DESCRIBE, model="busy"))
    assert len(stand_in.asked) == 6


def test_a_slow_answer_is_given_up(server: Server) -> None:
    impatient = dataclasses.replace(server, timeout_s=0.2, retries=0)
    answer = models_of(impatient).answer(dataclasses.replace(DESCRIBE, model="slow"))
    assert "no answer within 0.2 s" in answer.problem
    assert "--timeout" in answer.problem


def test_a_model_that_is_not_there_stops_everything(server: Server) -> None:
    with pytest.raises(ModelServerError, match="has no model 'unknown'"):
        models_of(server).answer(dataclasses.replace(DESCRIBE, model="unknown"))


@pytest.mark.parametrize("model", ["page", "garbled"])
def test_an_address_that_is_no_api_stops_everything(server: Server, model: str) -> None:
    for question in (DESCRIBE, DRAW):
        with pytest.raises(ModelServerError, match="answers, but not as OpenAI's API does"):
            models_of(server).answer(dataclasses.replace(question, model=model))


def test_an_answer_of_another_shape_is_no_answer(server: Server) -> None:
    assert models_of(server).answer(dataclasses.replace(DESCRIBE, model="odd")).problem
    assert models_of(server).answer(dataclasses.replace(DRAW, model="odd")).problem


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = Server(url=f"http://me:pass@127.0.0.1:{port}/v1?key=1", retries=0, key_variable="HOME")
    with pytest.raises(ModelServerError, match=f"Nothing answers at http://127.0.0.1:{port}/v1\\."):
        models_of(server).answer(DESCRIBE)


def test_a_key_that_is_refused_is_never_repeated(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some servers repeat it in their message."""
    monkeypatch.setenv("OPENAI_API_KEY", WRONG_KEY)
    with pytest.raises(CredentialsError, match="refuses the key in OPENAI_API_KEY") as raised:
        models_of(server).answer(DESCRIBE)
    assert WRONG_KEY not in str(raised.value)
    assert raised.value.__suppress_context__
    assert WRONG_KEY not in repr(server) + repr(server.key())


def test_without_a_key_or_with_a_wrong_address_nothing_is_asked(
    server: Server, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(CredentialsError, match="no OPENAI_API_KEY"):
        models_of(server)
    for url in ("127.0.0.1:80", "ftp://host/", "http://", "http://host:port/", "https://[::1"):
        with pytest.raises(InvalidInputError, match="not the address of an API"):
            Server(url=url)
    assert not stand_in.asked


def test_a_picture_from_a_stranger_is_given_to_no_decoder_that_runs_it() -> None:
    """PostScript is a program, which Pillow would hand to Ghostscript."""
    file = BytesIO()
    Image.new("RGB", (64, 64)).save(file, "EPS")
    assert read_picture(file.getvalue(), 64) == (
        None,
        "its picture cannot be decoded (none of PNG, JPEG, WEBP)",
    )
