"""A simulated rater at the worker site: sign in, accept, read the page, answer, submit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from mturk_eval.batch import Batch
from mturk_eval.errors import EndpointUnreachableError, SimulationError
from mturk_eval.hits.responses import answer_fields
from mturk_eval.ledger import PublishedHit
from mturk_eval.simulate.raters import Rater
from mturk_eval.trials import SatisfactionTrial, Trial

_TIMEOUT_S: Final = 60.0
_AT_ONCE: Final = 4

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What the simulated raters did."""

    n_raters: int
    n_submitted: int
    n_unavailable: int

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "raters": self.n_raters,
            "assignments_submitted": self.n_submitted,
            "assignments_unavailable": self.n_unavailable,
        }


def simulate(
    batch: Batch,
    hits: Sequence[PublishedHit],
    raters: Sequence[Rater],
    qualities: Mapping[str, float],
    *,
    origin: str,
    progress: Progress = lambda _done, _all: None,
) -> Simulated:
    """Let every rater do every open HIT of a batch through the worker site.

    Parameters
    ----------
    batch : Batch
    hits : sequence of PublishedHit
        The posted HITs of the batch.
    raters : sequence of Rater
    qualities : mapping
        The true quality, 1 to 10, of each stimulus by id.
    origin : str
        Where the worker site is.

    Returns
    -------
    Simulated
        A HIT that a rater did before, or that is taken, is counted as unavailable.

    Raises
    ------
    SimulationError
        If the origin is Amazon's, or a page or its submission is not as it should be.
    EndpointUnreachableError
        If nothing answers.
    """
    if urlsplit(origin).hostname in (None, "") or ".amazonaws.com" in origin:
        raise SimulationError(
            "Simulated raters work at our own server only; AWS's endpoints are for people."
        )
    specs = {spec.name: spec.trials for spec in batch.hits}
    looked_at = _LookedAt()
    stop = threading.Event()
    done = submitted = 0
    total = len(raters) * len(hits)

    def work(rater: Rater) -> tuple[int, int]:
        with httpx.Client(base_url=origin, timeout=_TIMEOUT_S, follow_redirects=True) as browser:
            _sign_in(browser, rater)
            mine = 0
            for hit in hits:
                if stop.is_set():
                    break
                mine += _do_hit(browser, rater, hit, specs[hit.name], qualities, looked_at)
            return mine, len(hits)

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        jobs = [pool.submit(work, rater) for rater in raters]
        try:
            for job in as_completed(jobs):
                mine, seen = job.result()
                submitted += mine
                done += seen
                progress(done, total)
        except httpx.TransportError as error:
            raise EndpointUnreachableError(origin) from error
        finally:
            stop.set()
            for job in jobs:
                job.cancel()
    return Simulated(n_raters=len(raters), n_submitted=submitted, n_unavailable=total - submitted)


def _sign_in(browser: httpx.Client, rater: Rater) -> None:
    answer = browser.post("/sign-in", data={"name": rater.name}, headers=_origin(browser))
    if answer.status_code != 200:
        raise SimulationError(
            f"{browser.base_url} has no worker site that lets {rater.name} sign in "
            f"(POST /sign-in answered {answer.status_code})."
        )


def _do_hit(
    browser: httpx.Client,
    rater: Rater,
    hit: PublishedHit,
    trials: Sequence[Trial],
    qualities: Mapping[str, float],
    looked_at: _LookedAt,
) -> bool:
    """Accept, answer and submit one HIT; False if it is not to be had."""
    accepted = browser.post(
        f"/projects/{hit.hit_type_id}/tasks/{hit.hit_id}/accept", headers=_origin(browser)
    )
    if accepted.status_code == 409:
        return False
    if accepted.status_code != 200:
        raise SimulationError(
            f"{rater.name} cannot accept HIT {hit.hit_id}: the worker site answers "
            f"{accepted.status_code}."
        )
    frame_url = urljoin(str(accepted.url), _Page.read(accepted.text).frame or "")
    page = browser.get(frame_url)
    form = _Page.read(page.text)
    looked_at.look(browser, form.images)
    fields = dict(form.hidden)
    clock_ms = 400.0
    for trial in trials:
        _check_offered(form, trial)
        seconds = rater.seconds(trial.id)
        fields |= answer_fields(
            trial,
            _answer(rater, trial, qualities),
            first_paint_ms=round(clock_ms),
            answered_ms=round(clock_ms + 1000 * seconds),
            magnifier_ms=None if isinstance(trial, SatisfactionTrial) else round(300 * seconds),
        )
        clock_ms += 1000 * seconds + 150
    query = parse_qs(urlsplit(frame_url).query)
    fields["assignmentId"] = query["assignmentId"][0]
    target = f"{query['turkSubmitTo'][0]}/mturk/externalSubmit"
    answer = browser.post(target, data=fields)
    if answer.status_code != 200:
        raise SimulationError(
            f"The submission of {rater.name} for HIT {hit.hit_id} was answered "
            f"{answer.status_code}."
        )
    return True


def _answer(rater: Rater, trial: Trial, qualities: Mapping[str, float]) -> str:
    if isinstance(trial, SatisfactionTrial):
        return str(rater.rate(trial.id, qualities[trial.reconstruction.id]))
    return rater.choose(trial.id, qualities[trial.left.id], qualities[trial.right.id])


def _check_offered(form: _Page, trial: Trial) -> None:
    if trial.id not in form.trial_ids:
        raise SimulationError(
            f"The page at the server does not show trial {trial.id}: it is of another batch."
        )


def _origin(browser: httpx.Client) -> dict[str, str]:
    """What a browser sends along with a form of the site itself."""
    base = browser.base_url
    return {"Origin": f"{base.scheme}://{base.netloc.decode()}"}


class _LookedAt:
    """Loads each image once over all raters: one that does not load would stop a person."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: set[str] = set()

    def look(self, browser: httpx.Client, urls: Sequence[str]) -> None:
        for url in urls:
            with self._lock:
                if url in self._seen:
                    continue
                self._seen.add(url)
            answer = browser.get(url)
            if answer.status_code != 200 or not answer.headers.get("content-type", "").startswith(
                "image/"
            ):
                raise SimulationError(f"The image {url} does not load ({answer.status_code}).")


@dataclass
class _Page(HTMLParser):
    """What a rater needs of an HTML page: its frame, trials, images and hidden fields."""

    frame: str | None = None
    trial_ids: set[str] = field(default_factory=set)
    images: list[str] = field(default_factory=list)
    hidden: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def read(cls, html: str) -> _Page:
        page = cls()
        page.feed(html)
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "iframe":
            self.frame = values.get("src")
        elif tag == "img" and values.get("src"):
            self.images.append(values["src"])
        elif tag == "input" and values.get("type") == "hidden" and values.get("name"):
            self.hidden[values["name"]] = values.get("value", "")
        if "data-trial-id" in values:
            self.trial_ids.add(values["data-trial-id"])
