"""The published training recipe (Zhang et al. 2018) on cached pair features: ``--recipe lpips``.

What is the same: a small ranking network on the two distances, binary cross-entropy with the share
of votes, weights kept at 0 or above after every step, Adam (rate 1e-4, betas .5 and .999), batches
of 50, a constant rate for six tenths of the steps and then .8, .6, .4 and .2 of it, no vote counts.

What differs, and why:

- Steps instead of epochs. The published 10 epochs are 30,000 steps on the 151,400 triplets of BAPPS
  and 770 on 3,840, after which the loss is still that of chance.
- Dropout. The published code drops single elements of the squared differences *before* their mean
  over the picture. Cached features are those means, so that cannot be repeated from them. Over
  the hundreds to thousands of places of a picture it averages out to nearly nothing, so the default
  is none; ``dropout`` drops whole channels instead, which is another and stronger noise.
- The backbone is in evaluation mode, always.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.errors import MetricError, MetricInputError, import_extra
from mturk_eval.metric.training import Features, TrainedWeights, scaled_weights
from mturk_eval.metric.triplets import Triplets

if TYPE_CHECKING:
    import torch

PUBLISHED_STEPS: Final = 30_000
"""Ten epochs over BAPPS in batches of 50, rounded."""

_BATCH: Final = 50
_RATE: Final = 1e-4
_BETAS: Final = (0.5, 0.999)
_HIDDEN: Final = 32
_LEAK: Final = 0.2
_RATE_FACTORS: Final = (1.0,) * 6 + (0.8, 0.6, 0.4, 0.2)
_EPSILON: Final = 0.1


def fit_lpips_recipe(
    triplets: Triplets,
    features_first: Features,
    features_second: Features,
    *,
    layer_sizes: Sequence[int],
    steps: int = PUBLISHED_STEPS,
    rate: float = _RATE,
    dropout: float = 0.0,
    seed: int = 0,
) -> TrainedWeights:
    """Train one weight per channel by the published ranking network [1]_.

    Parameters
    ----------
    triplets : Triplets
        n triplets; the shares of votes are used and, as published, their numbers are not.
    features_first, features_second : ndarray of float32, shape (n, C)
        Pair features of (original, first) and (original, second).
    layer_sizes : sequence of int
        Channels of every layer: weights start as the published layers do, uniform between plus and
        minus ``1 / sqrt(channels)``.
    steps : int
        Of Adam, in batches of 50.
    rate : float
        Of Adam, for the first six tenths of the steps.
    dropout : float, from 0 to below 1
        Chance to drop a channel of both sides' features; see the module's text.
    seed : int
        Of start, batches and dropout. The same seed gives the same weights on one version of torch.

    Returns
    -------
    TrainedWeights
        ``logit_slope`` is fitted afterwards, since the ranking network is not kept: it is not
        antisymmetric, so it cannot be a distance.

    Raises
    ------
    MetricInputError
        If sizes do not fit or an option is out of range.
    MetricError
        If training ends with no weight above zero.
    MissingExtraError
        If torch is not installed.

    References
    ----------
    .. [1] Zhang, Isola, Efros, Shechtman & Wang (2018), The unreasonable effectiveness of deep
       features as a perceptual metric, CVPR, section 3; ``train.py`` and ``trainer.py`` of their
       code.
    """
    import_extra("torch", "The recipe lpips")
    _check(triplets, features_first, layer_sizes, steps=steps, rate=rate, dropout=dropout)
    import torch

    with _one_thread():
        weights, last_loss = _trained_weights(
            triplets,
            np.stack([features_first, features_second], axis=1),
            layer_sizes,
            steps=steps,
            rate=rate,
            dropout=dropout,
            seed=seed,
        )
    if not weights.any():
        raise MetricError(
            f"The recipe lpips ended with every weight at zero after {steps} steps (last batch's "
            f"loss {last_loss:.3f}). Use the default recipe, or check which reconstruction the "
            "votes are for."
        )
    return scaled_weights(
        "lpips",
        weights,
        triplets,
        features_first,
        features_second,
        seed=seed,
        settings={
            "steps": steps,
            "batch": _BATCH,
            "rate": rate,
            "channel_dropout": dropout,
            "last_batch_loss": last_loss,
            "torch": torch.__version__,
        },
        warnings=(
            "The published recipe's element dropout cannot be repeated on cached features; "
            + ("there was none." if dropout == 0 else "whole channels were dropped instead."),
        ),
    )


def _trained_weights(
    triplets: Triplets,
    features: NDArray[np.float32],
    layer_sizes: Sequence[int],
    *,
    steps: int,
    rate: float,
    dropout: float,
    seed: int,
) -> tuple[NDArray[np.float64], float]:
    """Weights, and the last batch's loss; ``features`` of shape (n, 2, C), first side first."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    both = torch.from_numpy(features)
    share = torch.from_numpy(triplets.share_second.astype(np.float32))
    weights = _start(layer_sizes, generator).requires_grad_()
    network = _ranking_network(generator)
    optimiser = torch.optim.Adam(
        [weights, *network.parameters()], lr=rate, betas=_BETAS, fused=True
    )
    order = torch.empty(0, dtype=torch.int64)
    last_loss = float("nan")
    for step in range(steps):
        if not len(order):
            order = torch.randperm(len(share), generator=generator)
        rows, order = order[:_BATCH], order[_BATCH:]
        for group in optimiser.param_groups:
            group["lr"] = rate * _RATE_FACTORS[len(_RATE_FACTORS) * step // steps]
        kept = _kept_channels(len(weights), dropout, generator)
        distances = both[rows] @ (weights * kept)
        loss = _loss(network, distances[:, 0], distances[:, 1], share[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            weights.clamp_(min=0.0)
        last_loss = float(loss.detach()) if step == steps - 1 else last_loss
    return weights.detach().numpy().astype(np.float64), last_loss


@contextmanager
def _one_thread() -> Iterator[None]:
    """A step's products are so small that threads wait for each other longer than they work."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _start(layer_sizes: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """What torch gives 1x1 convolutions of one output: uniform, half of it below zero."""
    import torch

    return torch.cat(
        [(2 * torch.rand(size, generator=generator) - 1) / size**0.5 for size in layer_sizes]
    )


def _ranking_network(generator: torch.Generator) -> torch.nn.Sequential:
    """5-32-32-1 with leaky rectifiers; the sigmoid is in the loss."""
    import torch
    from torch import nn

    network = nn.Sequential(
        nn.Linear(5, _HIDDEN),
        nn.LeakyReLU(_LEAK),
        nn.Linear(_HIDDEN, _HIDDEN),
        nn.LeakyReLU(_LEAK),
        nn.Linear(_HIDDEN, 1),
    )
    for layer in network:
        if isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5
            with torch.no_grad():
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.uniform_(-bound, bound, generator=generator)
    return network


def _loss(
    network: torch.nn.Sequential,
    first: torch.Tensor,
    second: torch.Tensor,
    share: torch.Tensor,
) -> torch.Tensor:
    import torch

    inputs = torch.stack(
        [
            first,
            second,
            first - second,
            first / (second + _EPSILON),
            second / (first + _EPSILON),
        ],
        dim=1,
    )
    return torch.nn.functional.binary_cross_entropy_with_logits(network(inputs)[:, 0], share)


def _kept_channels(n: int, dropout: float, generator: torch.Generator) -> torch.Tensor:
    import torch

    if dropout == 0:
        return torch.ones(())
    return (torch.rand(n, generator=generator) >= dropout).float() / (1 - dropout)


def _check(
    triplets: Triplets,
    features: Features,
    layer_sizes: Sequence[int],
    *,
    steps: int,
    rate: float,
    dropout: float,
) -> None:
    if len(triplets) != len(features) or sum(layer_sizes) != features.shape[1]:
        raise MetricInputError(
            f"{len(triplets)} triplets with features of shape {features.shape}, layers of "
            f"{', '.join(map(str, layer_sizes))} channels: give one row per triplet and one column "
            "per channel."
        )
    if not len(triplets):
        raise MetricInputError("There are no triplets to train on. Add votes.")
    if steps < len(_RATE_FACTORS) or not rate > 0 or not 0 <= dropout < 1:
        raise MetricInputError(
            f"steps {steps}, rate {rate:g}, dropout {dropout:g}: give at least 10 steps, a rate "
            "above 0 and a dropout from 0 to below 1."
        )
