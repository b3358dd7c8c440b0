"""The likelihood of scores, biases and inconsistencies: its maximum, and its information."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from mturk_eval.errors import StatisticsError

_Floats = NDArray[np.float64]
_Codes = NDArray[np.int64]

_MOST_ITERATIONS = 20_000
_TOLERANCE = 1e-9  # change of scores, in units of the raters' common spread
_FEWEST_RATINGS = 3  # with fewer, bias and score leave no residual of a rater's own
_SMALLEST_SHARE = 0.1  # of the common spread: less is a rater whom the scores merely copy
_ROUNDING = 1e-9
_MOST_STIMULI = 6_000  # the information is a dense matrix of stimuli x stimuli
_ENTRIES_AT_ONCE = 2**23


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The maximum. Errors are NaN where they are not known; ``held`` marks set inconsistencies."""

    scores: _Floats
    score_errors: _Floats
    biases: _Floats
    bias_errors: _Floats
    inconsistencies: _Floats
    held: NDArray[np.bool_]
    log_likelihood: float
    iterations: int


def fit(values: _Floats, *, stimulus: _Codes, rater: _Codes, n_stimuli: int, n_raters: int) -> Fit:
    """Maximise the likelihood; see `mturk_eval.stats.ratings.bias_inconsistency`.

    Raises
    ------
    StatisticsError
        If the parameters are not determined, or the alternation does not converge.
    """
    _check_connected(stimulus, rater, n_stimuli, n_raters)
    model = _Model.of(values, stimulus, rater, n_stimuli, n_raters)
    scores, biases, iterations = _maximise(model)
    shift = biases.mean()
    scores, biases = scores + shift, biases - shift
    residual = values - scores[stimulus] - biases[rater]
    spread, _, held = _spreads(model, residual)
    score_errors, bias_errors = _errors(stimulus, rater, 1.0 / spread**2, n_stimuli)
    standardised = residual / spread[rater]
    return Fit(
        scores=scores,
        score_errors=score_errors,
        biases=biases,
        bias_errors=bias_errors,
        inconsistencies=spread,
        held=held,
        log_likelihood=float(
            -0.5 * np.sum(np.log(2.0 * np.pi * spread[rater] ** 2) + standardised**2)
        ),
        iterations=iterations,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    """The ratings, and which of them say something of scores and of their raters' spread."""

    values: _Floats
    stimulus: _Codes
    rater: _Codes
    n_stimuli: int
    per_rater: _Codes
    informs: NDArray[np.bool_]

    @classmethod
    def of(
        cls, values: _Floats, stimulus: _Codes, rater: _Codes, n_stimuli: int, n_raters: int
    ) -> _Model:
        per_rater = np.bincount(rater, minlength=n_raters)
        return cls(
            values=values,
            stimulus=stimulus,
            rater=rater,
            n_stimuli=n_stimuli,
            per_rater=per_rater,
            # A single rating is explained by its rater's bias and says nothing of its stimulus.
            informs=(per_rater > 1)[rater],
        )

    def rater_means(self, numbers: _Floats) -> _Floats:
        sums = np.bincount(self.rater, weights=numbers, minlength=len(self.per_rater))
        return np.asarray(sums / self.per_rater)

    def stimulus_sums(self, numbers: _Floats) -> _Floats:
        sums = np.bincount(self.stimulus, weights=numbers, minlength=self.n_stimuli)
        return np.asarray(sums, dtype=np.float64)


def _maximise(model: _Model) -> tuple[_Floats, _Floats, int]:
    """Scores, biases and the number of iterations; each step raises the likelihood."""
    ones = np.ones(len(model.values))
    scores = model.stimulus_sums(model.values) / model.stimulus_sums(ones)
    biases = model.rater_means(model.values - scores[model.stimulus])
    for iteration in range(1, _MOST_ITERATIONS + 1):
        cleaned = model.values - biases[model.rater]
        spread, common, _ = _spreads(model, cleaned - scores[model.stimulus])
        weight = np.where(model.informs, 1.0 / spread[model.rater] ** 2, 0.0)
        new = model.stimulus_sums(weight * cleaned) / model.stimulus_sums(weight)
        moved = float(np.abs(new - scores).max())
        scores, biases = new, model.rater_means(model.values - new[model.stimulus])
        if moved <= _TOLERANCE * common:
            return scores, biases, iteration
    raise StatisticsError(
        f"Scores and biases still move after {_MOST_ITERATIONS:,} iterations: few raters join the "
        "parts of the study. Let raters rate stimuli across the whole study, or use plain means "
        "(--model mos)."
    )


def _spreads(model: _Model, residual: _Floats) -> tuple[_Floats, float, NDArray[np.bool_]]:
    """Each rater's spread, the common one, and whose spread is set.

    The likelihood grows without bound as the scores copy one rater whose spread goes to zero; the
    maximum that is meant is the one near the plain means, so a spread is kept from vanishing.
    """
    common = float(np.sqrt(np.mean(residual[model.informs] ** 2)))
    if common <= _ROUNDING * max(1.0, float(np.abs(model.values).max())):
        raise StatisticsError(
            "Every rating is exactly its stimulus's score plus its rater's bias, so there is no "
            "inconsistency to estimate. Use plain means (--model mos), or collect more ratings."
        )
    spread = np.sqrt(model.rater_means(residual**2))
    copied = spread < _SMALLEST_SHARE * common
    few = model.per_rater < _FEWEST_RATINGS
    spread = np.where(few, common, np.where(copied, _SMALLEST_SHARE * common, spread))
    return spread, common, copied | few


def _check_connected(stimulus: _Codes, rater: _Codes, n_stimuli: int, n_raters: int) -> None:
    size = n_stimuli + n_raters
    edges = csr_array((np.ones(len(stimulus)), (stimulus, n_stimuli + rater)), shape=(size, size))
    parts, _ = connected_components(edges, directed=False)
    if np.bincount(rater).max() == 1:
        raise StatisticsError(
            "Every rater gave one rating, so a rater's bias cannot be told from the stimulus's "
            "quality. Use plain means (--model mos), or let raters rate several stimuli."
        )
    if parts > 1:
        raise StatisticsError(
            f"The study falls into {parts} parts that share no rater and no stimulus, so biases "
            "and scores cannot be told apart between them. Fit each part alone, use plain means "
            "(--model mos), or let raters rate stimuli of several parts."
        )
    if n_stimuli == 1:
        raise StatisticsError(
            "There is one stimulus: biases need several. Use plain means (--model mos)."
        )


# --- standard errors -----------------------------------------------------------------------------


def _errors(
    stimulus: _Codes, rater: _Codes, precision: _Floats, n_stimuli: int
) -> tuple[_Floats, _Floats]:
    """Standard errors of scores and biases, from their joint expected information.

    In the expected information of normal data inconsistencies are independent of the rest. Scores
    plus a constant and biases less it fit alike: raters are eliminated (their block is diagonal),
    the rest is inverted but for that direction, and the result moved to biases of mean zero.
    """
    n_raters = len(precision)
    if n_stimuli > _MOST_STIMULI:
        return np.full(n_stimuli, np.nan), np.full(n_raters, np.nan)
    shape = (n_raters, n_stimuli)
    per_rater = np.bincount(rater, minlength=n_raters)
    # How a rater's bias falls as the scores of what they rated rise, one row per rater.
    share = csr_array((1.0 / per_rater[rater], (rater, stimulus)), shape=shape)
    weighted = csr_array((precision[rater], (rater, stimulus)), shape=shape)
    information = -np.asarray((weighted.T @ share).toarray())
    information[np.diag_indices(n_stimuli)] += np.bincount(stimulus, weights=precision[rater])
    # The constant direction has information 0: add it at the scale of the others, and take it out.
    level = float(np.trace(information)) / n_stimuli
    inverse = linalg.inv(
        information + level / n_stimuli, assume_a="pos", check_finite=False, overwrite_a=True
    )
    inverse -= 1.0 / (level * n_stimuli)
    # Covariances with the mean bias, whose coefficients on the scores are -mean share.
    mean_share = np.asarray(share.sum(axis=0)).ravel() / n_raters
    with_mean = -inverse @ mean_share
    own = 1.0 / (precision * per_rater)
    of_mean = float(mean_share @ inverse @ mean_share + own.sum() / n_raters**2)
    scores = np.diag(inverse) + 2.0 * with_mean + of_mean
    spread = np.empty(n_raters)
    step = max(1, _ENTRIES_AT_ONCE // n_stimuli)
    for start in range(0, n_raters, step):
        some = share[start : start + step]
        spread[start : start + step] = (some.toarray() * np.asarray(some @ inverse)).sum(axis=1)
    with_bias = -(share @ with_mean) + own / n_raters
    biases = own + spread - 2.0 * with_bias + of_mean
    return np.sqrt(np.maximum(scores, 0.0)), np.sqrt(np.maximum(biases, 0.0))
