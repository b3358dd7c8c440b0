"""The mixed model, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mturk_eval.report.tables import Cell, decimal, format_p, interval, text_table, wrapped
from mturk_eval.report.text.result import result_text
from mturk_eval.stats.mixed.marginal_means import MarginalMeans
from mturk_eval.stats.mixed.model import MixedResult
from mturk_eval.stats.mixed.results import PredictedEffect

_MOST_EFFECTS = 40
_DF_NAMES = {
    "satterthwaite": "Satterthwaite's",
    "kenward-roger": "Kenward and Roger's",
    "none": "no",
}


@result_text.register
def _mixed_text(result: MixedResult) -> str:
    groups = ", ".join(f"{n} {name}s" for name, n in result.groups.items())
    state = [
        "converged" if result.converged else "NOT CONVERGED",
        *(["singular"] if result.singular else []),
    ]
    parts = [
        f"\nLinear mixed model, {result.estimation.upper()}: {result.formula}",
        f"{result.n_observations:,} observations; {groups}; {', '.join(state)}",
    ]
    if result.steps:
        parts += ["\nHow the model was chosen"]
        parts += [wrapped(step, f"{n}. ") for n, step in enumerate(result.steps, start=1)]
    parts += ["", _fixed_text(result), *_coding_text(result)]
    parts += ["", _components_text(result), "", _fit_text(result)]
    if any(test.numerator_df > 1 for test in result.term_tests):
        parts += ["\nTests of terms (type III)\n", _terms_text(result)]
    for means in result.marginal_means:
        parts += ["", _marginal_text(means)]
    if result.comparison is not None:
        parts += ["", _comparison_text(result)]
    if result.balanced_check:
        parts += ["", _balanced_text(result)]
    effects = predicted_effects_text(result.groups, result.predicted_effects, result.ci_level)
    parts += ["", *effects, *_meaning(result)]
    parts += [wrapped(note, "Note: ") for note in result.notes]
    return "\n".join(parts)


def describe_mixed_interval(result: MixedResult) -> str:
    """What the intervals and tests of a mixed model are, in a sentence."""
    level = f"{result.ci_level:.0%}"
    if result.df_method == "none":
        made = f"{level} Wald intervals and z tests from the normal distribution"
    else:
        made = (
            f"{level} t intervals and t tests with {_DF_NAMES[result.df_method]} degrees of freedom"
        )
    if result.profile is None:
        return made
    return f"{made}; intervals of terms by profile likelihood (of the maximum-likelihood fit)"


def claimed_units(result: MixedResult) -> tuple[str, ...]:
    """What differences between methods speak about: without by-image slopes not other images."""
    units = result.generalises_to
    return tuple(unit for unit in units if unit != "images") if result.slope_check else units


def _meaning(result: MixedResult) -> list[str]:
    kept = claimed_units(result)
    speaks = (
        f"about other {' and '.join(kept)} of the same kind, which are random in the model."
        if kept
        else "about these images and raters: see the warning."
    )
    found = [f"{describe_mixed_interval(result)}. They speak {speaks}"]
    if any(means.contrasts for means in result.marginal_means):
        adjusted = {means.adjustment for means in result.marginal_means} - {"none"}
        p_value = f"p {adjusted.pop().title()}, which allows for all pairs" if adjusted else "p"
        found.append(
            f"To report: the differences of marginal means with their intervals (each of a single "
            f"comparison) and {p_value}; with them the formula, {result.estimation.upper()}, the "
            "kind of degrees of freedom, and how many images and raters there were."
        )
    if result.predicted_effects:
        found.append(
            "Predicted effects are drawn towards the average; they describe these images and "
            "raters and are no tests of them."
        )
    return [wrapped(text) for text in found]


def _fixed_text(result: MixedResult) -> str:
    level = f"{result.ci_level:.0%} interval"
    statistic = "z" if result.df_method == "none" else "t"
    return text_table(
        ["term", "estimate", "SE", "df", statistic, "p", level],
        [
            [
                e.term, e.estimate, e.std_error, None if e.df is None else decimal(e.df, 2), e.t,
                format_p(e.p), interval(e.ci_low, e.ci_high),
            ]
            for e in result.fixed_effects
        ],
    )  # fmt: skip


def _coding_text(result: MixedResult) -> list[str]:
    """Which level a numbered term of sum coding is about."""
    if result.contrasts != "sum":
        return []
    named = [
        f"{means.factor}{number} is {mean.level}"
        for means in result.marginal_means
        for number, mean in enumerate(means.means[:-1], start=1)
    ]
    return [wrapped(f"Sum coding: {', '.join(named)}, each against the mean of all.")]


def _components_text(result: MixedResult) -> str:
    rows: list[list[Cell]] = [
        [c.group, c.term, c.variance, c.std_dev]
        if c.with_term is None
        else [c.group, f"corr. {c.term}, {c.with_term}", None, c.correlation]
        for c in result.components
    ]
    rows.append(["residual", "", result.residual_variance, result.residual_variance**0.5])
    return text_table(["group", "component", "variance", "SD or corr."], rows)


def _fit_text(result: MixedResult) -> str:
    name = "REML criterion" if result.estimation == "reml" else "Deviance"
    return f"{name} {result.criterion:.4f}; AIC {result.aic:.2f}, BIC {result.bic:.2f}"


def _terms_text(result: MixedResult) -> str:
    return text_table(
        ["term", "F", "df", "residual df", "p"],
        [
            [
                test.term, test.f, test.numerator_df,
                None if test.denominator_df is None else decimal(test.denominator_df, 2),
                format_p(test.p),
            ]
            for test in result.term_tests
        ],
    )  # fmt: skip


def _marginal_text(means: MarginalMeans) -> str:
    level = f"{means.ci_level:.0%} interval"
    statistic = "z" if all(c.df is None for c in means.contrasts) else "t"
    adjusted = [] if means.adjustment == "none" else [f"p {means.adjustment.title()}"]
    shown = text_table(
        [means.factor, "mean", "SE", "df", level],
        [
            [m.level, m.estimate, m.std_error, None if m.df is None else decimal(m.df, 2),
             interval(m.ci_low, m.ci_high)]
            for m in means.means
        ],
    )  # fmt: skip
    pairs = text_table(
        ["difference", "estimate", "SE", "df", statistic, "p", *adjusted, level],
        [
            [f"{c.level} - {c.reference}", c.estimate, c.std_error,
             None if c.df is None else decimal(c.df, 2), c.t, format_p(c.p),
             *([format_p(c.p_adjusted)] if adjusted else []), interval(c.ci_low, c.ci_high)]
            for c in means.contrasts
        ],
    )  # fmt: skip
    return (
        f"Marginal means of {means.factor} by this model\n\n{shown}\n\nTheir differences\n\n{pairs}"
    )


def _comparison_text(result: MixedResult) -> str:
    test = result.comparison
    assert test is not None  # noqa: S101  (asked by the caller)
    rows: list[list[Cell]] = [
        [fit.name, fit.n_parameters, fit.criterion, fit.aic, fit.bic]
        for fit in (test.smaller, test.larger)
    ]
    text = (
        f"Likelihood ratio {test.chi_square:.3f} on {test.df} df, p {_equals(test.p)} "
        f"({test.estimation.upper()})"
    )
    if test.p_boundary is not None:
        text += f"; p {_equals(test.p_boundary)} with the variances' boundary at zero"
    table = text_table(["model", "parameters", "criterion", "AIC", "BIC"], rows)
    return f"Comparison\n\n{table}\n\n{wrapped(text + '.')}"


def _balanced_text(result: MixedResult) -> str:
    table = text_table(
        ["difference", "images", "mean", "SE", "df", "t", "p", "p Holm",
         f"{result.ci_level:.0%} interval"],
        [
            [f"{test.method} - {test.reference}", test.n_images, test.mean_difference,
             test.std_error, test.df, test.t, format_p(test.p), format_p(test.p_holm),
             interval(test.ci_low, test.ci_high)]
            for test in result.balanced_check
        ],
    )  # fmt: skip
    reasons = [
        wrapped(f"{test.method} - {test.reference} has no test: {test.reason}.")
        for test in result.balanced_check
        if test.reason is not None
    ]
    meaning = wrapped(
        "t and p are of single tests over the images that both methods have; p Holm is adjusted "
        "for all pairs. They speak about other images and these raters: how much raters differ "
        "about the methods is not in them. Where nothing is missing and raters do not differ so, "
        "the model with by-image slopes gives the same t."
    )
    head = "Balanced check: paired t tests over image means, every pair of methods"
    return "\n".join([head, "", table, "", *reasons, meaning])


def predicted_effects_text(
    groups: Mapping[str, int], effects: Sequence[PredictedEffect], ci_level: float
) -> list[str]:
    """Predicted effects of groups that fit a screen; the others are counted."""
    parts: list[str] = []
    for group, n_levels in groups.items():
        shown = [effect for effect in effects if effect.group == group]
        if len(shown) > _MOST_EFFECTS:
            parts.append(f"Predicted effects of {n_levels} levels of {group}: with --json.\n")
        elif shown:
            parts += [_group_effects(group, shown, ci_level), ""]
    return parts


def _group_effects(group: str, effects: Sequence[PredictedEffect], ci_level: float) -> str:
    table = text_table(
        [group, "effect", "predicted", "SE", f"{ci_level:.0%} interval"],
        [[e.level, e.term, e.value, e.std_error, interval(e.ci_low, e.ci_high)] for e in effects],
    )
    return f"Predicted effects by {group}, as differences from the average\n\n{table}"


def _equals(p: float) -> str:
    shown = format_p(p)
    return shown if shown.startswith("<") else f"= {shown}"
