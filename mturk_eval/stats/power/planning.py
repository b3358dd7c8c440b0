"""The planning formula: what a study's size does to the standard error of a method's effect."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scipy import stats

from mturk_eval.errors import InvalidInputError
from mturk_eval.stats.power.design import StudyDesign, Truth

_MOST_IMAGES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPower:
    """Power by formula, and the shares of the variance of the effect that each source has."""

    power: float
    std_error: float
    df: float
    image_share: float
    rater_share: float
    residual_share: float


def planned_power(design: StudyDesign, truth: Truth, *, alpha: float = 0.05) -> PlannedPower:
    """Power of the two-sided t test of one method against the reference, without simulation.

    The variance of the effect is ``slope_sd^2 / I + rater_slope_sd^2 / W + 2 s^2 / (I R)`` for I
    images, W raters and R ratings a cell [1]_. Where everyone rates everything, s is the residual
    sd. Where raters see a random part, their leniency does not cancel; a rater's m ratings tell it
    only partly, and ``s^2 = residual_sd^2 / (1 - g / (1 + m g))`` with ``g = (rater_sd /
    residual_sd)^2`` is what generalised least squares makes of that.

    Parameters
    ----------
    design : StudyDesign
        Its scale is ignored: rounding and the ends of a scale have no formula.
    truth : Truth
    alpha : float, default 0.05
        Level of the test, between 0 and 1.

    Returns
    -------
    PlannedPower
        ``power`` from the noncentral t distribution; ``df`` is I - 1, or with by-rater slopes the
        combination of I - 1 and W - 1 after Satterthwaite.

    References
    ----------
    .. [1] Westfall, Kenny, Judd (2014), Statistical power and optimal design in experiments in
       which samples of participants respond to samples of stimuli, J. Exp. Psychol. Gen. 143(5).

    Examples
    --------
    >>> design = StudyDesign(images=13, ratings_per_cell=100, raters=100)
    >>> plan = planned_power(design, Truth(effect=0.984, slope_sd=1.88, residual_sd=2.21))
    >>> round(plan.power, 2), round(plan.std_error, 2), round(plan.image_share, 2)
    (0.4, 0.53, 0.97)
    """
    if not 0 < alpha < 1:
        raise InvalidInputError(f"The level is {alpha:g}: give a share between 0 and 1, e.g. 0.05.")
    images = truth.slope_sd**2 / design.images
    raters = truth.rater_slope_sd**2 / design.raters
    residual = 2 * _rating_variance(design, truth) / (design.images * design.ratings_per_cell)
    variance = images + raters + residual
    df = variance**2 / (
        (images + residual) ** 2 / (design.images - 1) + raters**2 / (design.raters - 1)
    )
    error = variance**0.5
    noncentrality = abs(truth.effect) / error
    critical = stats.t.ppf(1 - alpha / 2, df)
    # Upper tails only: SciPy's lower tail is nan where it is below the smallest number.
    power = stats.nct.sf(critical, df, noncentrality) + stats.nct.sf(critical, df, -noncentrality)
    return PlannedPower(
        power=float(power),
        std_error=error,
        df=df,
        image_share=images / variance,
        rater_share=raters / variance,
        residual_share=residual / variance,
    )


def images_needed(
    design: StudyDesign, truth: Truth, *, power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """The fewest images for which the formula promises a power, all else as designed.

    Returns
    -------
    int or None
        None if no number of images does: the effect is zero, or raters differ too much about it.

    Examples
    --------
    >>> design = StudyDesign(images=13, ratings_per_cell=100, raters=100)
    >>> images_needed(design, Truth(effect=0.984, slope_sd=1.88, residual_sd=2.21))
    32
    """
    if not 0 < power < 1:
        raise InvalidInputError(f"The power wanted is {power:g}: give a share between 0 and 1.")

    def enough(images: int) -> bool:
        plan = planned_power(replace(design, images=images), truth, alpha=alpha)
        return plan.power >= power

    high = 2
    while not enough(high):
        if truth.effect == 0 or high > _MOST_IMAGES:
            return None
        high *= 2
    low = high // 2  # not enough, or below the fewest a study can have
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _rating_variance(design: StudyDesign, truth: Truth) -> float:
    """Variance of one rating around its cell, as far as raters' leniency cannot be told apart."""
    residual = truth.residual_sd**2
    if design.everyone_rates_everything:
        return residual
    ratio = truth.rater_sd**2 / residual
    # Of the rater of a random rating, who is likelier to be one of many ratings than of few.
    ratings = 1 + (design.n_cells - 1) * design.ratings_per_cell / design.raters
    return residual / (1 - ratio / (1 + ratings * ratio))
