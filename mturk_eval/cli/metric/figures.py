"""``metric map``, and the figures of ``metric train`` and ``metric evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mturk_eval.cli.context import print_json, say
from mturk_eval.cli.metric import options
from mturk_eval.cli.options import Json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mturk_eval.cli.metric.sources import VotedPictures
    from mturk_eval.cli.metric.training import Extracting
    from mturk_eval.metric.backbones import Backbone
    from mturk_eval.metric.comparison import MetricComparison
    from mturk_eval.metric.weights_file import MetricWeights
    from mturk_eval.report.metric.files import NumberedFigure

_FORMATS = (".png", ".svg")


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedMetric:
    """A metric whose weights are drawn: its file, its weights, its backbone."""

    path: Path
    weights: NDArray[np.float64]
    backbone: Backbone


def learned_metrics(
    metrics: Mapping[Path, MetricWeights], backbone_weights: Path | None
) -> list[LearnedMetric]:
    """Metrics of files, each with its backbone opened."""
    from mturk_eval.cli.metric.training import BackboneChoice

    return [
        LearnedMetric(
            path=path,
            weights=metric.weights.astype("float64"),
            backbone=BackboneChoice(
                name=metric.backbone.name,
                weights=backbone_weights,
                random_seed=metric.backbone.random_seed,
            ).open(),
        )
        for path, metric in metrics.items()
    ]


def check_folder(folder: Path | None) -> None:
    """Refuse a place where no folder can be, before the work."""
    if folder is not None and folder.exists() and not folder.is_dir():
        raise typer.BadParameter(
            f"--figures {folder}: there is a file of this name. Give a folder."
        )


def write_figures(
    folder: Path | None,
    comparison: MetricComparison,
    metrics: Sequence[LearnedMetric],
    voted: VotedPictures,
    extracting: Extracting,
) -> list[Path]:
    """Draw a comparison into a folder, if there is one; the files written."""

    if folder is None:
        return []
    from mturk_eval.report.metric.files import write_figure

    drawn = _figures(comparison, metrics, voted, extracting)
    if not any(one.name == "metric-scores-by-rate" for one in drawn):
        say("Note: no figure by bit-rate: the votes are on one rate, or on none.")
    written = [path for one in drawn for path in write_figure(one, folder)]
    say(f"{folder}: {', '.join(one.name for one in drawn)} as SVG, PNG and CSV.")
    return written


def _figures(
    comparison: MetricComparison,
    metrics: Sequence[LearnedMetric],
    voted: VotedPictures,
    extracting: Extracting,
) -> list[NumberedFigure]:
    import numpy as np

    from mturk_eval.metric.weights_file import BackboneRecord
    from mturk_eval.report.metric.files import (
        NumberedFigure,
        score_by_rate_table,
        score_table,
        weight_table,
    )
    from mturk_eval.report.metric.footers import rate_footer, score_footer, weight_footer
    from mturk_eval.report.metric.scores import score_by_rate_figure, score_figure
    from mturk_eval.report.metric.weights import ChannelWeights, weights_figure

    records = [BackboneRecord.of(metric.backbone) for metric in metrics]
    drawn = [
        NumberedFigure(
            name="metric-scores",
            figure=score_figure(comparison, score_footer(comparison, records)),
            table=score_table(comparison),
        )
    ]
    by_rate = score_by_rate_figure(comparison, rate_footer(comparison, records))
    if by_rate is not None:
        table = score_by_rate_table(comparison)
        drawn.append(NumberedFigure(name="metric-scores-by-rate", figure=by_rate, table=table))
    tested = slice(None) if comparison.split is None else comparison.split.test
    for metric, record in zip(metrics, records, strict=True):
        first, second, _ = extracting.vectors(voted, metric.backbone)
        weights = ChannelWeights(
            layers=metric.backbone.architecture.layer_slices,
            weights=metric.weights,
            mean_features=np.concatenate([first[tested], second[tested]]).mean(
                axis=0, dtype="float64"
            ),
        )
        drawn.append(
            NumberedFigure(
                name="metric-weights"
                if len(metrics) == 1
                else f"metric-weights-{metric.path.stem}",
                figure=weights_figure(weights, weight_footer(metric.path.name, comparison, record)),
                table=weight_table(weights),
            )
        )
    return drawn


def draw_map(
    file: Annotated[Path, typer.Argument(help="Metric of `metric train`, .safetensors.")],
    reference: Annotated[Path, typer.Argument(help="Original.")],
    distorted: Annotated[Path, typer.Argument(help="Its reconstruction, of the same size.")],
    out: Annotated[Path, typer.Option("--out", help="Picture to write, .png or .svg.")],
    backbone_weights: options.BackboneWeights = None,
    device: options.Device = "cpu",
    json: Json = False,
) -> None:
    """Draw where a reconstruction differs from its original, in all and layer by layer.

    E.g. mturk-eval metric map metric.safetensors photo.png photo-webp.png --out map.png
    """
    from mturk_eval.cli.metric.training import tell_backbone
    from mturk_eval.metric.backbone_files import write_atomically
    from mturk_eval.metric.devices import check_device
    from mturk_eval.metric.difference_maps import difference_maps
    from mturk_eval.metric.errors import import_extra
    from mturk_eval.metric.pictures import read_pixels

    if out.suffix not in _FORMATS or out.is_dir():
        raise typer.BadParameter(f"--out {out}: give a file that ends in .png or .svg.")
    if file.suffix != ".safetensors":
        raise typer.BadParameter(
            f"{file}: maps need the weights, which are in the .safetensors file of `metric train`."
        )
    import_extra("torch", "Maps of differences")
    from mturk_eval.metric.model import LPIPSComp
    from mturk_eval.report.metric.files import png_bytes
    from mturk_eval.report.metric.footers import map_footer
    from mturk_eval.report.metric.maps import maps_figure
    from mturk_eval.report.style import svg_bytes

    check_device(device)
    pixels = read_pixels(reference), read_pixels(distorted)
    metric = LPIPSComp.load(file, backbone_weights=backbone_weights).to(device)
    if metric.record.random_seed is not None:
        tell_backbone(metric.label, metric.record.random_seed)
    maps = difference_maps(metric, *pixels)
    footer = map_footer(file.name, str(reference), str(distorted), maps, metric.metric)
    figure = maps_figure(*pixels, maps, footer)
    write_atomically(out, png_bytes(figure) if out.suffix == ".png" else svg_bytes(figure))
    if json:
        print_json(
            {
                "metric": str(file),
                "backbone": metric.record.name,
                "random_backbone": metric.record.random_seed is not None,
                "reference": str(reference),
                "distorted": str(distorted),
                "out": str(out),
                "distance": maps.distance,
                "layers": [
                    {"layer": name, "distance": part}
                    for name, part in zip(maps.layer_names, maps.layer_distances, strict=True)
                ],
            }
        )
        return
    typer.echo(f"{out}: {distorted} differs from {reference} by {maps.distance:.4f}.")
