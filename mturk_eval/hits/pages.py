"""Trials to HTML pages and question XML.

Templates get a view of the trials that holds ids, image URLs and sizes. What they do not get
(roles, methods, bit-rates, right answers) cannot leak to a rater, whatever a template does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2

from mturk_eval.config import Wording
from mturk_eval.errors import HostingError, PageTooLargeError
from mturk_eval.hits.templates import render
from mturk_eval.trials import HitSpec, Kind, SatisfactionTrial, Stimulus, Trial
from mturk_eval.wire.answers import clean_text
from mturk_eval.wire.limits import QUESTION_BYTES
from mturk_eval.wire.question import HtmlQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageView:
    """An image as a page knows it; ``width`` and ``height`` in image pixels."""

    url: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SatisfactionView:
    """A rating as a page knows it."""

    id: str
    original: ImageView
    reconstruction: ImageView


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoAfcView:
    """A forced choice as a page knows it."""

    id: str
    original: ImageView
    left: ImageView
    right: ImageView


@dataclass(frozen=True, slots=True, kw_only=True)
class HitView:
    """All that a template knows of a HIT."""

    trials: tuple[SatisfactionView | TwoAfcView, ...]


def render_page(
    hit: HitSpec,
    kind: Kind,
    wording: Wording,
    urls: Mapping[str, str],
    templates: jinja2.Environment,
) -> str:
    """Render the page of one HIT with ``<kind>.html.j2``.

    Parameters
    ----------
    urls : mapping
        A stimulus's ``sha256`` to the URL of its image.

    Returns
    -------
    str
        A self-contained HTML document with LF line ends; characters that XML cannot hold are
        U+FFFD, so that the page fits into a question.

    Raises
    ------
    HostingError
        If an image has no URL.
    TemplateError
        If the template is missing or fails; names file and line.
    """
    view = HitView(trials=tuple(_trial_view(trial, urls) for trial in hit.trials))
    return clean_text(render(templates, f"{kind}.html.j2", hit=view, wording=wording))


def question_xml(html: str, *, hit: str = "this HIT") -> str:
    """Wrap a page as an HTMLQuestion that fills the worker's window.

    Parameters
    ----------
    hit : str, optional
        What to call the HIT in an error.

    Raises
    ------
    PageTooLargeError
        If the question is larger than the API allows.
    """
    xml = HtmlQuestion(html, frame_height_px=0).to_xml()
    size = len(xml.encode("utf-8"))
    if size > QUESTION_BYTES:
        raise PageTooLargeError(hit, size, QUESTION_BYTES)
    return xml


def check_pages(
    hits: Sequence[HitSpec], kind: Kind, wording: Wording, templates: jinja2.Environment
) -> str:
    """Render every page with addresses as long as any real one, before anything is sent.

    Returns
    -------
    str
        A digest of the pages: it changes when trials, wording or templates do.

    Raises
    ------
    PageTooLargeError, TemplateError
        If a page does not render or would not fit into a question.
    """
    digest = hashlib.sha256()
    for hit in hits:
        urls = {
            stimulus.sha256: f"https://{'x' * 100}/{stimulus.sha256}.png"
            for trial in hit.trials
            for stimulus in trial.stimuli
        }
        question = question_xml(render_page(hit, kind, wording, urls, templates), hit=hit.name)
        digest.update(question.encode())
    return digest.hexdigest()


def _trial_view(trial: Trial, urls: Mapping[str, str]) -> SatisfactionView | TwoAfcView:
    original = _image_view(trial.original, urls)
    if isinstance(trial, SatisfactionTrial):
        return SatisfactionView(
            id=trial.id, original=original, reconstruction=_image_view(trial.reconstruction, urls)
        )
    return TwoAfcView(
        id=trial.id,
        original=original,
        left=_image_view(trial.left, urls),
        right=_image_view(trial.right, urls),
    )


def _image_view(stimulus: Stimulus, urls: Mapping[str, str]) -> ImageView:
    url = urls.get(stimulus.sha256)
    if url is None:
        raise HostingError(f"The image {stimulus.path} (stimulus {stimulus.id}) has no URL yet.")
    return ImageView(url=url, width=stimulus.width_px, height=stimulus.height_px)
