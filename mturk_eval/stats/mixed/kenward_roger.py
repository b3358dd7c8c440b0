"""Kenward and Roger's small-sample covariance, degrees of freedom and F tests.

The covariance matrix V of the n answers is never formed. All that the method needs are the
matrices Z'V⁻¹Z (q x q, q random coefficients) and X'V⁻¹Z, since V is linear in the variances:
``V = s² I + sum_i g_i K_i``, with K_i a product of columns of Z.

References
----------
.. [1] Kenward & Roger (1997), Small sample inference for fixed effects from restricted maximum
   likelihood, Biometrics 53(3).
.. [2] Halekoh & Højsgaard (2014), A Kenward-Roger approximation and parametric bootstrap methods
   for tests in linear mixed models, J. Stat. Softw. 59(9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, stats

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.linear.fitting import LinearFit
from mturk_eval.stats.mixed.contrasts import checked_contrasts, independent_contrasts
from mturk_eval.stats.mixed.inverse_moments import InverseMoments, inverse_moments
from mturk_eval.stats.mixed.satterthwaite import FTest
from mturk_eval.stats.mixed.standardised import column_root, standardised
from mturk_eval.stats.threads import threads_for

Matrix = NDArray[np.float64]

MOST_COEFFICIENTS = 5000
"""Random coefficients up to which Kenward-Roger is offered: a dense square matrix of 200 MB."""

_DEPENDENT = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class KenwardRoger:
    """Fixed effects with the covariance and degrees of freedom of Kenward and Roger [1]_.

    Attributes
    ----------
    estimates : ndarray, shape (p,)
        Of the fixed effects; as in the fit.
    covariance : ndarray, shape (p, p)
        Their adjusted covariance, for standard errors and intervals.
    warnings : tuple of str
        What limits the results: a singular fit.
    """

    estimates: Matrix
    covariance: Matrix
    warnings: tuple[str, ...]
    # Of the fit: the covariance of the estimates, its derivatives by the live variance parameters
    # (r, p, p), and the covariance of these parameters (r, r).
    _unadjusted: Matrix = field(repr=False)
    _derivatives: Matrix = field(repr=False)
    _parameter_covariance: Matrix = field(repr=False)

    def std_errors(self, contrasts: ArrayLike) -> Matrix:
        """Adjusted standard errors of m linear functions of the fixed effects.

        Parameters
        ----------
        contrasts : array_like, shape (m, p)

        Returns
        -------
        ndarray, shape (m,)
        """
        rows = checked_contrasts(contrasts, len(self.estimates))
        return np.asarray(np.sqrt(np.einsum("mi,ij,mj->m", rows, self.covariance, rows)))

    def df(self, contrasts: ArrayLike) -> Matrix:
        """Degrees of freedom of the t tests of m linear functions of the fixed effects.

        For one function the F test's scale factor is 1 and its degrees of freedom reduce to
        Satterthwaite's form, with the expected instead of the observed information.

        Parameters
        ----------
        contrasts : array_like, shape (m, p)

        Returns
        -------
        ndarray, shape (m,)
        """
        rows = checked_contrasts(contrasts, len(self.estimates))
        variance = np.einsum("mi,ij,mj->m", rows, self._unadjusted, rows)
        gradient = np.einsum("mi,rij,mj->mr", rows, self._derivatives, rows)
        spread = np.einsum("mr,rs,ms->m", gradient, self._parameter_covariance, gradient)
        with np.errstate(divide="ignore"):
            return np.asarray(2.0 * variance**2 / spread)

    def f_test(self, contrasts: ArrayLike) -> FTest:
        """Test that several linear functions of the fixed effects are all zero.

        Parameters
        ----------
        contrasts : array_like, shape (m, p)
            Rows that depend on the others do not count: the numerator df is the rank.

        Raises
        ------
        InvalidInputError
            If the rows have another length than there are fixed effects, or all are zero.
        """
        rows = independent_contrasts(contrasts, len(self.estimates))
        rank = len(rows)
        middle = linalg.solve(rows @ self._unadjusted @ rows.T, rows, assume_a="pos")
        theta = rows.T @ middle  # [1]_'s Theta
        changes = theta @ self._derivatives
        traces = np.trace(changes, axis1=1, axis2=2)
        weights = self._parameter_covariance
        a1 = float(traces @ weights @ traces)
        a2 = float(np.einsum("rs,rij,sji->", weights, changes, changes))
        scale, df = _f_scale_and_df(a1, a2, rank)
        values = rows @ self.estimates
        wald = values @ linalg.solve(rows @ self.covariance @ rows.T, values, assume_a="pos") / rank
        statistic = float(scale * wald)
        return FTest(
            f=statistic,
            numerator_df=rank,
            denominator_df=df,
            p=float(stats.f.sf(statistic, rank, df)),
        )


def kenward_roger(fit: LinearFit) -> KenwardRoger:
    """Adjust the inference on the fixed effects of a mixed model for few groups.

    The covariance is corrected for the variances being estimates, and degrees of freedom follow
    from the expected information. Variance parameters on the boundary of a singular fit are taken
    as known: a variance of zero, or a direction in which a term's covariance has no extent.

    Parameters
    ----------
    fit : LinearFit
        By REML, with at most `MOST_COEFFICIENTS` random coefficients.

    Raises
    ------
    StatisticsError
        If the fit is by ML, for which the method is not defined, the model too large, or the
        adjustment leaves a coefficient without a positive variance.
    """
    n_coefficients = sum(block.n_coefficients for block in fit.blocks)
    if not fit.reml:
        raise StatisticsError(
            "Kenward-Roger degrees of freedom are defined for REML fits, and this fit is by "
            "maximum likelihood. Fit by REML, or use Satterthwaite's."
        )
    if n_coefficients > MOST_COEFFICIENTS:
        raise StatisticsError(
            f"Kenward-Roger needs a dense matrix over all random coefficients: the model has "
            f"{n_coefficients:,}, the limit is {MOST_COEFFICIENTS:,}. With so many groups "
            "Satterthwaite's degrees of freedom are practically the same: use these."
        )
    with threads_for(n_coefficients):
        roots = [column_root(block) for block in fit.blocks]
        standard = standardised(fit, roots)
        moments = inverse_moments(standard)
        derivatives = _Derivatives.of(standard, moments, _elementary_parameters(fit.blocks))
        directions = _live_directions(fit, roots)
        adjusted = _adjusted(standard, derivatives.along(directions))
        return _in_units_of(fit, adjusted, _warnings(directions))


def _in_units_of(fit: LinearFit, adjusted: _Adjusted, warnings: tuple[str, ...]) -> KenwardRoger:
    rotation = fit.deviance.profiled.rotation

    def back(covariance: Matrix) -> Matrix:
        return rotation.covariance(covariance / rotation.scale**2)

    units = np.sqrt(np.abs(adjusted.covariance.diagonal()))
    if linalg.eigvalsh(adjusted.covariance / np.outer(units, units))[0] <= 0.0:
        raise StatisticsError(
            "Kenward and Roger's adjustment leaves a combination of the fixed effects without a "
            "positive variance: the data say too little about the variances of the random effects. "
            "Use a simpler random part, or Satterthwaite's degrees of freedom."
        )
    return KenwardRoger(
        estimates=fit.estimates,
        covariance=back(adjusted.covariance),
        warnings=warnings,
        _unadjusted=fit.covariance,
        _derivatives=np.array([back(each) for each in adjusted.derivatives]),
        _parameter_covariance=adjusted.parameter_covariance,
    )


# --- derivatives by the variance parameters -----------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parameter:
    """An entry of a block's covariance matrix: V changes by Za Zb' (+ Zb Za' if a differs)."""

    block: int
    row: int
    column: int

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs of terms whose product the parameter multiplies."""
        if self.row == self.column:
            return ((self.row, self.row),)
        return ((self.row, self.column), (self.column, self.row))


def _elementary_parameters(blocks: Sequence[RandomBlock]) -> list[_Parameter]:
    return [
        _Parameter(block=j, row=int(a), column=int(b))
        for j, block in enumerate(blocks)
        for a, b in zip(*block.factor_index, strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Derivatives:
    """[1]_'s P, Q and the traces, for r variance parameters, the residual variance last.

    Attributes
    ----------
    first : ndarray, shape (r, p, p)
        P_i = -X'V⁻¹ K_i V⁻¹X.
    second : ndarray, shape (r, r, p, p)
        Q_ij = X'V⁻¹ K_i V⁻¹ K_j V⁻¹X.
    traces : ndarray, shape (r, r)
        tr(V⁻¹ K_i V⁻¹ K_j).
    """

    first: Matrix
    second: Matrix
    traces: Matrix

    @classmethod
    def of(
        cls, fit: LinearFit, moments: InverseMoments, parameters: Sequence[_Parameter]
    ) -> _Derivatives:
        """All of them by the entries of the blocks' covariance matrices."""
        r, p = len(parameters), fit.fixed.shape[1]
        first, second = np.zeros((r + 1, p, p)), np.zeros((r + 1, r + 1, p, p))
        traces, single = np.zeros((r + 1, r + 1)), np.zeros(r)
        inner, outer = moments.random, moments.mixed
        for i, parameter in enumerate(parameters):
            places = moments.places[parameter.block]
            for a, b in parameter.pairs:
                first[i] -= outer[places[a]].T @ outer[places[b]]
                single[i] += np.trace(inner[places[a], places[b]])
            for j, other in enumerate(parameters[: i + 1]):
                other_places = moments.places[other.block]
                for a, b in parameter.pairs:
                    for c, d in other.pairs:
                        between = inner[places[b], other_places[c]]
                        second[i, j] += outer[places[a]].T @ between @ outer[other_places[d]]
                        traces[i, j] += np.vdot(between, inner[places[a], other_places[d]])
                second[j, i], traces[j, i] = second[i, j].T, traces[i, j]
        values = np.array([fit.covariances[x.block][x.row, x.column] for x in parameters])
        derivatives = cls(first=first, second=second, traces=traces)
        derivatives._fill_residual(fit, values, single)
        return derivatives

    def _fill_residual(self, fit: LinearFit, values: Matrix, single: Matrix) -> None:
        """The residual's derivatives: I = (V - sum_i g_i K_i) / s², all else being linear in it."""
        s, r = fit.residual_variance, len(values)
        first, second, traces = self.first, self.second, self.traces
        information = linalg.inv(fit.covariance)
        first[r] = (-information - np.tensordot(values, first[:r], 1)) / s
        for j in range(r):
            second[r, j] = (-first[j] - np.tensordot(values, second[:r, j], 1)) / s
            second[j, r] = second[r, j].T
            traces[r, j] = traces[j, r] = (single[j] - values @ traces[:r, j]) / s
        second[r, r] = (-first[r] - np.tensordot(values, second[:r, r], 1)) / s
        traces[r, r] = ((len(fit.response) - values @ single) / s - values @ traces[:r, r]) / s

    def along(self, directions: Matrix) -> _Derivatives:
        """By other parameters: rows of ``directions`` are combinations of the entries."""
        return _Derivatives(
            first=np.tensordot(directions, self.first, 1),
            second=np.einsum("ri,sj,ijab->rsab", directions, directions, self.second),
            traces=directions @ self.traces @ directions.T,
        )


def _live_directions(fit: LinearFit, roots: Sequence[Matrix]) -> Matrix:
    """Directions in which the variance parameters can move; the residual variance is the last."""
    parts = [
        _block_directions(block, factor, root)
        for block, factor, root in zip(fit.blocks, fit.factors, roots, strict=True)
    ]
    return np.asarray(linalg.block_diag(*parts, np.ones((1, 1))))


def _block_directions(block: RandomBlock, factor: Matrix, root: Matrix) -> Matrix:
    """Per live parameter of a block its combination of the entries of the standard covariance.

    Where the covariance matrix has lower rank than terms, it moves only within the matrices of
    that rank: by dF F' + F dF' with dF in the columns of the factor F that are not zero, and in
    the rows of the terms that vary.
    """
    rows, columns = block.factor_index
    live = np.asarray(factor.any(axis=1))
    if not block.correlated:
        return np.asarray(np.eye(len(rows))[live[rows]])
    spanned = np.eye(block.n_terms) if live.all() else root[:, live]
    moves = []
    for column in (root @ factor).T[factor.any(axis=0)]:
        for row in spanned.T:
            move = np.outer(row / np.linalg.norm(row), column / np.linalg.norm(column))
            moves.append((move + move.T)[rows, columns])
    if not moves:
        return np.zeros((0, len(rows)))
    _, sizes, basis = linalg.svd(np.array(moves), full_matrices=False)
    basis = basis[sizes > 1e-6 * sizes[0]]
    return np.eye(len(rows)) if len(basis) == len(rows) else np.asarray(basis)


# --- the adjustment -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Adjusted:
    """Of a standardised fit: covariance (p, p), its derivatives (r, p, p), parameters' (r, r)."""

    covariance: Matrix
    derivatives: Matrix
    parameter_covariance: Matrix


def _adjusted(fit: LinearFit, derivatives: _Derivatives) -> _Adjusted:
    covariance = fit.covariance
    first, second = derivatives.first, derivatives.second
    halves = covariance @ first
    information = 0.5 * (
        derivatives.traces
        - 2.0 * np.einsum("ab,rsba->rs", covariance, second)
        + np.einsum("rab,sba->rs", halves, halves)
    )
    weights = _inverse(information)
    bend = np.einsum("rs,rsab->ab", weights, second) - np.einsum(
        "rs,rab,sbc->ac", weights, first, halves
    )
    adjustment = covariance @ (bend + bend.T) @ covariance
    return _Adjusted(
        covariance=covariance + adjustment,
        derivatives=-halves @ covariance,
        parameter_covariance=weights,
    )


def _inverse(information: Matrix) -> Matrix:
    """The inverse without directions on which the data say nothing, whatever the units."""
    units = 1.0 / np.sqrt(information.diagonal())
    sizes, vectors = linalg.eigh(information * np.outer(units, units))
    kept = sizes > _DEPENDENT * sizes[-1]
    scaled = (vectors[:, kept] / sizes[kept]) @ vectors[:, kept].T
    return np.asarray(scaled * np.outer(units, units))


def _f_scale_and_df(a1: float, a2: float, rank: int) -> tuple[float, float]:
    """[1]_'s scale of the Wald F and its denominator df, which match its first two moments."""
    b = (a1 + 6.0 * a2) / (2.0 * rank)
    g = ((rank + 1) * a1 - (rank + 4) * a2) / ((rank + 2) * a2)
    base = 3.0 * rank + 2.0 * (1.0 - g)
    c1, c2, c3 = g / base, (rank - g) / base, (rank + 2 - g) / base
    mean = 1.0 / (1.0 - a2 / rank)
    variance = 2.0 / rank * (1.0 + c1 * b) / ((1.0 - c2 * b) ** 2 * (1.0 - c3 * b))
    ratio = variance / (2.0 * mean**2)
    df = 4.0 + (rank + 2) / (rank * ratio - 1.0)
    return df / (mean * (df - 2.0)), df


def _warnings(directions: Matrix) -> tuple[str, ...]:
    fixed = directions.shape[1] - directions.shape[0]
    if not fixed:
        return ()
    entries = "1 variance parameter is" if fixed == 1 else f"{fixed} variance parameters are"
    return (
        f"The fit is singular: {entries} on the boundary (a variance of zero or a correlation of "
        "1), and Kenward-Roger takes them as known, so degrees of freedom may be too many. Leave "
        "the term out of the formula for a result that does not depend on it.",
    )
