"""What an ordinal model says: frozen results, and the JSON object they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.formulas.matrices import Contrasts
from mturk_eval.stats.mixed.marginal_means import MarginalMeans
from mturk_eval.stats.mixed.results import Component, PredictedEffect, unit_name
from mturk_eval.stats.ordinal.fit import OrdinalFit
from mturk_eval.stats.ordinal.links import LINKS


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdinalEffect:
    """One coefficient on the latent scale, with its Wald test and interval."""

    term: str
    estimate: float
    std_error: float
    z: float
    p: float
    ci_low: float
    ci_high: float

    def document(self) -> Document:
        """One row of ``fixed_effects``."""
        return {
            "term": self.term,
            "estimate": self.estimate,
            "std_error": number(self.std_error),
            "z": number(self.z),
            "p": number(self.p),
            "ci_low": number(self.ci_low),
            "ci_high": number(self.ci_high),
        }


def wald_tests(fit: OrdinalFit, *, ci_level: float = 0.95) -> tuple[OrdinalEffect, ...]:
    """z tests and normal intervals of the coefficients; NaN where there is no standard error."""
    quantile = float(stats.norm.ppf(0.5 + ci_level / 2))
    return tuple(
        OrdinalEffect(
            term=term,
            estimate=float(estimate),
            std_error=float(error),
            z=float(estimate / error),
            p=float(2 * stats.norm.sf(abs(estimate / error))),
            ci_low=float(estimate - quantile * error),
            ci_high=float(estimate + quantile * error),
        )
        for term, estimate, error in zip(fit.names, fit.coefficients, fit.std_errors, strict=True)
    )


def variance_components(fit: OrdinalFit) -> tuple[Component, ...]:
    """Variances of the random terms, and covariances where the model has them."""
    found: list[Component] = []
    for term in fit.random:
        found.extend(
            Component(group=term.group, term=name, variance=float(term.covariance[k, k]))
            for k, name in enumerate(term.terms)
        )
        if not term.correlated:
            continue
        found.extend(
            Component(
                group=term.group,
                term=term.terms[earlier],
                with_term=term.terms[later],
                variance=float(term.covariance[earlier, later]),
                correlation=float(term.correlations[earlier, later]),
            )
            for earlier, later in zip(*np.triu_indices(len(term.terms), 1), strict=True)
        )
    return tuple(found)


def predicted_effects(fit: OrdinalFit, *, ci_level: float = 0.95) -> tuple[PredictedEffect, ...]:
    """How far each level lies from the average (its conditional mode), on the latent scale.

    Standard errors and intervals take the estimates as known.
    """
    quantile = float(stats.norm.ppf(0.5 + ci_level / 2))
    return tuple(
        PredictedEffect(
            group=term.group,
            level=level,
            term=name,
            value=float(mode),
            std_error=float(error),
            ci_low=float(mode - quantile * error),
            ci_high=float(mode + quantile * error),
        )
        for term in fit.random
        for level, modes, errors in zip(term.levels, term.modes, term.mode_std_errors, strict=True)
        for name, mode, error in zip(term.terms, modes, errors, strict=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodPrediction:
    """What answers a method gets: see `ExpectedAnswers`."""

    method: str
    probabilities: tuple[float, ...]
    mean: float
    mean_std_error: float
    ci_low: float
    ci_high: float
    marginal_probabilities: tuple[float, ...] | None
    marginal_mean: float | None

    def document(self) -> Document:
        """One row of ``predictions``."""
        marginal = self.marginal_probabilities
        return {
            "method": self.method,
            "mean": self.mean,
            "std_error": number(self.mean_std_error),
            "ci_low": number(self.ci_low),
            "ci_high": number(self.ci_high),
            "probabilities": list(self.probabilities),
            "marginal_mean": number(self.marginal_mean),
            "marginal_probabilities": None if marginal is None else list(marginal),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdinalSlopeCheck:
    """A coefficient with and without by-image slopes of the method, where these were left out."""

    term: str
    without: OrdinalEffect
    with_slopes: OrdinalEffect
    formula: str
    deviance_gain: float

    def document(self) -> Document:
        """One row of ``slope_check``."""
        return {
            "term": self.term,
            "formula": self.formula,
            "deviance_gain": self.deviance_gain,
            "z_without": number(self.without.z),
            "p_without": number(self.without.p),
            "z_with": number(self.with_slopes.z),
            "p_with": number(self.with_slopes.p),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdinalResult:
    """A fitted cumulative-link mixed model of a table, with everything to report of it.

    Attributes
    ----------
    method_means : MarginalMeans or None
        Means of the methods on the latent scale, and the differences of all pairs by z tests.
    predictions : tuple of MethodPrediction
        Empty where the method is not in the fixed part.
    slope_check : tuple of OrdinalSlopeCheck
        Where by-image slopes of the method could have been fitted and were not.
    """

    formula: str
    contrasts: Contrasts
    fit: OrdinalFit
    fixed_effects: tuple[OrdinalEffect, ...]
    method_means: MarginalMeans | None
    predictions: tuple[MethodPrediction, ...]
    slope_check: tuple[OrdinalSlopeCheck, ...]
    ci_level: float
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def groups(self) -> dict[str, int]:
        """How many levels each group has."""
        return {term.group: len(term.levels) for term in self.fit.random}

    @property
    def generalises_to(self) -> tuple[str, ...]:
        """The random units: other images, other raters."""
        units = [unit_name(part) for group in self.groups for part in group.split(":")]
        return tuple(dict.fromkeys(units))

    @property
    def components(self) -> tuple[Component, ...]:
        """Variances and covariances of the random effects, on the latent scale."""
        return variance_components(self.fit)

    def predicted_effects(self) -> tuple[PredictedEffect, ...]:
        """Conditional modes of every level, with intervals."""
        return predicted_effects(self.fit, ci_level=self.ci_level)

    def _contrasts_document(self) -> Document | None:
        means = self.method_means
        if means is None:
            return None
        rows = []
        for contrast in means.contrasts:
            row = contrast.document()
            del row["df"]
            rows.append(row | {"z": row.pop("t")})
        return {"p_adjustment": means.adjustment, "rows": rows}

    def document(self) -> Document:
        """The JSON object of ``analyze --model ordinal --json``."""
        fit = self.fit
        return {
            "model": "ordinal",
            "n_observations": fit.n_observations,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "formula": self.formula,
            "link": fit.link,
            "estimation": "ml",
            "approximation": "Laplace" if fit.random else None,
            "contrasts": self.contrasts,
            "ci_method": "Wald, normal",
            "ci_level": self.ci_level,
            "groups": self.groups,
            "categories": [
                {"value": value, "n": count}
                for value, count in zip(fit.categories, fit.counts, strict=True)
            ],
            "thresholds": [
                {"name": name, "estimate": float(estimate), "std_error": number(float(error))}
                for name, estimate, error in zip(
                    fit.threshold_names, fit.thresholds, fit.threshold_std_errors, strict=True
                )
            ],
            "fixed_effects": [effect.document() for effect in self.fixed_effects],
            "variance_components": [component.document() for component in self.components],
            "residual_variance": LINKS[fit.link].latent_variance,
            "criterion": -2 * fit.log_likelihood,
            "log_likelihood": fit.log_likelihood,
            "aic": fit.aic,
            "bic": fit.bic,
            "converged": fit.converged,
            "singular": fit.singular,
            "method_contrasts": self._contrasts_document(),
            "predicted_effects": [effect.document() for effect in self.predicted_effects()],
            "predictions": [prediction.document() for prediction in self.predictions],
            "slope_check": [check.document() for check in self.slope_check],
        }
