"""How long it takes from votes to a metric, ours and the published training loop beside it.

    python benchmarks/metric_training.py --part fit
    python benchmarks/metric_training.py --part end-to-end [--backbone vgg16_bn] [--timed-steps 100]

``fit``: the default recipe on cached features of the paper's size, 3,840 triplets x 1,472 channels,
its penalty chosen by cross-validation, and the same weights from two starting points.

``end-to-end``: the same triplets (at most 400, 64 px), machine and backbone (seeded, random) for
both. Ours: every picture once through the backbone, then the fit. The published loop as its code
does it (train.py and trainer.py of PerceptualSimilarity): batches of 50, four backbone passes per
triplet and step, a backward pass through the frozen backbone down to the pictures, element dropout,
ranking network, clamp, Adam, 10 epochs. Its time is the median of seconds per step times its number
of steps; its score is that of all its steps, if so many are timed. Its backbone is in evaluation
mode: their code stops at a batch normalisation.
"""

from __future__ import annotations

import argparse
import io
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import special

from mturk_eval.metric.logistic_fit import fit_non_negative_logistic
from mturk_eval.metric.split import split_by_original
from mturk_eval.metric.training import Features, fit_equal_weights, fit_logistic
from mturk_eval.metric.triplets import Triplets, picture_pairs
from mturk_eval.metric.yardsticks import agreement

METHODS, STRENGTHS = ("jpeg", "webp", "blur", "posterise"), 4
PAIRS = [(a, b) for a in range(4) for b in range(a + 1, 4)]
VGG_LAYERS = (64, 128, 256, 512, 512)
BATCH, EPOCHS, VOTES = 50, 10, 6
TRIPLETS_PER_ORIGINAL = STRENGTHS * len(PAIRS)


@dataclass(frozen=True)
class Design:
    """Which reconstruction is where: indices of original, strength and the two methods."""

    image: NDArray[np.int64]
    strength: NDArray[np.int64]
    one: NDArray[np.int64]
    two: NDArray[np.int64]

    @classmethod
    def of(cls, originals: int) -> Design:
        """Every pair of methods at every strength of every original."""
        image, strength, pair = np.meshgrid(
            range(originals), range(STRENGTHS), range(len(PAIRS)), indexing="ij"
        )
        one, two = np.array(PAIRS)[pair.ravel()].T
        return cls(image=image.ravel(), strength=strength.ravel(), one=one, two=two)

    def triplets(self, second: NDArray[np.int64]) -> Triplets:
        """With votes for the second, of 6."""
        name = np.array([f"{k:04d}" for k in self.image])
        method = np.array(METHODS)
        keys = [
            np.array([f"{i}/{s}/{m}" for i, s, m in zip(name, self.strength, side, strict=True)])
            for side in (self.one, self.two)
        ]
        return Triplets(
            image=name, bpp=self.strength.astype(np.float64), method_first=method[self.one],
            method_second=method[self.two], original=name, first=keys[0], second=keys[1],
            votes_first=VOTES - second, votes_second=second, votes_not_sure=0 * second,
        )  # fmt: skip


def simulated_votes(
    first: Features, second: Features, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Votes for the second by raters with hidden weights, half of them zero."""
    channels = first.shape[1]
    scale = np.abs(first - second).mean(axis=0) + 1e-12
    weights = np.exp(rng.normal(0, 1.5, channels)) * (rng.random(channels) < 0.5) / scale
    difference = (first - second).astype(np.float64) @ weights
    chance = 0.97 * special.expit(1.5 * difference / difference.std()) + 0.015
    return np.asarray(rng.binomial(VOTES, chance))


def time_fit() -> None:
    """The default recipe at the paper's size."""
    rng = np.random.default_rng(0)
    design, channels = Design.of(160), sum(VGG_LAYERS)
    shape = (160, STRENGTHS, len(METHODS))
    severity = rng.normal(0, 0.25, shape) - 0.6 * np.arange(STRENGTHS)[:, None]
    z = np.exp(
        rng.normal(-3, 1, channels)
        + severity[..., None]
        + rng.normal(0, 0.2, (len(METHODS), channels))
        + rng.normal(0, 0.3, (160, 1, 1, channels))
        + rng.normal(0, 0.2, (*shape, channels))
    ).astype(np.float32)
    first, second = (z[design.image, design.strength, side] for side in (design.one, design.two))
    triplets = design.triplets(simulated_votes(first, second, rng))
    started = time.perf_counter()
    trained = fit_logistic(triplets, first, second)
    seconds = time.perf_counter() - started
    print(f"{len(triplets):,} triplets x {channels:,} channels, penalty by cross-validation:")
    print(f"  {seconds:.2f} s (to be below 5), l2 = {trained.l2:g}")
    for l2 in (trained.l2, 0.1, 0.01):
        ends = []
        for start in (None, rng.uniform(0, 1, channels)):
            started = time.perf_counter()
            ends.append(
                fit_non_negative_logistic(first - second, triplets, l2=l2, start=start).weights
            )
            seconds = time.perf_counter() - started
        gap = np.abs(ends[0] - ends[1]).max() / ends[0].max()
        print(
            f"  l2 = {l2:g}: {seconds:.2f} s, two starts differ by {gap:.1e} of the largest weight"
        )


def pictures(originals: int, side: int) -> NDArray[np.uint8]:
    """Textures and 4 x 4 reconstructions of each, shape (originals, 17, side, side, 3)."""
    rng = np.random.default_rng(1)
    found = np.empty((originals, 1 + STRENGTHS * len(METHODS), side, side, 3), np.uint8)
    for k in range(originals):
        layers = [
            np.asarray(
                Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)).resize(
                    (side, side), Image.Resampling.BICUBIC
                ),
                np.float64,
            )
            for cells in (4, 8, 16, 32)
        ]
        image = Image.fromarray(np.mean(layers, axis=0).astype(np.uint8))
        found[k, 0] = np.asarray(image)
        for strength in range(STRENGTHS):
            for m in range(len(METHODS)):
                found[k, 1 + strength * len(METHODS) + m] = np.asarray(_worse(image, m, strength))
    return found


def _worse(image: Image.Image, method: int, strength: int) -> Image.Image:
    if method == 2:
        return image.filter(ImageFilter.GaussianBlur(0.4 + 0.4 * (STRENGTHS - strength)))
    if method == 3:
        levels = (16, 24, 40, 64)[strength]
        return Image.fromarray(np.asarray(image) // (256 // levels) * (256 // levels))
    buffer = io.BytesIO()
    image.save(buffer, format=("JPEG", "WEBP")[method], quality=(10, 25, 50, 80)[strength])
    return Image.open(buffer).convert("RGB")


def time_end_to_end(backbone_name: str, *, n_triplets: int, timed_steps: int, side: int) -> None:
    """Both ways from pictures and votes to weights, and their held-out scores."""
    import torch

    from mturk_eval.metric.backbones import random_backbone
    from mturk_eval.metric.features import pair_features
    from mturk_eval.metric.trunk import Trunk

    trunk = Trunk(random_backbone(backbone_name, 0))
    sizes = [part.stop - part.start for part in trunk.layer_slices.slices]
    for_training = n_triplets // TRIPLETS_PER_ORIGINAL
    originals = for_training + max(8, for_training // 2)
    shown, design = pictures(originals, side), Design.of(originals)
    started = time.perf_counter()
    z = np.stack([pair_features(trunk, of_one[0], list(of_one[1:])) for of_one in shown])
    extraction_s = (time.perf_counter() - started) * for_training / originals
    places = [1 + design.strength * len(METHODS) + m for m in (design.one, design.two)]
    first, second = (z[design.image, place - 1] for place in places)
    triplets = design.triplets(simulated_votes(first, second, np.random.default_rng(2)))
    split = split_by_original(triplets, test_share=1 - for_training / originals, seed=0)
    rows = split.train
    started = time.perf_counter()
    ours = fit_logistic(triplets.take(rows), first[rows], second[rows])
    fit_s = time.perf_counter() - started
    steps = EPOCHS * -(-len(rows) // BATCH)
    theirs, step_s = published_loop(
        trunk,
        sizes,
        [shown[design.image[rows], place[rows]] for place in (np.zeros_like(places[0]), *places)],
        triplets.take(rows).share_second,
        steps=steps,
        timed_steps=timed_steps,
    )
    equal = fit_equal_weights(triplets.take(rows), first[rows], second[rows]).weights
    peer_s = steps * step_s
    print(
        f"{len(rows)} triplets of {for_training} originals, {side} px, {backbone_name} (random, "
        f"seed 0), torch {torch.__version__}, {torch.get_num_threads()} threads:"
    )
    n_pictures = for_training * shown.shape[1]
    distinct = len(picture_pairs(triplets.take(rows)).pairs)
    print(f"  ours: {extraction_s:.1f} s for {n_pictures} pictures ({distinct} pairs)", end="")
    print(f" + {fit_s:.2f} s to fit = {extraction_s + fit_s:.1f} s")
    print(f"  published loop: {step_s:.2f} s a step x {steps} steps = {peer_s:.0f} s")
    print(f"  ratio: {peer_s / (extraction_s + fit_s):.0f} (to be 40 or more)")
    for name, weights in (("ours", ours.weights), ("published loop", theirs), ("w = 1", equal)):
        if weights is not None:
            score = _score(weights, triplets, first, second, split.test)
            print(f"  held-out 2AFC score, {name}: {score:.4f}")


def _score(
    weights: NDArray[np.float64],
    triplets: Triplets,
    first: Features,
    second: Features,
    rows: NDArray[np.int64],
) -> float:
    difference = (first[rows] - second[rows]).astype(np.float64) @ weights
    return float(agreement(difference, triplets.take(rows).share_second).mean())


def published_loop(  # type: ignore[no-untyped-def]
    trunk, sizes, shown, share, *, steps: int, timed_steps: int
) -> tuple[NDArray[np.float64] | None, float]:
    """Weights after ``steps`` (None if fewer were timed) and the median of seconds per step."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(0)
    heads = nn.ModuleList([nn.Conv2d(size, 1, 1, bias=False) for size in sizes])
    ranking = nn.Sequential(
        nn.Linear(5, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1)
    )  # 1x1 convolutions there, of pictures of one pixel
    optimiser = torch.optim.Adam(
        [*heads.parameters(), *ranking.parameters()], lr=1e-4, betas=(0.5, 0.999)
    )
    target = torch.from_numpy(share.astype(np.float32))

    def tensor(pixels: NDArray[np.uint8]) -> torch.Tensor:
        plain = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).float() / 255
        return plain.requires_grad_()  # as their trainer marks its inputs

    def distance(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(len(x))
        for a, b, head in zip(list(trunk.taps(x)), list(trunk.taps(y)), heads, strict=True):
            squares = (unit(a) - unit(b)) ** 2
            total = total + head(functional.dropout(squares, 0.5)).mean(dim=(1, 2, 3))
        return total

    def unit(f: torch.Tensor) -> torch.Tensor:
        return f / (torch.sqrt((f**2).sum(dim=1, keepdim=True)) + 1e-10)

    seconds = []
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(min(steps, timed_steps)):
        if not len(order):
            order = torch.randperm(len(target))
        rows, order = order[:BATCH], order[BATCH:]
        started = time.perf_counter()
        original, first, second = (tensor(side[rows.numpy()]) for side in shown)
        d0, d1 = distance(original, first), distance(original, second)
        inputs = torch.stack([d0, d1, d0 - d1, d0 / (d1 + 0.1), d1 / (d0 + 0.1)], dim=1)
        loss = functional.binary_cross_entropy_with_logits(ranking(inputs)[:, 0], target[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            for head in heads:
                head.weight.clamp_(min=0.0)
        seconds.append(time.perf_counter() - started)
    found = None
    if len(seconds) == steps:
        found = np.concatenate([head.weight.detach().numpy().ravel() for head in heads])
        found = found.astype(np.float64)
    return found, float(np.median(seconds))


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("fit", "end-to-end", "both"), default="both")
    parser.add_argument("--backbone", default="vgg16_bn")
    parser.add_argument("--triplets", type=int, default=384, help="to train on; at most 400")
    parser.add_argument("--timed-steps", type=int, default=100, help="of the published loop")
    parser.add_argument("--side", type=int, default=64, help="of the pictures, in px")
    given = parser.parse_args()
    if given.part != "end-to-end":
        time_fit()
    if given.part != "fit":
        time_end_to_end(
            given.backbone,
            n_triplets=given.triplets,
            timed_steps=given.timed_steps,
            side=given.side,
        )


if __name__ == "__main__":
    main()
