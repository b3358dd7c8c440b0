"""``mturk-eval metric score`` and ``metric export``: a trained metric at work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mturk_eval.cli.context import print_json, progress_bar, stopping
from mturk_eval.cli.metric import options
from mturk_eval.cli.metric.arguments import check_out
from mturk_eval.cli.options import Json


def score(
    file: Annotated[Path, typer.Argument(help="Metric: .safetensors, or its export to .onnx.")],
    reference: Annotated[
        Path,
        typer.Argument(
            metavar="REF", help="Original, folder of originals, or CSV: reference, distorted."
        ),
    ],
    distorted: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIST…", help="Pictures, or folders of them with the same names."),
    ] = None,
    backbone_weights: options.BackboneWeights = None,
    device: options.Device = "cpu",
    json: Json = False,
) -> None:
    """Print distances of pictures from their originals: 0 for equal pixels, larger is worse.

    E.g. mturk-eval metric score metric.safetensors photo.png photo-jxl.png photo-webp.png
    """
    from mturk_eval.cli.metric.scoring import pairs_to_score
    from mturk_eval.cli.metric.training import tell_backbone
    from mturk_eval.metric.scoring import load_metric, score_files

    pairs = pairs_to_score(reference, distorted or [])
    metric = load_metric(file, backbone_weights=backbone_weights, device=device)
    if metric.record.random_seed is not None:
        tell_backbone(metric.label, metric.record.random_seed)
    distances = []
    with stopping("No distances were printed."), progress_bar("Distances") as progress:
        for distance in score_files(metric, pairs):
            distances.append(distance)
            progress(len(distances), len(pairs))
    rows = [
        {
            "reference": str(pair.original),
            "distorted": str(pair.reconstruction),
            "distance": distance,
        }
        for pair, distance in zip(pairs, distances, strict=True)
    ]
    if json:
        print_json(
            {
                "metric": str(file),
                "backbone": metric.record.name,
                "random_backbone": metric.record.random_seed is not None,
                "rows": rows,
            }
        )
        return
    from mturk_eval.report.tables import text_table, wrapped

    typer.echo(
        text_table(
            ["reference", "distorted", "distance"],
            [
                [str(p.original), str(p.reconstruction), d]
                for p, d in zip(pairs, distances, strict=True)
            ],
            digits=4,
        )
    )
    typer.echo(
        "\n"
        + wrapped(
            f"Distances by {file} on {metric.label}: 0 for equal pixels, larger is worse; "
            f"{metric.provenance.scale}."
        )
    )


def export(
    file: Annotated[Path, typer.Argument(help="Metric of `metric train`.")],
    to: Annotated[
        options.FormatName,
        typer.Option("--format", help="lpips-pth: as LPIPS reads it; onnx: needs no torch."),
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write, .pth or .onnx.")],
    backbone_weights: options.BackboneWeights = None,
    json: Json = False,
) -> None:
    """Write a metric for LPIPS, or with its backbone as one ONNX file.

    E.g. mturk-eval metric export metric.safetensors --format onnx --out metric.onnx
    """
    from mturk_eval.cli.metric.training import BackboneChoice, tell_backbone
    from mturk_eval.metric.architectures import architecture_of
    from mturk_eval.metric.heads import write_lpips_heads
    from mturk_eval.metric.onnx_export import write_onnx
    from mturk_eval.metric.weights_file import read_metric_weights

    check_out(out, ".onnx" if to is options.FormatName.onnx else ".pth")
    metric = read_metric_weights(file)
    record = metric.backbone
    tell_backbone(record.label, record.random_seed)
    if to is options.FormatName.onnx:
        opened = BackboneChoice(
            name=record.name, weights=backbone_weights, random_seed=record.random_seed
        ).open()
        write_onnx(metric, opened, out)
    else:
        write_lpips_heads(metric.weights, architecture_of(record.name), out)
    if json:
        print_json(
            {
                "metric": str(file),
                "format": to.value,
                "out": str(out),
                "backbone": record.name,
                "random_backbone": record.random_seed is not None,
            }
        )
        return
    typer.echo(f"{out}: {file} on {record.label}, {out.stat().st_size / 1e6:.1f} MB.")
