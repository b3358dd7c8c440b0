"""Distances of image files by a metric's file, with torch or without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.architectures import architecture_of
from mturk_eval.metric.devices import check_device
from mturk_eval.metric.errors import MetricFileError
from mturk_eval.metric.pictures import (
    Picture,
    PicturePair,
    Pixels,
    check_pair,
    pixel_digest,
    read_pixels,
)
from mturk_eval.metric.weights_file import BackboneRecord, Provenance

_TOGETHER: Final = 8  # reconstructions decoded at a time: bounds memory


class PictureMetric(Protocol):
    """What gives distances: `LPIPSComp` or `OnnxMetric`."""

    @property
    def label(self) -> str:
        """The backbone's name, and that it is random where it is."""

    @property
    def record(self) -> BackboneRecord:
        """Which backbone."""

    @property
    def provenance(self) -> Provenance:
        """Which votes."""

    def distances(self, original: Pixels, reconstructions: Sequence[Pixels]) -> NDArray[np.float64]:
        """One distance per reconstruction; larger is worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePair:
    """A file to be compared with its original.

    Attributes
    ----------
    original, reconstruction : Path
    row : int or None
        Line of the user's table, for messages.
    """

    original: Path
    reconstruction: Path
    row: int | None = None


def load_metric(
    path: Path, *, backbone_weights: Path | None = None, device: str = "cpu"
) -> PictureMetric:
    """Open a metric by the ending of its file: ``.safetensors`` needs torch, ``.onnx`` does not.

    Parameters
    ----------
    backbone_weights : Path, optional
        For ``.safetensors``; see `LPIPSComp.load`.
    device : str, default ``cpu``
        For ``.safetensors``.

    Raises
    ------
    MetricFileError
        If the file is no metric.
    BackboneError
        If its backbone is not found or another.
    MetricInputError
        If torch has no such device.
    MissingExtraError
        If the library it needs is not installed.
    """
    if path.suffix == ".onnx":
        from mturk_eval.metric.onnx_scoring import OnnxMetric

        return OnnxMetric.load(path)
    if path.suffix != ".safetensors":
        raise MetricFileError(f"{path}: give a metric's .safetensors file, or its export to .onnx.")
    from mturk_eval.metric.model import LPIPSComp

    check_device(device)
    return LPIPSComp.load(path, backbone_weights=backbone_weights).to(device)


def score_files(metric: PictureMetric, pairs: Iterable[FilePair]) -> Iterator[float]:
    """Distances of files in their order; an original that follows itself is decoded once.

    Yields
    ------
    float
        0 for equal pixels; larger is worse.

    Raises
    ------
    MetricInputError
        For the first file that cannot be decoded, has another size than its original, or is too
        small for the backbone; the message has its row.
    """
    for path, group in groupby(pairs, key=lambda pair: pair.original):
        members = list(group)
        original = read_pixels(path, row=members[0].row)
        for start in range(0, len(members), _TOGETHER):
            part = members[start : start + _TOGETHER]
            decoded = []
            for pair in part:
                pixels = read_pixels(pair.reconstruction, row=pair.row)
                check_pair(
                    PicturePair(
                        original=_described(path, original),
                        reconstruction=_described(pair.reconstruction, pixels),
                        row=pair.row,
                    ),
                    architecture_of(metric.record.name),
                )
                decoded.append(pixels)
            yield from map(float, metric.distances(original, decoded))


def _described(path: Path, pixels: Pixels) -> Picture:
    height, width, _ = pixels.shape
    return Picture(
        path=path,
        digest=pixel_digest(pixels),
        width_px=width,
        height_px=height,
        was_grey=False,
    )
