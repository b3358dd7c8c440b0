"""A running server for tests: requesters by boto3, workers by httpx, a clock that can be moved."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import ClientError

from mturk_eval.server import ServerOptions, running_server
from mturk_eval.wire.question import HtmlQuestion

PAGE = """<!doctype html><title>Colours</title><style>body{font:18px system-ui;padding:2rem}</style>
<form method="post"><h1>Which colour?</h1>
<input type="hidden" name="assignmentId" id="assignmentId">
<p><label><input type="radio" name="colour" value="red" required> Red</label>
<label><input type="radio" name="colour" value="blue"> Blue</label></p>
<button>Submit</button></form>
<script>
const p = new URLSearchParams(location.search);
document.forms[0].action = p.get("turkSubmitTo") + "/mturk/externalSubmit";
document.getElementById("assignmentId").value = p.get("assignmentId");
</script>"""
HIT: dict[str, Any] = {
    "Title": "Colours",
    "Description": "Choose a colour.",
    "Reward": "0.10",
    "LifetimeInSeconds": 3600,
    "AssignmentDurationInSeconds": 600,
    "Question": HtmlQuestion(PAGE).to_xml(),
}


@dataclass
class Clock:
    """Real time, plus what it was moved by."""

    moved: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved

    def advance(self, **length: float) -> None:
        self.moved += timedelta(**length)


@dataclass
class WorkerClient:
    """A signed-in worker without a browser."""

    http: httpx.Client
    frame_http: httpx.Client  # a framed page: no cookies

    def accept(self, hit: dict[str, Any]) -> httpx.Response:
        return self.http.post(f"/projects/{hit['HITTypeId']}/tasks/{hit['HITId']}/accept")

    def hold(self, hit: dict[str, Any]) -> str:
        """Accept and return the assignment id."""
        reply = self.accept(hit)
        assert reply.status_code == 303, reply.text
        return parse_qs(urlsplit(reply.headers["location"]).query)["assignment_id"][0]

    def submit(self, assignment_id: str, **fields: str) -> httpx.Response:
        """Submit as a framed page does, without cookies."""
        form = {"assignmentId": assignment_id, **(fields or {"colour": "red"})}
        return self.frame_http.post("/mturk/externalSubmit", data=form)

    def do(self, hit: dict[str, Any], **fields: str) -> str:
        """Accept, submit, and return the assignment id."""
        assignment_id = self.hold(hit)
        assert self.submit(assignment_id, **fields).status_code == 200
        return assignment_id

    def give_back(self, assignment_id: str) -> httpx.Response:
        return self.http.post(f"/assignments/{assignment_id}/return")

    def frame(self, path: str) -> str:
        """Where the frame of a task's page points."""
        found = re.search(r'<iframe id="task" src="([^"]+)"', self.http.get(path).text)
        assert found is not None
        return unescape(found[1])


@dataclass
class Market:
    """A server with its clock, seen by one requester."""

    url: str
    clock: Clock
    folder: Path
    account: str = "tests"
    workers: dict[str, WorkerClient] = field(default_factory=dict)

    def as_requester(self, name: str) -> Market:
        # A key must look like one: no slash or comma.
        return replace(self, account=re.sub(r"\W", "-", name)[:100])

    @cached_property
    def frame_http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30)

    @cached_property
    def mturk(self) -> Any:
        return connect(self.url, self.account)

    def create_hit(self, **changes: Any) -> dict[str, Any]:
        """A HIT of ours, its title this test's own so that tests do not share a type."""
        hit: dict[str, Any] = self.mturk.create_hit(**{**HIT, "Title": self.account, **changes})
        return hit["HIT"]  # type: ignore[no-any-return]

    def hit(self, hit: dict[str, Any]) -> dict[str, Any]:
        """The HIT as it is now."""
        found: dict[str, Any] = self.mturk.get_hit(HITId=hit["HITId"])["HIT"]
        return found

    def worker(self, name: str) -> WorkerClient:
        """The worker of that name in this test."""
        name = f"{name} {self.account}"[:64]
        if name not in self.workers:
            http = httpx.Client(base_url=self.url, timeout=30)
            assert http.post("/sign-in", data={"name": name}).status_code == 303
            self.workers[name] = WorkerClient(http, self.frame_http)
        return self.workers[name]


def connect(url: str, access_key: str, secret: str = "secret", **options: Any) -> Any:
    """An unmodified boto3 client that does not retry."""
    return boto3.client(
        "mturk",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
        **options,
    )


@contextlib.contextmanager
def running_market(folder: Path, **options: Any) -> Iterator[Market]:
    """Start a server of its own."""
    clock = Clock()
    settings = ServerOptions(
        **{"port": 0, "database_url": f"sqlite:///{folder}/server.db", **options}
    )
    with running_server(settings, clock=clock) as url:
        market = Market(url, clock, folder)
        try:
            yield market
        finally:
            for worker in market.workers.values():
                worker.http.close()


def refusal(error: ClientError) -> tuple[str, str, str]:
    """Code, message and TurkErrorCode of what a client was told."""
    told: dict[str, Any] = dict(error.response)
    return told["Error"]["Code"], told["Error"]["Message"], str(told.get("TurkErrorCode", ""))
