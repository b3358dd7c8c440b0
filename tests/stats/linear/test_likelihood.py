"""The profiled criterion and its derivatives against the definition, with V written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.linear import weighted_gram
from mturk_eval.stats.linear.curvature import curvature
from mturk_eval.stats.linear.fitting import LinearFit, fit_linear

Array = NDArray[np.float64]


def _block(
    rng: np.random.Generator, n: int, levels: int, columns: Array, *, correlated: bool = True
) -> RandomBlock:
    codes = np.concatenate([np.arange(levels), rng.integers(0, levels, n - levels)])
    return RandomBlock(
        group=f"g{levels}",
        terms=tuple(f"x{k}" for k in range(columns.shape[1])),
        levels=tuple(str(level) for level in range(levels)),
        codes=codes.astype(np.int32),
        columns=columns,
        correlated=correlated,
    )


def _designs() -> dict[str, tuple[Array, Array, list[RandomBlock]]]:
    """Small models of every shape: response, fixed effects, blocks."""
    rng = np.random.default_rng(7)
    n = 90
    one, method = np.ones((n, 1)), rng.integers(0, 3, n)
    factor = np.column_stack([np.ones(n), method == 1, method == 2]).astype(np.float64)
    covariate = np.column_stack([np.ones(n), rng.normal(3.0, 2.0, n)])
    response = rng.normal(5.0, 2.0, n) + method + rng.normal(size=12)[rng.integers(0, 12, n)]
    image = _block(rng, n, 6, factor)
    nested = RandomBlock(
        group="image:method",
        terms=("(Intercept)",),
        levels=tuple(str(level) for level in range(18)),
        codes=np.unique(image.codes * 3 + method, return_inverse=True)[1].astype(np.int32),
        columns=one,
    )
    return {
        "one term": (response, factor, [_block(rng, n, 12, one)]),
        "one term with slopes": (response, covariate, [_block(rng, n, 12, covariate)]),
        "crossed intercepts": (response, factor, [_block(rng, n, 5, one), _block(rng, n, 17, one)]),
        "slope of a factor": (response, factor, [image, _block(rng, n, 20, one)]),
        "both slopes": (response, factor, [image, _block(rng, n, 13, factor)]),
        "slope of a covariate": (
            response,
            covariate,
            [_block(rng, n, 6, covariate), _block(rng, n, 13, covariate)],
        ),
        "independent slopes": (
            response,
            covariate,
            [_block(rng, n, 6, factor, correlated=False), _block(rng, n, 20, covariate)],
        ),
        "independent slopes of most levels": (
            response,
            covariate,
            [_block(rng, n, 13, covariate, correlated=False), _block(rng, n, 5, covariate)],
        ),
        "nested, three terms": (response, factor, [image, nested, _block(rng, n, 25, one)]),
        "no fixed effects": (response, np.zeros((n, 0)), [_block(rng, n, 12, one)]),
    }


DESIGNS = _designs()


def _criterion(fit: LinearFit, theta: Array, *, sigma: float | None = None) -> float:
    """Minus twice the log likelihood, from its definition; profiled where sigma is None."""
    n, p = fit.fixed.shape
    v = np.eye(n)
    for block, factor in zip(fit.blocks, fit.deviance.units.factors(theta), strict=True):
        z = np.zeros((n, block.n_levels, block.n_terms))
        z[np.arange(n), block.codes] = block.columns
        zf = (z @ factor).reshape(n, -1)
        v += zf @ zf.T
    inverse = np.linalg.inv(v)
    information = fit.fixed.T @ inverse @ fit.fixed
    estimates = np.linalg.solve(information, fit.fixed.T @ inverse @ fit.response)
    residual = fit.response - fit.fixed @ estimates
    square = float(residual @ inverse @ residual)
    degrees = n - p if fit.reml else n
    variance = square / degrees if sigma is None else sigma**2
    value = degrees * np.log(2 * np.pi * variance) + square / variance
    value += np.linalg.slogdet(v)[1]
    return float(value + (np.linalg.slogdet(information)[1] if fit.reml else 0.0))


def _thetas(fit: LinearFit) -> list[Array]:
    rng = np.random.default_rng(3)
    return [rng.uniform(0.2, 1.2, len(fit.theta)) for _ in range(2)]


def _difference(
    function: Callable[[Array], Array | float], theta: Array, step: float = 1e-5
) -> Array:
    rows = []
    for i in range(len(theta)):
        move = np.zeros_like(theta)
        move[i] = step
        rows.append(
            (np.asarray(function(theta + move)) - np.asarray(function(theta - move))) / (2 * step)
        )
    return np.array(rows)


def _second_difference(fit: LinearFit, theta: Array, sigma: float) -> Array:
    def gradient(t: Array) -> Array:
        return _difference(lambda u: _criterion(fit, u, sigma=sigma), t, 1e-4)

    return _difference(gradient, theta, 1e-4)


@pytest.fixture(params=["dense", "dense in slices", "listed", "listed anew"])
def _each_gram(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cross-products as a dense matrix, as a kept list of pairs, and as a list made anew."""
    if request.param == "dense in slices":
        monkeypatch.setattr(weighted_gram, "_SLICE_NUMBERS", 50)
    if request.param.startswith("listed"):
        monkeypatch.setattr(weighted_gram, "_SMALL", 0)
        monkeypatch.setattr(weighted_gram, "_FLOPS_PER_PAIR", 0.0)
        monkeypatch.setattr(weighted_gram, "_PART_CELLS", 40)
        monkeypatch.setattr(weighted_gram, "_DENSE_NUMBERS", 0)
    if request.param == "listed anew":
        monkeypatch.setattr(weighted_gram, "_STORED_PAIRS", 0)


@pytest.mark.usefixtures("_each_gram")
@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", DESIGNS)
def test_the_criterion_and_its_gradient_are_those_of_the_definition(name: str, reml: bool) -> None:
    fit = fit_linear(*DESIGNS[name], reml=reml)
    for theta in _thetas(fit):
        ours = fit.deviance.evaluate(theta)
        assert ours.value == pytest.approx(_criterion(fit, theta), abs=1e-8)
        slopes = _difference(lambda t: _criterion(fit, t), theta)
        np.testing.assert_allclose(np.asarray(ours.gradient), slopes, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("_each_gram")
@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", DESIGNS)
def test_second_derivatives_are_exact(name: str, reml: bool) -> None:
    """At a sigma held fixed; and the derivatives of the fixed effects' covariance with them."""
    fit = fit_linear(*DESIGNS[name], reml=reml)
    theta = _thetas(fit)[0]
    point = fit.deviance.point(theta)
    sigma = np.sqrt(point.residual_variance) * fit.deviance.profiled.rotation.scale
    found = curvature(point, fit.deviance.units, theta)
    expected = _second_difference(fit, theta, sigma)
    np.testing.assert_allclose(found.theta, expected, rtol=2e-4, atol=2e-3)
    np.testing.assert_allclose(found.theta, found.theta.T, atol=1e-9)
    covariance = _difference(lambda t: fit.deviance.point(t).fixed_covariance, theta)
    np.testing.assert_allclose(found.fixed, covariance, atol=1e-7)


@pytest.mark.parametrize("name", ["slope of a factor", "both slopes", "nested, three terms"])
def test_singular_covariances_have_the_same_criterion_and_derivatives(name: str) -> None:
    """Where a column of a factor is zero, G has no inverse, and another path is taken."""
    fit = fit_linear(*DESIGNS[name])
    for zeros in (["first"], ["last"], ["first", "last"]):
        factors = list(fit.deviance.units.factors(_thetas(fit)[0]))
        for which in zeros:
            factors[0][:, 0 if which == "first" else -1] = 0.0
        theta = fit.deviance.units.theta(factors)
        ours = fit.deviance.evaluate(theta)
        assert ours.value == pytest.approx(_criterion(fit, theta), abs=1e-8)
        slopes = _difference(lambda t: _criterion(fit, t), theta)
        np.testing.assert_allclose(np.asarray(ours.gradient), slopes, rtol=1e-5, atol=1e-5)
        point = fit.deviance.point(theta)
        sigma = np.sqrt(point.residual_variance) * fit.deviance.profiled.rotation.scale
        found = curvature(point, fit.deviance.units, theta)
        expected = _second_difference(fit, theta, sigma)
        np.testing.assert_allclose(found.theta, expected, rtol=2e-4, atol=2e-3)


@pytest.mark.parametrize("name", DESIGNS)
def test_the_optimum_is_one(name: str) -> None:
    """No direction leads downhill: the gradient is flat, and neighbours are no lower."""
    fit = fit_linear(*DESIGNS[name])
    assert fit.converged
    assert fit.gradient_norm < 1e-3
    assert fit.criterion == pytest.approx(_criterion(fit, fit.theta), abs=1e-8)
    rng = np.random.default_rng(1)
    for size in (1e-3, 0.1, 0.5):
        theta = fit.theta + rng.normal(0.0, size, len(fit.theta))
        assert fit.deviance.evaluate(theta, gradient=False).value >= fit.criterion - 1e-6


def test_estimates_belong_to_theta() -> None:
    """`evaluate` gives generalised least squares at any theta."""
    response, fixed, blocks = DESIGNS["crossed intercepts"]
    fit = fit_linear(response, fixed, blocks)
    found = fit.deviance.evaluate(np.zeros(2))
    least_squares, square, *_ = np.linalg.lstsq(fixed, response)
    np.testing.assert_allclose(found.estimates, least_squares, rtol=1e-10)
    assert found.residual_variance == pytest.approx(float(square[0]) / (90 - 3), rel=1e-10)


def _shuffled(blocks: Sequence[RandomBlock]) -> list[RandomBlock]:
    return [*blocks[1:], blocks[0]]


@pytest.mark.parametrize("name", ["both slopes", "nested, three terms"])
def test_the_order_of_the_terms_changes_nothing(name: str) -> None:
    response, fixed, blocks = DESIGNS[name]
    one, two = fit_linear(response, fixed, blocks), fit_linear(response, fixed, _shuffled(blocks))
    assert two.criterion == pytest.approx(one.criterion, abs=1e-8)
    for place, block in enumerate(two.blocks):
        same = next(i for i, other in enumerate(one.blocks) if other is block)
        ours, theirs = one.covariances[same], two.covariances[place]
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
