from __future__ import annotations

import pytest

from mturk_eval.compressors.scripts import ElementLibrary
from tests.compressors.scripts.samples import write_library


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ElementLibrary:
    """Elements 0 (bar.webp), 1 (dot.png) and 2 (shapes/disc.png)."""
    return write_library(tmp_path_factory.mktemp("elements"))
