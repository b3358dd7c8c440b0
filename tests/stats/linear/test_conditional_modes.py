"""Predicted effects against lme4's, and against their definition."""

from __future__ import annotations

import numpy as np
import pytest

from mturk_eval.stats.linear.conditional_modes import conditional_modes
from tests.stats.mixed.reference_fits import MODELS, reference_fit


@pytest.mark.parametrize(("name", "number"), MODELS)
def test_modes_are_lme4_s(name: str, number: int) -> None:
    reference = reference_fit(name, number)
    found = {mode.group: mode for mode in conditional_modes(reference.fit)}
    for group, sums in reference.r["ranef_sumsq"].items():
        mode = found[group.split(".")[0].replace("worker", "rater")]
        for term, value in sums.items():
            column = mode.modes[:, mode.terms.index(term)]
            assert float((column**2).sum()) == pytest.approx(value, rel=1e-4, abs=1e-6)
        for row in reference.r["ranef_head"][group]:
            place = mode.levels.index(str(row["level"]))
            for term in sums:
                value = mode.modes[place, mode.terms.index(term)]
                assert value == pytest.approx(row[term], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "number"), [("sleepstudy", 0), ("sleepstudy", 1), ("paperlike_100workers", 4)]
)
def test_modes_and_errors_follow_from_their_definition(name: str, number: int) -> None:
    """E(u | y) = G Z'V^-1 (y - Xb); var(u | y) = G - G Z'V^-1 Z G, as lme4's condVar."""
    fit = reference_fit(name, number).fit
    parts, spread = [], []
    for block, covariance in zip(fit.blocks, fit.covariances, strict=True):
        z = np.zeros((fit.n_observations, block.n_levels, block.n_terms))
        z[np.arange(fit.n_observations), block.codes] = block.columns
        parts.append(z.reshape(fit.n_observations, -1))
        spread.append(np.kron(np.eye(block.n_levels), covariance))
    z = np.hstack(parts)
    g = np.zeros((z.shape[1], z.shape[1]))
    start = 0
    for part in spread:
        g[start : start + len(part), start : start + len(part)] = part
        start += len(part)
    v = z @ g @ z.T + fit.residual_variance * np.eye(fit.n_observations)
    solved = np.linalg.solve(v, np.column_stack([fit.response - fit.fixed @ fit.estimates, z @ g]))
    modes = g @ z.T @ solved[:, 0]
    errors = np.sqrt(np.diag(g - g @ z.T @ solved[:, 1:]))
    found = conditional_modes(fit)
    np.testing.assert_allclose(np.concatenate([m.modes.ravel() for m in found]), modes, atol=1e-7)
    ours = np.concatenate([m.std_errors.ravel() for m in found])
    np.testing.assert_allclose(ours, errors, rtol=1e-6)


def test_a_variance_of_zero_predicts_nothing() -> None:
    fit = reference_fit("sim_singular", 0).fit
    image = next(mode for mode in conditional_modes(fit) if mode.group == "image")
    assert (image.modes == 0).all()
    assert (image.std_errors == 0).all()
