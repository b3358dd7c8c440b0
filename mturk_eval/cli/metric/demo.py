"""The last stage of `mturk-eval demo`: a metric from the votes it collected."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mturk_eval.demo import DemoResult

BACKBONE: Final = "squeezenet1_1"
SEED: Final = 1
_TEST_SHARE: Final = 1 / 3  # two of the six photographs
_LIBRARIES: Final = ("torch", "safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoMetric:
    """The metric's file (None where the extra is not installed) and what to say of it."""

    path: Path | None
    message: str


def train_demo_metric(demo: DemoResult, tell: Callable[[str], None]) -> DemoMetric:
    """Train on the demo's votes with a backbone drawn at random, or say that this was skipped."""
    if any(importlib.util.find_spec(library) is None for library in _LIBRARIES):
        return DemoMetric(
            path=None,
            message="Skipped: a metric from the votes. It takes pip install 'mturk-eval[metric]'.",
        )
    from mturk_eval.cli.answers import Answers
    from mturk_eval.cli.metric.sources import PictureSource, VoteSource
    from mturk_eval.cli.metric.training import Extracting, OtherMetrics, train_and_write
    from mturk_eval.metric.backbones import random_backbone
    from mturk_eval.metric.split import split_by_original
    from mturk_eval.metric.study import LEARNED

    tell(f"… a metric from the votes, on {BACKBONE} with random weights")
    folder = demo.folder
    source = VoteSource(
        answers=Answers(
            data=None, rename={}, scale=None, drop_missing=False, batches=(), ledger=demo.ledger
        ),
        pictures=PictureSource(
            originals=None, reconstructions=None, batch_folders=(folder / "2afc",)
        ),
    )
    backbone, out = random_backbone(BACKBONE, SEED), folder / "metric.safetensors"
    voted = source.read(lambda _done, _all: None)
    trained = train_and_write(
        voted,
        backbone,
        out,
        split=split_by_original(voted.triplets, test_share=_TEST_SHARE, seed=SEED),
        extracting=Extracting(folder=folder / "metric-features"),
        others=OtherMetrics(classical=False, colours="RGB", table=None, directions={}),
        seed=SEED,
    )
    comparison = trained.comparison
    score = None if comparison is None else comparison.row(LEARNED).score.value
    agrees = "" if score is None else f": agrees with {score:.0%} of the votes on two photographs"
    return DemoMetric(
        path=out,
        message=(
            f"A metric from the votes: {out}\n"
            f"                         on {backbone.label}{agrees}\n"
            "                         it did not see. The steps are real; with random weights and "
            "simulated\n                         raters the score says nothing about metrics.\n"
            "                         mturk-eval metric score metric.safetensors originals "
            "reconstructions-compared"
        ),
    )
