"""Distances by ONNX Runtime, where torch is not installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.architectures import architecture_of
from mturk_eval.metric.errors import MetricFileError, import_extra
from mturk_eval.metric.onnx_export import (
    DISTANCES,
    FEATURES,
    ORIGINAL,
    RECONSTRUCTIONS,
)
from mturk_eval.metric.pictures import Pixels, check_same_shape, check_size
from mturk_eval.metric.weights_file import METADATA_KEY, BackboneRecord, Provenance, parse_document


class OnnxMetric:
    """A metric from a file of ``metric export --format onnx``; the same distances as `LPIPSComp`.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    record : BackboneRecord
        Of the backbone inside.
    provenance : Provenance
    """

    def __init__(self, session: Any, record: BackboneRecord, provenance: Provenance) -> None:
        self._session = session
        self.record = record
        self.provenance = provenance

    @classmethod
    def load(cls, path: str | Path, *, threads: int | None = None) -> OnnxMetric:
        """Open a file for the CPU.

        Parameters
        ----------
        threads : int, optional
            Default: all cores.

        Raises
        ------
        MetricFileError
            If it is no ONNX file, or none of `write_onnx`, or of another version.
        MissingExtraError
            If onnxruntime is not installed.
        """
        path = Path(path)
        runtime = import_extra("onnxruntime", "Scoring without torch")
        if not path.is_file():
            raise MetricFileError(f"{path}: the file does not exist.")
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors only
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            session = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors share no base but Exception
            reason = str(error).split("\n", maxsplit=1)[0]
            raise MetricFileError(f"{path}: no ONNX file that can be run ({reason}).") from error
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            raise MetricFileError(
                f"{path}: an ONNX file, but not of a metric: give what `mturk-eval metric export "
                "--format onnx` wrote."
            )
        document = parse_document(path, text)
        return cls(session, document.backbone, document.provenance)

    @property
    def label(self) -> str:
        """The backbone's name, and that it is random where it is."""
        return self.record.label

    def distances(self, original: Pixels, reconstructions: Sequence[Pixels]) -> NDArray[np.float64]:
        """Distances of decoded pictures to their original; see `LPIPSComp.distances`.

        Raises
        ------
        MetricInputError
            If a picture is not RGB uint8 of the original's size, or too small for the backbone.
        """
        return self._run(DISTANCES, original, reconstructions).astype(np.float64)

    def pair_features(
        self, original: Pixels, reconstructions: Sequence[Pixels]
    ) -> NDArray[np.float32]:
        """Feature vectors, shape (m, C); see `mturk_eval.metric.features.pair_features`."""
        return self._run(FEATURES, original, reconstructions)

    def _run(
        self, output: str, original: Pixels, reconstructions: Sequence[Pixels]
    ) -> NDArray[np.float32]:
        check_same_shape(original, reconstructions)
        height, width, _ = original.shape
        architecture = architecture_of(self.record.name)
        check_size(height, width, architecture, "The original")
        if len(reconstructions) == 0:
            empty = {DISTANCES: (0,), FEATURES: (0, architecture.layer_slices.total)}
            return np.empty(empty[output], np.float32)
        inputs = {
            ORIGINAL: _batch([original]),
            RECONSTRUCTIONS: _batch(reconstructions),
        }
        return np.asarray(self._session.run([output], inputs)[0], dtype=np.float32)


def _batch(pictures: Sequence[Pixels]) -> NDArray[np.float32]:
    stacked = np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32)
    return np.ascontiguousarray(stacked / np.float32(255.0))
