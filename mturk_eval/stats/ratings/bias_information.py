"""What ratings tell of scores and biases together, when the raters' inconsistencies are known.

Scores plus a constant and biases less it fit alike. Raters are eliminated, since their block of the
information is diagonal; the rest, of stimuli x stimuli, is inverted but for that direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

_Floats = NDArray[np.float64]
_Codes = NDArray[np.int64]

_ENTRIES_AT_ONCE = 2**23


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Who rated what: codes of every rating, and the number of ratings of every rater."""

    stimulus: _Codes
    rater: _Codes
    n_stimuli: int
    per_rater: _Codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Information:
    """The inverse of the information, in parts.

    Attributes
    ----------
    inverse : ndarray, shape (n_stimuli, n_stimuli)
        Covariance of the scores when their mean is held.
    share : sparse array, shape (n_raters, n_stimuli)
        How a rater's bias falls as the scores of what they rated rise; rows add up to 1.
    precision : ndarray, shape (n_raters,)
        1 / inconsistency^2.
    from_scores : ndarray, shape (n_raters,)
        The variance that a bias has from the scores' uncertainty.
    """

    design: Design
    inverse: _Floats
    share: csr_array[np.float64]
    precision: _Floats
    from_scores: _Floats

    @classmethod
    def of(cls, design: Design, precision: _Floats) -> Information:
        """Build and invert; time grows with the third power of the number of stimuli."""
        shape = (len(precision), design.n_stimuli)
        place = (design.rater, design.stimulus)
        share = csr_array((1.0 / design.per_rater[design.rater], place), shape=shape)
        weights = precision[design.rater]
        weighted = csr_array((weights, place), shape=shape)
        information = -np.asarray((weighted.T @ share).toarray())
        information[np.diag_indices(design.n_stimuli)] += np.bincount(
            design.stimulus, weights=weights
        )
        # The constant direction has information 0: add it at the others' scale, then take it out.
        level = float(np.trace(information)) / design.n_stimuli
        # numpy's, as all else here: numpy's and scipy's threads fight where both are used.
        inverse = np.linalg.inv(information + level / design.n_stimuli).astype(
            np.float64, copy=False
        )
        inverse -= 1.0 / (level * design.n_stimuli)
        from_scores = np.empty(len(precision))
        step = max(1, _ENTRIES_AT_ONCE // design.n_stimuli)
        for start in range(0, len(precision), step):
            some = share[start : start + step]
            product = some.toarray() * np.asarray(some @ inverse)
            from_scores[start : start + step] = product.sum(axis=1)
        return cls(
            design=design,
            inverse=inverse,
            share=share,
            precision=precision,
            from_scores=from_scores,
        )

    def std_errors(self) -> tuple[_Floats, _Floats]:
        """Standard errors of scores and of biases, the biases having mean zero."""
        n_raters = len(self.precision)
        own = 1.0 / (self.precision * self.design.per_rater)
        mean_share = np.asarray(self.share.sum(axis=0)).ravel() / n_raters
        with_mean = -self.inverse @ mean_share  # covariances of the scores with the mean bias
        of_mean = float(-mean_share @ with_mean + own.sum() / n_raters**2)
        scores = np.diag(self.inverse) + 2.0 * with_mean + of_mean
        with_bias = own / n_raters - np.asarray(self.share @ with_mean)
        biases = own + self.from_scores - 2.0 * with_bias + of_mean
        return np.sqrt(np.maximum(scores, 0.0)), np.sqrt(np.maximum(biases, 0.0))

    def free_ratings(self) -> _Floats:
        """Ratings of each rater, less their leverage: what is left to tell the inconsistency."""
        n_raters = len(self.precision)
        variances = np.bincount(
            self.design.rater,
            weights=np.diag(self.inverse)[self.design.stimulus],
            minlength=n_raters,
        )
        leverage = 1.0 + self.precision * (variances - self.design.per_rater * self.from_scores)
        return np.asarray(self.design.per_rater - leverage)
