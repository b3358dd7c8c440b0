"""Photographs → reconstructions → HITs → a server → simulated raters → statistics → a report."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mturk_eval import __version__
from mturk_eval.batch import read_batch
from mturk_eval.config import Settings, load_settings
from mturk_eval.errors import InvalidInputError, StimuliError
from mturk_eval.generation import generate
from mturk_eval.hits.templates import load_templates
from mturk_eval.ledger import open_ledger
from mturk_eval.report.page import write_report
from mturk_eval.requester.client import connect
from mturk_eval.requester.collect import collect
from mturk_eval.requester.publish import execute_publish, plan_publish
from mturk_eval.server import ServerOptions, running_server
from mturk_eval.simulate.drive import simulate
from mturk_eval.simulate.raters import PROFILES, make_raters, pixel_quality
from mturk_eval.stimuli.codecs.registry import find_codec
from mturk_eval.stimuli.encoding import encode
from mturk_eval.stimuli.encoding_targets import ask_rates
from mturk_eval.stimuli.hosting import hosting_for
from mturk_eval.stimuli.matching import find_pictures
from mturk_eval.tidy.ledger import export_tidy, ratings_table, votes_table
from mturk_eval.trials import Kind

PHOTOGRAPHS: Final = Path(__file__).parent / "photographs"
CODECS: Final = ("jpeg", "webp", "jpeg2000")
RATES_BPP: Final = (0.15, 0.3)
RATING_RATE_BPP: Final = 0.2
SEED: Final = 1
PLACES_LEFT: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo left behind, and how long each stage took, in seconds."""

    folder: Path
    report: Path
    ledger: str
    endpoint: str
    n_ratings: int
    n_votes: int
    seconds: dict[str, float]

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return {
            "folder": str(self.folder),
            "report": str(self.report),
            "ledger": self.ledger,
            "batches": [str(self.folder / kind) for kind in ("satisfaction", "2afc")],
            "ratings": self.n_ratings,
            "votes": self.n_votes,
            "raters": "simulated",
            "seconds": {stage: round(took, 2) for stage, took in self.seconds.items()},
        }

    def message(self) -> str:
        """What to look at, and what to do next."""
        port = self.endpoint.rsplit(":", 1)[1]
        activate = Path(sys.prefix) / "bin" / "activate"
        first = (
            ""
            if shutil.which("mturk-eval") or not activate.exists()
            else f"First, once:             source {activate}\n"
        )
        return (
            f"\nDone in {sum(self.seconds.values()):.0f} s: {self.n_ratings} ratings and "
            f"{self.n_votes} votes of simulated raters.\n\n"
            f"Look at the report:      {self.report}\n"
            f"{first}"
            f"Look at the numbers:     cd {self.folder}\n"
            "                         mturk-eval analyze --model mixed\n"
            "                         mturk-eval preview 2afc\n"
            f"Rate some yourself ({PLACES_LEFT} places a HIT are left):\n"
            f"                         mturk-eval serve --port {port} --database sqlite:///server.db\n"
            "                         mturk-eval collect    (in another terminal)\n"
            "Start your own study:    mturk-eval init my-study\n"
        )


def run_demo(
    out: Path | None, *, n_raters: int, tell: Callable[[str], None] = lambda _message: None
) -> DemoResult:
    """Run a whole study, both kinds of trial, on a server of its own at a free port.

    Parameters
    ----------
    out : Path or None
        A new folder; None takes ``demo``, or the first free ``demo-2``, ``demo-3``, ….
    n_raters : int
        How many simulated raters take every HIT.
    tell : callable
        Called with a line for each stage.

    Raises
    ------
    InvalidInputError
        If ``out`` holds something already.
    """
    folder = _new_folder(out)
    clock = _Clock(tell)
    with clock.stage("sample photographs and their reconstructions"):
        originals = folder / "originals"
        shutil.copytree(PHOTOGRAPHS, originals)
        rated, compared = folder / "reconstructions-rated", folder / "reconstructions-compared"
        _encode(originals, rated, (RATING_RATE_BPP,))
        _encode(originals, compared, RATES_BPP)
    ledger_url = f"sqlite:///{folder / 'mturk_eval.db'}"
    plans: tuple[tuple[Kind, Path], ...] = (("satisfaction", rated), ("2afc", compared))
    database = f"sqlite:///{folder / 'server.db'}"
    with running_server(ServerOptions(port=0, database_url=database)) as endpoint:
        _write_settings(folder, endpoint, n_raters + PLACES_LEFT)
        settings = load_settings(folder / "mturk_eval.toml", {"ledger": ledger_url}, environment={})
        for kind, reconstructions in plans:
            with clock.stage(f"{kind} HITs: generate and publish at {endpoint}"):
                _generate_and_publish(kind, originals, reconstructions, folder, settings)
            with clock.stage(f"{kind} HITs: {n_raters} simulated raters at the worker site"):
                _simulate(folder / kind, settings, n_raters)
        with clock.stage("collect"), open_ledger(ledger_url) as ledger:
            collect(ledger, connect(endpoint), ledger.batches())
    with clock.stage("statistics and report"):
        ratings, votes = ratings_table(ledger_url), votes_table(ledger_url)
        export_tidy(ledger_url, (), folder / "responses.csv")
        report = folder / "report.html"
        write_report(
            ratings.frame,
            votes.frame,
            report,
            title=f"Demo: {', '.join(CODECS)} on six photographs (simulated raters)",
        )
    return DemoResult(
        folder=folder,
        report=report,
        ledger=ledger_url,
        endpoint=endpoint,
        n_ratings=len(ratings.frame),
        n_votes=len(votes.frame),
        seconds=clock.seconds,
    )


def _new_folder(out: Path | None) -> Path:
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InvalidInputError(f"{out} holds something already; give another --out.")
        folder = out
    else:
        folder, number = Path("demo"), 1
        while folder.exists():
            number += 1
            folder = Path(f"demo-{number}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write_settings(folder: Path, endpoint: str, assignments: int) -> None:
    """The demo's study as a settings file, so that every command works inside the folder."""
    (folder / "mturk_eval.toml").write_text(
        f'endpoint = "{endpoint}"\n'
        'ledger = "sqlite:///mturk_eval.db"\n\n'
        f"[hit]\nassignments = {assignments}\n\n"
        f"[design]\nseed = {SEED}\ncatch = 0.1\nrepeats = 0.1\ntrials_per_hit = 11\n",
        encoding="utf-8",
    )


def _encode(originals: Path, folder: Path, rates_bpp: tuple[float, ...]) -> None:
    """What `stimuli encode` does."""
    pictures = find_pictures([originals])
    outcomes = encode(
        pictures,
        {name: find_codec(name) for name in CODECS},
        ask_rates(pictures, rates_bpp),
        folder,
        workers=len(os.sched_getaffinity(0)),
    )
    for outcome in outcomes:
        if outcome.entry is None:
            raise StimuliError(f"{outcome.id}: {outcome.problem}")


def _generate_and_publish(
    kind: Kind, originals: Path, reconstructions: Path, folder: Path, settings: Settings
) -> None:
    batch = generate(
        kind,
        originals=originals,
        reconstructions=reconstructions,
        out=folder / kind,
        name=f"demo-{kind}",
        settings=settings,
        generator=f"mturk-eval {__version__}",
    ).batch
    marketplace = connect(settings.endpoint_url)
    templates = load_templates(folder)
    with open_ledger(settings.ledger) as ledger:
        execute_publish(
            plan_publish(batch, settings, ledger, templates),
            folder / kind,
            marketplace=marketplace,
            hosting=hosting_for(
                settings.hosting,
                endpoint_url=settings.endpoint_url,
                credentials=marketplace.credentials,
            ),
            ledger=ledger,
            templates=templates,
        )


def _simulate(folder: Path, settings: Settings, n_raters: int) -> None:
    batch = read_batch(folder, verify_images=False)
    with open_ledger(settings.ledger) as ledger:
        hits = list(ledger.hits(batch.id).values())
    simulate(
        batch,
        hits,
        make_raters(n_raters, seed=SEED, profile=PROFILES["typical"]),
        pixel_quality(batch, folder),
        origin=settings.endpoint_url,
    )


class _Clock:
    """Tells each stage as it begins and keeps how long it took."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.tell(f"… {name}")
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started
