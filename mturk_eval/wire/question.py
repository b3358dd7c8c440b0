"""Question XML: HTMLQuestion and ExternalQuestion, written and read.

Formats: MTurk schemas HTMLQuestion 2011-11-11 and ExternalQuestion 2006-07-14.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit
from xml.parsers import expat

import xmltodict

_NAMESPACE: Final = "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/"
HTML_QUESTION_NAMESPACE: Final = _NAMESPACE + "2011-11-11/HTMLQuestion.xsd"
EXTERNAL_QUESTION_NAMESPACE: Final = _NAMESPACE + "2006-07-14/ExternalQuestion.xsd"


class QuestionXmlError(ValueError):
    """The text is not a question this code knows; the message says why."""


@dataclass(frozen=True, slots=True)
class HtmlQuestion:
    """A page sent along with the HIT. ``frame_height_px`` 0 fills the worker's window."""

    html: str
    frame_height_px: int = 0

    def to_xml(self) -> str:
        """Write the question; ``]]>`` inside the page is split over two CDATA sections."""
        html = self.html.replace("]]>", "]]]]><![CDATA[>")
        return (
            f'<HTMLQuestion xmlns="{HTML_QUESTION_NAMESPACE}">'
            f"<HTMLContent><![CDATA[{html}]]></HTMLContent>"
            f"<FrameHeight>{self.frame_height_px}</FrameHeight></HTMLQuestion>"
        )


@dataclass(frozen=True, slots=True)
class ExternalQuestion:
    """A page that lives elsewhere."""

    url: str
    frame_height_px: int = 0

    def to_xml(self) -> str:
        """Write the question, the URL escaped."""
        from xml.sax.saxutils import escape

        return (
            f'<ExternalQuestion xmlns="{EXTERNAL_QUESTION_NAMESPACE}">'
            f"<ExternalURL>{escape(self.url)}</ExternalURL>"
            f"<FrameHeight>{self.frame_height_px}</FrameHeight></ExternalQuestion>"
        )


Question = HtmlQuestion | ExternalQuestion


def parse_question(xml: str) -> Question:
    """Read a question.

    Raises
    ------
    QuestionXmlError
        If the text is not well-formed, declares entities, or is not an HTMLQuestion or an
        ExternalQuestion of the right namespace and children; or if its ExternalURL is no address
        of a web page.
    """
    try:
        # Entities are refused by xmltodict (disable_entities), so no expansion attack gets in.
        document = xmltodict.parse(xml.strip(), process_namespaces=True, strip_whitespace=False)
    except (expat.ExpatError, ValueError) as error:
        raise QuestionXmlError(str(error)) from error
    (root, body), *_ = document.items()
    if not isinstance(body, dict):
        raise QuestionXmlError(f"{root} has no children")
    if root == f"{HTML_QUESTION_NAMESPACE}:HTMLQuestion":
        html = _text(body, f"{HTML_QUESTION_NAMESPACE}:HTMLContent")
        height = _height(body, f"{HTML_QUESTION_NAMESPACE}:FrameHeight")
        return HtmlQuestion(html, height)
    if root == f"{EXTERNAL_QUESTION_NAMESPACE}:ExternalQuestion":
        url = _text(body, f"{EXTERNAL_QUESTION_NAMESPACE}:ExternalURL").strip()
        height = _height(body, f"{EXTERNAL_QUESTION_NAMESPACE}:FrameHeight")
        _require_web_address(url)
        return ExternalQuestion(url, height)
    raise QuestionXmlError(
        f"root element {root} is neither an HTMLQuestion (2011-11-11) nor an ExternalQuestion "
        "(2006-07-14)"
    )


def _text(body: dict[str, object], element: str) -> str:
    value = body.get(element)
    if not isinstance(value, str) or not value.strip():
        raise QuestionXmlError(f"exactly one {element.rsplit(':', 1)[1]} with text is needed")
    return value


def _require_web_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        found = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        found = False
    if not found:
        raise QuestionXmlError(f"ExternalURL must be http(s):// with a host, not {url!r}")


def _height(body: dict[str, object], element: str) -> int:
    text = _text(body, element).strip()
    if not text.isdecimal():
        raise QuestionXmlError(f"FrameHeight must be a whole number, not {text!r}")
    return int(text)
