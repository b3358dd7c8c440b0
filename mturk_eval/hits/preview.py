"""Pages to look at before anything is published: files that a browser opens without a server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import jinja2

from mturk_eval.config import Wording
from mturk_eval.errors import ImageError
from mturk_eval.hits.pages import render_page
from mturk_eval.hits.templates import render
from mturk_eval.trials import HitSpec, Kind


def write_previews(
    hits: Sequence[HitSpec],
    kind: Kind,
    wording: Wording,
    image_folder: Path,
    out_folder: Path,
    templates: jinja2.Environment,
) -> list[Path]:
    """Write the page of every HIT as a file, and an ``index.html`` that links them.

    The pages are those that would be published, with the images on this disk. Opened from a file
    they know no assignment, so they are in preview mode and send nothing.

    Parameters
    ----------
    image_folder : Path
        Holds the images by the file names of their stimuli (a batch's ``images/``).
    out_folder : Path
        Made if it is not there; pages of an earlier preview are written over.

    Returns
    -------
    list of Path
        ``index.html``, then one page per HIT in their order.

    Raises
    ------
    ImageError
        If an image is not in the folder.
    TemplateError
        If a template is missing or fails.
    """
    urls: dict[str, str] = {}
    for stimulus in (
        stimulus for hit in hits for trial in hit.trials for stimulus in trial.stimuli
    ):
        file = image_folder / Path(stimulus.path).name
        if not file.is_file():
            raise ImageError(file, "the image is missing")
        urls[stimulus.sha256] = file.resolve().as_uri()

    out_folder.mkdir(parents=True, exist_ok=True)
    pages = [out_folder / f"{_file_name(hit.name)}.html" for hit in hits]
    for page, hit in zip(pages, hits, strict=True):
        page.write_text(render_page(hit, kind, wording, urls, templates), encoding="utf-8")
    links = [(page.name, hit.name, len(hit.trials)) for page, hit in zip(pages, hits, strict=True)]
    index = out_folder / "index.html"
    index.write_text(
        render(templates, "preview.html.j2", wording=wording, pages=links), encoding="utf-8"
    )
    return [index, *pages]


def _file_name(hit: str) -> str:
    """A HIT's name as a file name: a batch may be edited, and names are free text there."""
    return re.sub(r"[^\w.-]", "_", hit)
