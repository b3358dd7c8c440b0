"""The stages of `metric train`, each from values to values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from mturk_eval.cli.context import progress_bar, say
from mturk_eval.cli.metric.sources import VotedPictures
from mturk_eval.errors import InvalidInputError
from mturk_eval.metric.errors import BackboneError

if TYPE_CHECKING:
    from mturk_eval.metric.backbones import Backbone
    from mturk_eval.metric.compared import ComparedMetric
    from mturk_eval.metric.comparison import MetricComparison
    from mturk_eval.metric.features import Extraction
    from mturk_eval.metric.pictures import PicturePair
    from mturk_eval.metric.split import OriginalSplit
    from mturk_eval.metric.study import Fit
    from mturk_eval.metric.training import TrainedWeights
    from mturk_eval.metric.weights_file import CombinationRecord, Provenance
    from mturk_eval.stats.evaluation.metric_results import Direction

_LIBRARIES = ("mturk-eval", "numpy", "scipy", "torch", "scikit-learn", "pytorch-msssim")

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneChoice:
    """A backbone as the user names it."""

    name: str
    weights: Path | None = None
    random_seed: int | None = None
    digest: str | None = None
    download: bool = False

    def open(self) -> Backbone:
        """Find its file, fetch it if that was asked for, or draw it.

        Raises
        ------
        BackboneError, MetricInputError
            As `mturk_eval.metric.backbone_files.open_backbone`.
        """
        from mturk_eval.metric.backbone_files import (
            download_backbone,
            find_weights,
            open_backbone,
        )

        weights = self.weights
        if self.download and self.random_seed is None:
            try:
                weights = find_weights(self.name, self.weights)
            except BackboneError:
                folder = None if self.weights is None or self.weights.suffix else self.weights
                with progress_bar(f"Fetching {self.name}") as progress:
                    weights = download_backbone(self.name, folder, progress=progress)
        return open_backbone(
            self.name, weights=weights, digest=self.digest, random_seed=self.random_seed
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracting:
    """How feature vectors are computed, and where they are kept."""

    folder: Path
    device: str = "cpu"
    workers: int = 1
    dask: str | None = None

    def fill(self, pairs: Sequence[PicturePair], backbone: Backbone) -> Extraction:
        """Compute the vectors that are not there yet."""
        from mturk_eval.metric.features import FeatureStore, extract_features

        with progress_bar(f"Features by {backbone.name}") as progress:
            return extract_features(
                pairs,
                backbone,
                FeatureStore(self.folder, backbone),
                device=self.device,
                workers=self.workers,
                dask=self.dask,
                progress=progress,
            )

    def vectors(
        self, voted: VotedPictures, backbone: Backbone
    ) -> tuple[Vectors, Vectors, Extraction]:
        """The vectors of every triplet's first and second side, shape (n, C) each."""
        from mturk_eval.metric.features import FeatureStore

        done = self.fill(voted.pairs(), backbone)
        listed = voted.listed()
        vectors = FeatureStore(self.folder, backbone).get(listed.pairs)
        return vectors[listed.first], vectors[listed.second], done


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherMetrics:
    """What a learned metric is compared with: PSNR, MS-SSIM, the user's own."""

    classical: bool
    colours: Literal["RGB", "luma"]
    table: Path | None
    directions: Mapping[str, Direction]

    def check(self) -> None:
        """Refuse options that say nothing without each other.

        Raises
        ------
        InvalidInputError
            If there is a table without directions, or directions without a table.
        """
        if (self.table is None) != (not self.directions):
            raise InvalidInputError(
                "--metrics CSV and --direction METRIC=higher|lower go together: which values of a "
                "metric are better is not guessed, and only metrics with a direction are compared."
            )

    def compute(self, voted: VotedPictures) -> tuple[ComparedMetric, ...]:
        """Their say on every triplet."""
        from mturk_eval.metric.classical import classical_metrics
        from mturk_eval.metric.compared import metrics_from_table
        from mturk_eval.metric.pictures import read_pixels
        from mturk_eval.tidy.files import read_metric_values

        found: list[ComparedMetric] = []
        if self.classical:
            with progress_bar("PSNR and MS-SSIM") as progress:
                found += classical_metrics(
                    voted.listed(),
                    lambda digest: read_pixels(voted.pictures[digest].path),
                    colours=self.colours,
                    progress=progress,
                )
        if self.table is not None:
            values = read_metric_values(self.table)
            found += metrics_from_table(values, voted.triplets, self.directions)
        return tuple(found)


def recipe_of(name: str, layer_sizes: Sequence[int], seed: int) -> Fit:
    """The fit of ``--recipe``."""
    from mturk_eval.metric.lpips_recipe import fit_lpips_recipe
    from mturk_eval.metric.training import fit_logistic

    if name == "lpips":
        return partial(fit_lpips_recipe, layer_sizes=layer_sizes, seed=seed)
    return fit_logistic


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A metric that was trained and written; there is no comparison if nothing was held out."""

    trained: TrainedWeights
    provenance: Provenance
    extraction: Extraction
    comparison: MetricComparison | None


def train_and_write(
    voted: VotedPictures,
    backbone: Backbone,
    out: Path,
    *,
    split: OriginalSplit,
    extracting: Extracting,
    others: OtherMetrics,
    recipe: str = "convex",
    ransac: bool = False,
    leave_methods_out: bool = False,
    resamples: int = 2_000,
    seed: int = 0,
) -> Training:
    """Train on a part of the originals, compare on the rest if there is one, write the file."""
    from mturk_eval.metric.study import study_metric
    from mturk_eval.metric.weights_file import metric_weights, write_metric_weights

    z_first, z_second, done = extracting.vectors(voted, backbone)
    layer_sizes = backbone.architecture.layer_slices.sizes
    fit = recipe_of(recipe, layer_sizes, seed)
    comparison = None
    if len(split.test):
        study = study_metric(
            voted.triplets,
            z_first,
            z_second,
            split=split,
            layer_sizes=layer_sizes,
            fit=fit,
            others=others.compute(voted),
            ransac=ransac,
            leave_methods_out=leave_methods_out,
            resamples=resamples,
            seed=seed,
        )
        trained, comparison = study.trained, study.comparison
    else:
        trained = fit(voted.triplets, z_first, z_second)
    provenance = provenance_of(trained, comparison, voted, split, seed)
    write_metric_weights(metric_weights(trained.weights, backbone, provenance), out)
    return Training(trained=trained, provenance=provenance, extraction=done, comparison=comparison)


def provenance_of(
    trained: TrainedWeights,
    comparison: MetricComparison | None,
    voted: VotedPictures,
    split: OriginalSplit,
    seed: int,
) -> Provenance:
    """What a metric's file says of its training."""
    from mturk_eval.metric.study import LEARNED
    from mturk_eval.metric.weights_file import CombinationRecord, Provenance

    scores: dict[str, float | None] = {"log_loss_train": trained.training_log_loss}
    combinations: tuple[CombinationRecord, ...] = ()
    if comparison is not None:
        row = comparison.row(LEARNED)
        scores |= {
            "2afc_test": row.score.value,
            "log_loss_test": row.log_loss.value,
            **{f"2afc_human_{line}": value.value for line, value in comparison.human.items()},
        }
        combinations = tuple(
            CombinationRecord.model_validate(asdict(one)) for one in comparison.combinations
        )
    found = {}
    for library in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return Provenance(
        recipe=trained.recipe,
        n_triplets=trained.n_triplets,
        n_originals=len(split.train_images),
        n_votes=trained.n_votes,
        n_raters=voted.n_raters,
        screening=voted.screening,
        split=split.describe(),
        test_originals=split.test_images,
        seed=seed,
        scale="mean distance of the training pairs = 1",
        logit_slope=trained.logit_slope,
        combinations=combinations,
        scores={name: value for name, value in scores.items() if value is not None},
        versions=found,
        notes=(f"votes: {Path(voted.source).name}", *voted.notes, *trained.warnings),
    )


def tell_backbone(label: str, random_seed: int | None) -> None:
    """Say on stderr which backbone it is, and what a random one is worth."""
    say(f"Backbone: {label}")
    if random_seed is not None:
        say(
            "Note: the backbone was drawn at random and never trained on pictures. The steps are "
            "the real ones, the scores are not what a trained backbone gives."
        )
