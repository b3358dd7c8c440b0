"""The Laplace approximation of a cumulative-link mixed model's likelihood, with its gradient [1]_.

For parameters phi = (thresholds, fixed effects, factors of the random terms) the log-likelihood is
``l(phi, u) - u'u / 2 - log|H| / 2`` at the mode u of the standardised random effects, where H is
the penalised information there. The gradient is exact: it follows the mode, so it takes third
derivatives of the log-probabilities.

References
----------
.. [1] Christensen (2019), Cumulative link models for ordinal regression with the R package ordinal.
   Tutz & Hennevogl (1996), Random effects in ordinal regression models, Comput. Stat. Data Anal.
   22(5).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mturk_eval.stats.ordinal.information import (
    Information,
    Pattern,
    project,
    spread,
)
from mturk_eval.stats.ordinal.layout import Layout, TermLayout
from mturk_eval.stats.ordinal.links import LinkFunction

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_MODE_TOLERANCE = 1e-17
"""Of the mode's squared distance in the metric of H."""
_MODE_STEPS = 100


class LaplaceCriterion:
    """Minus the Laplace log-likelihood, as a function of the parameters.

    Remembers the mode and the factored information of its last call: from near parameters the next
    mode takes a step or two with the old factor.
    """

    def __init__(self, layout: Layout, link: LinkFunction) -> None:
        self.layout, self.link = layout, link
        self.pattern = Pattern(layout)
        self.u1, self.u2 = np.zeros(self.pattern.q1), np.zeros(self.pattern.q2)
        self.evaluations = 0
        self._information: Information | None = None

    def value_and_gradient(self, parameters: Vector) -> tuple[float, Vector]:
        """The criterion and its gradient; infinite where thresholds do not increase.

        Parameters
        ----------
        parameters : ndarray
            J - 1 thresholds, p fixed effects, then the terms' factors, in the layout's scale.
        """
        layout = self.layout
        thresholds, beta = self._split(parameters)
        if np.any(np.diff(thresholds) <= 0):
            return np.inf, np.full(len(parameters), np.nan)
        self.evaluations += 1
        factors = [term.factor(parameters) for term in layout.terms]
        v1, v2 = self._loadings(factors)
        found = self._at_mode(thresholds, beta @ layout.x, v1, v2)
        if found is None:
            return np.inf, np.full(len(parameters), np.nan)
        information, penalised = found
        value = penalised + 0.5 * information.log_determinant
        return value, -self._gradient(thresholds, beta, information)

    def standardised_effects(self) -> list[tuple[TermLayout, Matrix, NDArray[np.float64]]]:
        """Per term the modes (L, K) and their covariances (L, K, K), given the parameters.

        Both on the scale of independent standard coefficients, at the last parameters.
        """
        inverse = self._last_information().inverse_parts()
        found, offset = [], 0
        for number, term in enumerate(self.layout.terms):
            shape = (term.levels, term.columns)
            if number == 0:
                found.append((term, self.u1.reshape(shape), inverse.eliminated))
                continue
            at = offset + np.arange(term.levels * term.columns).reshape(shape)
            variances = inverse.kept[at[:, :, None], at[:, None, :]]
            found.append((term, self.u2[at], variances))
            offset += at.size
        return found

    def expected_factors(self, parameters: Vector) -> Vector:
        """The parameters with every factor replaced by an EM step's, at the last parameters."""
        updated = parameters.copy()
        for term, modes, variances in self.standardised_effects():
            factor = term.factor(parameters)
            expected = (modes.T @ modes + variances.sum(axis=0)) / term.levels
            covariance = factor @ expected @ factor.T
            if len(term.rows) == term.columns:
                covariance = np.diag(np.diag(covariance))
            new = np.linalg.cholesky(covariance)
            updated[term.start : term.start + len(term.rows)] = new[term.rows, term.cols]
        return updated

    def flat_directions(self, parameters: Vector) -> NDArray[np.intp]:
        """Parameters in a factor's column that is zero throughout.

        The criterion does not know the sign of a column, so its slope along these is zero.
        """
        found = [
            term.start + m
            for term in self.layout.terms
            for m, column in enumerate(term.cols)
            if not term.factor(parameters)[:, column].any()
        ]
        return np.array(sorted(found), dtype=np.intp)

    def curvature_guess(self, parameters: Vector) -> Matrix:
        """A positive definite stand-in for the criterion's Hessian, without its differences.

        Thresholds and fixed effects: their information with the random effects eliminated. Factors:
        the average information of a linear model with the same weights. No part between the two.
        Call it right after `value_and_gradient` of the same parameters.
        """
        layout, information = self.layout, self._last_information()
        thresholds, beta = self._split(parameters)
        eta = beta @ layout.x + information.spread(self.u1, self.u2)
        upper, lower = layout.limits(thresholds, eta)
        hessian = np.zeros((len(parameters), len(parameters)))
        place = layout.n_location
        hessian[:place, :place] = self._location_information(information, upper, lower)
        hessian[place:, place:] = self._factor_information(information, upper, lower)
        return hessian

    def _last_information(self) -> Information:
        if self._information is None:
            raise ValueError("evaluate the criterion first")
        return self._information

    def _split(self, parameters: Vector) -> tuple[Vector, Vector]:
        cut = self.layout.n_thresholds
        return parameters[:cut], parameters[cut : self.layout.n_location]

    def _loadings(self, factors: list[Matrix]) -> tuple[Matrix, Matrix]:
        first, *others = (
            term.loadings(factor) for term, factor in zip(self.layout.terms, factors, strict=True)
        )
        n = len(self.layout.y)
        return first, np.concatenate(others) if others else np.zeros((0, n))

    def _at_mode(
        self, thresholds: Vector, fixed: Vector, v1: Matrix, v2: Matrix
    ) -> tuple[Information, float] | None:
        """Newton's method for the mode; with the last factor as long as that contracts well.

        None where no answer's probability can be computed: a step too far.
        """
        layout = self.layout

        def penalised(u1: Vector, u2: Vector) -> tuple[float, Vector, Vector]:
            upper, lower = layout.limits(thresholds, fixed + spread(self.pattern, v1, v2, u1, u2))
            log_p, slope, curve = self.link.slopes(upper, lower)
            value = -float(layout.weighted(log_p).sum()) + 0.5 * float(u1 @ u1 + u2 @ u2)
            return value, layout.weighted(slope), -layout.weighted(curve)

        def factored(weights: Vector) -> Information:
            return Information(self.pattern, v1, v2, np.maximum(weights, 0.0))

        u1, u2 = self.u1, self.u2
        value, slope, weights = penalised(u1, u2)
        if not np.isfinite(value):
            u1, u2 = np.zeros_like(u1), np.zeros_like(u2)
            value, slope, weights = penalised(u1, u2)
            if not np.isfinite(value):
                return None
        information, fresh, last = self._information, False, np.inf
        for _ in range(_MODE_STEPS):
            if information is None:
                information, fresh = factored(weights), True
            push1, push2 = project(self.pattern, v1, v2, slope)
            g1, g2 = u1 - push1, u2 - push2
            step1, step2 = information.solve(g1, g2)
            decrement = float(g1 @ step1 + g2 @ step2)
            if not fresh and decrement > min(1e-2, 0.05 * last):
                if decrement < 1e-10 and decrement > 0.5 * last:
                    break  # as far as rounding lets it
                information = None
                continue
            if decrement < _MODE_TOLERANCE:
                break
            part = 1.0
            while True:
                new1, new2 = u1 - part * step1, u2 - part * step2
                new_value, new_slope, new_weights = penalised(new1, new2)
                if new_value <= value + 1e-10 * (1 + abs(value)) or part < 1e-8:
                    break
                part *= 0.5
            u1, u2, value, slope, weights = new1, new2, new_value, new_slope, new_weights
            fresh, last = False, decrement
        if not fresh or information is None:
            information = factored(weights)
        self.u1, self.u2, self._information = u1, u2, information
        return information, value

    def _gradient(self, thresholds: Vector, beta: Vector, information: Information) -> Vector:
        """Of the Laplace log-likelihood, at the mode."""
        layout = self.layout
        v1, v2 = information.v1, information.v2
        eta = beta @ layout.x + information.spread(self.u1, self.u2)
        terms = self.link.terms(*layout.limits(thresholds, eta))
        inverse = information.inverse_parts()
        leverage = np.einsum("kn,kn->n", v1, inverse.own1) + np.einsum("kn,kn->n", v2, inverse.own2)
        slope, curve = layout.weighted(terms.eta1), layout.weighted(terms.eta2)
        drift = 0.5 * leverage * layout.weighted(terms.eta3)
        w1, w2 = information.solve(*information.project(drift))
        shift = information.spread(w1, w2)
        by_eta = slope + drift + shift * curve
        by_limit = [
            layout.weighted(first + shift * second + 0.5 * leverage * third)
            for first, second, third in (terms.upper, terms.lower)
        ]
        parts = [layout.threshold_sums(*by_limit), layout.x @ by_eta]
        own = np.concatenate([inverse.own1, inverse.own2])
        column, offset = 0, 0
        by_place: dict[int, Vector] = {}
        for number, term in enumerate(layout.terms):
            u, w = (self.u1, w1) if number == 0 else (self.u2, w2)
            base = 0 if number == 0 else offset
            values = np.empty(len(term.rows))
            for m, (x, y) in enumerate(zip(term.rows, term.cols, strict=True)):
                at = base + term.codes * term.columns + y
                values[m] = term.z[x] @ (u[at] * by_eta + w[at] * slope + curve * own[column + y])
            by_place[term.place] = values
            column += term.columns
            offset += 0 if number == 0 else term.levels * term.columns
        return np.concatenate([*parts, *(by_place[place] for place in sorted(by_place))])

    def _location_information(
        self, information: Information, upper: Vector, lower: Vector
    ) -> Matrix:
        """Of thresholds and fixed effects, the random effects eliminated."""
        layout = self.layout
        direct, crossing = location_curvature(layout, self.link, upper, lower)
        q1 = self.pattern.q1
        projected = np.array([np.concatenate(information.project(row)) for row in crossing])
        solved = np.array([np.concatenate(information.solve(r[:q1], r[q1:])) for r in projected])
        return np.asarray(direct - projected @ solved.T)

    def _factor_information(self, information: Information, upper: Vector, lower: Vector) -> Matrix:
        """Average information of the factors in the linear model with working weights."""
        layout = self.layout
        _, slope, curve = self.link.slopes(upper, lower)
        slope, weights = layout.weighted(slope), -layout.weighted(curve)
        responses: dict[int, Vector] = {}
        column, offset = 0, 0
        loadings = np.concatenate([information.v1, information.v2])
        for number, term in enumerate(layout.terms):
            u = self.u1 if number == 0 else self.u2[offset:]
            pushes = [np.bincount(term.codes, z * slope, term.levels) for z in term.z]
            for m, (x, y) in enumerate(zip(term.rows, term.cols, strict=True)):
                responses[term.start + m] = (
                    term.z[x] * u[term.codes * term.columns + y]
                    + loadings[column + y] * pushes[x][term.codes]
                )
            column += term.columns
            offset += 0 if number == 0 else term.levels * term.columns
        ordered = np.array([responses[place] for place in sorted(responses)])
        q1 = self.pattern.q1
        projected = np.array([np.concatenate(information.project(r * weights)) for r in ordered])
        solved = np.array([np.concatenate(information.solve(r[:q1], r[q1:])) for r in projected])
        return np.asarray(0.5 * ((ordered * weights) @ ordered.T - projected @ solved.T))


def location_curvature(
    layout: Layout, link: LinkFunction, upper: Vector, lower: Vector
) -> tuple[Matrix, Matrix]:
    """Observed information of thresholds and fixed effects at given random effects.

    Returns
    -------
    direct : ndarray, shape (J - 1 + p, J - 1 + p)
    crossing : ndarray, shape (J - 1 + p, n)
        Row by row, minus the mixed second derivative by the parameter and by eta.
    """
    _, _, curvature = link.limits(upper, lower)
    by_upper, by_lower, mixed = (
        layout.weighted(part) for part in (curvature.upper, curvature.lower, curvature.mixed)
    )
    n_thresholds, n = layout.n_thresholds, len(layout.y)
    crossing = np.zeros((layout.n_location, n))
    rows = np.arange(n)
    has_upper, has_lower = layout.y < n_thresholds, layout.y > 0
    crossing[layout.y[has_upper], rows[has_upper]] = (by_upper + mixed)[has_upper]
    crossing[layout.y[has_lower] - 1, rows[has_lower]] = (by_lower + mixed)[has_lower]
    crossing[n_thresholds:] = -layout.x * (by_upper + by_lower + 2 * mixed)
    direct = np.zeros((layout.n_location, layout.n_location))
    at = np.arange(n_thresholds)
    direct[at, at] = -layout.threshold_sums(by_upper, by_lower)
    between = -np.bincount(layout.y, mixed, layout.n_categories)[1:-1]
    direct[at[:-1], at[1:]] = direct[at[1:], at[:-1]] = between
    direct[:n_thresholds, n_thresholds:] = crossing[:n_thresholds] @ layout.x.T
    direct[n_thresholds:, :n_thresholds] = direct[:n_thresholds, n_thresholds:].T
    direct[n_thresholds:, n_thresholds:] = crossing[n_thresholds:] @ layout.x.T
    return direct, crossing
