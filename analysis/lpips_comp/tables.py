"""What was published of the learned metric, beside what comes out here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd
from pipeline import VOTERS, Pictures, Reproduced
from reconstructions import METHODS, RATES_BPP

from mturk_eval.metric.comparison import MetricComparison
from mturk_eval.metric.study import EQUAL, LEARNED
from mturk_eval.report.metric.files import score_table
from mturk_eval.stats.evaluation.metric_results import Estimate

_NONE: Final = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the paper says of two bars of its Figure 3: ``more`` is above ``less``."""

    words: str
    more: str
    less: str


CLAIMS: Final = (
    Claim(words="deep features above PSNR", more=EQUAL, less="PSNR"),
    Claim(words="deep features above MS-SSIM", more=EQUAL, less="MS-SSIM"),
    Claim(words="LPIPS-Comp above the same features unweighted", more=LEARNED, less=EQUAL),
    Claim(words="LPIPS-Comp above PSNR", more=LEARNED, less="PSNR"),
    Claim(
        words="LPIPS-Comp + PSNR above LPIPS-Comp", more=f"{LEARNED} + PSNR (RANSAC)", less=LEARNED
    ),
)
"""Section 2.3 and Figure 3 state the order in words; no number is printed."""


def comparison(studies: Mapping[str, Reproduced], backbone: str) -> str:
    """Design and claims, published against reproduced, as Markdown."""
    some = next(iter(studies.values()))
    triplets, split = some.votes.triplets, some.split
    n_originals = len(split.train_images) + len(split.test_images)
    rows = [
        ("originals × rates × pairs", "200 × 4 × 6", f"{n_originals} × {len(RATES_BPP)} × 6"),
        ("triplets", "4,800", f"{len(triplets):,}"),
        ("votes", "28,800", f"{int(triplets.n_votes.sum()):,}"),
        (
            "triplets to train and to test", "3,840 and 960",
            f"{len(split.train):,} and {len(split.test):,}, split by original",
        ),
        ("methods", "Mentzer, Patel, BPG, JPEG 2000", ", ".join(METHODS)),
        ("backbone", "VGG-16 with batch norm, ImageNet", backbone),
        ("raters", "people, number not printed", "120 simulated voters"),
    ]  # fmt: skip
    design = _table(["", "published", "here"], rows)
    claims = _table(
        ["2AFC score", "published", *(f"here, {taste}" for taste in studies)],
        [
            (claim.words, "yes, in words", *(_holds(one, claim) for one in studies.values()))
            for claim in CLAIMS
        ],
    )
    return (
        f"# Published against reproduced\n\n## The design\n\n{design}\n\n"
        f"## What Figure 3 is said to show\n\nDifferences in 2AFC score with 95 % intervals "
        f"(held-out originals resampled).\n\n{claims}\n"
    )


def scores(studies: Mapping[str, Reproduced]) -> str:
    """2AFC scores of all metrics and lines under every taste, as Markdown."""
    results = {taste: one.study.comparison for taste, one in studies.items()}
    some = next(iter(results.values()))
    people: dict[str, list[str]] = {
        words: [_cell(result.human[line]) for result in results.values()]
        for line, words in (
            ("plug_in", "*human, as published*"),
            ("unbiased", "*human, unbiased*"),
            ("majority", "*majority of these votes*"),
        )
    }  # type: ignore[misc]
    metrics = {
        row.metric: [_cell(result.row(row.metric).score) for result in results.values()]
        for row in some.rows
    }
    rows = [(name, *cells) for name, cells in (people | metrics).items()]
    return (
        "# 2AFC scores\n\nOn held-out triplets, with 95 % intervals (originals resampled); "
        f"chance is .5. *{VOTERS}* is the taste itself: more cannot be expected of a metric.\n\n"
        + _table(["", *(f"taste: {taste}" for taste in results)], rows)
        + "\n"
    )


def score_rows(studies: Mapping[str, Reproduced]) -> pd.DataFrame:
    """The same with all digits."""
    return pd.concat(
        [score_table(one.study.comparison).assign(taste=taste) for taste, one in studies.items()],
        ignore_index=True,
    )


def rates(pictures: Pictures) -> pd.DataFrame:
    """Rates that the codecs reached: the mean over originals, and the share above the target."""
    table = pd.DataFrame(
        [{"method": c.method, "target_bpp": c.target_bpp, "bpp": c.bpp} for c in pictures.coded]
    )
    table["above"] = table["bpp"] > table["target_bpp"]
    return table.groupby(["method", "target_bpp"], as_index=False).agg(
        mean_bpp=("bpp", "mean"), share_above_target=("above", "mean")
    )


def _holds(one: Reproduced, claim: Claim) -> str:
    found = _difference(one.study.comparison, claim.more, claim.less)
    if found.value is None or found.ci_low is None or found.ci_high is None:
        return _NONE
    verdict = "yes" if found.ci_low > 0 else "no, the reverse" if found.ci_high < 0 else "open"
    return f"{verdict}: {found.value:+.3f} [{found.ci_low:+.3f}, {found.ci_high:+.3f}]"


def _difference(result: MetricComparison, more: str, less: str) -> Estimate:
    for row in result.differences:
        value, low, high = row.difference.value, row.difference.ci_low, row.difference.ci_high
        if (row.metric, row.other) == (more, less):
            return row.difference
        if (row.metric, row.other) == (less, more):
            return Estimate(
                value=None if value is None else -value,
                ci_low=None if high is None else -high,
                ci_high=None if low is None else -low,
            )
    raise KeyError((more, less))


def _cell(estimate: Estimate) -> str:
    if estimate.value is None:
        return _NONE
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.ci_low:.3f}, {estimate.ci_high:.3f}]"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
