"""The report on ratings: means per image, their distribution, and the mixed model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mturk_eval.errors import MturkEvalError
from mturk_eval.report.blocks import Block, Heading, Note, Paragraph, Section, picture, table_view
from mturk_eval.report.figures_ratings import distribution_figure, means_figure
from mturk_eval.report.style import Look
from mturk_eval.report.tables import format_p, format_rate, interval
from mturk_eval.report.text.mixed import describe_mixed_interval
from mturk_eval.report.text.ratings import describe_mos_error, describe_mos_interval
from mturk_eval.stats.mixed.model import MixedResult, fit_mixed
from mturk_eval.stats.mixed.paired import PairedTest
from mturk_eval.stats.ratings.mos import MosResult, mean_opinion_scores
from mturk_eval.trials import HIGHEST_RATING, LOWEST_RATING

_PAIRS_IN_WORDS = 3


def rating_section(ratings: pd.DataFrame, styles: Mapping[str, Look]) -> Section:
    """The section on the main trials' ratings; methods stand in the order of ``styles``."""
    scale = rating_scale(ratings)
    per_image = mean_opinion_scores(ratings, unit="rater")
    both = ratings["image"].nunique() > 1 and ratings["rater"].nunique() > 1
    overall = mean_opinion_scores(ratings, unit="both") if both else per_image
    rated = {row.method for row in per_image.methods}
    methods = [method for method in styles if method in rated]
    fits = _mixed_models(ratings)
    return Section(
        id="ratings",
        title="Ratings",
        blocks=(
            *_mean_blocks(per_image, methods, styles, scale),
            *_overall_blocks(ratings, overall, methods, styles, scale),
            *_model_blocks(fits, methods),
        ),
        findings=tuple(_findings(ratings, overall, methods, fits)),
    )


def rating_scale(ratings: pd.DataFrame) -> tuple[float, float] | None:
    """1 to 10 where every rating is a whole number in it, else unknown."""
    values = ratings["rating"].to_numpy(np.float64)
    whole = bool(np.all(values == np.round(values)))
    inside = bool(values.min() >= LOWEST_RATING and values.max() <= HIGHEST_RATING)
    return (float(LOWEST_RATING), float(HIGHEST_RATING)) if whole and inside else None


def _mixed_models(
    ratings: pd.DataFrame,
) -> list[tuple[float | None, MixedResult | MturkEvalError]]:
    """The default model per rate as ``analyze --model mixed`` fits it, or why there is none."""
    fits: list[tuple[float | None, MixedResult | MturkEvalError]] = []
    rates = ratings["bpp"].astype(float)
    for rate in sorted(rates.unique(), key=lambda value: (np.isnan(value), value)):
        rows = ratings[rates.isna() if np.isnan(rate) else rates == rate]
        label = None if np.isnan(rate) else float(rate)
        try:
            fits.append((label, fit_mixed(rows)))
        except MturkEvalError as error:
            fits.append((label, error))
    return fits


# --- means ----------------------------------------------------------------------------------------


def _mean_blocks(
    result: MosResult,
    methods: Sequence[str],
    styles: Mapping[str, Look],
    scale: tuple[float, float] | None,
) -> list[Block]:
    order = (
        f"Images are ordered by the difference {methods[0]} − {methods[-1]}."
        if len(methods) > 1
        else "Images are ordered by their mean."
    )
    level = f"{result.ci_level:.0%}"
    caption = (
        f"Mean rating of every image and method; bars are {level} intervals. {order} "
        f"Intervals: {describe_mos_interval(result)}"
    )
    rows = [
        [row.image, row.method, *([format_rate(row.bpp)] if result.has_rates else []),
         row.mean, interval(row.ci_low, row.ci_high), row.std_error, row.n]
        for row in sorted(result.rows, key=lambda r: (str(r.image), methods.index(r.method)))
    ]  # fmt: skip
    best = max(result.rows, key=lambda row: row.mean)
    worst = min(result.rows, key=lambda row: row.mean)
    return [
        picture(
            lambda width: means_figure(result, styles, scale, width_in=width),
            alt=(
                f"Mean ratings of {len({row.image for row in result.rows})} images for "
                f"{' and '.join(methods)}, from {worst.mean:.2f} ({worst.image}, {worst.method}) "
                f"to {best.mean:.2f} ({best.image}, {best.method}). The table below has all values."
            ),
            caption=caption,
        ),
        table_view(
            f"Means per image. {describe_mos_interval(result)} {describe_mos_error(result)}",
            ["image", "method", *(["bpp"] if result.has_rates else []), "mean",
             f"{level} interval", "SE", "n"],
            rows,
            digits=2,
            secondary=("SE", "n"),
            folded=True,
        ),
    ]  # fmt: skip


def _overall_blocks(
    ratings: pd.DataFrame,
    overall: MosResult,
    methods: Sequence[str],
    styles: Mapping[str, Look],
    scale: tuple[float, float] | None,
) -> list[Block]:
    level = f"{overall.ci_level:.0%} interval"
    rows = [
        [row.method, *([format_rate(row.bpp)] if overall.has_rates else []),
         row.mean, interval(row.ci_low, row.ci_high), row.std_error, row.n_images, row.n]
        for row in sorted(overall.methods, key=lambda r: (r.bpp or 0.0, methods.index(r.method)))
    ]  # fmt: skip
    return [
        table_view(
            f"Means per method, each image counting the same. {describe_mos_interval(overall)} "
            f"{describe_mos_error(overall)}",
            ["method", *(["bpp"] if overall.has_rates else []), "mean", level, "SE", "images",
             "ratings"],
            rows,
            digits=2,
            secondary=("SE", "ratings"),
        ),
        *(Note(text=text) for text in overall.warnings if "--unit" not in text),
        picture(
            lambda width: distribution_figure(ratings, methods, styles, scale, width_in=width),
            alt="Histograms of the ratings of " + ", ".join(methods) + ".",
            caption=(
                "Share of every rating, per method; the line marks the mean. These are counts of "
                "all main ratings; there is no interval."
            ),
        ),
    ]  # fmt: skip


# --- the model ------------------------------------------------------------------------------------


def _model_blocks(
    fits: Sequence[tuple[float | None, MixedResult | MturkEvalError]], methods: Sequence[str]
) -> list[Block]:
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
    components: list[list[str | float | None]] = [
        [c.group, c.term, c.variance, c.std_dev]
        if c.with_term is None
        else [c.group, f"correlation of {c.term} and {c.with_term}", None, c.correlation]
        for c in fit.components
    ]
    components.append(["residual", "", fit.residual_variance, fit.residual_variance**0.5])
    blocks: list[Block] = []
    if fit.balanced_check:
        blocks.append(
            table_view(
                f"Balanced check{at}, every pair of methods: paired t tests over image means; "
                "t intervals are of single tests, Holm's p is for all pairs. They speak about "
                "other images.",
                ["difference", "mean", level, "p (Holm)", "images", "p", "t", "df", "SE"],
                [
                    [f"{t.method} − {t.reference}", t.mean_difference,
                     interval(t.ci_low, t.ci_high), format_p(t.p_holm), t.n_images, format_p(t.p),
                     t.t, t.df, t.std_error]
                    for t in fit.balanced_check
                ],
                digits=2,
                secondary=("p", "t", "df", "SE"),
            )
        )  # fmt: skip
        blocks += [
            Note(text=f"{t.method} − {t.reference} has no test: {t.reason}.")
            for t in fit.balanced_check
            if t.reason is not None
        ]
        blocks.append(Paragraph(text=_reading(fit, methods)))
    blocks.append(
        table_view(
            f"Mixed model{at}, fixed effects: {fit.formula}, {fit.estimation.upper()}, "
            f"{fit.n_observations:,} ratings. {describe_mixed_interval(fit)}; they speak about "
            f"other {' and '.join(fit.generalises_to)}.",
            ["term", "estimate", level, "p", "t", "df", "SE"],
            [
                [e.term, e.estimate, interval(e.ci_low, e.ci_high), format_p(e.p), e.t, e.df,
                 e.std_error]
                for e in fit.fixed_effects
            ],
            digits=2,
            secondary=("t", "df", "SE"),
        )
    )  # fmt: skip
    if fit.steps:
        chosen = " ".join(f"({n}) {step}." for n, step in enumerate(fit.steps, start=1))
        blocks.append(Paragraph(text=f"How this model was chosen: {chosen}"))
    if fit.balanced_check:
        blocks.append(Paragraph(text=_two_tests(fit)))
    blocks.append(
        table_view(
            f"Variance components{at}: variances in squared rating points, and correlations.",
            ["group", "component", "variance", "SD or correlation"],
            components,
            folded=True,
        )
    )
    blocks += [Note(text=text) for text in fit.warnings]
    return blocks


def _pairs_of_interest(tests: Sequence[PairedTest], methods: Sequence[str]) -> list[PairedTest]:
    """All of three pairs; of more, the best two methods and the best with the worst."""
    rank = {method: place for place, method in enumerate(methods)}
    places = {tuple(sorted((rank[t.method], rank[t.reference]))): t for t in tests}
    here = sorted({place for pair in places for place in pair})
    if len(tests) > _PAIRS_IN_WORDS:
        wanted = {(here[0], here[1]), (here[0], here[-1])}
        places = {pair: test for pair, test in places.items() if pair in wanted}
    return [places[pair] for pair in sorted(places)]


def _reading(fit: MixedResult, methods: Sequence[str]) -> str:
    """The paired tests in plain words."""
    tested = sum(test.p is not None for test in fit.balanced_check)
    shown = _pairs_of_interest(fit.balanced_check, methods)
    text = "In plain words, by the paired t tests over images"
    text += f" (p adjusted by Holm for {tested} comparisons): " if tested > 1 else ": "
    text += " ".join(_paired_sentence(test, 1 - fit.ci_level) for test in shown)
    if len(shown) < len(fit.balanced_check):
        text += " The other pairs are in the table."
    variances = [c for c in fit.components if c.with_term is None]
    slope = [c for c in variances if c.group == "image" and c.term != "(Intercept)"]
    raters = [c for c in variances if c.group == "rater"]
    if slope and len(fit.balanced_check) == 1 and slope[0].variance > 0:
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


def _paired_sentence(test: PairedTest, alpha: float) -> str:
    if test.mean_difference is None or test.n_images == 1:
        return f"{test.method} and {test.reference} cannot be compared: {test.reason}."
    higher = test.mean_difference >= 0
    better, other = (test.method, test.reference) if higher else (test.reference, test.method)
    size = abs(test.mean_difference)
    if test.ci_low is None or test.ci_high is None or test.t is None or test.p_holm is None:
        if size == 0:
            return f"{better} and {other} are rated the same on every image."
        return f"{better} is rated {size:.2f} points above {other} on every image alike."
    shown = f"t({test.df}) = {abs(test.t):.2f}, p {_equals(test.p_holm)}"
    low, high = (test.ci_low, test.ci_high) if higher else (-test.ci_high, -test.ci_low)
    if test.p_holm < alpha:
        return (
            f"{better} is rated higher than {other} by {size:.2f} points ({shown}); on other "
            f"images of this kind the mean difference is likely to be between {low:.2f} and "
            f"{high:.2f}."
        )
    if low > 0:
        return (
            f"{better} is rated {size:.2f} points higher than {other} here. The interval of this "
            f"comparison alone, {interval(low, high)}, excludes zero, but among all comparisons "
            f"such a difference may be chance ({shown} after Holm's adjustment)."
        )
    return (
        f"{better} is rated {size:.2f} points higher than {other} here, but the images differ so "
        f"much that the mean difference on other images may well be zero or of the other sign "
        f"({better} − {other}: {interval(low, high)}; {shown})."
    )


def _two_tests(fit: MixedResult) -> str:
    """Why the model's t and the paired t of the same difference are not quite the same."""
    text = (
        "This model and the paired tests look at the same differences. The paired test takes one "
        "mean per image, each counting the same; the model takes every rating, allows for raters "
        "who are stricter than others, and weighs images by what is known of them. With as many "
        "ratings everywhere they agree. The sentences above, and those at the top of this report, "
        "go by the paired t."
    )
    alpha = 1 - fit.ci_level
    effects = {effect.term: effect for effect in fit.fixed_effects}
    for test in fit.balanced_check:
        effect = effects.get(f"method{test.method}")
        if test.reference != fit.balanced_check[0].reference or effect is None:
            continue
        if test.p is None or test.t is None or test.p_holm is None:
            continue
        if (effect.p < alpha) == (test.p_holm < alpha):
            continue
        text += (
            f" They fall on different sides of {alpha:.2g} for {test.method} − {test.reference}: "
            f"the model has t({effect.df or math.inf:.1f}) = {effect.t:.2f}, p "
            f"{_equals(effect.p)}, the paired test "
            f"t({test.df}) = {test.t:.2f}, p {_equals(test.p)} and p {_equals(test.p_holm)} with "
            "Holm's adjustment, which the model's p does not have. Take it as not settled."
        )
    return text


# --- the top of the page --------------------------------------------------------------------------


def _findings(
    ratings: pd.DataFrame,
    overall: MosResult,
    methods: Sequence[str],
    fits: Sequence[tuple[float | None, MixedResult | MturkEvalError]],
) -> list[str]:
    if len(methods) < 2:
        row = overall.methods[0]
        return [f"{row.method} was rated {row.mean:.2f} on average (ratings: {row.n:,})."]
    found = []
    best, worst = methods[0], methods[-1]
    if overall.has_rates:
        found.append(f"Averaged over rates, {best} was rated highest and {worst} lowest.")
    else:
        mean = {row.method: row.mean for row in overall.methods}
        listed = ", ".join(f"{method} {mean[method]:.2f}" for method in methods)
        found.append(f"Mean ratings, each image counting the same: {listed}.")
    if overall.incomplete is not None:
        found.append(f"Compare these means with care: {overall.incomplete}")
    means = ratings.groupby(["image", "method"])["rating"].mean().unstack("method")
    pair = means[[best, worst]].dropna() if {best, worst} <= set(means.columns) else means.iloc[:0]
    if len(pair) > 1:
        ahead = int((pair[best] > pair[worst]).sum())
        found.append(f"{best} was rated above {worst} for {ahead} of {len(pair)} images.")
    for rate, fit in fits:
        at = "" if rate is None else f"At {rate:g} bpp, "
        if isinstance(fit, MixedResult):
            shown = _pairs_of_interest(fit.balanced_check, methods)
            found += [f"{at}{_difference(test)}." for test in shown]
    return found


def _difference(test: PairedTest) -> str:
    a, b = test.method, test.reference
    value, low, high = test.mean_difference, test.ci_low, test.ci_high
    if value is None:
        return f"{a} − {b}: not compared, {test.reason}"
    if value < 0:
        a, b, value = b, a, -value
        low, high = (None, None) if low is None or high is None else (-high, -low)
    if low is None or high is None or test.t is None:
        where = "on every image" if test.n_images > 1 else "on the one image rated under both"
        return f"{a} − {b}: {value:.2f} points {where}; there is no test"
    verdict = "excludes" if low > 0 else "includes"
    adjusted = "" if test.p_holm == test.p else f"; Holm-adjusted p {_equals(test.p_holm)}"
    return (
        f"{a} − {b}: {value:.2f} points; the 95% interval over images, {interval(low, high)}, "
        f"{verdict} zero (paired t({test.df}) = {abs(test.t):.2f}, p {_equals(test.p)}{adjusted})"
    )


def _equals(p: float | None) -> str:
    shown = format_p(p)
    return shown if shown.startswith("<") else f"= {shown}"
