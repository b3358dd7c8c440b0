"""What was answered is stored before it is used, and never asked for again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from mturk_eval.compressors.micro_bpp import (
    Answer,
    ExchangeLog,
    ModelAnswerError,
    Question,
    remembering,
)
from mturk_eval.errors import StimuliError
from mturk_eval.stimuli.images import png_bytes
from tests.samples import picture

QUESTION = Question(step="encode.select", model="m", prompt="Which words?\nÜ", seed=3)
PICTURE = png_bytes(picture(1))


@pytest.fixture
def log(tmp_path: Path) -> ExchangeLog:
    return ExchangeLog(tmp_path / "exchanges", "boat", server="http://here/v1")


def test_an_answer_is_found_again_with_its_picture(log: ExchangeLog) -> None:
    given = Answer(text="red boat", picture=PICTURE, served_by="m-2026", usage={"tokens": 5})
    assert log.find(QUESTION) is None
    log.add(QUESTION, given)
    assert log.find(QUESTION) == given
    record = json.loads(log.path.read_text())
    assert record["answer_picture"] in {p.stem for p in log.path.parent.glob("pictures/*.png")}
    assert "red boat" in log.path.read_text()


@pytest.mark.parametrize(
    "change",
    [{"step": "x"}, {"model": "n"}, {"prompt": "?"}, {"seed": 4}, {"size_px": 64},
     {"picture": PICTURE}],
)  # fmt: skip
def test_another_question_is_another_question(log: ExchangeLog, change: dict[str, object]) -> None:
    log.add(QUESTION, Answer(text="red boat"))
    assert log.find(dataclasses.replace(QUESTION, **change)) is None  # type: ignore[arg-type]


def test_another_server_is_asked_itself(log: ExchangeLog) -> None:
    log.add(QUESTION, Answer(text="red boat"))
    assert ExchangeLog(log.path.parent, "boat", server="http://there/v1").find(QUESTION) is None


def test_what_cannot_be_used_is_stored_and_asked_again(log: ExchangeLog) -> None:
    answers = iter([Answer(problem="refused (no)"), Answer(text="red boat")])
    ask = remembering(lambda _question: next(answers), log)
    with pytest.raises(ModelAnswerError, match=r"step encode.select, model m: refused \(no\)"):
        ask(QUESTION)
    assert ask(QUESTION).text == "red boat"
    assert ask(QUESTION).text == "red boat"  # from the log: nobody is left to ask
    assert len(log.path.read_text().splitlines()) == 2


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_line_that_a_crash_cut_off_costs_one_answer(log: ExchangeLog, cut: int) -> None:
    """Those before it stay, and the next is written on a line of its own."""
    other = dataclasses.replace(QUESTION, prompt="Which colour?")
    log.add(other, Answer(text="red"))
    log.add(QUESTION, Answer(text="boat"))
    log.path.write_bytes(log.path.read_bytes()[:-cut])
    assert log.find(other) == Answer(text="red")
    log.add(QUESTION, Answer(text="ship"))
    assert log.find(other) == Answer(text="red")
    assert log.find(QUESTION) in (Answer(text="boat"), Answer(text="ship"))


def test_a_picture_that_is_gone_or_changed_is_asked_for_again(log: ExchangeLog) -> None:
    log.add(QUESTION, Answer(picture=PICTURE))
    kept = next(log.path.parent.glob("pictures/*.png"))
    kept.write_bytes(PICTURE[:-9])
    assert log.find(QUESTION) is None
    log.add(QUESTION, Answer(picture=PICTURE))
    assert log.find(QUESTION) == Answer(picture=PICTURE)
    kept.unlink()
    assert log.find(QUESTION) is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "exchanges").write_text("a file")
    log = ExchangeLog(tmp_path / "exchanges", "boat", server="s")
    with pytest.raises(StimuliError, match="cannot be written"):
        log.add(QUESTION, Answer(text="x"))
