"""One feature vector per pair of pictures: all that training ever needs of the pixels.

``z = concat_l mean_hw (a_l(x) - a_l(y))^2`` over the taps l of a frozen backbone, with activations
a of unit length over channels; a learned metric is then the plain product ``d(x, y) = w . z``.

References
----------
Zhang, Isola, Efros, Shechtman, Wang (2018), The unreasonable effectiveness of deep features as a
perceptual metric, CVPR, equation 1.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.architectures import LayerSlices
from mturk_eval.metric.backbone_files import open_backbone
from mturk_eval.metric.backbones import Backbone
from mturk_eval.metric.devices import check_device
from mturk_eval.metric.errors import MetricInputError, import_extra
from mturk_eval.metric.feature_store import FeatureStore, PairKey
from mturk_eval.metric.memory import freed_memory_kept
from mturk_eval.metric.pictures import (
    Picture,
    PicturePair,
    Pixels,
    Progress,
    check_pair,
    check_same_shape,
    check_size,
    decoded_ahead,
    pixel_digest,
)
from mturk_eval.parallel import map_tasks

if TYPE_CHECKING:
    from mturk_eval.metric.trunk import PairPass, Trunk

__all__ = ["Extraction", "FeatureStore", "LayerSlices", "extract_features", "pair_features"]

_PIXELS_PER_BATCH: Final = {"cpu": 1 << 18, "cuda": 1 << 22}
_MOST_PICTURES_PER_BATCH: Final = 256
_SECONDS_BETWEEN_SAVES: Final = 5.0
_ORIGINALS_PER_SAVE: Final = 64  # where other processes compute


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What a run of `extract_features` did.

    Attributes
    ----------
    n_pairs : int
        Different pairs that were asked for.
    n_computed : int
        Pairs that had no vector before.
    n_pictures : int
        Pictures that went through the backbone: each missing pair's reconstruction, and the
        original once for all of them.
    """

    n_pairs: int
    n_computed: int
    n_pictures: int


def pair_features(
    backbone: Backbone | Trunk,
    original: Pixels,
    reconstructions: Sequence[Pixels],
    *,
    device: str = "cpu",
    pictures_per_batch: int | None = None,
) -> NDArray[np.float32]:
    """Feature vectors of reconstructions compared with their original.

    Parameters
    ----------
    backbone : Backbone or Trunk
        A trunk is used on the device where it is.
    original : ndarray of uint8, shape (height, width, 3)
        RGB.
    reconstructions : sequence of such arrays
        m pictures of the same size.
    device : str, default ``cpu``
        Or ``cuda``: float32 arithmetic in any case.
    pictures_per_batch : int, optional
        Bounds memory; default by size.

    Returns
    -------
    ndarray of float32, shape (m, C)
        Not negative. Its entries are laid out as ``backbone.architecture.layer_slices`` says, and
        those of one layer sum to at most 2.

    Raises
    ------
    MetricInputError
        If a picture is no RGB uint8 array, sizes differ, or a side is too short for the backbone.
    MissingExtraError
        If torch is not installed.
    """
    trunk = _trunk(backbone, device)
    check_same_shape(original, reconstructions)
    height, width, _ = original.shape
    check_size(height, width, trunk.backbone.architecture, "The original")
    size = pictures_per_batch or _pictures_per_batch(trunk, height, width)
    with freed_memory_kept():
        vectors = _vectors(trunk, [original, *reconstructions], size)
    # In batches of other sizes convolutions round otherwise, but x is at no distance from x.
    vectors[[np.array_equal(original, pixels) for pixels in reconstructions]] = 0.0
    return vectors


def _vectors(trunk: Trunk, pictures: Sequence[Pixels], size: int) -> NDArray[np.float32]:
    """Of all pictures but the first, compared with it; nothing outlives the call but they."""
    passing = _pair_pass(trunk)
    parts = [
        passing.run(
            np.stack(pictures[start : start + size]),
            [row == 0 for row in range(start, min(start + size, len(pictures)))],
        )
        for start in range(0, len(pictures), size)
    ]
    return np.concatenate(parts)


def extract_features(
    pairs: Sequence[PicturePair],
    backbone: Backbone | Trunk,
    store: FeatureStore,
    *,
    device: str = "cpu",
    pictures_per_batch: int | None = None,
    decoding_threads: int = 2,
    workers: int = 1,
    dask: str | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Compute the vectors that a store lacks; what is there already costs no backbone pass.

    Pictures of one size follow each other, originals each before their reconstructions, in batches
    of equal size. Vectors are saved every few seconds, so that a run that is stopped goes on where
    it was.

    Parameters
    ----------
    pairs : sequence of PicturePair
        May repeat.
    backbone : Backbone or Trunk
        That of the store; a trunk is used on the device where it is.
    device : str, default ``cpu``
        Or ``cuda``.
    pictures_per_batch : int, optional
        Bounds memory; default by size.
    decoding_threads : int, default 2
        Threads that decode pictures while the backbone works.
    workers, dask
        Other processes or machines to share the originals among; see
        `mturk_eval.parallel.map_tasks`. They must find the pictures and the backbone's file
        at the same paths.
    progress : callable, optional
        Called with how many of the missing pairs are done, and how many there are.

    Raises
    ------
    MetricInputError
        If a pair cannot be compared (all are checked before the first pass), a file changed, or
        the store is of another backbone.
    """
    numbers = backbone if isinstance(backbone, Backbone) else backbone.backbone
    if store.backbone_digest != numbers.digest:
        raise MetricInputError(
            f"{store.path} holds vectors of another backbone than {numbers.label} (digest "
            f"{numbers.digest[:16]}): open a store for this one."
        )
    for pair in pairs:
        check_pair(pair, numbers.architecture)
    lacking = set(store.missing([pair.key for pair in pairs]))
    missing = list({pair.key: pair for pair in pairs if pair.key in lacking}.values())
    tasks = _tasks(missing)
    if tasks and (workers > 1 or dask is not None):
        batches = _shared_out(tasks, numbers, device, pictures_per_batch, workers, dask)
    else:
        batches = _here(tasks, backbone, device, pictures_per_batch, decoding_threads)
    waiting: list[tuple[PairKey, NDArray[np.float32]]] = []
    done, saved_at = 0, time.monotonic()
    try:
        for computed in batches:
            waiting.extend(computed)
            done += len(computed)
            if time.monotonic() - saved_at > _SECONDS_BETWEEN_SAVES:
                _save(store, waiting)
                saved_at = time.monotonic()
            if progress is not None and computed:
                progress(done, len(missing))
    finally:
        _save(store, waiting)
    return Extraction(
        n_pairs=len({pair.key for pair in pairs}),
        n_computed=len(missing),
        n_pictures=sum(1 + len(task.reconstructions) for task in tasks if task.reconstructions),
    )


_Computed = list[tuple[PairKey, NDArray[np.float32]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """An original with those of its reconstructions that are missing."""

    original: Picture
    reconstructions: tuple[Picture, ...]
    identical: bool  # whether the original is among its own reconstructions

    @property
    def pictures(self) -> list[Picture]:
        return [self.original, *self.reconstructions]


def _tasks(pairs: Sequence[PicturePair]) -> list[_Task]:
    """Group by original, those of one size side by side."""
    groups: dict[str, list[PicturePair]] = {}
    for pair in pairs:
        groups.setdefault(pair.original.digest, []).append(pair)
    tasks = [
        _Task(
            original=group[0].original,
            # The distance of a picture to itself is 0 by definition, not by rounding.
            reconstructions=tuple(p.reconstruction for p in group if p.key[0] != p.key[1]),
            identical=any(p.key[0] == p.key[1] for p in group),
        )
        for group in groups.values()
    ]
    return sorted(tasks, key=lambda task: (task.original.height_px, task.original.width_px))


def _here(
    tasks: Sequence[_Task],
    backbone: Backbone | Trunk,
    device: str,
    pictures_per_batch: int | None,
    decoding_threads: int,
) -> Iterator[_Computed]:
    """Compute in this process, batch after batch."""
    same = [task.original.digest for task in tasks if task.identical]
    if same:
        numbers = backbone if isinstance(backbone, Backbone) else backbone.backbone
        zeros = np.zeros(numbers.architecture.layer_slices.total, np.float32)
        yield [((digest, digest), zeros) for digest in same]
    tasks = [task for task in tasks if task.reconstructions]
    if not tasks:
        return  # no call of the backbone: torch is not even imported
    trunk = _trunk(backbone, device)
    for (height, width), group in groupby(
        tasks, key=lambda task: (task.original.height_px, task.original.width_px)
    ):
        size = pictures_per_batch or _pictures_per_batch(trunk, height, width)
        with freed_memory_kept():
            yield from _of_one_size(list(group), trunk, size, decoding_threads)


def _of_one_size(
    tasks: Sequence[_Task], trunk: Trunk, size: int, threads: int
) -> Iterator[_Computed]:
    """Pass originals and reconstructions of one size in full batches, the last one excepted."""
    order = [(task.original, picture) for task in tasks for picture in task.pictures]
    paths = [picture.path for _, picture in order]
    decoded = decoded_ahead(paths, threads=threads, ahead=2 * size + threads)
    passing = _pair_pass(trunk)
    for start in range(0, len(order), size):
        part = order[start : start + size]
        batch = []
        for _, picture in part:
            _, pixels = next(decoded)
            if pixel_digest(pixels) != picture.digest:
                raise MetricInputError(
                    f"{picture.path}: its pixels changed while features were computed. Run again."
                )
            batch.append(pixels)
        is_original = [original is picture for original, picture in part]
        keys = [
            (original.digest, picture.digest)
            for original, picture in part
            if original is not picture
        ]
        yield list(zip(keys, passing.run(np.stack(batch), is_original), strict=True))


def _shared_out(
    tasks: Sequence[_Task],
    backbone: Backbone,
    device: str,
    pictures_per_batch: int | None,
    workers: int,
    dask: str | None,
) -> Iterator[_Computed]:
    """Compute in other processes, so many originals between two saves."""
    function = partial(
        _elsewhere,
        name=backbone.name,
        weights=None if backbone.path is None else backbone.path.resolve(),
        seed=backbone.seed,
        digest=backbone.digest,
        device=device,
        pictures_per_batch=pictures_per_batch,
    )
    for start in range(0, len(tasks), _ORIGINALS_PER_SAVE):
        part = tasks[start : start + _ORIGINALS_PER_SAVE]
        yield from map_tasks(function, part, workers=workers, dask=dask)


def _elsewhere(
    task: _Task,
    *,
    name: str,
    weights: Path | None,
    seed: int | None,
    digest: str,
    device: str,
    pictures_per_batch: int | None,
) -> _Computed:
    backbone = _opened(name, weights, seed, digest)
    return [
        pair for part in _here([task], backbone, device, pictures_per_batch, 1) for pair in part
    ]


@lru_cache(maxsize=1)
def _opened(name: str, weights: Path | None, seed: int | None, digest: str) -> Backbone:
    """A process opens a backbone once for all its tasks."""
    return open_backbone(name, weights=weights, random_seed=seed, digest=digest)


def _save(store: FeatureStore, waiting: list[tuple[PairKey, NDArray[np.float32]]]) -> None:
    if waiting:
        store.add([key for key, _ in waiting], np.stack([vector for _, vector in waiting]))
        waiting.clear()


def _trunk(backbone: Backbone | Trunk, device: str) -> Trunk:
    """The torch module of a backbone, on a device."""
    import_extra("torch", "Running a backbone")
    from mturk_eval.metric.trunk import Trunk

    if isinstance(backbone, Trunk):
        return backbone
    check_device(device)
    return Trunk(backbone).to(device)


def _pair_pass(trunk: Trunk) -> PairPass:
    from mturk_eval.metric.trunk import PairPass

    return PairPass(trunk)


def _pictures_per_batch(trunk: Trunk, height_px: int, width_px: int) -> int:
    """As many pictures as keep a device busy without holding gigabytes of activations."""
    pixels = _PIXELS_PER_BATCH[trunk.mean.device.type]
    return int(np.clip(pixels // (height_px * width_px), 1, _MOST_PICTURES_PER_BATCH))
