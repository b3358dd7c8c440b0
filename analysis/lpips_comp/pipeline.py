"""From originals to a trained metric, on the paper's design: pictures, votes, features, fit."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from originals import SIDE_PX
from reconstructions import METHODS, RATES_BPP, Coded, code
from voters import hidden_weights, masked_error, votes

from mturk_eval.metric.backbones import Backbone
from mturk_eval.metric.classical import ms_ssim, psnr
from mturk_eval.metric.compared import metric_of_pairs
from mturk_eval.metric.features import FeatureStore, extract_features
from mturk_eval.metric.pictures import Picture, PicturePair, read_pictures, read_pixels
from mturk_eval.metric.split import OriginalSplit, split_by_original
from mturk_eval.metric.study import MetricStudy, study_metric
from mturk_eval.metric.triplets import PicturePairs, Triplets, picture_pairs, triplets_from_votes
from mturk_eval.parallel import map_tasks

TASTES = ("channels", "masked error")
VOTERS = "what the voters see"
"""The voters' own distance, among the metrics: more cannot be expected of one."""

Key = tuple[str, str, float]
"""Image, method, target rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """The pictures of a study, and the features of every reconstruction.

    Attributes
    ----------
    coded : tuple of Coded
        m reconstructions.
    read : mapping of Path to Picture
    features : ndarray of float32, shape (m, C)
        In the order of ``coded``.
    errors, psnr, ms_ssim : ndarray, shape (m,)
        `masked_error`, and the two classical metrics (MS-SSIM of RGB).
    """

    folder: Path
    coded: tuple[Coded, ...]
    read: Mapping[Path, Picture]
    features: NDArray[np.float32]
    errors: NDArray[np.float64]
    psnr: NDArray[np.float64]
    ms_ssim: NDArray[np.float64]

    def original(self, image: str) -> Path:
        """An original's file."""
        return self.folder / "originals" / f"{image}.png"


def make_pictures(
    folder: Path, n_originals: int, backbone: Backbone, *, side_px: int = SIDE_PX, workers: int = 2
) -> Pictures:
    """Draw originals, code them, and pass every picture through the backbone once."""
    draw = partial(code, folder=folder, side_px=side_px)
    coded = tuple(itertools.chain(*map_tasks(draw, range(n_originals), workers=workers)))
    originals = {one.image: folder / "originals" / f"{one.image}.png" for one in coded}
    read = read_pictures([*originals.values(), *(one.path for one in coded)])
    pairs = [
        PicturePair(original=read[originals[one.image]], reconstruction=read[one.path])
        for one in coded
    ]
    store = FeatureStore(folder / "features", backbone)
    extract_features(pairs, backbone, store)
    by_original = [list(group) for _, group in itertools.groupby(coded, key=lambda c: c.image)]
    measured = map_tasks(partial(_measured, folder=folder), by_original, workers=workers)
    errors, of_psnr, of_ms_ssim = np.concatenate(measured, axis=1)
    return Pictures(
        folder=folder,
        coded=coded,
        read=read,
        features=store.get([pair.key for pair in pairs]),
        errors=errors,
        psnr=of_psnr,
        ms_ssim=of_ms_ssim,
    )


def _measured(coded: Sequence[Coded], *, folder: Path) -> NDArray[np.float64]:
    """Masked error, PSNR and MS-SSIM of one original's reconstructions, shape (3, m)."""
    original = read_pixels(folder / "originals" / f"{coded[0].image}.png")
    pictures = [read_pixels(one.path) for one in coded]
    measures = (masked_error, psnr, ms_ssim)
    return np.array([[measure(original, one) for one in pictures] for measure in measures])


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """Simulated votes, counted per triplet, with what the voters see of each pair of pictures."""

    triplets: Triplets
    table: pd.DataFrame
    pairs: PicturePairs
    seen: NDArray[np.float64]


def simulate_votes(pictures: Pictures, taste: str, seed: int) -> Votes:
    """Six votes on each of the six pairs of every original and rate."""
    seen = pictures.errors if taste == "masked error" else _seen_in_channels(pictures, seed)
    distance: dict[Key, float] = {
        (one.image, one.method, one.target_bpp): float(value)
        for one, value in zip(pictures.coded, seen, strict=True)
    }
    images = sorted({one.image for one in pictures.coded})
    design = pd.DataFrame(
        [
            (image, bpp, a, b)
            for image, bpp, (a, b) in itertools.product(
                images, RATES_BPP, itertools.combinations(METHODS, 2)
            )
        ],
        columns=["image", "bpp", "method_a", "method_b"],
    )
    table = votes(design, distance, seed)
    read = pictures.read
    triplets = triplets_from_votes(
        table,
        {(c.image, c.method, c.target_bpp): read[c.path].digest for c in pictures.coded},
        {image: read[pictures.original(image)].digest for image in images},
    )
    pairs = picture_pairs(triplets)
    by_digests = {
        (read[pictures.original(one.image)].digest, read[one.path].digest): float(value)
        for one, value in zip(pictures.coded, seen, strict=True)
    }
    return Votes(
        triplets=triplets,
        table=table,
        pairs=pairs,
        seen=np.array([by_digests[pair] for pair in pairs.pairs]),
    )


def _seen_in_channels(pictures: Pictures, seed: int) -> NDArray[np.float64]:
    z = pictures.features.astype(np.float64)
    # Coded one original after the other, by method, then by rate.
    cells = z.reshape(-1, len(METHODS), len(RATES_BPP), z.shape[1])
    differences = np.concatenate(
        [
            (cells[:, a] - cells[:, b]).reshape(-1, z.shape[1])
            for a, b in itertools.combinations(range(len(METHODS)), 2)
        ]
    )
    return np.asarray(z @ hidden_weights(differences, z.mean(axis=0), seed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduced:
    """A study on the paper's design."""

    votes: Votes
    split: OriginalSplit
    study: MetricStudy
    first: NDArray[np.float32]
    second: NDArray[np.float32]


def reproduce(
    pictures: Pictures,
    found: Votes,
    layer_sizes: Sequence[int],
    *,
    resamples: int = 2_000,
    seed: int = 0,
) -> Reproduced:
    """Train on four fifths of the originals and compare on the rest, as the paper does."""
    place = {
        (pictures.read[pictures.original(c.image)].digest, pictures.read[c.path].digest): row
        for row, c in enumerate(pictures.coded)
    }
    rows = np.array([place[pair] for pair in found.pairs.pairs])
    first, second = (
        pictures.features[rows[side]] for side in (found.pairs.first, found.pairs.second)
    )
    split = split_by_original(found.triplets, test_share=0.2, seed=seed)
    study = study_metric(
        found.triplets,
        first,
        second,
        split=split,
        layer_sizes=layer_sizes,
        others=[
            metric_of_pairs("PSNR", pictures.psnr[rows], found.pairs, "higher"),
            metric_of_pairs("MS-SSIM", pictures.ms_ssim[rows], found.pairs, "higher"),
            metric_of_pairs(VOTERS, found.seen, found.pairs, "lower"),
        ],
        ransac=True,
        resamples=resamples,
        seed=seed,
    )
    return Reproduced(votes=found, split=split, study=study, first=first, second=second)
