"""``mturk-eval metric``: a perceptual metric from the votes that were collected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from mturk_eval.cli import metric_options as options
from mturk_eval.cli.context import count, print_json, progress_bar, settings_of, stopping
from mturk_eval.cli.options import BatchNames, Json, LedgerUrl

if TYPE_CHECKING:
    from mturk_eval.cli.metric_sources import VotedPictures, VoteSource
    from mturk_eval.cli.metric_training import OtherMetrics
    from mturk_eval.metric.backbones import Backbone
    from mturk_eval.stats.evaluation.metric_results import Direction

DEFAULT_FEATURES = Path("metric-features")

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Learn a perceptual metric (LPIPS-Comp) from 2AFC votes, and use it.",
)


@app.command()
def train(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option("--out", help="File to write, FILE.safetensors.")],
    votes: options.Votes = None,
    originals: options.Originals = None,
    reconstructions: options.Reconstructions = None,
    batch_folder: options.BatchFolders = None,
    bapps: options.Bapps = None,
    bapps_votes: options.BappsVotes = None,
    column: options.Columns = None,
    drop_missing: options.DropMissing = False,
    exclude_rater: options.ExcludedRaters = None,
    minimum_votes: options.MinimumVotes = 1,
    backbone: options.Backbone = options.BackboneName.vgg16_bn,
    backbone_weights: options.BackboneWeights = None,
    backbone_digest: options.BackboneDigest = None,
    random_backbone: options.RandomBackbone = None,
    download_backbone: options.Download = False,
    recipe: Annotated[
        options.RecipeName,
        typer.Option("--recipe", help="convex: logistic fit; lpips: the published network."),
    ] = options.RecipeName.convex,
    test_share: Annotated[
        float, typer.Option("--test-share", help="Share of the originals to hold out.")
    ] = 0.2,
    test_images: Annotated[
        str | None,
        typer.Option(
            "--test-images", metavar="A,B,…", help="Hold out these originals instead of a share."
        ),
    ] = None,
    features: options.Features = DEFAULT_FEATURES,
    device: options.Device = "cpu",
    workers: options.Workers = 1,
    dask: options.Dask = None,
    classical: options.Classical = True,
    colours: options.Colours = options.ColoursName.rgb,
    metrics: options.OwnMetrics = None,
    direction: options.Directions = None,
    ransac: Annotated[
        bool, typer.Option("--ransac", help="Also combine metrics by RANSAC, as the paper did.")
    ] = False,
    leave_methods_out: Annotated[
        bool,
        typer.Option("--leave-methods-out", help="Train again without each method, and score it."),
    ] = False,
    resamples: options.Resamples = 2_000,
    seed: options.Seed = 0,
    batch: BatchNames = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """Train a metric on votes, write it, and score it on originals it never saw.

    E.g. mturk-eval metric train --batch-folder batch/ --out metric.safetensors
    """
    from mturk_eval.cli.metric_training import (
        BackboneChoice,
        Extracting,
        provenance_of,
        recipe_of,
        tell_backbone,
    )
    from mturk_eval.metric.errors import import_extra
    from mturk_eval.metric.split import split_by_original, split_listed
    from mturk_eval.metric.study import study_metric
    from mturk_eval.metric.weights_file import metric_weights, write_metric_weights

    # Before any work: a metric that cannot be written would be an hour lost.
    for library in ("torch", "safetensors"):
        import_extra(library, "Training a metric")
    _check_out(out, ".safetensors")
    source = _votes(
        ctx, votes, originals, reconstructions, batch_folder, bapps, bapps_votes, column,
        drop_missing, exclude_rater, minimum_votes, batch, ledger,
    )  # fmt: skip
    others = _others(classical, colours, metrics, direction)
    opened = BackboneChoice(
        name=backbone.value,
        weights=backbone_weights,
        random_seed=random_backbone,
        digest=backbone_digest,
        download=download_backbone,
    ).open()
    tell_backbone(opened.label, opened.seed)
    with stopping(f"No metric was written. Features so far are in {features}: run again."):
        voted = _read(source)
        split = (
            split_by_original(voted.triplets, test_share=test_share, seed=seed)
            if test_images is None
            else split_listed(voted.triplets, [name.strip() for name in test_images.split(",")])
        )
        z_first, z_second, done = Extracting(
            folder=features, device=device, workers=workers, dask=dask
        ).vectors(voted, opened)
        layer_sizes = opened.architecture.layer_slices.sizes
        study = study_metric(
            voted.triplets,
            z_first,
            z_second,
            split=split,
            layer_sizes=layer_sizes,
            fit=recipe_of(recipe.value, layer_sizes, seed),
            others=others.compute(voted),
            ransac=ransac,
            leave_methods_out=leave_methods_out,
            resamples=resamples,
            seed=seed,
        )
        provenance = provenance_of(study, voted, split, seed)
        write_metric_weights(metric_weights(study.trained.weights, opened, provenance), out)
    if json:
        print_json(
            {
                "out": str(out),
                **_backbone_document(opened),
                "source": voted.source,
                "notes": list(voted.notes),
                "n_pairs": done.n_pairs,
                "n_pairs_computed": done.n_computed,
                "provenance": provenance.model_dump(mode="json"),
                "comparison": study.comparison.document(),
            }
        )
        return
    from mturk_eval.report.text.metric_comparison import metric_comparison_text

    _show_source(voted, opened.label)
    typer.echo(metric_comparison_text(study.comparison))
    typer.echo(f"\n{out}: written. Next: mturk-eval metric score {out} ORIGINAL RECONSTRUCTION")


@app.command()
def features(
    originals: options.Originals = None,
    reconstructions: options.Reconstructions = None,
    batch_folder: options.BatchFolders = None,
    bapps: options.Bapps = None,
    bapps_votes: options.BappsVotes = None,
    backbone: options.Backbone = options.BackboneName.vgg16_bn,
    backbone_weights: options.BackboneWeights = None,
    backbone_digest: options.BackboneDigest = None,
    random_backbone: options.RandomBackbone = None,
    download_backbone: options.Download = False,
    features: options.Features = DEFAULT_FEATURES,
    device: options.Device = "cpu",
    workers: options.Workers = 1,
    dask: options.Dask = None,
    json: Json = False,
) -> None:
    """Compute the feature vectors of all reconstructions, before or while votes come in.

    What is there already is not computed again; a run that was stopped goes on where it was.

    E.g. mturk-eval metric features --batch-folder batch/ --device cuda
    """
    from mturk_eval.cli.metric_sources import PictureSource, all_pairs
    from mturk_eval.cli.metric_training import BackboneChoice, Extracting, tell_backbone
    from mturk_eval.metric.errors import import_extra

    import_extra("torch", "Computing features")
    if bapps is not None and (originals or reconstructions or batch_folder):
        raise typer.BadParameter("--bapps holds its pictures: give no other place of pictures.")
    opened = BackboneChoice(
        name=backbone.value,
        weights=backbone_weights,
        random_seed=random_backbone,
        digest=backbone_digest,
        download=download_backbone,
    ).open()
    tell_backbone(opened.label, opened.seed)
    with stopping(f"Vectors so far are kept in {features}: the same command goes on from there."):
        if bapps is None:
            files = PictureSource(
                originals=originals,
                reconstructions=reconstructions,
                batch_folders=tuple(batch_folder or ()),
            ).find()
            with progress_bar("Reading pictures") as progress:
                pairs = all_pairs(files, progress)
        else:
            pairs = _read(_bapps(bapps, bapps_votes)).pairs()
        extracting = Extracting(folder=features, device=device, workers=workers, dask=dask)
        done = extracting.fill(pairs, opened)
    if json:
        print_json(
            {
                "features": str(features),
                **_backbone_document(opened),
                "n_pairs": done.n_pairs,
                "n_pairs_computed": done.n_computed,
                "n_pictures_computed": done.n_pictures,
            }
        )
        return
    typer.echo(
        f"{features}: {count(done.n_pairs, 'pair')} of pictures by {opened.label}; "
        f"{done.n_computed:,} computed now, {done.n_pairs - done.n_computed:,} were there."
    )


@app.command()
def evaluate(
    ctx: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Metrics of `metric train`.")
    ],
    votes: options.Votes = None,
    originals: options.Originals = None,
    reconstructions: options.Reconstructions = None,
    batch_folder: options.BatchFolders = None,
    bapps: options.Bapps = None,
    bapps_votes: options.BappsVotes = None,
    column: options.Columns = None,
    drop_missing: options.DropMissing = False,
    exclude_rater: options.ExcludedRaters = None,
    minimum_votes: options.MinimumVotes = 1,
    backbone_weights: options.BackboneWeights = None,
    unseen: Annotated[
        bool,
        typer.Option(
            "--unseen", help="The metrics were trained on none of these originals: use all."
        ),
    ] = False,
    features: options.Features = DEFAULT_FEATURES,
    device: options.Device = "cpu",
    workers: options.Workers = 1,
    dask: options.Dask = None,
    classical: options.Classical = True,
    colours: options.Colours = options.ColoursName.rgb,
    metrics: options.OwnMetrics = None,
    direction: options.Directions = None,
    resamples: options.Resamples = 2_000,
    seed: options.Seed = 0,
    batch: BatchNames = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """Compare metrics with votes on originals they were not trained on.

    Beside them stand equal weights, one weight per layer, PSNR, MS-SSIM, metrics of your own
    (--metrics), and what people reach.

    E.g. mturk-eval metric evaluate metric.safetensors --batch-folder batch/
    """
    from mturk_eval.cli.metric_training import Extracting, tell_backbone
    from mturk_eval.cli.metric_training import evaluate as compare
    from mturk_eval.metric.errors import import_extra
    from mturk_eval.metric.weights_file import read_metric_weights

    for library in ("torch", "safetensors"):
        import_extra(library, "Evaluating a metric")
    source = _votes(
        ctx, votes, originals, reconstructions, batch_folder, bapps, bapps_votes, column,
        drop_missing, exclude_rater, minimum_votes, batch, ledger,
    )  # fmt: skip
    others = _others(classical, colours, metrics, direction)
    read = {path: read_metric_weights(path) for path in files}
    for metric in read.values():
        tell_backbone(metric.backbone.label, metric.backbone.random_seed)
    with stopping(f"There is no result. Features so far are in {features}: run again."):
        voted = _read(source)
        comparison = compare(
            read,
            voted,
            extracting=Extracting(folder=features, device=device, workers=workers, dask=dask),
            backbone_weights=backbone_weights,
            others=others,
            unseen=unseen,
            resamples=resamples,
            seed=seed,
        )
    labels = list(dict.fromkeys(metric.backbone.label for metric in read.values()))
    if json:
        print_json(
            {
                "metrics": [
                    {
                        "metric": str(path),
                        "backbone": metric.backbone.name,
                        "random_backbone": metric.backbone.random_seed is not None,
                    }
                    for path, metric in read.items()
                ],
                "source": voted.source,
                "notes": list(voted.notes),
                **comparison.document(),
            }
        )
        return
    from mturk_eval.report.text.metric_comparison import metric_comparison_text

    _show_source(voted, ", ".join(labels))
    typer.echo(metric_comparison_text(comparison))


@app.command()
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
    from mturk_eval.cli.metric_scoring import pairs_to_score
    from mturk_eval.cli.metric_training import tell_backbone
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


@app.command()
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
    from mturk_eval.cli.metric_training import BackboneChoice, tell_backbone
    from mturk_eval.metric.architectures import architecture_of
    from mturk_eval.metric.heads import write_lpips_heads
    from mturk_eval.metric.onnx_export import write_onnx
    from mturk_eval.metric.weights_file import read_metric_weights

    _check_out(out, ".onnx" if to is options.FormatName.onnx else ".pth")
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


def _votes(
    ctx: typer.Context,
    votes: Path | None,
    originals: Path | None,
    reconstructions: Path | None,
    batch_folders: Sequence[Path] | None,
    bapps: Path | None,
    bapps_votes: int | None,
    column: Sequence[str] | None,
    drop_missing: bool,
    excluded_raters: Sequence[str] | None,
    minimum_votes: int,
    batches: Sequence[str] | None,
    ledger: str | None,
) -> VoteSource:
    """Where votes and pictures are, with options that mean nothing there refused."""
    from mturk_eval.cli.answers import Answers
    from mturk_eval.cli.metric_sources import PictureSource, VoteSource

    elsewhere = votes is not None or bapps is not None
    if elsewhere and (batches or ledger):
        raise typer.BadParameter(
            "--batch and --ledger are about the ledger; with --votes or --bapps the votes are in "
            "files."
        )
    if votes is None and (column or drop_missing):
        raise typer.BadParameter("--column and --drop-missing are for a CSV given with --votes.")
    if bapps is None and bapps_votes is not None:
        raise typer.BadParameter("--bapps-votes is for a folder given with --bapps.")
    if bapps is not None and (originals or reconstructions or batch_folders):
        raise typer.BadParameter("--bapps holds its pictures: give no other place of pictures.")
    return VoteSource(
        answers=Answers(
            data=votes,
            rename=_pairs("--column", column),
            scale=None,
            drop_missing=drop_missing,
            batches=tuple(batches or ()),
            ledger="" if elsewhere else settings_of(ctx, {"ledger": ledger}).ledger,
        ),
        pictures=PictureSource(
            originals=originals,
            reconstructions=reconstructions,
            batch_folders=tuple(batch_folders or ()),
        ),
        bapps=bapps,
        bapps_votes=bapps_votes,
        excluded_raters=tuple(excluded_raters or ()),
        minimum_votes=minimum_votes,
    )


def _bapps(folder: Path, votes: int | None) -> VoteSource:
    from mturk_eval.cli.answers import Answers
    from mturk_eval.cli.metric_sources import PictureSource, VoteSource

    return VoteSource(
        answers=Answers(
            data=None, rename={}, scale=None, drop_missing=False, batches=(), ledger=""
        ),
        pictures=PictureSource(originals=None, reconstructions=None, batch_folders=()),
        bapps=folder,
        bapps_votes=votes,
    )


def _others(
    classical: bool,
    colours: options.ColoursName,
    table: Path | None,
    direction: Sequence[str] | None,
) -> OtherMetrics:
    from mturk_eval.cli.metric_training import OtherMetrics

    directions = _pairs("--direction", direction)
    for name, value in directions.items():
        if value not in {"higher", "lower"}:
            raise typer.BadParameter(
                f"--direction {name}={value}: which values are better, higher or lower?"
            )
    others = OtherMetrics(
        classical=classical,
        colours="luma" if colours is options.ColoursName.luma else "RGB",
        table=table,
        directions=cast("dict[str, Direction]", directions),
    )
    others.check()
    return others


def _read(source: VoteSource) -> VotedPictures:
    with progress_bar("Reading pictures") as progress:
        return source.read(progress)


def _show_source(voted: VotedPictures, label: str) -> None:
    from mturk_eval.report.tables import wrapped

    typer.echo(f"Votes: {voted.what}")
    typer.echo(f"Screening: {voted.screening}")
    typer.echo(f"Backbone: {label}")
    for note in voted.notes:
        typer.echo(wrapped(note, "Note: "))


def _backbone_document(backbone: Backbone) -> dict[str, object]:
    return {
        "backbone": backbone.name,
        "backbone_digest": backbone.digest,
        "random_backbone": backbone.is_random,
    }


def _check_out(out: Path, suffix: str) -> None:
    """Refuse a place where no file can be, before the work."""
    if out.is_dir() or out.suffix != suffix:
        raise typer.BadParameter(f"--out {out}: give a file that ends in {suffix}.")


def _pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """``NAME=VALUE`` options as a mapping."""
    pairs: dict[str, str] = {}
    for text in given or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value) or name in pairs:
            raise typer.BadParameter(f"{option} {text}: write {option} NAME=VALUE, each name once.")
        pairs[name] = value
    return pairs
