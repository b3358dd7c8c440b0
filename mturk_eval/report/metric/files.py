"""Figures as files: SVG and PNG, with their numbers as CSV beside them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from mturk_eval.metric.backbone_files import write_atomically
from mturk_eval.metric.comparison import MetricComparison
from mturk_eval.report.metric.weights import ChannelWeights
from mturk_eval.report.style import paper_style, svg_bytes
from mturk_eval.stats.evaluation.metric_results import Estimate

_DOTS_PER_INCH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedFigure:
    """A figure and the numbers in it."""

    name: str
    figure: Figure
    table: pd.DataFrame


def write_figure(one: NumberedFigure, folder: Path) -> tuple[Path, ...]:
    """Write NAME.svg, NAME.png and NAME.csv; each appears whole or not at all."""
    files = {
        folder / f"{one.name}.svg": svg_bytes(one.figure),
        folder / f"{one.name}.png": png_bytes(one.figure),
        folder / f"{one.name}.csv": one.table.to_csv(index=False).encode(),
    }
    for path, data in files.items():
        write_atomically(path, data)
    return tuple(files)


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG, 200 dots per inch; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with paper_style():
        figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def score_table(result: MetricComparison) -> pd.DataFrame:
    """Rows of `score_figure`: human lines, then metrics, as the comparison has them.

    Columns ``kind`` (``human`` or ``metric``), ``name``, ``score``, ``ci_low``, ``ci_high``,
    ``log_loss``, ``n_triplets``.
    """
    n = result.n_triplets
    people = [
        {"kind": "human", "name": line, **_cells(estimate), "log_loss": None, "n_triplets": n}
        for line, estimate in result.human.items()
    ]
    metrics = [
        {
            "kind": "metric", "name": row.metric, **_cells(row.score),
            "log_loss": row.log_loss.value, "n_triplets": n,
        }
        for row in result.rows
    ]  # fmt: skip
    return pd.DataFrame([*people, *metrics])


def score_by_rate_table(result: MetricComparison) -> pd.DataFrame:
    """Rows of `score_by_rate_figure`, with ``bpp`` before the columns of `score_table`."""
    return pd.DataFrame(
        [
            {
                "bpp": part.level, "kind": kind, "name": name, **_cells(estimate),
                "n_triplets": part.n_triplets,
            }
            for part in result.breakdowns
            if part.by == "bpp"
            for kind, named in (("human", part.human), ("metric", part.scores))
            for name, estimate in named.items()
        ]
    )  # fmt: skip


def weight_table(weights: ChannelWeights) -> pd.DataFrame:
    """Rows of `weights_figure`, one per channel in the backbone's order.

    Columns ``layer`` (from 1), ``name``, ``channel`` (from 0), ``weight``, ``mean_feature`` and
    ``share``, the part of the mean distance that the channel adds.
    """
    added = weights.weights * weights.mean_features
    total = added.sum()
    shares = added / total if total > 0 else added
    return pd.DataFrame(
        [
            {
                "layer": layer + 1, "name": name, "channel": place - part.start,
                "weight": weights.weights[place], "mean_feature": weights.mean_features[place],
                "share": shares[place],
            }
            for layer, (name, part) in enumerate(
                zip(weights.layers.names, weights.layers.slices, strict=True)
            )
            for place in range(part.start, part.stop)
        ]
    )  # fmt: skip


def _cells(estimate: Estimate) -> dict[str, float | None]:
    return {"score": estimate.value, "ci_low": estimate.ci_low, "ci_high": estimate.ci_high}
