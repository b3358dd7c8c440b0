"""Feature vectors on disk, so that no picture runs through a backbone twice.

One file per backbone and preprocessing version: a line of JSON that says what it holds, then
records of equal length, each two pixel digests, a vector and a checksum. Records are only ever
appended; one that a crash cut short fails its checksum and is computed again.
"""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.architectures import PREPROCESSING_VERSION, LayerSlices
from mturk_eval.metric.backbones import Backbone
from mturk_eval.metric.errors import MetricError, MetricFileError

PairKey = tuple[str, str]
"""Pixel digests of an original and of a reconstruction of it."""

_FORMAT: Final = "mturk-eval features 1"
_DIGEST_BYTES: Final = 32
_CHECKSUM_BYTES: Final = 4


class FeatureStore:
    """Feature vectors by pair of pictures, for one backbone and preprocessing version.

    Parameters
    ----------
    folder : Path
        Made if it is not there. Several backbones share a folder, each with a file of its own;
        several processes may append to one file.
    backbone : Backbone
        Vectors of other numbers than its own are never given.

    Raises
    ------
    MetricFileError
        If the file there is not one of these, or of another backbone.
    """

    def __init__(self, folder: Path, backbone: Backbone) -> None:
        self._layers = backbone.architecture.layer_slices
        self._header = _header(backbone, self._layers)
        self.backbone_digest = backbone.digest
        version = f"preprocessing{PREPROCESSING_VERSION}"
        self.path = folder / f"{backbone.name}-{backbone.digest[:16]}-{version}.features"
        self._record = np.dtype(
            [
                ("original", f"V{_DIGEST_BYTES}"),
                ("reconstruction", f"V{_DIGEST_BYTES}"),
                ("vector", "<f4", (self._layers.total,)),
                ("checksum", "<u4"),
            ]
        )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MetricFileError(
                f"{folder}: no folder for features can be here ({error.strerror}). Choose another."
            ) from error
        self._vectors: dict[PairKey, NDArray[np.float32]] = {}
        self._read()

    @property
    def layer_slices(self) -> LayerSlices:
        """How a vector is laid out."""
        return self._layers

    def __len__(self) -> int:
        return len(self._vectors)

    def __contains__(self, pair: PairKey) -> bool:
        return pair in self._vectors

    def missing(self, pairs: Sequence[PairKey]) -> list[PairKey]:
        """Those of the pairs that have no vector yet, each once, in their order."""
        return [pair for pair in dict.fromkeys(pairs) if pair not in self._vectors]

    def get(self, pairs: Sequence[PairKey]) -> NDArray[np.float32]:
        """The vectors of pairs, shape (m, C), in their order.

        Raises
        ------
        MetricError
            If one has no vector yet.
        """
        if missing := self.missing(pairs):
            raise MetricError(
                f"{self.path}: no feature vector of {len(missing)} of {len(pairs)} pairs, such as "
                f"original {missing[0][0][:12]}, reconstruction {missing[0][1][:12]}. Run "
                "`mturk-eval metric features` first."
            )
        if not pairs:
            return np.empty((0, self._layers.total), np.float32)
        return np.stack([self._vectors[pair] for pair in pairs])

    def add(self, pairs: Sequence[PairKey], vectors: NDArray[np.float32]) -> None:
        """Append vectors and wait until they are on the disk; pairs that are known are skipped.

        Parameters
        ----------
        vectors : ndarray of float32, shape (m, C)
            One row per pair, finite and not negative.

        Raises
        ------
        MetricError
            If the vectors are not that: nothing is written.
        """
        if vectors.shape != (len(pairs), self._layers.total):
            raise MetricError(
                f"{len(pairs)} pairs need vectors of shape {(len(pairs), self._layers.total)}, "
                f"not {vectors.shape}."
            )
        if not np.isfinite(vectors).all() or (vectors < 0).any():
            raise MetricError(
                "A feature vector is negative or not finite: the backbone's numbers are unusable "
                "for these pictures. Nothing was stored."
            )
        new = {pair: row for row, pair in enumerate(pairs) if pair not in self._vectors}
        if not new:
            return
        records = np.zeros(len(new), dtype=self._record)
        for record, (pair, row) in zip(records, new.items(), strict=True):
            record["original"], record["reconstruction"] = map(bytes.fromhex, pair)
            record["vector"] = vectors[row]
            record["checksum"] = zlib.crc32(record.tobytes()[:-_CHECKSUM_BYTES])
        with self._locked() as file:
            self._trim(file)
            file.write(records.tobytes())
            file.flush()
            os.fsync(file.fileno())
        self._vectors.update(zip(new, np.asarray(records["vector"]), strict=True))

    def _read(self) -> None:
        """Load every whole record; a record whose checksum fails counts as not there."""
        try:
            with self._locked() as file:
                file.seek(0)
                content = file.read()
                if self._header.startswith(content):  # new, or a crash cut its first line short
                    file.truncate(0)
                    file.write(self._header)
                    content = self._header
        except OSError as error:
            raise MetricFileError(f"{self.path}: cannot be used ({error.strerror}).") from error
        if not content.startswith(self._header):
            raise MetricFileError(
                f"{self.path}: not the features of this backbone. Delete it, or choose another "
                "folder."
            )
        body = content[len(self._header) :]
        whole = len(body) // self._record.itemsize
        records = np.frombuffer(body, dtype=self._record, count=whole)
        good = [
            row
            for row, record in enumerate(records)
            if zlib.crc32(record.tobytes()[:-_CHECKSUM_BYTES]) == record["checksum"]
        ]
        pairs = [
            (bytes(record["original"]).hex(), bytes(record["reconstruction"]).hex())
            for record in records[good]
        ]
        self._vectors.update(zip(pairs, np.asarray(records["vector"][good]), strict=True))

    def _trim(self, file: BinaryIO) -> None:
        """Cut off what a crash left of a record, so that the next begins at its place."""
        end = file.seek(0, os.SEEK_END)
        torn = (end - len(self._header)) % self._record.itemsize
        file.truncate(end - torn)
        file.seek(0, os.SEEK_END)

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        """Open the file for this process alone."""
        with self.path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file


def _header(backbone: Backbone, layers: LayerSlices) -> bytes:
    document = {
        "format": _FORMAT,
        "backbone": backbone.name,
        "backbone_digest": backbone.digest,
        "random_backbone_seed": backbone.seed,
        "preprocessing_version": PREPROCESSING_VERSION,
        "layer_sizes": layers.sizes,
    }
    return json.dumps(document).encode() + b"\n"
