"""The tutorial is true: its commands run in its order, each with success."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_every_command_of_the_tutorial_works(tmp_path: Path) -> None:
    port = free_port()
    # As a reader's terminal, but for the port: another server may be at the default one.
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MTURK_EVAL_ENDPOINT": f"http://127.0.0.1:{port}",
    }
    folder, server, n_commands = tmp_path, None, 0
    blocks = re.findall(r"^```sh( server)?\n(.*?)^```", TUTORIAL.read_text(), re.M | re.S)
    assert len(blocks) >= 9
    try:
        for is_server, block in blocks:
            for line in block.strip().splitlines():
                n_commands += 1
                if line.startswith("cd "):
                    folder /= line.removeprefix("cd ")
                elif is_server:
                    server = subprocess.Popen(
                        [*line.split(), "--port", str(port)], cwd=folder, env=environment
                    )
                    wait_for(f"http://127.0.0.1:{port}")
                else:
                    done = subprocess.run(
                        line, shell=True, cwd=folder, env=environment,
                        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                    )  # fmt: skip
                    assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # Ctrl-C
            assert server.wait(10) == 0
    assert n_commands > 20
    report = (folder / "report.html").read_text()
    assert "Figure 1" in report
    # What the demo says is there is there.
    for name in ("report.html", "mturk_eval.db", "satisfaction/trials.csv", "2afc/trials.csv"):
        assert (tmp_path / "demo" / name).exists(), name


def wait_for(url: str) -> None:
    for _ in range(100):
        try:
            httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"no server at {url}")
