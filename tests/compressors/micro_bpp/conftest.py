"""A stand-in server of models, running once, and fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compressors.micro_bpp.stand_in import StandIn, running


@pytest.fixture(scope="session")
def _running() -> Iterator[StandIn]:
    with running() as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(_running: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The stand-in, with no request counted yet, and a key for it."""
    _running.asked.clear()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-test")
    return _running
