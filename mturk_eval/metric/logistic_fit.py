"""The convex fit: non-negative weights of differences, by penalised logistic regression.

``t = x v`` with ``x`` the differences (first minus second) divided by their columns' mean absolute
value; the second is chosen with chance ``1 / (1 + exp(-t))``. There is no intercept, so exchanging
the sides exchanges the chances. With L2 > 0 the objective is strictly convex: one answer, no seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from mturk_eval.metric.errors import MetricError
from mturk_eval.metric.split import folds_by_original
from mturk_eval.metric.triplets import Triplets
from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.threads import threads_for

Rule = Literal["minimum", "one-standard-error"]
"""How L2 is read off the held-out log-loss: its smallest, or the largest L2 within one error."""

L2_GRID: tuple[float, ...] = (30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
"""Penalties tried, the strongest first."""

_RISES_BEFORE_STOP = 2
_GRADIENT_TOLERANCE = 1e-8
_ROUGH_TOLERANCE = 2e-5  # for held-out losses, whose fourth digit decides nothing
_FEW_THREADS = 1  # side below which BLAS gets one thread: products with a vector gain from no more
_LARGEST_GRADIENT = 1e-5
_RESTARTS = 5
_LOWEST_SCALE = 0.01  # of the median channel's

_Floats = NDArray[np.float64]
_Matrix = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidation:
    """Held-out log-loss for every L2 that was tried, folds being whole originals.

    Attributes
    ----------
    l2, log_loss, std_error : tuple of float
        Penalties, strongest first; log-loss per vote in nats on originals that were left out; its
        standard error over folds. Weaker penalties are not tried once the loss rises twice.
    chosen : float
    rule : {"minimum", "one-standard-error"}
    n_folds : int
    """

    l2: tuple[float, ...]
    log_loss: tuple[float, ...]
    std_error: tuple[float, ...]
    chosen: float
    rule: Rule
    n_folds: int

    def document(self) -> Document:
        """As JSON."""
        return {
            "rule": self.rule,
            "n_folds": self.n_folds,
            "unit": "original",
            "chosen": self.chosen,
            "rows": [
                {"l2": l2, "log_loss": loss, "std_error": number(error)}
                for l2, loss, error in zip(self.l2, self.log_loss, self.std_error, strict=True)
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LogisticFit:
    """Weights of the differences in logits.

    Attributes
    ----------
    weights : ndarray, shape (C,)
        At least 0; ``differences @ weights`` is the logit of choosing the second.
    objective : float
        Mean log-loss per vote in nats, with the penalty.
    largest_gradient : float
        Of the projected gradient at the answer: 0 at the exact one.
    """

    weights: _Floats
    l2: float
    cross_validation: CrossValidation | None
    objective: float
    largest_gradient: float
    iterations: int


def fit_non_negative_logistic(
    differences: NDArray[np.float32] | NDArray[np.float64],
    triplets: Triplets,
    *,
    l2: float | None = None,
    n_folds: int = 5,
    rule: Rule = "minimum",
    start: _Floats | None = None,
) -> LogisticFit:
    """Fit ``min_v sum_i n_i [log(1 + exp(t_i)) - h_i t_i] / sum_i n_i + l2/2 |v|^2, v >= 0``.

    Parameters
    ----------
    differences : ndarray, shape (n, C)
        Distance features of the first less those of the second: where they are positive, the
        second is closer to the original.
    triplets : Triplets
        ``n_i`` votes with share ``h_i`` for the second.
    l2 : float, optional
        Penalty on the weights of scaled columns, above 0. By default that with the smallest
        held-out log-loss in cross-validation grouped by original.
    n_folds, rule
        Of the cross-validation.
    start : ndarray, shape (C,), optional
        Where the search starts, in scaled weights; it changes nothing but the time.

    Raises
    ------
    MetricError
        If there is one original only and no ``l2``, or the search does not converge.
    """
    n = triplets.n_votes.astype(np.float64)
    share = triplets.share_second
    scale = _column_scale(differences, n)
    scaled = differences / scale.astype(differences.dtype)
    with threads_for(_FEW_THREADS):
        chosen = None
        if l2 is None:
            chosen = _cross_validate(scaled, triplets, n_folds=n_folds, rule=rule)
            l2 = chosen.chosen
        exact = _Objective(x=scaled.astype(np.float64), share=share, weight=n / n.sum(), l2=l2)
        found = exact.minimum(np.zeros(len(scale)) if start is None else start, _GRADIENT_TOLERANCE)
        gradient = exact.projected_gradient(found.x)
        # A search along what it remembers of the curvature can come to a halt; a new one goes on.
        for _ in range(_RESTARTS):
            if gradient <= _LARGEST_GRADIENT:
                break
            found = exact.minimum(found.x, _GRADIENT_TOLERANCE)
            gradient = exact.projected_gradient(found.x)
    if gradient > _LARGEST_GRADIENT:
        raise MetricError(
            f"The fit of weights stopped with a gradient of {gradient:.1e} after {found.nit} "
            f"steps ({found.message}). Give a larger l2, or check the features for extremes."
        )
    return LogisticFit(
        weights=np.asarray(found.x / scale),
        l2=l2,
        cross_validation=chosen,
        objective=float(found.fun),
        largest_gradient=gradient,
        iterations=int(found.nit),
    )


def held_out_logits(
    differences: NDArray[np.float32] | NDArray[np.float64],
    triplets: Triplets,
    *,
    l2: float,
    n_folds: int = 5,
) -> _Floats:
    """Logit of choosing the second on every triplet, shape (n,), by a fit without its original.

    What is fitted on top of a fit (a combination with other metrics) needs distances as good as
    they are on new originals, not as good as on those that were fitted.

    Raises
    ------
    MetricError
        If there is one original only.
    """
    n = triplets.n_votes.astype(np.float64)
    x = (differences / _column_scale(differences, n)).astype(np.float32)
    fold = _folds(triplets, n_folds)
    logits = np.empty(len(n))
    with threads_for(_FEW_THREADS):
        for k in range(int(fold.max()) + 1):
            objective = _without_fold(x, triplets, fold, k, l2)
            found = objective.minimum(np.zeros(x.shape[1]), _ROUGH_TOLERANCE)
            logits[fold == k] = objective.logits(np.asarray(found.x))[fold == k]
    return logits


def fit_slope(difference: _Floats, triplets: Triplets) -> float:
    """The one-parameter logistic: s >= 0 such that ``s * difference`` is the logit of the second.

    Parameters
    ----------
    difference : ndarray, shape (n,)
        Distance of the first less that of the second.

    Returns
    -------
    float
        0 where votes run against the distance; bounded by 1,000 typical differences where votes
        follow it without exception.
    """
    n, share = triplets.n_votes, triplets.share_second
    typical = float(np.abs(difference).mean())
    if typical == 0.0 or not np.isfinite(typical):
        return 0.0
    x = difference / typical

    def slope_of_loss(s: float) -> float:
        return float((n * x * (special.expit(s * x) - share)).sum())

    if slope_of_loss(0.0) >= 0:
        return 0.0
    if slope_of_loss(1_000.0) <= 0:
        return 1_000.0 / typical
    return float(optimize.brentq(slope_of_loss, 0.0, 1_000.0, xtol=1e-12)) / typical


def log_losses(logit: _Floats, share: _Floats) -> _Floats:
    """Log-loss per vote in nats of every triplet, shape (n,): stable for any logit.

    Examples
    --------
    >>> log_losses(np.array([0.0, 1000.0]), np.array([0.5, 1.0])).round(4)
    array([0.6931, 0.    ])
    """
    return np.asarray(np.logaddexp(0.0, logit) - share * logit)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Objective:
    """The objective over scaled columns ``x``; rows of weight 0 are held out."""

    x: NDArray[np.float32] | NDArray[np.float64]
    share: _Floats
    weight: _Floats
    l2: float

    def __call__(self, v: _Floats) -> tuple[float, _Floats]:
        t = self.logits(v)
        residual = self.weight * (special.expit(t) - self.share)
        gradient = np.asarray(_like(self.x, residual) @ self.x, np.float64) + self.l2 * v
        value = float(self.weight @ log_losses(t, self.share) + 0.5 * self.l2 * (v @ v))
        return value, gradient

    def logits(self, v: _Floats) -> _Floats:
        return np.asarray(self.x @ _like(self.x, v), np.float64)

    def minimum(self, start: _Floats, tolerance: float) -> optimize.OptimizeResult:
        return optimize.minimize(
            self,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=optimize.Bounds(0.0, np.inf),
            options={
                "gtol": tolerance,
                "ftol": 0.0,
                "maxiter": 20_000,
                "maxfun": 40_000,
                "maxcor": 20,
            },
        )

    def projected_gradient(self, v: _Floats) -> float:
        _, gradient = self(v)
        return float(np.abs(np.where(v > 0, gradient, np.minimum(gradient, 0.0))).max())


def _cross_validate(
    scaled: NDArray[np.float32] | NDArray[np.float64],
    triplets: Triplets,
    *,
    n_folds: int,
    rule: Rule,
) -> CrossValidation:
    fold = _folds(triplets, n_folds)
    n_used = int(fold.max()) + 1
    x = scaled.astype(np.float32)  # half the memory traffic, which is what a fit takes its time for
    n, share = triplets.n_votes.astype(np.float64), triplets.share_second
    starts = [np.zeros(x.shape[1]) for _ in range(n_used)]
    losses: list[_Floats] = []
    votes = np.bincount(fold, weights=n)
    for l2 in L2_GRID:
        of_folds = np.empty(n_used)
        for k in range(n_used):
            objective = _without_fold(x, triplets, fold, k, l2)
            starts[k] = np.asarray(objective.minimum(starts[k], _ROUGH_TOLERANCE).x)
            out = fold == k
            held_out = log_losses(objective.logits(starts[k])[out], share[out])
            of_folds[k] = (n[out] * held_out).sum() / votes[k]
        losses.append(of_folds)
        means = [float(votes @ loss / votes.sum()) for loss in losses]
        if len(means) - 1 - int(np.argmin(means)) >= _RISES_BEFORE_STOP:
            break
    best = int(np.argmin(means))
    errors = [float(loss.std(ddof=1) / np.sqrt(n_used)) for loss in losses]
    place = best
    if rule == "one-standard-error":
        place = next(i for i, mean in enumerate(means) if mean <= means[best] + errors[best])
    return CrossValidation(
        l2=L2_GRID[: len(means)],
        log_loss=tuple(means),
        std_error=tuple(errors),
        chosen=L2_GRID[place],
        rule=rule,
        n_folds=n_used,
    )


def _folds(triplets: Triplets, n_folds: int) -> NDArray[np.int64]:
    fold = folds_by_original(triplets, n_folds)
    if int(fold.max()) == 0:
        raise MetricError(
            "There is one original only, so nothing can be cross-validated over originals. Give "
            "l2, or add votes on other originals."
        )
    return fold


def _without_fold(
    x: _Matrix, triplets: Triplets, fold: NDArray[np.int64], k: int, l2: float
) -> _Objective:
    """A fold is held out by weight 0: all folds share one matrix, which stays in the cache."""
    weight = np.where(fold == k, 0.0, triplets.n_votes.astype(np.float64))
    return _Objective(x=x, share=triplets.share_second, weight=weight / weight.sum(), l2=l2)


def _column_scale(differences: NDArray[np.float32] | NDArray[np.float64], n: _Floats) -> _Floats:
    """Mean absolute difference per vote; 1 for columns that never differ.

    A channel that hardly ever differs is not brought to the scale of the others: its weight would
    cost nothing, and what little it says of few votes would outweigh them.
    """
    scale = np.asarray(_like(differences, n / n.sum()) @ np.abs(differences), np.float64)
    if not (scale > 0).any():
        return np.ones_like(scale)
    lowest = _LOWEST_SCALE * float(np.median(scale[scale > 0]))
    return np.where(scale > 0, np.maximum(scale, lowest), 1.0)


def _like(x: _Matrix, values: _Floats) -> _Matrix:
    """The values in the matrix's precision: a mixed product would copy the matrix."""
    return values.astype(np.float32) if x.dtype == np.float32 else values
