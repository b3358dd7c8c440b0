"""Linear combinations of metrics, such as a learned distance with PSNR (Patel et al. 2021, 3.2).

Differences are brought to root mean square 1 before they are combined. The default takes weights of
at least 0, so that a combination never rewards what one of its metrics calls farther.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mturk_eval.metric.compared import ComparedMetric
from mturk_eval.metric.errors import MetricError, MetricInputError, import_extra
from mturk_eval.metric.logistic_fit import fit_non_negative_logistic, fit_slope
from mturk_eval.metric.triplets import Triplets
from mturk_eval.metric.yardsticks import agreement
from mturk_eval.stats.documents import Document

CombinationMethod = Literal["sweep", "logistic", "ransac"]
"""Exact search of the one angle between two metrics, logistic fit, or RANSAC as in the paper."""

_Floats = NDArray[np.float64]
_HOW: dict[CombinationMethod, str] = {
    "sweep": "weights by exact search for the best training 2AFC score",
    "logistic": "weights by non-negative logistic fit, L2 by cross-validation over originals",
    "ransac": "weights by RANSAC, as in the paper",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """A weighted sum of metrics' distances.

    Attributes
    ----------
    parts : tuple of str
        The metrics.
    weights : tuple of float
        Per unit of each metric's distance (of a similarity: of its negative).
    standard_weights : tuple of float
        The same where every difference has root mean square 1, their squares adding up to 1: how
        much each metric says.
    part_notes : tuple of str
        What the metrics' names do not say, such as the colours of MS-SSIM.
    logit_slope : float
        Logit of choosing the second per unit of the sum, fitted to the same triplets.
    training_score : float
        2AFC score on the triplets it was fitted to.
    seed : int or None
        Of RANSAC; the others have none.
    """

    name: str
    parts: tuple[str, ...]
    weights: tuple[float, ...]
    standard_weights: tuple[float, ...]
    method: CombinationMethod
    part_notes: tuple[str, ...]
    logit_slope: float
    training_score: float
    seed: int | None = None

    def apply(self, metrics: Sequence[ComparedMetric]) -> ComparedMetric:
        """The combination on any triplets, of its parts there in the same order."""
        if tuple(metric.name for metric in metrics) != self.parts:
            raise MetricInputError(
                f"{self.name} combines {', '.join(self.parts)}, not "
                f"{', '.join(metric.name for metric in metrics)}."
            )
        columns = np.column_stack([metric.difference for metric in metrics])
        return ComparedMetric(
            name=self.name,
            difference=columns @ np.array(self.weights),
            logit_slope=self.logit_slope,
            note=_HOW[self.method],
        )

    def document(self) -> Document:
        """As JSON."""
        return {
            "name": self.name,
            "method": self.method,
            "seed": self.seed,
            "logit_slope": self.logit_slope,
            "training_score": self.training_score,
            "parts": [
                {"metric": part, "weight": weight, "standard_weight": standard}
                for part, weight, standard in zip(
                    self.parts, self.weights, self.standard_weights, strict=True
                )
            ],
        }


def combine(
    metrics: Sequence[ComparedMetric],
    triplets: Triplets,
    *,
    method: CombinationMethod | None = None,
    name: str | None = None,
    seed: int = 0,
) -> Combination:
    """Find the weights of a combination on the triplets to train on.

    Parameters
    ----------
    metrics : sequence of ComparedMetric
        Two or more, on these triplets, each with a value everywhere.
    method : {"sweep", "logistic", "ransac"}, optional
        By default the sweep for two metrics and the logistic fit for more. RANSAC regresses the
        share of votes less 1/2 on the differences, without an intercept and without regard to the
        number of votes; its weights may be negative.
    seed : int
        Of RANSAC.

    Raises
    ------
    MetricInputError
        If there are fewer than two metrics, a sweep is asked for more than two, or a value lacks.
    MetricError
        If RANSAC finds no consensus, or no weight above zero helps.
    MissingExtraError
        If RANSAC is asked for without scikit-learn.
    """
    chosen = method or ("sweep" if len(metrics) == 2 else "logistic")
    columns = _columns(metrics, triplets, chosen)
    spread = np.sqrt(np.square(columns).mean(axis=0))
    standard = columns / np.where(spread > 0, spread, 1.0)
    share = triplets.share_second
    if chosen == "sweep":
        angle = best_angle(standard[:, 0], standard[:, 1], share)
        weights = np.array([np.cos(angle), np.sin(angle)])
    elif chosen == "logistic":
        weights = fit_non_negative_logistic(standard, triplets).weights
    else:
        weights = _ransac(standard, share, seed)
    length = float(np.linalg.norm(weights))
    if length == 0.0:
        raise MetricError(
            f"No combination of {', '.join(metric.name for metric in metrics)} predicts the votes "
            "better than chance. Leave the combination out."
        )
    weights = weights / length
    difference = standard @ weights
    return Combination(
        name=name or " + ".join(metric.name for metric in metrics),
        parts=tuple(metric.name for metric in metrics),
        weights=tuple(map(float, weights / np.where(spread > 0, spread, 1.0))),
        standard_weights=tuple(map(float, weights)),
        method=chosen,
        part_notes=tuple(metric.note for metric in metrics),
        logit_slope=fit_slope(difference, triplets),
        training_score=float(agreement(difference, share).mean()),
        seed=seed if chosen == "ransac" else None,
    )


def best_angle(a: _Floats, b: _Floats, share_second: _Floats) -> float:
    """The angle in [0, pi/2] at which ``cos(angle) a + sin(angle) b`` has the best 2AFC score.

    The score is constant between the angles at which some triplet changes its sign, so sorting
    those is exact. Of equally good stretches the widest is taken, and of it the middle.

    Examples
    --------
    >>> a, b = np.array([1.0, -1.0, 2.0]), np.array([1.0, 2.0, -1.0])
    >>> bool(0.46 < best_angle(a, b, np.array([1.0, 1.0, 1.0])) < 1.11)  # both mixed rows right
    True
    """
    share = share_second - 0.5
    mixed = np.flatnonzero(a * b < 0)
    start = np.where(a != 0, np.sign(a), np.sign(b))
    turns = np.arctan2(np.abs(a[mixed]), np.abs(b[mixed]))
    order = np.argsort(turns, kind="stable")
    changes = -2.0 * (np.sign(a) * share)[mixed][order]
    edges = np.concatenate([[0.0], turns[order], [np.pi / 2]])
    totals = (start * share).sum() + np.concatenate([[0.0], np.cumsum(changes)])
    widths = np.diff(edges)
    # stretches of no width are not there: several triplets turn at the same angle
    totals = np.where(widths > 0, totals, -np.inf)
    best = totals >= totals.max() - 1e-9 * len(a)
    widest = int(np.argmax(np.where(best, widths, -1.0)))
    return float((edges[widest] + edges[widest + 1]) / 2)


def _columns(
    metrics: Sequence[ComparedMetric], triplets: Triplets, method: CombinationMethod
) -> _Floats:
    if len(metrics) < 2 or (method == "sweep" and len(metrics) > 2):
        raise MetricInputError(
            f"{len(metrics)} metrics to combine by {method}: a sweep takes two, the others two or "
            "more."
        )
    for metric in metrics:
        if len(metric.difference) != len(triplets):
            raise MetricInputError(
                f"{metric.name} has {len(metric.difference)} values for {len(triplets)} triplets."
            )
        if metric.n_missing:
            raise MetricInputError(
                f"{metric.name} has no value on {metric.n_missing} of {len(triplets)} triplets "
                f"({metric.note or 'its values lack'}): it cannot be combined. Leave it out."
            )
    return np.column_stack([metric.difference for metric in metrics])


def _ransac(standard: _Floats, share: _Floats, seed: int) -> _Floats:
    linear_model: Any = import_extra("sklearn.linear_model", "A combination by RANSAC")
    target = share - 0.5
    spread = float(np.median(np.abs(target - np.median(target))))
    model = linear_model.RANSACRegressor(
        linear_model.LinearRegression(fit_intercept=False),
        # the library's own threshold is this spread, which is 0 where most shares are equal
        residual_threshold=spread if spread > 0 else float(target.std()) or 0.5,
        random_state=seed,
    )
    try:
        model.fit(standard, target)
    except ValueError as error:
        raise MetricError(
            f"RANSAC found no weights that enough triplets agree on ({error}). Use the sweep or "
            "the logistic fit, or collect more votes."
        ) from error
    return np.asarray(model.estimator_.coef_, dtype=np.float64)
