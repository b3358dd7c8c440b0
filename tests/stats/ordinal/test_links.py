"""The links: derivatives against differences, and answers far out in the tails."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from mturk_eval.stats.ordinal.links import LINKS, Link

UPPER = np.array([-0.4, 0.7, 2.5, np.inf, -1.0, 6.0])
LOWER = np.array([-np.inf, -0.3, 2.4, 1.2, -1.5, 5.0])
DISTRIBUTIONS = {"logit": stats.logistic, "probit": stats.norm}


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_derivatives_are_those_of_the_interval_s_log_probability(link: Link) -> None:
    function, distribution = LINKS[link], DISTRIBUTIONS[link]
    step = 1e-4

    def at(shift: float) -> NDArray[np.float64]:
        return function.terms(UPPER - shift, LOWER - shift).log_p

    terms = function.terms(UPPER, LOWER)
    expected = np.log(distribution.cdf(UPPER) - distribution.cdf(LOWER))
    np.testing.assert_allclose(terms.log_p, expected, rtol=1e-11)
    np.testing.assert_allclose(terms.eta1, (at(step) - at(-step)) / (2 * step), atol=1e-7)
    ahead, behind = (function.terms(UPPER - s, LOWER - s) for s in (step, -step))
    np.testing.assert_allclose(terms.eta2, (ahead.eta1 - behind.eta1) / (2 * step), atol=1e-7)
    np.testing.assert_allclose(terms.eta3, (ahead.eta2 - behind.eta2) / (2 * step), atol=1e-7)
    for moved, found in (
        (lambda s: (UPPER + s, LOWER), terms.upper),
        (lambda s: (UPPER, LOWER + s), terms.lower),
    ):
        ahead, behind = (function.terms(*moved(s)) for s in (step, -step))
        for order, name in enumerate(("log_p", "eta1", "eta2")):
            difference = (getattr(ahead, name) - getattr(behind, name)) / (2 * step)
            np.testing.assert_allclose(found[order], difference, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_curvature_by_the_limits_is_that_of_differences(link: Link) -> None:
    function, step = LINKS[link], 1e-5
    upper, lower, curvature = function.limits(UPPER, LOWER)
    ahead, behind = (function.limits(UPPER + s, LOWER) for s in (step, -step))
    np.testing.assert_allclose(curvature.upper, (ahead[0] - behind[0]) / (2 * step), atol=1e-7)
    np.testing.assert_allclose(curvature.mixed, (ahead[1] - behind[1]) / (2 * step), atol=1e-7)
    ahead, behind = (function.limits(UPPER, LOWER + s) for s in (step, -step))
    np.testing.assert_allclose(curvature.lower, (ahead[1] - behind[1]) / (2 * step), atol=1e-7)
    np.testing.assert_allclose(upper, function.terms(UPPER, LOWER).upper[0], atol=1e-12)
    np.testing.assert_allclose(lower, function.terms(UPPER, LOWER).lower[0], atol=1e-12)


@pytest.mark.parametrize("link", ["logit", "probit"])
@pytest.mark.parametrize("away", [-60.0, -20.0, 20.0, 60.0])
def test_an_answer_far_from_the_expected_one_keeps_its_slope(link: Link, away: float) -> None:
    """F(u) - F(l) is 0 in floating point there; log p falls in a line or a parabola."""
    limits = np.array([away + 0.5]), np.array([away - 0.5])
    log_p, slope, curve = LINKS[link].slopes(*limits)
    assert np.isfinite(log_p)
    assert slope[0] == pytest.approx(np.sign(away) * (1 if link == "logit" else abs(away)), rel=0.1)
    assert curve[0] <= 0


def test_a_normal_interval_out_in_the_tail_is_its_integral() -> None:
    """Checked by quadrature of the density relative to that at 20."""
    relative, _ = integrate.quad(lambda x: np.exp(-(x * x - 400) / 2), 20, 21, epsabs=0)
    expected = np.log(relative) - 200 - 0.5 * np.log(2 * np.pi)
    log_p, _, _ = LINKS["probit"].slopes(np.array([21.0]), np.array([20.0]))
    assert log_p[0] == pytest.approx(expected, rel=1e-12)
