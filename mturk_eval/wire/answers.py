"""Answer XML (QuestionFormAnswers 2005-10-01): what a submitted form becomes, written and read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from xml.parsers import expat

import xmltodict

ANSWERS_NAMESPACE: Final = (
    "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/"
    "2005-10-01/QuestionFormAnswers.xsd"
)
# Never answers: MTurk's own form fields, and one that some workers' browser scripts add.
RESERVED_FIELDS: Final = frozenset(
    {"assignmentId", "hitId", "workerId", "turkSubmitTo", "doNotRedirect"}
)
# What XML 1.0 cannot hold, not even as a character reference; lone surrogates included.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PROLOG: Final = re.compile(r"^\s*<\?xml[^>]*\?>")


class AnswerXmlError(ValueError):
    """The text is not answer XML; the message says why."""


def write_answers(fields: Iterable[tuple[str, str]]) -> str:
    """Turn the fields of a submitted form into answer XML, as MTurk does.

    Reserved fields are dropped, values of a repeated name are joined with ``|`` in form order, line
    ends become LF, and characters that XML 1.0 cannot hold become U+FFFD. Everything outside ASCII
    is written as a character reference, so the declared encoding is true.
    """
    values: dict[str, list[str]] = {}
    for name, value in fields:
        if name not in RESERVED_FIELDS:
            values.setdefault(name, []).append(value)
    answers = "".join(
        f"<Answer><QuestionIdentifier>{_escape(name)}</QuestionIdentifier>"
        f"<FreeText>{_escape('|'.join(texts))}</FreeText></Answer>"
        for name, texts in values.items()
    )
    return (
        '<?xml version="1.0" encoding="ASCII"?>'
        f'<QuestionFormAnswers xmlns="{ANSWERS_NAMESPACE}">{answers}</QuestionFormAnswers>'
    )


def clean_text(text: str) -> str:
    """The text as it will be read back from answer XML: LF line ends, nothing XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def read_answers(xml: str) -> dict[str, str]:
    """Read answer XML into ``{question identifier: text}``.

    Tolerates what real endpoints send: any prolog, any prefix or default namespace, empty values
    and documents without an answer. Options of a selection are joined with ``|``.

    Raises
    ------
    AnswerXmlError
        If the text is not well-formed or its root is not QuestionFormAnswers.
    """
    if not xml.strip():
        return {}
    try:
        # The text is already decoded: a declared encoding would only mislead the parser.
        document = xmltodict.parse(
            _PROLOG.sub("", xml, count=1), force_list=_is_list, strip_whitespace=False
        )
    except (expat.ExpatError, ValueError) as error:
        raise AnswerXmlError(f"not well-formed answer XML: {error}") from error
    (root, body), *_ = document.items()
    if _local(root) != "QuestionFormAnswers":
        raise AnswerXmlError(f"root element is {root}, not QuestionFormAnswers")
    if not isinstance(body, dict):
        return {}
    answers: dict[str, str] = {}
    for answer in _children(body, "Answer"):
        if not isinstance(answer, dict):
            raise AnswerXmlError("an Answer has no children")
        names = _children(answer, "QuestionIdentifier")
        if len(names) != 1 or not names[0]:
            raise AnswerXmlError("an Answer needs exactly one QuestionIdentifier")
        parts = [
            *_children(answer, "FreeText"),
            *_children(answer, "SelectionIdentifier"),
            *_children(answer, "OtherSelectionText"),
        ]
        answers[str(names[0])] = "|".join(str(part or "") for part in parts)
    return answers


def _escape(text: str) -> str:
    cleaned = clean_text(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return cleaned.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _local(name: str) -> str:
    return name.rsplit(":", 1)[-1]


def _is_list(_path: object, key: str, _value: object) -> bool:
    return _local(key) in {
        "Answer",
        "QuestionIdentifier",
        "FreeText",
        "SelectionIdentifier",
        "OtherSelectionText",
    }


def _children(parent: Mapping[str, Any], name: str) -> list[Any]:
    return [child for key, children in parent.items() if _local(key) == name for child in children]
