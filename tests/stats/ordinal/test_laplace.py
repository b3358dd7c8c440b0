"""The Laplace criterion: its gradient, its blocks against dense algebra, and quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.ordinal import information
from mturk_eval.stats.ordinal.laplace import LaplaceCriterion
from mturk_eval.stats.ordinal.layout import Layout, lay_out
from mturk_eval.stats.ordinal.links import LINKS, Link
from tests.stats.ordinal.studies import random_block, slope_blocks, study


def _layout(seed: int = 1, *, rater_slopes: bool = False) -> Layout:
    table = study(seed, images=5, raters=8).sample(frac=0.8, random_state=seed)
    x = table["x"].to_numpy()
    blocks: tuple[RandomBlock, ...] = slope_blocks(table)
    if rater_slopes:
        blocks = (blocks[0], random_block(table["rater"], x, group="rater"))
    codes = np.unique(table["rating"], return_inverse=True)[1].astype(np.intp)
    return lay_out(codes, int(codes.max()) + 1, x[:, None], blocks)


def _parameters(layout: Layout, seed: int = 3) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    thresholds = np.linspace(-1.5, 1.5, layout.n_thresholds)
    rest = rng.uniform(0.2, 0.9, layout.n_parameters - layout.n_thresholds)
    return np.concatenate([thresholds, rest])


@pytest.mark.parametrize("link", ["logit", "probit"])
@pytest.mark.parametrize("rater_slopes", [False, True])
def test_the_gradient_is_that_of_differences(link: Link, rater_slopes: bool) -> None:
    layout = _layout(rater_slopes=rater_slopes)
    criterion = LaplaceCriterion(layout, LINKS[link])
    parameters = _parameters(layout)
    _, gradient = criterion.value_and_gradient(parameters)
    step = 1e-5
    for place in range(len(parameters)):
        shift = np.zeros_like(parameters)
        shift[place] = step
        ahead = criterion.value_and_gradient(parameters + shift)[0]
        behind = criterion.value_and_gradient(parameters - shift)[0]
        assert gradient[place] == pytest.approx((ahead - behind) / (2 * step), rel=1e-6, abs=1e-5)


def test_the_value_does_not_depend_on_where_the_search_came_from() -> None:
    layout = _layout()
    parameters = _parameters(layout)
    fresh = LaplaceCriterion(layout, LINKS["logit"]).value_and_gradient(parameters)
    travelled = LaplaceCriterion(layout, LINKS["logit"])
    travelled.value_and_gradient(_parameters(layout, seed=9) * 2)
    value, gradient = travelled.value_and_gradient(parameters)
    assert value == pytest.approx(fresh[0], abs=1e-10)
    np.testing.assert_allclose(gradient, fresh[1], atol=1e-7)


@pytest.mark.parametrize("rater_slopes", [False, True])
@pytest.mark.parametrize("slice_entries", [1 << 23, 25])
def test_blocks_give_what_dense_algebra_gives(
    rater_slopes: bool, slice_entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the eliminated levels are worked through in many slices, none of them kept."""
    monkeypatch.setattr(information, "_SLICE_ENTRIES", slice_entries)
    monkeypatch.setattr(information, "_KEPT_ENTRIES", slice_entries)
    layout = _layout(rater_slopes=rater_slopes)
    pattern = information.Pattern(layout)
    rng = np.random.default_rng(0)
    n, k1, k2 = len(layout.y), pattern.first.columns, len(pattern.columns2)
    v1, v2 = rng.normal(size=(k1, n)), rng.normal(size=(k2, n))
    weights = rng.uniform(0.1, 1, n)
    dense = np.zeros((n, pattern.q1 + pattern.q2))
    for k in range(k1):
        dense[np.arange(n), pattern.first.codes * k1 + k] = v1[k]
    for k in range(k2):
        dense[np.arange(n), pattern.q1 + pattern.columns2[k]] = v2[k]
    full = np.eye(dense.shape[1]) + dense.T @ (dense * weights[:, None])
    inverse = np.linalg.inv(full)
    ours = information.Information(pattern, v1, v2, weights)
    assert ours.log_determinant == pytest.approx(np.linalg.slogdet(full)[1])
    g = rng.normal(size=len(full))
    solved = np.concatenate(ours.solve(g[: pattern.q1], g[pattern.q1 :]))
    np.testing.assert_allclose(solved, inverse @ g, atol=1e-12)
    parts = ours.inverse_parts()
    np.testing.assert_allclose(parts.kept, inverse[pattern.q1 :, pattern.q1 :], atol=1e-12)
    for level in range(pattern.first.levels):
        own = slice(level * k1, (level + 1) * k1)
        np.testing.assert_allclose(parts.eliminated[level], inverse[own, own], atol=1e-12)
    along = dense @ inverse
    for row in range(n):
        own1 = along[row, pattern.first.codes[row] * k1 + np.arange(k1)]
        own2 = along[row, pattern.q1 + pattern.columns2[:, row]]
        np.testing.assert_allclose(parts.own1[:, row], own1, atol=1e-12)
        np.testing.assert_allclose(parts.own2[:, row], own2, atol=1e-12)


def test_one_group_is_near_its_integral() -> None:
    """With 16 answers a rater Laplace's likelihood is close to that by quadrature."""
    table = study(2, images=8, raters=12, image_sd=0, slope_sd=0)
    x = table["x"].to_numpy()
    codes = np.unique(table["rating"], return_inverse=True)[1].astype(np.intp)
    raters = random_block(table["rater"], group="rater")
    layout = lay_out(codes, int(codes.max()) + 1, x[:, None], [raters])
    parameters = np.array([-1.5, -0.3, 0.9, 2.1, 0.4, 1.0])
    ours = -LaplaceCriterion(layout, LINKS["logit"]).value_and_gradient(parameters)[0]
    edges = np.concatenate([[-np.inf], parameters[:4], [np.inf]])
    scaled = (x - x.mean()) / x.std() * parameters[4]

    def of_rater(rater: int) -> float:
        rows = raters.codes == rater

        def density(u: float) -> float:
            eta = scaled[rows] + u
            upper, lower = edges[codes[rows] + 1] - eta, edges[codes[rows]] - eta
            p = stats.logistic.cdf(upper) - stats.logistic.cdf(lower)
            return float(np.prod(p) * stats.norm.pdf(u))

        return float(np.log(integrate.quad(density, -6, 6, epsabs=0, limit=200)[0]))

    exact = sum(of_rater(rater) for rater in range(raters.n_levels))
    assert ours == pytest.approx(exact, abs=0.02 * raters.n_levels)


def test_equal_rows_are_counted_once() -> None:
    table = study(4, images=3, raters=5)
    twice = np.tile(np.arange(len(table)), 2)
    codes = np.unique(table["rating"], return_inverse=True)[1].astype(np.intp)[twice]
    doubled = table.iloc[twice]
    fixed = doubled[["x"]].to_numpy()
    layout = lay_out(codes, 5, fixed, slope_blocks(doubled))
    assert len(layout.y) == len(table)
    assert layout.weights is not None
    assert set(layout.weights) == {2.0}


def test_thresholds_out_of_order_are_a_step_too_far() -> None:
    layout = _layout()
    parameters = _parameters(layout)
    parameters[:2] = parameters[1], parameters[0]
    assert LaplaceCriterion(layout, LINKS["logit"]).value_and_gradient(parameters)[0] == np.inf
