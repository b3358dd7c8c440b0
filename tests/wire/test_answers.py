"""Answer XML: what a form sent is what is read, in any alphabet."""

from __future__ import annotations

from contextlib import suppress
from xml.dom import minidom
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mturk_eval.wire.answers import (
    ANSWERS_NAMESPACE,
    RESERVED_FIELDS,
    AnswerXmlError,
    clean_text,
    read_answers,
    write_answers,
)

TEXT = st.text(st.characters(codec=None), max_size=40)
NAMES = TEXT.filter(lambda name: clean_text(name).strip() != "" and name not in RESERVED_FIELDS)


@given(st.dictionaries(NAMES, TEXT, max_size=6))
def test_what_is_written_is_what_is_read(fields: dict[str, str]) -> None:
    expected: dict[str, list[str]] = {}
    for name, value in fields.items():
        expected.setdefault(clean_text(name), []).append(clean_text(value))
    read = read_answers(write_answers(fields.items()))
    # Names that differ only by what XML cannot hold become one: the last answer is read.
    assert read == {name: values[-1] for name, values in expected.items()}


@given(st.dictionaries(NAMES, TEXT, min_size=1, max_size=3))
def test_other_parsers_read_the_same(fields: dict[str, str]) -> None:
    xml = write_answers(fields.items())
    assert xml.isascii()
    texts = [clean_text(value) for value in fields.values()]
    tree = ET.fromstring(xml)
    assert [e.text or "" for e in tree.iter(f"{{{ANSWERS_NAMESPACE}}}FreeText")] == texts
    nodes = minidom.parseString(xml.encode()).getElementsByTagName("FreeText")
    assert ["".join(str(c.nodeValue) for c in n.childNodes) for n in nodes] == texts


def test_reserved_fields_are_no_answers_and_repeated_names_are_joined() -> None:
    xml = write_answers([("assignmentId", "A1"), ("doNotRedirect", "1"), ("q", "a"), ("q", "b")])
    assert read_answers(xml) == {"q": "a|b"}


@pytest.mark.parametrize(
    "xml",
    [
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n<QuestionFormAnswers xmlns="x">\n'
        "<Answer>\n<QuestionIdentifier>q</QuestionIdentifier>\n<FreeText>é</FreeText>\n</Answer>\n"
        "</QuestionFormAnswers>\n",
        "<QuestionFormAnswers><Answer><QuestionIdentifier>q</QuestionIdentifier>"
        "<FreeText>é</FreeText></Answer></QuestionFormAnswers>",
        '<a:QuestionFormAnswers xmlns:a="x"><a:Answer><a:QuestionIdentifier>q'
        "</a:QuestionIdentifier><a:FreeText>é</a:FreeText></a:Answer></a:QuestionFormAnswers>",
    ],
)
def test_other_prologs_prefixes_and_layouts_are_read(xml: str) -> None:
    assert read_answers(xml) == {"q": "é"}


def test_an_empty_value_is_an_empty_text_and_no_answer_is_none() -> None:
    empty = "<QuestionFormAnswers><Answer><QuestionIdentifier>q</QuestionIdentifier><FreeText/>"
    assert read_answers(f"{empty}</Answer></QuestionFormAnswers>") == {"q": ""}
    assert read_answers("<QuestionFormAnswers/>") == {}
    assert read_answers("") == {}


@pytest.mark.parametrize("xml", ["<a", "<html></html>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
def test_what_is_no_answer_xml_is_refused(xml: str) -> None:
    with pytest.raises(AnswerXmlError):
        read_answers(xml)


@given(TEXT)
def test_no_text_makes_the_reader_fail_otherwise(text: str) -> None:
    with suppress(AnswerXmlError):
        read_answers(text)
