"""The ledger: a database of ours, whole or not at all, also when several processes open it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from mturk_eval.errors import LedgerError, LedgerUrlError
from mturk_eval.ledger import open_ledger, schema


def test_several_processes_may_make_it_at_once(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom mturk_eval.ledger import open_ledger\n"
        "with open_ledger(sys.argv[1]) as ledger: assert ledger.batches() == []"
    )
    url = f"sqlite:///{tmp_path / 'new.db'}"
    running = [
        subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in running:
        _, message = process.communicate()
        assert process.returncode == 0, message.decode()


def test_making_it_is_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted between the tables and their version, nothing is there."""
    url = f"sqlite:///{tmp_path / 'new.db'}"
    monkeypatch.setattr("mturk_eval.ledger.opening.insert", lambda _table: 1 / 0)
    with pytest.raises(ZeroDivisionError), open_ledger(url):
        pass
    assert inspect(create_engine(url)).get_table_names() == []
    monkeypatch.undo()
    with open_ledger(url) as ledger:
        assert ledger.batches() == []


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    with create_engine(url).begin() as db:
        db.execute(text("CREATE TABLE recipes (name TEXT)"))
    with pytest.raises(LedgerError, match="another program"), open_ledger(url):
        pass
    assert inspect(create_engine(url)).get_table_names() == ["recipes"]


def test_another_format_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    with open_ledger(url):
        pass
    with create_engine(url).begin() as db:
        db.execute(schema.version.update().values(version=99))
    with pytest.raises(LedgerError, match="format 99"), open_ledger(url):
        pass


def test_a_missing_ledger_is_not_made_by_reading(tmp_path: Path) -> None:
    with (
        pytest.raises(LedgerError, match="There is no ledger"),
        open_ledger(f"sqlite:///{tmp_path / 'none.db'}", create=False),
    ):
        pass
    assert not (tmp_path / "none.db").exists()


def test_a_password_in_the_url_is_not_shown() -> None:
    with pytest.raises(LedgerUrlError) as raised, open_ledger("nodb://me:secret@host/x"):
        pass
    assert "secret" not in str(raised.value)
