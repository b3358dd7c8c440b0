"""Differences between methods by the mixed model: tables, and sentences in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from mturk_eval.errors import MturkEvalError
from mturk_eval.report.blocks import Block, Heading, Note, Paragraph, table_view
from mturk_eval.report.tables import format_p, interval
from mturk_eval.report.text.mixed import claimed_units, describe_mixed_interval
from mturk_eval.stats.mixed.marginal_means import PairwiseContrast
from mturk_eval.stats.mixed.model import MixedResult

Fits = Sequence[tuple[float | None, MixedResult | MturkEvalError]]
"""Per rate (None: no rates) the default model, or why there is none."""

_PAIRS_IN_WORDS = 3
_FEW_IMAGES = 10
"""Below, Satterthwaite's test is not the safest one."""


def difference_blocks(fits: Fits, methods: Sequence[str]) -> list[Block]:
    """The models' tables and sentences; methods are in the order of their means, best first."""
    blocks: list[Block] = [Heading(text="Differences between methods")]
    for rate, fit in fits:
        at = "" if rate is None else f" at {rate:g} bpp"
        if isinstance(fit, MixedResult):
            blocks += _one_model(fit, at, methods)
        else:
            blocks.append(Note(text=f"The mixed model{at} was not fitted: {fit}"))
    return blocks


def _one_model(fit: MixedResult, at: str, methods: Sequence[str]) -> list[Block]:
    level = f"{fit.ci_level:.0%} interval"
    units = _units(fit)
    blocks: list[Block] = [
        table_view(
            f"Differences between methods{at} by the mixed model {fit.formula} "
            f"({fit.estimation.upper()}, {fit.n_observations:,} ratings), every pair. "
            f"{describe_mixed_interval(fit)}, each of a single comparison; p (Holm) is for all "
            f"pairs. They speak about other {units}.",
            ["difference", "estimate", level, "p (Holm)", "p", "t", "df", "SE"],
            [
                [f"{c.level} − {c.reference}", c.estimate, interval(c.ci_low, c.ci_high),
                 format_p(c.p_adjusted), format_p(c.p), c.t, c.df, c.std_error]
                for c in _contrasts(fit)
            ],
            digits=2,
            secondary=("p", "t", "df", "SE"),
        ),
        Paragraph(text=_reading(fit, methods)),
    ]  # fmt: skip
    if fit.steps:
        chosen = " ".join(f"({n}) {step}." for n, step in enumerate(fit.steps, start=1))
        blocks.append(Paragraph(text=f"How this model was chosen: {chosen}"))
    blocks += [*_coefficients(fit, at, level), *_balanced(fit, at, level)]
    blocks += [Note(text=text) for text in fit.warnings]
    images = fit.groups.get("image", _FEW_IMAGES)
    if images < _FEW_IMAGES:
        blocks.append(
            Note(
                text=f"With {images} images Kenward and Roger's test is the safer one: mturk-eval "
                "analyze --model mixed --df kenward-roger."
            )
        )
    return blocks


def _units(fit: MixedResult) -> str:
    return " and ".join(claimed_units(fit)) or "ratings"


def _contrasts(fit: MixedResult) -> tuple[PairwiseContrast, ...]:
    """The model's differences between methods, every pair."""
    return next((m.contrasts for m in fit.marginal_means if m.factor == "method"), ())


def _coefficients(fit: MixedResult, at: str, level: str) -> list[Block]:
    components: list[list[str | float | None]] = [
        [c.group, c.term, c.variance, c.std_dev]
        if c.with_term is None
        else [c.group, f"correlation of {c.term} and {c.with_term}", None, c.correlation]
        for c in fit.components
    ]
    components.append(["residual", "", fit.residual_variance, fit.residual_variance**0.5])
    return [
        table_view(
            f"Coefficients of the model{at}.",
            ["term", "estimate", level, "p", "t", "df", "SE"],
            [
                [e.term, e.estimate, interval(e.ci_low, e.ci_high), format_p(e.p), e.t, e.df,
                 e.std_error]
                for e in fit.fixed_effects
            ],
            digits=2,
            secondary=("t", "df", "SE"),
            folded=True,
        ),
        table_view(
            f"Variance components{at}: variances in squared rating points, and correlations.",
            ["group", "component", "variance", "SD or correlation"],
            components,
            folded=True,
        ),
    ]  # fmt: skip


def _balanced(fit: MixedResult, at: str, level: str) -> list[Block]:
    if not fit.balanced_check:
        return []
    return [
        table_view(
            f"Balanced check{at}: paired t tests over image means, every pair of methods. They "
            "speak about other images and these raters: how much raters differ about the methods "
            "is not in them.",
            ["difference", "mean", level, "p (Holm)", "images", "p", "t", "df", "SE"],
            [
                [f"{t.method} − {t.reference}", t.mean_difference,
                 interval(t.ci_low, t.ci_high), format_p(t.p_holm), t.n_images, format_p(t.p),
                 t.t, t.df, t.std_error]
                for t in fit.balanced_check
            ],
            digits=2,
            secondary=("p", "t", "df", "SE"),
        ),
        *(
            Note(text=f"{t.method} − {t.reference} has no paired test: {t.reason}.")
            for t in fit.balanced_check
            if t.reason is not None
        ),
        Paragraph(text=_two_tests(fit)),
    ]  # fmt: skip


def _pairs_of_interest(
    tests: Sequence[PairwiseContrast], methods: Sequence[str]
) -> list[PairwiseContrast]:
    """All of three pairs; of more, the best two methods and the best with the worst."""
    rank = {method: place for place, method in enumerate(methods)}
    places = {tuple(sorted((rank[t.level], rank[t.reference]))): t for t in tests}
    here = sorted({place for pair in places for place in pair})
    if len(tests) > _PAIRS_IN_WORDS:
        wanted = {(here[0], here[1]), (here[0], here[-1])}
        places = {pair: test for pair, test in places.items() if pair in wanted}
    return [places[pair] for pair in sorted(places)]


def _reading(fit: MixedResult, methods: Sequence[str]) -> str:
    """The model's differences in plain words."""
    contrasts = _contrasts(fit)
    shown = _pairs_of_interest(contrasts, methods)
    text = "In plain words"
    text += f" (p adjusted by Holm for {len(contrasts)} comparisons): " if len(shown) > 1 else ": "
    text += " ".join(_sentence(test, fit) for test in shown)
    if len(shown) < len(contrasts):
        text += " The other pairs are in the table."
    variances = [c for c in fit.components if c.with_term is None]
    slope = [c for c in variances if c.group == "image" and c.term != "(Intercept)"]
    raters = [c for c in variances if c.group == "rater"]
    if slope and len(contrasts) == 1 and slope[0].variance > 0:
        text += (
            f" From image to image the true difference between the methods varies with a standard "
            f"deviation of about {slope[0].std_dev:.2f} points"
        )
        text += (
            f"; raters differ from each other by {raters[0].std_dev:.2f} points in how generous "
            "they are."
            if raters and raters[0].variance > 0
            else "."
        )
    return text


def _better_first(test: PairwiseContrast) -> tuple[str, str, float, float, float]:
    """The better method, the other, by how much, and the limits of that."""
    if test.estimate >= 0:
        return test.level, test.reference, test.estimate, test.ci_low, test.ci_high
    return test.reference, test.level, -test.estimate, -test.ci_high, -test.ci_low


def _sentence(test: PairwiseContrast, fit: MixedResult) -> str:
    better, other, size, low, high = _better_first(test)
    shown = f"{_t_of(test)}, p {_equals(test.p_adjusted)}"
    units = _units(fit)
    if test.p_adjusted < 1 - fit.ci_level:
        return (
            f"{better} is rated higher than {other} by {size:.2f} points ({shown}); with other "
            f"{units} of this kind the mean difference is likely to be between {low:.2f} and "
            f"{high:.2f}."
        )
    if low > 0:
        return (
            f"{better} is rated {size:.2f} points higher than {other} here. The interval of this "
            f"comparison alone, {interval(low, high)}, excludes zero, but among all comparisons "
            f"such a difference may be chance ({shown} after Holm's adjustment)."
        )
    return (
        f"{better} is rated {size:.2f} points higher than {other} here, but the mean difference "
        f"with other {units} may well be zero or of the other sign "
        f"({better} − {other}: {interval(low, high)}; {shown})."
    )


def _two_tests(fit: MixedResult) -> str:
    """Why the model's t and the paired t of the same difference are not quite the same."""
    text = (
        "The paired tests take one mean per image, each counting the same. The model takes every "
        "rating, allows for raters who are stricter than others or differ about the methods, and "
        "weighs images by what is known of them. In a balanced study without such differences "
        "they agree; the sentences of this report go by the model."
    )
    alpha = 1 - fit.ci_level
    by_pair = {frozenset((c.level, c.reference)): c for c in _contrasts(fit)}
    for test in fit.balanced_check:
        contrast = by_pair.get(frozenset((test.method, test.reference)))
        if contrast is None or test.p is None or test.t is None or test.p_holm is None:
            continue
        if (contrast.p_adjusted < alpha) == (test.p_holm < alpha):
            continue
        text += (
            f" They fall on different sides of {alpha:.2g} for {test.method} − {test.reference}: "
            f"the model has {_t_of(contrast)}, p {_equals(contrast.p_adjusted)}, the paired test "
            f"t({test.df}) = {abs(test.t):.2f}, p {_equals(test.p_holm)}, both with Holm's "
            "adjustment. Take it as not settled."
        )
    return text


def _t_of(test: PairwiseContrast) -> str:
    value = f"{abs(test.t):.2f}"
    return f"z = {value}" if test.df is None else f"t({test.df:.1f}) = {value}"


def difference_findings(fits: Fits, methods: Sequence[str]) -> list[str]:
    """The differences that the top of a report names."""
    found = []
    for rate, fit in fits:
        at = "" if rate is None else f"At {rate:g} bpp, "
        if isinstance(fit, MixedResult):
            shown = _pairs_of_interest(_contrasts(fit), methods)
            found += [f"{at}{_difference(test, fit)}." for test in shown]
    return found


def _difference(test: PairwiseContrast, fit: MixedResult) -> str:
    better, other, size, low, high = _better_first(test)
    verdict = "excludes" if low > 0 else "includes"
    adjusted = "" if test.p_adjusted == test.p else f"; Holm-adjusted p {_equals(test.p_adjusted)}"
    if low > 0 and test.p_adjusted >= 1 - fit.ci_level:
        adjusted += ": not settled among all pairs"
    units = _units(fit)
    return (
        f"{better} − {other}: {size:.2f} points; the {fit.ci_level:.0%} interval over {units}, "
        f"{interval(low, high)}, {verdict} zero ({_t_of(test)}, p {_equals(test.p)}{adjusted})"
    )


def _equals(p: float | None) -> str:
    shown = format_p(p)
    return shown if shown.startswith("<") else f"= {shown}"
