"""``metric train``, ``features`` and ``evaluate``: from votes to a metric and its score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mturk_eval.cli.context import count, print_json, progress_bar, stopping
from mturk_eval.cli.metric import options
from mturk_eval.cli.metric.arguments import (
    bapps_source,
    check_out,
    other_metrics,
    refuse_without_test,
    vote_source,
)
from mturk_eval.cli.options import BatchNames, Json, LedgerUrl

if TYPE_CHECKING:
    from mturk_eval.cli.metric.sources import VotedPictures, VoteSource
    from mturk_eval.metric.backbones import Backbone

DEFAULT_FEATURES = Path("metric-features")


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
    exclude_rejected: options.ExcludeRejected = False,
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
        float,
        typer.Option(
            "--test-share", help="Share of the originals to hold out; 0 trains on all, no score."
        ),
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
    figures: options.Figures = None,
    resamples: options.Resamples = 2_000,
    seed: options.Seed = 0,
    batch: BatchNames = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """Train a metric on votes, write it, and score it on originals it never saw.

    E.g. mturk-eval metric train --batch-folder batch/ --out metric.safetensors
    """
    from mturk_eval.cli.metric.figures import LearnedMetric, check_folder, write_figures
    from mturk_eval.cli.metric.training import (
        BackboneChoice,
        Extracting,
        tell_backbone,
        train_and_write,
    )
    from mturk_eval.metric.errors import import_extra
    from mturk_eval.metric.split import all_to_train, split_by_original, split_listed

    # Before any work: a metric that cannot be written would be an hour lost.
    for library in ("torch", "safetensors"):
        import_extra(library, "Training a metric")
    check_out(out, ".safetensors")
    check_folder(figures)
    holds_out = test_images is not None or test_share != 0
    if not holds_out:
        refuse_without_test(
            {
                "--figures": figures is not None,
                "--metrics": metrics is not None,
                "--ransac": ransac,
                "--leave-methods-out": leave_methods_out,
            }
        )
    source = vote_source(
        ctx, votes, originals, reconstructions, batch_folder, bapps, bapps_votes, column,
        drop_missing, exclude_rater, exclude_rejected, minimum_votes, batch, ledger,
    )  # fmt: skip
    others = other_metrics(classical and holds_out, colours, metrics, direction)
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
        if test_images is not None:
            names = [name.strip() for name in test_images.split(",")]
            split = split_listed(voted.triplets, names)
        elif holds_out:
            split = split_by_original(voted.triplets, test_share=test_share, seed=seed)
        else:
            split = all_to_train(voted.triplets)
        extracting = Extracting(folder=features, device=device, workers=workers, dask=dask)
        trained = train_and_write(
            voted,
            opened,
            out,
            split=split,
            extracting=extracting,
            others=others,
            recipe=recipe.value,
            ransac=ransac,
            leave_methods_out=leave_methods_out,
            resamples=resamples,
            seed=seed,
        )
    comparison, drawn = trained.comparison, []
    if comparison is not None:
        learned = LearnedMetric(path=out, weights=trained.trained.weights, backbone=opened)
        drawn = write_figures(figures, comparison, [learned], voted, extracting)
    if json:
        print_json(
            {
                "out": str(out),
                **_backbone_document(opened),
                "source": voted.source,
                "notes": list(voted.notes),
                "n_pairs": trained.extraction.n_pairs,
                "n_pairs_computed": trained.extraction.n_computed,
                "provenance": trained.provenance.model_dump(mode="json"),
                "comparison": None if comparison is None else comparison.document(),
                "figures": [str(path) for path in drawn],
            }
        )
        return
    _show_source(voted, opened.label)
    if comparison is None:
        typer.echo(split.describe())
    else:
        from mturk_eval.report.text.metric_comparison import metric_comparison_text

        typer.echo(metric_comparison_text(comparison))
    typer.echo(f"\n{out}: written. Next: mturk-eval metric score {out} ORIGINAL RECONSTRUCTION")


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
    from mturk_eval.cli.metric.sources import PictureSource, all_pairs
    from mturk_eval.cli.metric.training import BackboneChoice, Extracting, tell_backbone
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
            pairs = _read(bapps_source(bapps, bapps_votes)).pairs()
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
    exclude_rejected: options.ExcludeRejected = False,
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
    figures: options.Figures = None,
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
    from mturk_eval.cli.metric.evaluation import evaluate as compare
    from mturk_eval.cli.metric.figures import check_folder, learned_metrics, write_figures
    from mturk_eval.cli.metric.training import Extracting, tell_backbone
    from mturk_eval.metric.errors import import_extra
    from mturk_eval.metric.weights_file import read_metric_weights

    for library in ("torch", "safetensors"):
        import_extra(library, "Evaluating a metric")
    check_folder(figures)
    source = vote_source(
        ctx, votes, originals, reconstructions, batch_folder, bapps, bapps_votes, column,
        drop_missing, exclude_rater, exclude_rejected, minimum_votes, batch, ledger,
    )  # fmt: skip
    others = other_metrics(classical, colours, metrics, direction)
    read = {path: read_metric_weights(path) for path in files}
    for metric in read.values():
        tell_backbone(metric.backbone.label, metric.backbone.random_seed)
    with stopping(f"There is no result. Features so far are in {features}: run again."):
        voted = _read(source)
        extracting = Extracting(folder=features, device=device, workers=workers, dask=dask)
        comparison = compare(
            read,
            voted,
            extracting=extracting,
            backbone_weights=backbone_weights,
            others=others,
            unseen=unseen,
            resamples=resamples,
            seed=seed,
        )
    learned = learned_metrics(read, backbone_weights) if figures is not None else []
    drawn = write_figures(figures, comparison, learned, voted, extracting)
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
                "figures": [str(path) for path in drawn],
            }
        )
        return
    from mturk_eval.report.text.metric_comparison import metric_comparison_text

    _show_source(voted, ", ".join(labels))
    typer.echo(metric_comparison_text(comparison))


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
