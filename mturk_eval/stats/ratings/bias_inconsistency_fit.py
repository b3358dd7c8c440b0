"""The likelihood of scores, biases and inconsistencies, plain or restricted: its maximum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.ratings.bias_information import Design, Information

_Floats = NDArray[np.float64]
_Codes = NDArray[np.int64]

_MOST_ITERATIONS = 20_000
_TOLERANCE = 1e-9  # change of scores, in units of the raters' common spread
_FEWEST_RATINGS = 3  # with fewer, bias and score leave no residual of a rater's own
_SMALLEST_SHARE = 0.1  # of the common spread: less is a rater whom the scores merely copy
_ROUNDING = 1e-9
_MOST_RESTRICTED_ITERATIONS = 2_000
_RESTRICTED_TOLERANCE = 1e-9  # relative change of the spreads
_LEAST_FREE = 1e-6  # keeps the spread of a rater whom the scores copy defined
_MOST_STIMULI_RESTRICTED = 2_000  # inverted at every step
_MOST_STIMULI = 6_000  # the information is a dense matrix of stimuli x stimuli


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The maximum. Errors are NaN where they are not known; ``held`` marks set inconsistencies."""

    scores: _Floats
    score_errors: _Floats
    biases: _Floats
    bias_errors: _Floats
    inconsistencies: _Floats
    free: _Floats  # ratings of each rater less what scores and biases take of them, if restricted
    held: NDArray[np.bool_]
    log_likelihood: float
    iterations: int


def fit(
    values: _Floats,
    *,
    stimulus: _Codes,
    rater: _Codes,
    n_stimuli: int,
    n_raters: int,
    restricted: bool = False,
) -> Fit:
    """Maximise the likelihood, plain or restricted; see `bias_inconsistency` for the meaning.

    Raises
    ------
    StatisticsError
        If the parameters are not determined, or the alternation does not converge.
    """
    _check_connected(stimulus, rater, n_stimuli, n_raters)
    if restricted and n_stimuli > _MOST_STIMULI_RESTRICTED:
        raise StatisticsError(
            f"{n_stimuli:,} stimuli are too many for restricted maximum likelihood (at most "
            f"{_MOST_STIMULI_RESTRICTED:,}). Fit parts of the study, or use plain maximum "
            "likelihood (ml)."
        )
    model = _Model.of(values, stimulus, rater, n_stimuli, n_raters)
    scores, biases, free, iterations = (_maximise_restricted if restricted else _maximise)(model)
    shift = biases.mean()
    scores, biases = scores + shift, biases - shift
    residual = values - scores[stimulus] - biases[rater]
    spread, _, held = _spreads(model, residual, free)
    score_errors, bias_errors = np.full(n_stimuli, np.nan), np.full(n_raters, np.nan)
    if n_stimuli <= _MOST_STIMULI:
        score_errors, bias_errors = Information.of(model.design, 1.0 / spread**2).std_errors()
    standardised = residual / spread[rater]
    return Fit(
        scores=scores,
        score_errors=score_errors,
        biases=biases,
        bias_errors=bias_errors,
        inconsistencies=spread,
        free=free,
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
    design: Design
    informs: NDArray[np.bool_]

    @classmethod
    def of(
        cls, values: _Floats, stimulus: _Codes, rater: _Codes, n_stimuli: int, n_raters: int
    ) -> _Model:
        design = Design(
            stimulus=stimulus,
            rater=rater,
            n_stimuli=n_stimuli,
            per_rater=np.bincount(rater, minlength=n_raters),
        )
        # A single rating is explained by its rater's bias and says nothing of its stimulus.
        return cls(values=values, design=design, informs=(design.per_rater > 1)[rater])

    def rater_sums(self, numbers: _Floats) -> _Floats:
        n_raters = len(self.design.per_rater)
        sums = np.bincount(self.design.rater, weights=numbers, minlength=n_raters)
        return np.asarray(sums, dtype=np.float64)

    def rater_means(self, numbers: _Floats) -> _Floats:
        return self.rater_sums(numbers) / self.design.per_rater

    def stimulus_sums(self, numbers: _Floats) -> _Floats:
        sums = np.bincount(self.design.stimulus, weights=numbers, minlength=self.design.n_stimuli)
        return np.asarray(sums, dtype=np.float64)


def _maximise(model: _Model) -> tuple[_Floats, _Floats, _Floats, int]:
    """Scores, biases, free ratings of the raters (all of them), and the number of iterations."""
    stimulus, rater = model.design.stimulus, model.design.rater
    free = model.design.per_rater.astype(np.float64)
    scores, biases = _start(model)
    for iteration in range(1, _MOST_ITERATIONS + 1):
        cleaned = model.values - biases[rater]
        spread, common, _ = _spreads(model, cleaned - scores[stimulus], free)
        weight = np.where(model.informs, 1.0 / spread[rater] ** 2, 0.0)
        new = model.stimulus_sums(weight * cleaned) / model.stimulus_sums(weight)
        moved = float(np.abs(new - scores).max())
        scores, biases = new, model.rater_means(model.values - new[stimulus])
        if moved <= _TOLERANCE * common:
            return scores, biases, free, iteration
    raise _not_converged(_MOST_ITERATIONS)


def _maximise_restricted(model: _Model) -> tuple[_Floats, _Floats, _Floats, int]:
    """The same by restricted maximum likelihood: solve for scores, then free the residuals.

    A rater's residual sum of squares over their free ratings is the restricted likelihood's
    equation for the variance; repeated with exact scores it settles in some tens of steps.
    """
    stimulus, rater = model.design.stimulus, model.design.rater
    free = model.design.per_rater.astype(np.float64)
    scores, biases = _start(model)
    deviation = model.values - model.rater_means(model.values)[rater]
    spread, _, _ = _spreads(model, model.values - scores[stimulus] - biases[rater], free)
    for iteration in range(1, _MOST_RESTRICTED_ITERATIONS + 1):
        information = Information.of(model.design, 1.0 / spread**2)
        scores = information.inverse @ model.stimulus_sums(deviation / spread[rater] ** 2)
        biases = model.rater_means(model.values - scores[stimulus])
        free = np.maximum(information.free_ratings(), _LEAST_FREE)
        residual = model.values - scores[stimulus] - biases[rater]
        new, _, _ = _spreads(model, residual, free)
        moved = float(np.abs(np.log(new / spread)).max())
        spread = new
        if moved <= _RESTRICTED_TOLERANCE:
            return scores, biases, free, iteration
    raise _not_converged(_MOST_RESTRICTED_ITERATIONS)


def _start(model: _Model) -> tuple[_Floats, _Floats]:
    """Plain means, and the raters' mean deviations from them."""
    n = model.stimulus_sums(np.ones(len(model.values)))
    scores = model.stimulus_sums(model.values) / n
    return scores, model.rater_means(model.values - scores[model.design.stimulus])


def _not_converged(iterations: int) -> StatisticsError:
    return StatisticsError(
        f"Scores and biases still move after {iterations:,} iterations: few raters join the parts "
        "of the study. Let raters rate stimuli across the whole study, or use plain means "
        "(--model mos)."
    )


def _spreads(
    model: _Model, residual: _Floats, free: _Floats
) -> tuple[_Floats, float, NDArray[np.bool_]]:
    """Each rater's spread, the common one, and whose spread is set.

    The likelihood grows without bound as the scores copy one rater whose spread goes to zero; the
    maximum that is meant is the one near the plain means, so a spread is kept from vanishing.
    """
    squares = model.rater_sums(residual**2)
    known = model.design.per_rater >= _FEWEST_RATINGS
    informing = known if known.any() else model.design.per_rater > 1
    common = float(np.sqrt(squares[informing].sum() / free[informing].sum()))
    if common <= _ROUNDING * max(1.0, float(np.abs(model.values).max())):
        raise StatisticsError(
            "Every rating is exactly its stimulus's score plus its rater's bias, so there is no "
            "inconsistency to estimate. Use plain means (--model mos), or collect more ratings."
        )
    spread = np.sqrt(squares / free)
    copied = spread < _SMALLEST_SHARE * common
    spread = np.where(known, np.where(copied, _SMALLEST_SHARE * common, spread), common)
    return spread, common, copied | ~known


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
