"""The post's two loops and ours, and the rules, on the 24 quadrants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import pandas as pd
from PIL import Image
from quadrants import superclasses

from mturk_eval.compressors.classifier_preserving import (
    Bisection,
    Classifier,
    Ending,
    Exhaustive,
    Preserved,
    ProbabilityAtLeast,
    Qualities,
    RandomQuality,
    Rule,
    RuleError,
    SameSuperclass,
    Search,
    Shrink,
    Sizes,
    Steps,
    TopK,
    preserve,
)
from mturk_eval.stimuli.codecs import find_codec

JPEG: Final = find_codec("jpeg")
SHRINK: Final = Steps(step=Shrink())
REPEAT_JPEG: Final = Steps(step=RandomQuality(codec=JPEG))
LIMIT: Final = 100  # of the loop that may never end
LEVELS: Final = 101

SEARCHES: Final[dict[str, Search]] = {
    "post: shrink by 10 pixels, again and again": SHRINK,
    "post: JPEG at random quality, again and again": REPEAT_JPEG,
    "bisection on the scale": Bisection(ladder=Sizes()),
    "every scale": Exhaustive(ladder=Sizes()),
    "bisection on JPEG's quality": Bisection(ladder=Qualities(codec=JPEG, levels=LEVELS)),
    "every quality of JPEG": Exhaustive(ladder=Qualities(codec=JPEG, levels=LEVELS)),
    "bisection on WebP's quality": Bisection(
        ladder=Qualities(codec=find_codec("webp"), levels=LEVELS)
    ),
}
_REPEATED: Final = tuple(name for name in SEARCHES if "random" in name)
_CHECKS: Final = {
    "the scale": ("bisection on the scale", "every scale"),
    "JPEG's quality": ("bisection on JPEG's quality", "every quality of JPEG"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One search on one quadrant."""

    search: str
    image: str
    seed: int
    original: Image.Image
    made: Preserved


def run_all(
    pictures: Mapping[str, Image.Image], classifier: Classifier, *, seeds: int
) -> list[Run]:
    """Every search on every picture under the post's rule; those that draw at random repeated."""
    return [
        Run(
            search=name,
            image=image,
            seed=seed,
            original=picture,
            made=preserve(
                picture,
                classifier,
                search=search,
                max_iterations=LIMIT if name in _REPEATED else 1000,
                seed=seed,
            ),
        )
        for name, search in SEARCHES.items()
        for image, picture in pictures.items()
        for seed in range(seeds if name in _REPEATED else 1)
    ]


def sizes_table(runs: Sequence[Run]) -> pd.DataFrame:
    """Where each search ends: bytes and bits per pixel, pictures tried, and why it ended."""
    rows = []
    for name in SEARCHES:
        of = [run for run in runs if run.search == name]
        rows.append(
            {
                "search": name,
                "runs": len(of),
                "median_bytes": median(len(run.made.coded) for run in of),
                "median_bpp": median(run.made.kept.bpp for run in of),
                "median_pictures_tried": median(len(run.made.trace) - 1 for run in of),
                "share_answer_changed": _share(of, Ending.answer_changed),
                "share_nothing_left": _share(of, Ending.nothing_left),
                "share_iteration_limit": _share(of, Ending.iteration_limit),
                "median_smallest_kept_bytes": median(
                    min(row.size_bytes for row in run.made.trace if row.kept) for run in of
                ),
            }
        )
    return pd.DataFrame(rows)


def synonyms_table(runs: Sequence[Run], labels: Sequence[str]) -> pd.DataFrame:
    """Which class took over where the post's loops stopped: one of the same photograph?"""
    groups = superclasses(tuple(labels))
    rows = []
    for name in list(SEARCHES)[:2]:
        stops = [
            (run.made.original_class, run.made.trace[-1].top_1)
            for run in runs
            if run.search == name and run.made.ending is Ending.answer_changed
        ]
        alike = sum(groups[before] == groups[after] for before, after in stops)
        rows.append({"search": name, "stops": len(stops), "to_the_same_photograph": alike})
    return pd.DataFrame(rows)


def monotone_table(runs: Sequence[Run]) -> pd.DataFrame:
    """How often something below the rung that bisection found passes too."""
    made = {(run.search, run.image): run.made for run in runs if run.seed == 0}
    images = sorted({run.image for run in runs})
    rows = []
    for name, (quick, slow) in _CHECKS.items():
        missed = [
            image
            for image in images
            if len(made[slow, image].coded) < len(made[quick, image].coded)
        ]
        # A picture wavers if it passes, fails and passes again on the way down.
        wavering = sum(_returns(made[slow, image]) for image in images)
        rows.append(
            {
                "ladder": name,
                "images": len(images),
                "answer_comes_back": wavering,
                "bisection_missed_smaller": len(missed),
                "median_tried_by_bisection": median(
                    len(made[quick, image].trace) - 1 for image in images
                ),
                "median_tried_by_every": median(
                    len(made[slow, image].trace) - 1 for image in images
                ),
                "median_bytes_ratio": median(
                    len(made[quick, image].coded) / len(made[slow, image].coded) for image in images
                ),
            }
        )
    return pd.DataFrame(rows)


def rules_table(
    pictures: Mapping[str, Image.Image], classifier: Classifier, labels: Sequence[str]
) -> pd.DataFrame:
    """What other rules than the post's allow, by bisection on JPEG's quality and on the scale."""
    rules: dict[str, Rule] = {
        "probability ≥ 0.5": ProbabilityAtLeast(0.5),
        "top-1 (the post's)": TopK(1),
        "top-3": TopK(3),
        "same photograph (superclass)": SameSuperclass(superclasses(tuple(labels))),
    }
    rows = []
    for name, rule in rules.items():
        row: dict[str, object] = {"rule": name}
        for ladder in ("bisection on JPEG's quality", "bisection on the scale"):
            made = [
                preserved
                for picture in pictures.values()
                if (preserved := _preserved(picture, classifier, SEARCHES[ladder], rule))
            ]
            row["images"] = len(made)
            row[f"median_bpp, {ladder}"] = median(one.kept.bpp for one in made)
        rows.append(row)
    return pd.DataFrame(rows)


def _preserved(
    picture: Image.Image, classifier: Classifier, search: Search, rule: Rule
) -> Preserved | None:
    try:
        return preserve(picture, classifier, search=search, rule=rule)
    except RuleError:  # the original itself is not that certain
        return None


def _returns(made: Preserved) -> bool:
    kept = [row.kept for row in made.trace]
    return True in kept[kept.index(False) :] if False in kept else False


def _share(runs: Sequence[Run], ending: Ending) -> float:
    return sum(run.made.ending is ending for run in runs) / len(runs)
