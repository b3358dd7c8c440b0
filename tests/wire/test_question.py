"""Question XML: pages and addresses go in and come out unchanged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mturk_eval.wire.answers import clean_text
from mturk_eval.wire.question import (
    ExternalQuestion,
    HtmlQuestion,
    QuestionXmlError,
    parse_question,
)

PAGES = st.text(min_size=1).map(clean_text).filter(str.strip)


@given(PAGES, st.integers(0, 5000))
def test_a_page_survives_its_question(html: str, height: int) -> None:
    question = HtmlQuestion(html, height)
    assert parse_question(question.to_xml()) == question


def test_the_end_of_a_cdata_section_may_stand_in_a_page() -> None:
    question = HtmlQuestion("<script>a[b[0]]>c</script>]]>")
    assert parse_question(question.to_xml()) == question


def test_an_address_keeps_its_query() -> None:
    question = ExternalQuestion("https://example.org/task?mode=a&b=<c>", 600)
    assert parse_question(question.to_xml()) == question


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ("<HTMLQuestion>", "no element found"),
        ("<Form xmlns='x'><a>1</a></Form>", "neither an HTMLQuestion"),
        (HtmlQuestion("x").to_xml().replace("<FrameHeight>0</FrameHeight>", ""), "FrameHeight"),
        (HtmlQuestion("x").to_xml().replace(">0<", ">tall<"), "whole number"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "entit"),
    ],
)
def test_what_is_no_question_is_refused_with_a_reason(xml: str, reason: str) -> None:
    with pytest.raises(QuestionXmlError, match=reason):
        parse_question(xml)
