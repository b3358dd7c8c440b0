"""Linear mixed models with crossed random effects, by REML or maximum likelihood.

::

    y = X b + sum_j Z_j u_j + e,    u_j ~ N(0, s2 F_j F_j'),    e ~ N(0, s2)

The rows are summed over once; then each evaluation of the profiled criterion [1]_ costs a pass
over the pairs of images that a rater has in common and one factorisation of the images' block,
however many ratings there are. Checked against lme4 on every set of the reference values.

References
----------
.. [1] Bates, Mächler, Bolker & Walker (2015), Fitting linear mixed-effects models using lme4, J.
   Stat. Softw. 67(1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mturk_eval.errors import StatisticsError
from mturk_eval.stats.formulas.blocks import RandomBlock
from mturk_eval.stats.linear.coding import coded
from mturk_eval.stats.linear.cross_products import CrossProducts, cross_products
from mturk_eval.stats.linear.deviance import Evaluation, Point, ProfiledDeviance
from mturk_eval.stats.linear.newton import Optimum, minimise
from mturk_eval.stats.linear.parametrisation import Parametrisation, lower_factor
from mturk_eval.stats.linear.rotation import rotated
from mturk_eval.stats.threads import threads_for

Array = NDArray[np.float64]

MOST_REST_COEFFICIENTS = 12_000
"""Side of the largest dense block: 1.2 GB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviance:
    """The criterion of a fitted model as a function of theta, for what is computed afterwards.

    Theta holds the free entries of the blocks' relative covariance factors, blocks in the caller's
    order, columns first, in the units of the data: lme4's theta.
    """

    profiled: ProfiledDeviance
    units: Parametrisation

    def evaluate(self, theta: Array, *, gradient: bool = True) -> Evaluation:
        """The criterion at theta, with the estimates that belong to it.

        Parameters
        ----------
        theta : ndarray
            Any real numbers; the sign of a factor's column does not matter.
        gradient : bool
            Whether its derivatives are wanted, which take twice the time.

        Raises
        ------
        StatisticsError
            If no residual variance is left at theta.
        """
        with threads_for(self.profiled.sums.n_rest):
            point = self.point(theta)
            slopes = self.units.gradient(theta, point.slopes) if gradient else None
        rotation = self.profiled.rotation
        return Evaluation(
            value=rotation.criterion(
                point.value, degrees=self.profiled.degrees_of_freedom, reml=self.profiled.reml
            ),
            gradient=slopes,
            estimates=rotation.estimates(point.coefficients),
            covariance=rotation.covariance(point.fixed_covariance * point.residual_variance),
            residual_variance=point.residual_variance * rotation.scale**2,
        )

    def point(self, theta: Array) -> Point:
        """The solved equations at theta, in the engine's coding and rotation."""
        return self.profiled.at(self.units.coded(np.asarray(theta, dtype=np.float64)))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearFit:
    """A fitted linear mixed model.

    Attributes
    ----------
    response : ndarray, shape (n,)
    fixed : ndarray, shape (n, p)
    blocks : tuple of RandomBlock
        In the caller's order, as are all results per block.
    reml : bool
        Restricted maximum likelihood; otherwise maximum likelihood.
    estimates : ndarray, shape (p,)
        Fixed effects.
    covariance : ndarray, shape (p, p)
        Of the estimates.
    residual_variance : float
        In squared units of the response.
    factors : tuple of ndarray
        Per block the K x K lower-triangular relative covariance factor F (lme4's theta as a
        matrix): the coefficients' covariance is ``residual_variance * F @ F.T``. A direction
        without variance is a column of exact zeros.
    criterion : float
        The REML criterion, or the deviance of ML, with lme4's constants.
    converged : bool
        Whether a further step would change nothing that matters.
    gradient_norm : float
        The criterion's largest derivative at the end, in a theta of orthonormal columns.
    n_evaluations : int
    deviance : Deviance
        The criterion as a function of theta.
    """

    response: Array
    fixed: Array
    blocks: tuple[RandomBlock, ...]
    reml: bool
    estimates: Array
    covariance: Array
    residual_variance: float
    factors: tuple[Array, ...]
    criterion: float
    converged: bool
    gradient_norm: float
    n_evaluations: int
    deviance: Deviance

    @property
    def n_observations(self) -> int:
        """n."""
        return len(self.response)

    @property
    def n_fixed(self) -> int:
        """p."""
        return len(self.estimates)

    @property
    def log_likelihood(self) -> float:
        """Restricted for REML."""
        return -0.5 * self.criterion

    @property
    def covariances(self) -> tuple[Array, ...]:
        """Per block the K x K covariance matrix of its coefficients, in squared data units."""
        return tuple(self.residual_variance * f @ f.T for f in self.factors)

    @property
    def theta(self) -> Array:
        """The free entries of all factors, in lme4's order."""
        return self.deviance.units.theta(self.factors)

    @property
    def singular(self) -> bool:
        """Whether some covariance matrix has a direction without variance."""
        return any(is_singular(factor) for factor in self.factors)

    @property
    def n_variance_parameters(self) -> int:
        """The length of theta, and one for the residual."""
        return sum(self.deviance.units.sizes) + 1

    @property
    def aic(self) -> float:
        """Akaike's criterion, as lme4 counts parameters."""
        return self.criterion + 2.0 * (self.n_fixed + self.n_variance_parameters)

    @property
    def bic(self) -> float:
        """Schwarz's criterion, as lme4 counts parameters and observations."""
        count = self.n_fixed + self.n_variance_parameters
        return self.criterion + float(np.log(self.n_observations)) * count


def is_singular(factor: Array) -> bool:
    """Whether a covariance factor has a direction without variance: a zero on its diagonal.

    The fit sets a vanishing variance to exactly zero if the criterion is no worse for it, so that
    no threshold is needed here, and none that depends on a covariate's unit.

    Examples
    --------
    >>> is_singular(np.array([[0.5, 0.0], [-0.3, 0.0]]))
    True
    """
    return bool((np.diag(factor) == 0).any())


def fit_linear(
    response: Array,
    fixed: Array,
    blocks: Sequence[RandomBlock],
    *,
    reml: bool = True,
    start: Array | None = None,
) -> LinearFit:
    """Fit a linear mixed model.

    Parameters
    ----------
    response : ndarray, shape (n,)
    fixed : ndarray, shape (n, p)
        Columns of the fixed effects, the intercept's included; p may be 0.
    blocks : sequence of RandomBlock
        The random terms, crossed or nested, in any order.
    reml : bool, default True
        Restricted maximum likelihood; otherwise maximum likelihood.
    start : ndarray, optional
        Theta to start from, e.g. that of a fit to similar data.

    Raises
    ------
    StatisticsError
        If the data do not determine the model: no residual variance, linearly dependent columns,
        as many levels as answers, or too many random effects beside the largest term.

    Examples
    --------
    Two methods on four images: the method's effect is the mean difference.

    >>> image = np.repeat(np.arange(4, dtype=np.int32), 2)
    >>> rating = np.array([4.0, 5.0, 6.0, 8.0, 5.0, 7.0, 3.0, 5.0])
    >>> fixed = np.column_stack([np.ones(8), np.tile([0.0, 1.0], 4)])
    >>> block = RandomBlock(
    ...     group="image", terms=("(Intercept)",), levels=("a", "b", "c", "d"),
    ...     codes=image, columns=np.ones((8, 1)),
    ... )
    >>> fit = fit_linear(rating, fixed, [block])
    >>> fit.estimates.round(3)
    array([4.5 , 1.75])
    >>> fit.converged, fit.singular
    (True, False)
    """
    response = np.asarray(response, dtype=np.float64)
    fixed = np.asarray(fixed, dtype=np.float64)
    for block in blocks:
        _check_levels(block, len(response))
    _check_repeats(blocks)
    _check_size(blocks)
    data, rotation = rotated(response, fixed)
    coded_blocks = [coded(block) for block in blocks]
    with threads_for(_rest_size(blocks)):
        sums = cross_products(data, coded_blocks)
        del data
        profiled = ProfiledDeviance(sums=sums, rotation=rotation, reml=reml)
        places = tuple(block.factor_index for block in blocks)
        working = Parametrisation(
            transforms=tuple(block.working for block in coded_blocks), places=places
        )
        deviance = Deviance(
            profiled=profiled,
            units=Parametrisation(
                transforms=tuple(block.transform for block in coded_blocks), places=places
            ),
        )
        if start is None:
            first = _starting_theta(sums, working)
        else:
            first = _changed_units(start, deviance.units, working)
        optimum = minimise(profiled, working, first)
    theta = _changed_units(optimum.theta, working, deviance.units)
    return _linear_fit(response, fixed, tuple(blocks), deviance, theta, optimum)


def _linear_fit(
    response: Array,
    fixed: Array,
    blocks: tuple[RandomBlock, ...],
    deviance: Deviance,
    theta: Array,
    optimum: Optimum,
) -> LinearFit:
    profiled, point = deviance.profiled, optimum.point
    rotation = profiled.rotation
    covariance = rotation.covariance(point.fixed_covariance * point.residual_variance)
    return LinearFit(
        response=response,
        fixed=fixed,
        blocks=blocks,
        reml=profiled.reml,
        estimates=rotation.estimates(point.coefficients),
        covariance=covariance,
        residual_variance=point.residual_variance * rotation.scale**2,
        factors=deviance.units.factors(theta),
        criterion=rotation.criterion(
            point.value, degrees=profiled.degrees_of_freedom, reml=profiled.reml
        ),
        converged=optimum.converged,
        gradient_norm=float(np.abs(optimum.gradient).max(initial=0.0)),
        n_evaluations=optimum.n_evaluations,
        deviance=deviance,
    )


def _starting_theta(sums: CrossProducts, units: Parametrisation) -> Array:
    """Moment estimates, each block as if it were alone.

    For orthonormal columns and n_g answers of level g, ``z_g = Z_g'y`` has about the covariance
    ``n_g^2 G + n_g (1 - G)``, y being of unit variance.
    """
    covariances = []
    for block, product in zip(sums.blocks, sums.with_response(), strict=True):
        scores = product @ block.working
        count = np.bincount(block.slots[0].level, minlength=block.n_levels).astype(np.float64)
        excess = scores.T @ scores - count.sum() * np.eye(block.n_terms)
        values, vectors = np.linalg.eigh(excess / float((count**2 - count).sum() or 1.0))
        covariances.append((vectors * np.clip(values, 0.01, 0.7)) @ vectors.T)
    residual = max(0.15, 1.0 - sum(float(np.trace(each)) for each in covariances))
    roots = [np.linalg.cholesky(each / residual) for each in covariances]
    return units.theta(roots)


def _changed_units(theta: Array, source: Parametrisation, target: Parametrisation) -> Array:
    """Parameters of the same covariances in other units."""
    factors = [
        lower_factor(np.asarray(np.linalg.solve(to, own @ factor), dtype=np.float64))
        for to, own, factor in zip(
            target.transforms, source.transforms, source.factors(theta), strict=True
        )
    ]
    return target.theta(factors)


def _check_levels(block: RandomBlock, n: int) -> None:
    if block.n_levels < 2:
        raise StatisticsError(
            f"There is one level of {block.group} ({block.levels[0]}): its variance cannot be "
            f"estimated. Leave the random term by {block.group} out of the formula."
        )
    per_term = block.n_terms if block.correlated else 1
    if block.n_levels * per_term >= n:
        raise StatisticsError(
            f"The random term by {block.group} has {block.n_levels * per_term} coefficients for "
            f"{n} answers: they cannot be told apart from the residual. Leave "
            + ("its slopes" if per_term > 1 and block.n_levels < n else "the term")
            + " out, or collect several answers per level."
        )


def _check_repeats(blocks: Sequence[RandomBlock]) -> None:
    for one, two in combinations(blocks, 2):
        if one.group != two.group:
            continue
        for a, term in enumerate(one.terms):
            for b in range(two.n_terms):
                if np.array_equal(one.columns[:, a], two.columns[:, b]):
                    raise StatisticsError(
                        f"The column {term} has two random terms by {one.group}, whose variances "
                        "cannot be told apart. Keep it in one of them."
                    )


def _rest_size(blocks: Sequence[RandomBlock]) -> int:
    sizes = [block.n_coefficients for block in blocks]
    return sum(sizes) - max(sizes, default=0)


def _check_size(blocks: Sequence[RandomBlock]) -> None:
    rest = _rest_size(blocks)
    if rest > MOST_REST_COEFFICIENTS:
        largest = max(blocks, key=lambda block: block.n_coefficients)
        others = ", ".join(
            f"{block.group} ({block.n_coefficients:,})" for block in blocks if block is not largest
        )
        raise StatisticsError(
            f"Beside its largest random term ({largest.group}) the model has {rest:,} random "
            f"coefficients: {others}. More than {MOST_REST_COEFFICIENTS:,} need too much memory. "
            "Leave out the slopes of that term, aggregate its levels, or fit a random part of "
            "the data."
        )
