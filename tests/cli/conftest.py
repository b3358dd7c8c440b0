"""The command line as a user meets it: arguments in; exit code, stdout and stderr out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mturk_eval.cli import main
from tests.market import Market


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    class NoTerminal:
        @staticmethod
        def isatty() -> bool:
            return False

    monkeypatch.setattr(sys, "stdin", NoTerminal())

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["mturk-eval", *map(str, arguments)])
        capsys.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as stopped:
            code = stopped.code
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Outcome(int(str(code or 0)), captured.out, captured.err)

    return run


@pytest.fixture
def endpoint(market: Market, monkeypatch: pytest.MonkeyPatch) -> str:
    """A running server, for a requester of this test's own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", market.account)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("MTURK_EVAL_ENDPOINT", market.url)
    return market.url
