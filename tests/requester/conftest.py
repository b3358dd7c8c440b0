"""A study with its own ledger and requester account at a running server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mturk_eval.batch import Batch
from mturk_eval.config import Settings
from mturk_eval.hits.templates import load_templates
from mturk_eval.ledger import Ledger, open_ledger
from mturk_eval.requester.client import MTurkMarketplace, connect
from mturk_eval.requester.collect import Collected, batches_at, collect
from mturk_eval.requester.publish import Published, PublishPlan, execute_publish, plan_publish
from mturk_eval.simulate.drive import simulate
from mturk_eval.simulate.raters import PROFILES, make_raters, pixel_quality
from mturk_eval.stimuli.hosting import hosting_for
from mturk_eval.trials import Kind
from tests.market import Market
from tests.samples import make_batch, make_settings


@dataclass
class Study:
    """What a researcher does, without the command line."""

    folder: Path
    market: Market
    settings: Settings
    ledger: Ledger
    marketplace: MTurkMarketplace
    batches: dict[str, tuple[Batch, Path]] = field(default_factory=dict)

    def generate(self, kind: Kind, name: str = "study", **options: Any) -> Batch:
        self.batches[name] = make_batch(self.folder, kind, name=name, **options)
        return self.batches[name][0]

    def publish(
        self, name: str = "study", marketplace: Any = None, *, adopt: bool = False
    ) -> Published:
        batch, _ = self.batches[name]
        plan = plan_publish(batch, self.settings, self.ledger, load_templates(self.folder))
        return self.execute(plan, name, marketplace, adopt=adopt)

    def execute(
        self, plan: PublishPlan, name: str, marketplace: Any = None, *, adopt: bool = False
    ) -> Published:
        _, folder = self.batches[name]
        return execute_publish(
            plan,
            folder,
            marketplace=marketplace or self.marketplace,
            hosting=hosting_for(
                self.settings.hosting,
                endpoint_url=self.market.url,
                credentials=self.marketplace.credentials,
            ),
            ledger=self.ledger,
            templates=load_templates(self.folder),
            adopt=adopt,
        )

    def posted(self) -> list[dict[str, Any]]:
        """The HITs that the server knows of this requester."""
        pages = self.market.mturk.get_paginator("list_hits").paginate()
        return [hit for page in pages for hit in page["HITs"]]

    def simulate(self, raters: int, name: str = "study") -> int:
        batch, folder = self.batches[name]
        return simulate(
            batch,
            list(self.ledger.hits(batch.id).values()),
            make_raters(raters, seed=1, profile=PROFILES["typical"]),
            pixel_quality(batch, folder),
            origin=self.market.url,
        ).n_submitted

    def collect(self, batches: Sequence[str] = ()) -> list[Collected]:
        here, _ = batches_at(self.ledger, self.market.url, batches)
        return collect(self.ledger, self.marketplace, here)


@pytest.fixture
def study(tmp_path: Path, market: Market, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    """An empty study of a requester whom nobody else uses."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", market.account)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    settings = make_settings(endpoint=market.url, ledger=f"sqlite:///{tmp_path / 'mturk_eval.db'}")
    with open_ledger(settings.ledger) as ledger:
        yield Study(tmp_path, market, settings, ledger, connect(market.url))
