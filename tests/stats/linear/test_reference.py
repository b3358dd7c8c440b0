"""The engine against lme4 on every linear reference set, within the reference's tolerances."""

from __future__ import annotations

import numpy as np
import pytest

from tests.stats.mixed.reference_fits import MODELS, reference_fit


@pytest.mark.parametrize(("name", "number"), MODELS)
def test_the_criterion_is_lme4_s_or_lower(name: str, number: int) -> None:
    reference = reference_fit(name, number)
    assert reference.fit.criterion <= reference.r["criterion"] + 1e-6
    assert reference.fit.criterion == pytest.approx(reference.r["criterion"], abs=1e-5)
    assert reference.fit.converged
    assert reference.fit.log_likelihood == pytest.approx(reference.r["logLik"], abs=1e-5)
    assert reference.fit.aic == pytest.approx(reference.r["AIC"], abs=1e-5)
    assert reference.fit.bic == pytest.approx(reference.r["BIC"], abs=1e-5)


@pytest.mark.parametrize(("name", "number"), MODELS)
def test_fixed_effects_and_standard_errors(name: str, number: int) -> None:
    reference = reference_fit(name, number)
    expected = np.array([reference.r["fixef"][term] for term in reference.terms])
    errors = np.array([reference.r["se"][term] for term in reference.terms])
    assert np.abs(reference.fit.estimates - expected).max() < 1e-6 * errors.max()
    assert (np.abs(reference.fit.estimates - expected) < 1e-6 * errors).all()
    ours = np.sqrt(np.diag(reference.fit.covariance))
    np.testing.assert_allclose(ours, errors, rtol=1e-5)


@pytest.mark.parametrize(("name", "number"), MODELS)
def test_variance_components(name: str, number: int) -> None:
    reference = reference_fit(name, number)
    singular = reference.r["singular"]
    assert reference.fit.singular == singular
    relative, absolute = (0.0, 1e-3) if singular else (1e-4, 0.0)
    assert np.sqrt(reference.fit.residual_variance) == pytest.approx(
        reference.r["sigma"], rel=relative, abs=absolute
    )
    expected = {
        (row["group"].split(".")[0].replace("worker", "rater"), row["var1"]): row["sdcor"]
        for row in reference.r["varcorr"]
        if row["var2"] is None and row["group"] != "Residual"
    }
    found = {
        (block.group, term): float(np.sqrt(variance))
        for block, covariance in zip(reference.fit.blocks, reference.fit.covariances, strict=True)
        for term, variance in zip(block.terms, np.diag(covariance), strict=True)
    }
    assert set(found) == set(expected)
    for key, value in found.items():
        assert value == pytest.approx(expected[key], rel=relative, abs=absolute), key


@pytest.mark.parametrize(("name", "number"), MODELS)
def test_correlations(name: str, number: int) -> None:
    reference = reference_fit(name, number)
    if reference.r["singular"]:
        pytest.skip("a correlation with a variance of zero has no value")
    expected = {
        (row["group"].replace("worker", "rater"), frozenset((row["var1"], row["var2"]))): row[
            "sdcor"
        ]
        for row in reference.r["varcorr"]
        if row["var2"] is not None
    }
    for block, covariance in zip(reference.fit.blocks, reference.fit.covariances, strict=True):
        sizes = np.sqrt(np.diag(covariance))
        correlations = covariance / np.outer(sizes, sizes)
        for a in range(block.n_terms):
            for b in range(a):
                key = block.group, frozenset((block.terms[a], block.terms[b]))
                assert correlations[a, b] == pytest.approx(expected.get(key, 0.0), abs=2e-4)


@pytest.mark.parametrize("name", ["sleepstudy", "sim_balanced"])
def test_theta_is_lme4_s_theta(name: str) -> None:
    reference = reference_fit(name, 0)
    values = reference.r["theta"]
    values = values.values() if isinstance(values, dict) else values
    if name == "sim_balanced":  # lme4 has the group of most levels first
        order = sorted(reference.fit.blocks, key=lambda block: -block.n_levels)
        places = [reference.fit.blocks.index(block) for block in order]
    else:
        places = [0]
    ours = [
        f[b.factor_index] for b, f in zip(reference.fit.blocks, reference.fit.factors, strict=True)
    ]
    theta = np.concatenate([ours[place] for place in places])
    np.testing.assert_allclose(theta, [*values], rtol=1e-4)


def test_few_evaluations() -> None:
    """Newton steps with the average information: lme4 takes 36 to 100."""
    assert reference_fit("paperlike_300workers", 1).fit.n_evaluations <= 8
    assert reference_fit("sim_slopes", 2).fit.n_evaluations <= 8
