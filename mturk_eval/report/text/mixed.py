"""The mixed model, as text."""

from __future__ import annotations

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
    parts += ["", _fixed_text(result), "", _components_text(result), "", _fit_text(result)]
    if any(test.numerator_df > 1 for test in result.term_tests):
        parts += ["\nTests of terms (type III)\n", _terms_text(result)]
    for means in result.marginal_means:
        parts += ["", _marginal_text(means)]
    if result.comparison is not None:
        parts += ["", _comparison_text(result)]
    if result.balanced_check:
        parts += ["", _balanced_text(result)]
    parts += ["", *_effects_text(result), _meaning(result)]
    parts += [wrapped(note, "Note: ") for note in result.notes]
    return "\n".join(parts)


def describe_mixed_interval(result: MixedResult) -> str:
    """What the intervals and tests of a mixed model are, in a sentence."""
    level = f"{result.ci_level:.0%}"
    if result.profile is not None:
        return f"{level} profile-likelihood intervals (maximum likelihood)"
    if result.df_method == "none":
        return f"{level} Wald intervals and z tests from the normal distribution"
    return f"{level} t intervals and t tests with {_DF_NAMES[result.df_method]} degrees of freedom"


def _meaning(result: MixedResult) -> str:
    units = " and ".join(result.generalises_to)
    return wrapped(
        f"{describe_mixed_interval(result)}. Random: {units}; that is what the estimates "
        "generalise to, others of the same kind."
    )


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
    shown = text_table(
        [means.factor, "mean", "SE", "df", level],
        [
            [m.level, m.estimate, m.std_error, None if m.df is None else decimal(m.df, 2),
             interval(m.ci_low, m.ci_high)]
            for m in means.means
        ],
    )  # fmt: skip
    pairs = text_table(
        ["difference", "estimate", "SE", "df", "t", "p", f"p {means.adjustment.title()}", level],
        [
            [f"{c.level} - {c.reference}", c.estimate, c.std_error,
             None if c.df is None else decimal(c.df, 2), c.t, format_p(c.p),
             format_p(c.p_adjusted), interval(c.ci_low, c.ci_high)]
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


def _effects_text(result: MixedResult) -> list[str]:
    """Predicted effects of groups that fit a screen; the others are counted."""
    parts: list[str] = []
    for group in result.groups:
        effects = [effect for effect in result.predicted_effects if effect.group == group]
        if len(effects) > _MOST_EFFECTS:
            parts.append(
                f"Predicted effects of {result.groups[group]} levels of {group}: with --json.\n"
            )
        elif effects:
            parts += [_group_effects(group, effects, result.ci_level), ""]
    return parts


def _group_effects(group: str, effects: list[PredictedEffect], ci_level: float) -> str:
    table = text_table(
        [group, "effect", "predicted", "SE", f"{ci_level:.0%} interval"],
        [[e.level, e.term, e.value, e.std_error, interval(e.ci_low, e.ci_high)] for e in effects],
    )
    return f"Predicted effects by {group}, as differences from the average\n\n{table}"


def _equals(p: float) -> str:
    shown = format_p(p)
    return shown if shown.startswith("<") else f"= {shown}"
