"""The ordinal model, as text."""

from __future__ import annotations

from mturk_eval.report.tables import Cell, format_p, interval, text_table, wrapped
from mturk_eval.report.text.mixed import predicted_effects_text
from mturk_eval.report.text.result import result_text
from mturk_eval.stats.mixed.marginal_means import MarginalMeans
from mturk_eval.stats.ordinal.links import LINKS
from mturk_eval.stats.ordinal.results import OrdinalResult

_CATEGORIES_UP_TO = 11
"""Answers whose probabilities fit the width of a terminal."""


@result_text.register
def _ordinal_text(result: OrdinalResult) -> str:
    fit = result.fit
    groups = ", ".join(f"{n} {name}s" for name, n in result.groups.items())
    state = [
        "converged" if fit.converged else "NOT CONVERGED",
        *(["singular"] if fit.singular else []),
    ]
    counted = [f"{fit.n_observations:,} observations", *([groups] if groups else [])]
    parts = [
        f"\nOrdinal model (cumulative {fit.link}): {result.formula}",
        "; ".join([*counted, ", ".join(state)]),
        "",
        _fixed_text(result),
    ]
    if result.method_means is not None:
        parts += ["", _differences_text(result, result.method_means)]
    if result.predictions:
        parts += ["", _predictions_text(result)]
    parts += ["", _thresholds_text(result)]
    if fit.random:
        parts += ["", _components_text(result)]
    if fit.random:
        effects = result.predicted_effects()
        parts += ["", *predicted_effects_text(result.groups, effects, result.ci_level)]
        parts.pop()  # the blank line after the last table: the log-likelihood brings its own
    parts += [
        f"\nLog-likelihood {fit.log_likelihood:.4f}; AIC {fit.aic:.2f}, BIC {fit.bic:.2f}\n",
        *_meaning(result),
        *(wrapped(note, "Note: ") for note in result.notes),
    ]
    return "\n".join(parts)


def _fixed_text(result: OrdinalResult) -> str:
    return text_table(
        ["term", "estimate", "SE", "z", "p", f"{result.ci_level:.0%} interval"],
        [
            [e.term, e.estimate, e.std_error, e.z, format_p(e.p), interval(e.ci_low, e.ci_high)]
            for e in result.fixed_effects
        ],
    )


def _differences_text(result: OrdinalResult, means: MarginalMeans) -> str:
    table = text_table(
        ["difference", "estimate", "SE", "z", "p", f"p {means.adjustment.title()}",
         f"{result.ci_level:.0%} interval"],
        [
            [f"{c.level} - {c.reference}", c.estimate, c.std_error, c.t, format_p(c.p),
             format_p(c.p_adjusted), interval(c.ci_low, c.ci_high)]
            for c in means.contrasts
        ],
    )  # fmt: skip
    return f"Differences between methods on the latent scale\n\n{table}"


def _predictions_text(result: OrdinalResult) -> str:
    categories = [f"{value:g}" for value in result.fit.categories]
    shown = len(categories) <= _CATEGORIES_UP_TO
    rows: list[list[Cell]] = []
    for one in result.predictions:
        chances = one.marginal_probabilities or one.probabilities
        rows.append(
            [one.method, one.mean, one.mean_std_error, interval(one.ci_low, one.ci_high),
             *([f"{chance:.0%}" for chance in chances] if shown else [])]
        )  # fmt: skip
    header = ["method", "mean", "SE", f"{result.ci_level:.0%} interval"]
    text = text_table([*header, *(categories if shown else [])], rows, digits=2)
    if not shown:
        return f"Answers that the model expects\n\n{text}"
    over_all = any(one.marginal_probabilities for one in result.predictions)
    who = "of all raters to all images" if over_all else "of every rater"
    return (
        "Answers that the model expects: mean rating of an average rater of an average image,\n"
        f"and the share of each answer {who}\n\n{text}"
    )


def _thresholds_text(result: OrdinalResult) -> str:
    fit = result.fit
    rows: list[list[Cell]] = [
        [name, float(estimate), float(error)]
        for name, estimate, error in zip(
            fit.threshold_names, fit.thresholds, fit.threshold_std_errors, strict=True
        )
    ]
    return "Thresholds between answers\n\n" + text_table(["threshold", "estimate", "SE"], rows)


def _components_text(result: OrdinalResult) -> str:
    rows: list[list[Cell]] = [
        [c.group, c.term, c.variance, c.std_dev]
        if c.with_term is None
        else [c.group, f"corr. {c.term}, {c.with_term}", None, c.correlation]
        for c in result.components
    ]
    latent = LINKS[result.fit.link].latent_variance
    rows.append(["residual", f"fixed by the {result.fit.link}", latent, latent**0.5])
    return text_table(["group", "component", "variance", "SD or corr."], rows)


def _claimed_units(result: OrdinalResult) -> tuple[str, ...]:
    """What the differences speak about: without by-image slopes, not about other images."""
    units = result.generalises_to
    return tuple(unit for unit in units if unit != "images") if result.slope_check else units


def _meaning(result: OrdinalResult) -> list[str]:
    spread = LINKS[result.fit.link].latent_variance ** 0.5
    units = " and ".join(_claimed_units(result))
    generalises = (
        f"They speak about other {units} of the same kind, which are random in the model."
        if units
        else "They speak about these images and raters: see the warning."
        if result.groups
        else "Nothing is random: every answer is taken as independent of every other."
    )
    adjusted = (
        " Intervals of differences between methods hold together for all pairs."
        if result.method_means is not None and result.method_means.simultaneous
        else ""
    )
    integral = " The likelihood is by Laplace's approximation." if result.fit.random else ""
    report = (
        "To report: the differences between methods with their intervals and adjusted p, the "
        "formula and the link; and expected answers, to say what the differences mean."
        if result.method_means is not None
        else ""
    )
    return [
        wrapped(
            "Estimates are on a latent scale on which one rater's answers to one image vary with a "
            f"standard deviation of {spread:.2f} ({result.fit.link}); only the order of ratings "
            "counts, not how far apart they are."
        ),
        wrapped(
            f"{result.ci_level:.0%} Wald intervals and z tests from the normal distribution."
            f"{adjusted} {generalises}{integral}"
        ),
        *([wrapped(report)] if report else []),
    ]
