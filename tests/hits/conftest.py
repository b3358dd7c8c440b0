from __future__ import annotations

from collections.abc import Iterator

import jinja2
import pytest

from mturk_eval.hits.templates import load_templates
from tests.hits.marketplace import PageServer, coordinate_png, serve_pages


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> jinja2.Environment:
    """The shipped templates, whatever the working directory holds."""
    return load_templates(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def coordinates() -> bytes:
    return coordinate_png()


@pytest.fixture
def server(coordinates: bytes) -> Iterator[PageServer]:
    with serve_pages() as pages:
        pages.picture = coordinates
        yield pages
