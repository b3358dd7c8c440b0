"""Answers of a page to responses, by round trips through the answer XML."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mturk_eval.errors import MturkEvalError, UnreadableAnswerError
from mturk_eval.hits.responses import answer_field, answer_fields, read_responses, valid_answers
from mturk_eval.trials import Response, Trial
from mturk_eval.wire.answers import read_answers, write_answers
from tests.hits.marketplace import choice, rating

TRIALS: Sequence[Trial] = (rating(1), choice(2), rating(3), choice(4))
times = st.none() | st.floats(min_value=0, allow_nan=False, allow_infinity=False)
unicode_texts = st.text(st.characters(exclude_categories=["Cs"]))


@st.composite
def responses(draw: st.DrawFn) -> list[Response]:
    return [
        Response(
            trial_id=trial.id,
            answer=draw(st.sampled_from(valid_answers(trial))),
            first_paint_ms=draw(times),
            answered_ms=draw(times),
            magnifier_ms=draw(times),
        )
        for trial in TRIALS
    ]


@given(
    sent=responses(),
    extra=st.dictionaries(
        unicode_texts.filter(lambda name: not name.startswith(("r0", "c0"))), unicode_texts
    ),
)
def test_what_is_sent_is_read(sent: list[Response], extra: dict[str, str]) -> None:
    """Through form, XML and back; fields of no trial change nothing."""
    fields = list(extra.items())
    for trial, response in zip(TRIALS, sent, strict=True):
        fields += answer_fields(
            trial,
            response.answer,
            first_paint_ms=response.first_paint_ms,
            answered_ms=response.answered_ms,
            magnifier_ms=response.magnifier_ms,
        ).items()
    named = [(name, value) for name, value in fields if name]
    assert read_responses(read_answers(write_answers(named)), TRIALS) == sent


@given(text=unicode_texts.filter(lambda text: text.strip() not in {*map(str, range(1, 11))}))
def test_anything_else_is_no_rating(text: str) -> None:
    trial = rating(1)
    with pytest.raises(UnreadableAnswerError, match=r"r0000001.*r0000001\.rating"):
        read_responses({answer_field(trial): text}, [trial])


@pytest.mark.parametrize("text", ["0", "11", "5.0", "1e0", "٣", "+3", "3|4", "left", ""])
def test_near_ratings_are_none(text: str) -> None:
    with pytest.raises(UnreadableAnswerError) as caught:
        read_responses({"r0000001.rating": text}, [rating(1)])
    assert (caught.value.trial_id, caught.value.field) == ("r0000001", "r0000001.rating")
    assert isinstance(caught.value, MturkEvalError)


@pytest.mark.parametrize("text", ["Left", "7", "both", "not sure"])
def test_near_choices_are_none(text: str) -> None:
    with pytest.raises(UnreadableAnswerError, match="left, right, not_sure"):
        read_responses({"c0000001.choice": text}, [choice(1)])


def test_a_missing_answer_is_said_to_be_missing() -> None:
    with pytest.raises(UnreadableAnswerError, match="is missing"):
        read_responses({"r0000001.rating": "4"}, [rating(1), rating(2)])


@pytest.mark.parametrize("text", ["", "soon", "nan", "inf", "-1", "12,5", None])
def test_odd_times_lose_no_rating(text: str | None) -> None:
    answers = {"r0000001.rating": " 10\n"}
    if text is not None:
        answers["r0000001.answered_ms"] = text
    (response,) = read_responses(answers, [rating(1)])
    assert response == Response(trial_id="r0000001", answer="10")
