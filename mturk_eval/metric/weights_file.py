"""The file of a trained metric: one weight per channel, and where they come from.

The backbone is named by its digest and not copied: a metric is then 12 kB in place of 59 MB, and
many metrics on one backbone share it. A file that must stand alone is an ONNX export.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mturk_eval.metric.architectures import PREPROCESSING_VERSION, architecture_of
from mturk_eval.metric.backbone_files import write_atomically
from mturk_eval.metric.backbones import Backbone, backbone_label
from mturk_eval.metric.errors import BackboneError, MetricFileError, MetricInputError, import_extra

FORMAT_VERSION: Final = 1
_FORMAT: Final = "mturk-eval lpips-comp"
METADATA_KEY: Final = "mturk_eval"
"""The metadata of a file under one key: several would be written in any order."""


class CombinationRecord(BaseModel):
    """A linear combination with the metric that was fitted to the training votes.

    Its fields are those of `mturk_eval.metric.combination.Combination`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    parts: tuple[str, ...]
    weights: tuple[float, ...]
    standard_weights: tuple[float, ...]
    method: Literal["sweep", "logistic", "ransac"]
    part_notes: tuple[str, ...]
    logit_slope: float
    training_score: float
    seed: int | None = None


class Provenance(BaseModel):
    """Which votes a metric was trained on, and how.

    Attributes
    ----------
    recipe : str
        Such as ``logistic`` or ``lpips``.
    n_triplets, n_originals, n_votes, n_raters : int or None
        Of the training part; None where a source does not tell.
    screening : str
        Which raters or votes were left out, in words.
    split : str
        How originals were divided, in words.
    test_originals : tuple of str
        Names of the originals that training never saw.
    seed : int or None
        None where nothing was drawn.
    scale : str
        What a distance of 1 means.
    logit_slope : float or None
        Logit of choosing the second reconstruction per unit by which the first is farther; None
        where no votes were fitted.
    combinations : tuple of CombinationRecord
        With PSNR and MS-SSIM, fitted to the training votes.
    scores : mapping of str to float
        Such as ``2afc_train`` and ``2afc_test``, shares in [0, 1].
    versions : mapping of str to str
        Of the libraries.
    notes : tuple of str
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: str
    n_triplets: int | None = Field(default=None, ge=0)
    n_originals: int | None = Field(default=None, ge=0)
    n_votes: int | None = Field(default=None, ge=0)
    n_raters: int | None = Field(default=None, ge=0)
    screening: str = "none"
    split: str = "none"
    test_originals: tuple[str, ...] = ()
    seed: int | None = None
    scale: str = "none stated"
    logit_slope: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    combinations: tuple[CombinationRecord, ...] = ()
    scores: dict[str, float] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()


class BackboneRecord(BaseModel):
    """Which backbone a metric's weights belong to.

    Attributes
    ----------
    name : str
    digest : str
        SHA-256 of its numbers; see `mturk_eval.metric.backbones.parameter_digest`.
    random_seed : int or None
        Not None for a backbone that was drawn and never trained.
    file_name, file_digest : str or None
        The file it was read from, and the SHA-256 of that.
    published : bool
        Whether that was torchvision's own file, by its digest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    random_seed: int | None
    file_name: str | None
    file_digest: str | None
    published: bool

    @classmethod
    def of(cls, backbone: Backbone) -> BackboneRecord:
        """What to remember of a backbone."""
        return cls(
            name=backbone.name,
            digest=backbone.digest,
            random_seed=backbone.seed,
            file_name=None if backbone.path is None else backbone.path.name,
            file_digest=backbone.file_digest,
            published=backbone.is_published,
        )

    @property
    def label(self) -> str:
        """The name, and that it is random where it is."""
        return backbone_label(self.name, self.random_seed)


class MetricDocument(BaseModel):
    """What a metric's file says of itself, in safetensors and in ONNX alike."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["mturk-eval lpips-comp"]
    format_version: int
    preprocessing_version: int
    backbone: BackboneRecord
    layer_names: tuple[str, ...]
    layer_sizes: tuple[int, ...]
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricWeights:
    """A trained metric without its backbone.

    Attributes
    ----------
    weights : ndarray of float32, shape (C,)
        Not negative; ``weights @ z`` is the distance of a pair with feature vector z.
    backbone : BackboneRecord
    provenance : Provenance
    """

    weights: NDArray[np.float32]
    backbone: BackboneRecord
    provenance: Provenance


def metric_weights(
    weights: NDArray[np.floating[Any]], backbone: Backbone, provenance: Provenance
) -> MetricWeights:
    """Check trained weights against their backbone.

    Parameters
    ----------
    weights : ndarray, shape (C,)

    Raises
    ------
    MetricInputError
        If they are not C finite numbers, none negative.
    """
    return MetricWeights(
        weights=check_weights(weights, backbone.architecture.layer_slices.total, "The weights"),
        backbone=BackboneRecord.of(backbone),
        provenance=provenance,
    )


def check_same(metric: MetricWeights, backbone: Backbone) -> None:
    """Refuse weights on other features than they were trained on.

    Raises
    ------
    BackboneError
        If names or digests differ.
    """
    record = metric.backbone
    if record.name != backbone.name:
        raise BackboneError(f"These weights are for {record.name}, not for {backbone.name}.")
    if record.digest != backbone.digest:
        trained = record.file_name or record.label
        raise BackboneError(
            f"These weights were trained on {trained} (digest {record.digest[:16]}); this "
            f"{backbone.label} has digest {backbone.digest[:16]}"
            f"{'' if backbone.path is None else f' ({backbone.path})'}. Give the backbone's file "
            "by --backbone-weights or MTURK_EVAL_BACKBONE_WEIGHTS."
        )


def check_weights(
    weights: NDArray[np.floating[Any]], channels: int, what: str
) -> NDArray[np.float32]:
    """Weights as float32, if they are one per channel, finite and not negative.

    Raises
    ------
    MetricInputError
        If they are not.
    """
    values = np.asarray(weights, dtype=np.float32)
    if values.shape != (channels,):
        raise MetricInputError(
            f"{what} have shape {values.shape}; the backbone has {channels} channels."
        )
    if not np.isfinite(values).all() or (values < 0).any():
        raise MetricInputError(
            f"{what} must be finite and not negative, or a distance could be: the smallest is "
            f"{values.min()}."
        )
    return values


def write_metric_weights(metric: MetricWeights, path: Path) -> None:
    """Write a safetensors file with one tensor per layer; it appears whole or not at all.

    The same metric gives the same bytes.
    """
    safetensors = import_extra("safetensors.numpy", "Writing a metric")
    layers = architecture_of(metric.backbone.name).layer_slices
    tensors = {
        name: np.ascontiguousarray(metric.weights[part])
        for name, part in zip(layers.names, layers.slices, strict=True)
    }
    write_atomically(path, safetensors.save(tensors, metadata={METADATA_KEY: describe(metric)}))


def describe(metric: MetricWeights) -> str:
    """What a file says of its metric: a `MetricDocument` as JSON."""
    layers = architecture_of(metric.backbone.name).layer_slices
    document = MetricDocument(
        format=_FORMAT,
        format_version=FORMAT_VERSION,
        preprocessing_version=PREPROCESSING_VERSION,
        backbone=metric.backbone,
        layer_names=layers.names,
        layer_sizes=layers.sizes,
        provenance=metric.provenance,
    )
    return json.dumps(document.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)


def read_metric_weights(path: Path) -> MetricWeights:
    """Read what `write_metric_weights` wrote, strictly.

    Raises
    ------
    MetricFileError
        If it is another file, of another version, or its layers are not those of its backbone.
    MissingExtraError
        If safetensors is not installed.
    """
    text, tensors = _read(path)
    document = parse_document(path, text)
    layers = architecture_of(document.backbone.name).layer_slices
    if set(tensors) != set(layers.names):
        raise MetricFileError(
            f"{path}: holds tensors {', '.join(sorted(tensors)) or 'none'}; expected "
            f"{', '.join(layers.names)}."
        )
    for name, size in zip(layers.names, layers.sizes, strict=True):
        if tensors[name].shape != (size,) or tensors[name].dtype != np.float32:
            raise MetricFileError(
                f"{path}: {name} is {tensors[name].dtype} of shape {tensors[name].shape}, not "
                f"float32 of shape {(size,)}."
            )
    joined = np.concatenate([tensors[name] for name in layers.names])
    try:
        weights = check_weights(joined, layers.total, f"{path}: the weights")
    except MetricInputError as error:
        raise MetricFileError(str(error)) from error
    return MetricWeights(
        weights=weights, backbone=document.backbone, provenance=document.provenance
    )


def _read(path: Path) -> tuple[str, dict[str, NDArray[Any]]]:
    safetensors = import_extra("safetensors", "Reading a metric")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if METADATA_KEY not in metadata:
                raise MetricFileError(
                    f"{path}: a safetensors file, but not of a metric: give what `mturk-eval "
                    "metric train --out` wrote."
                )
            return metadata[METADATA_KEY], {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # no mapping
    except FileNotFoundError as error:
        raise MetricFileError(f"{path}: the file does not exist.") from error
    except (OSError, safetensors.SafetensorError, TypeError) as error:
        raise MetricFileError(f"{path}: not a safetensors file ({error}).") from error


def parse_document(path: Path, text: str) -> MetricDocument:
    """Read what `describe` wrote, strictly.

    Raises
    ------
    MetricFileError
        If a field is missing, unknown or wrong, or a version is another than this program's.
    """
    try:
        content = json.loads(text)
        version = content["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise MetricFileError(f"{path}: its description cannot be read ({error}).") from error
    # Before the fields: another version may have others.
    if version != FORMAT_VERSION:
        raise MetricFileError(
            f"{path}: version {version} of the file format; this mturk-eval reads version "
            f"{FORMAT_VERSION}. Use the mturk-eval that wrote it, or train again."
        )
    try:
        document = MetricDocument.model_validate(content)
        layers = architecture_of(document.backbone.name).layer_slices
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise MetricFileError(f"{path}: {field}: {first['msg']}.") from error
    except MetricInputError as error:
        raise MetricFileError(f"{path}: {error}") from error
    if document.preprocessing_version != PREPROCESSING_VERSION:
        raise MetricFileError(
            f"{path}: trained on features of preprocessing version "
            f"{document.preprocessing_version}; this mturk-eval makes version "
            f"{PREPROCESSING_VERSION}, so distances would differ. Train it again."
        )
    if (document.layer_names, document.layer_sizes) != (layers.names, layers.sizes):
        raise MetricFileError(
            f"{path}: layers {document.layer_sizes} are not those of {document.backbone.name}, "
            f"{layers.sizes}. Train it again."
        )
    return document
