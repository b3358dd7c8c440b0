"""Starting, stopping, the database, the command."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from mturk_eval.errors import ServerError
from mturk_eval.server import ServerOptions, create_app, running_server
from mturk_eval.server.store import open_store, requester_key
from tests.market import connect, running_market

COMMAND = [
    sys.executable,
    "-c",
    "import typer; from mturk_eval.cli.serve import serve; typer.run(serve)",
]


def test_what_was_submitted_is_there_after_a_restart(tmp_path: Path) -> None:
    with running_market(tmp_path) as market:
        hit = market.create_hit()
        assignment_id = market.worker("w").do(hit)
    with running_market(tmp_path) as market:
        client = connect(market.url, "tests")
        work = client.get_assignment(AssignmentId=assignment_id)["Assignment"]
        assert work["AssignmentStatus"] == "Submitted"


def test_the_database_is_durable_and_private(tmp_path: Path) -> None:
    with running_market(tmp_path), sqlite3.connect(tmp_path / "server.db") as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert (tmp_path / "server.db").stat().st_mode & 0o077 == 0


def test_what_the_database_refuses_is_not_told(tmp_path: Path) -> None:
    """Statements that fail end up in the log, their secrets do not."""
    store = open_store(f"sqlite:///{tmp_path}/server.db")
    row = requester_key.insert().values(access_key="key", secret="hush")
    with store.write() as db:
        db.execute(row)
        with pytest.raises(sa.exc.IntegrityError) as caught:
            db.execute(row)
    store.close()
    assert "hush" not in str(caught.value)


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        options = ServerOptions(port=port, database_url=f"sqlite:///{tmp_path}/s.db")
        expected = f"port {port} is in use; give another with --port"
        with pytest.raises(ServerError, match=expected), running_server(options):
            pass


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://x/y", "SQLite file"),
        ("sqlite://", "SQLite file"),
        ("nonsense", "SQLite file"),
        ("sqlite:////nowhere/at/all.db", "does not exist"),
    ],
)
def test_other_databases_are_refused(url: str, said: str) -> None:
    with pytest.raises(ServerError, match=said):
        create_app(ServerOptions(database_url=url))


def test_files_that_are_not_ours_are_refused(tmp_path: Path) -> None:
    text, other, old = tmp_path / "text.db", tmp_path / "other.db", tmp_path / "old.db"
    text.write_text("not a database at all, only text" * 100)
    with contextlib.closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE ledger (id)")
    create_app(ServerOptions(database_url=f"sqlite:///{old}")).state.context.store.close()
    with contextlib.closing(sqlite3.connect(old)) as db, db:
        db.execute("UPDATE server_info SET value = '0'")
    for path, said in ((text, "cannot be used"), (other, "another program"), (old, "schema 0")):
        with pytest.raises(ServerError, match=said):
            create_app(ServerOptions(database_url=f"sqlite:///{path}"))


def test_loading_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, mturk_eval.server, mturk_eval.cli.serve;"
        "print([m for m in ('sqlalchemy', 'starlette', 'uvicorn', 'botocore') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def start(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments],
        cwd=tmp_path,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr is not None
    seen = ""
    while text not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    return seen


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_and_stops(tmp_path: Path, stop: signal.Signals) -> None:
    process = start(tmp_path)
    shown = read_until(process, "Ctrl-C")
    found = re.search(r"http://127\.0\.0\.1:\d+", shown)
    assert found is not None
    assert httpx.get(found[0]).status_code == 200
    assert "mturk_eval_server.db" in shown
    process.send_signal(stop)
    _, rest = process.communicate(timeout=10)
    assert (process.returncode, rest) == (0, "\nStopped.\n")
    assert (tmp_path / "mturk_eval_server.db").exists()


def test_beyond_loopback_a_code_and_keys_are_shown(tmp_path: Path) -> None:
    process = start(tmp_path, "--host", "0.0.0.0", "--public-url", "http://study.example:80")
    shown = read_until(process, "Ctrl-C")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert "AWS_SECRET_ACCESS_KEY=" in shown
    assert "http://study.example:80/" in shown
    assert "▄" in shown  # the QR code


def test_given_keys_are_not_shown(tmp_path: Path) -> None:
    process = start(tmp_path, "--signatures", "always", MTURK_EVAL_SERVER_KEYS="me:hidden")
    shown = read_until(process, "Ctrl-C")
    url = re.search(r"http://127\.0\.0\.1:\d+", shown)
    assert url is not None
    try:
        assert connect(url[0], "me", "hidden").get_account_balance()["AvailableBalance"]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert "hidden" not in shown


def test_time_passes_while_nobody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mturk_eval.server.app._SWEEP_EVERY_S", 0.05)
    with running_market(tmp_path) as market:
        market.worker("w").hold(market.create_hit(AssignmentDurationInSeconds=60))
        market.clock.advance(seconds=91)
        query = "SELECT count(*) FROM assignment WHERE status = 'Abandoned'"
        with contextlib.closing(sqlite3.connect(tmp_path / "server.db")) as db:
            for _ in range(100):
                if db.execute(query).fetchone() == (1,):
                    return
                time.sleep(0.05)
    pytest.fail("the sweeper did not sweep")
