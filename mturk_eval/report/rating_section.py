"""The report on ratings: means per image, their distribution, and the mixed model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mturk_eval.errors import MturkEvalError
from mturk_eval.report.blocks import Block, Heading, Note, Paragraph, Section, picture, table_view
from mturk_eval.report.figures_ratings import distribution_figure, means_figure, methods_by_mean
from mturk_eval.report.style import Look
from mturk_eval.report.tables import describe_mos_interval, format_p, format_rate, interval
from mturk_eval.stats.mixed import MixedResult, fit_mixed
from mturk_eval.stats.mos import MosResult, mean_opinion_scores
from mturk_eval.stats.paired import PairedTest
from mturk_eval.trials import HIGHEST_RATING, LOWEST_RATING

_TOO_LARGE = 30_000_000
"""Answers x random effects beyond which a report does not wait for the model."""


def rating_section(ratings: pd.DataFrame, styles: Mapping[str, Look]) -> Section:
    """The section on the main trials' ratings."""
    scale = rating_scale(ratings)
    per_image = mean_opinion_scores(ratings, unit="rater")
    both = ratings["image"].nunique() > 1 and ratings["rater"].nunique() > 1
    overall = mean_opinion_scores(ratings, unit="both") if both else per_image
    methods = methods_by_mean(per_image)
    fits = _mixed_models(ratings, reference=methods[-1])
    return Section(
        id="ratings",
        title="Ratings",
        blocks=(
            *_mean_blocks(per_image, methods, styles, scale),
            *_overall_blocks(ratings, overall, methods, styles, scale),
            *_model_blocks(fits),
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
    ratings: pd.DataFrame, reference: str
) -> list[tuple[float | None, MixedResult | MturkEvalError | str]]:
    """The default model per rate against the lowest rated method, or why there is none."""
    fits: list[tuple[float | None, MixedResult | MturkEvalError | str]] = []
    rates = ratings["bpp"].astype(float)
    for rate in sorted(rates.unique(), key=lambda value: (np.isnan(value), value)):
        rows = ratings[rates.isna() if np.isnan(rate) else rates == rate]
        label = None if np.isnan(rate) else float(rate)
        effects = rows["rater"].nunique() + rows["image"].nunique() * rows["method"].nunique()
        if effects * len(rows) > _TOO_LARGE:
            fits.append((label, "the study is large; run mturk-eval analyze --model mixed"))
            continue
        try:
            there = reference in set(rows["method"].astype(str))
            level = {"method": reference} if there and rows["method"].nunique() > 1 else {}
            fits.append((label, fit_mixed(rows, reference=level)))
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
         row.n, row.mean, row.std_error, row.ci_low, row.ci_high]
        for row in result.rows
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
            f"Means per image. SE takes raters as clusters. {describe_mos_interval(result)}",
            ["image", "method", *(["bpp"] if result.has_rates else []), "n", "mean", "SE",
             f"{level} low", f"{level} high"],
            rows,
            digits=2,
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
         row.n, row.n_images, row.mean, row.std_error, interval(row.ci_low, row.ci_high)]
        for row in overall.methods
    ]  # fmt: skip
    return [
        table_view(
            f"Means per method, each image counting the same. {describe_mos_interval(overall)}",
            ["method", *(["bpp"] if overall.has_rates else []), "ratings", "images", "mean", "SE",
             level],
            rows,
            digits=2,
        ),
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
    fits: Sequence[tuple[float | None, MixedResult | MturkEvalError | str]],
) -> list[Block]:
    blocks: list[Block] = [Heading(text="Mixed model")]
    for rate, fit in fits:
        at = "" if rate is None else f" at {rate:g} bpp"
        if isinstance(fit, MixedResult):
            blocks += _one_model(fit, at)
        else:
            blocks.append(Note(text=f"The mixed model{at} was not fitted: {fit}"))
    return blocks


def _one_model(fit: MixedResult, at: str) -> list[Block]:
    level = f"{fit.ci_level:.0%} interval"
    components: list[list[str | float | None]] = [
        [component.group, component.term, component.variance, component.std_dev]
        for component in fit.components
    ]
    components.append(["residual", "", fit.residual_variance, fit.residual_variance**0.5])
    blocks: list[Block] = [
        table_view(
            f"Fixed effects{at}: {fit.formula}, {fit.estimation.upper()}, "
            f"{fit.n_observations:,} ratings. Intervals are Wald intervals from the normal "
            f"distribution; they speak about other {' and '.join(fit.generalises_to)}.",
            ["term", "estimate", "SE", "z", "p", level],
            [
                [e.term, e.estimate, e.std_error, e.t, format_p(e.p), interval(e.ci_low, e.ci_high)]
                for e in fit.fixed_effects
            ],
        )
    ]
    if fit.balanced_check:
        blocks.append(
            table_view(
                f"Balanced check{at}: paired t test over image means, with t intervals. It speaks "
                "about other images.",
                ["difference", "images", "mean", "SE", "df", "t", "p", level],
                [
                    [f"{t.method} − {t.reference}", t.n_images, t.mean_difference, t.std_error,
                     t.df, t.t, format_p(t.p), interval(t.ci_low, t.ci_high)]
                    for t in fit.balanced_check
                ],
            )
        )  # fmt: skip
    blocks.append(Paragraph(text=_reading(fit)))
    blocks.append(
        table_view(
            f"Variance components{at}, in squared rating points.",
            ["group", "component", "variance", "SD"],
            components,
            folded=True,
        )
    )
    blocks += [Note(text=text) for text in fit.warnings]
    return blocks


def _reading(fit: MixedResult) -> str:
    """The model in plain words."""
    slope = [c for c in fit.components if c.group == "image" and c.term != "(Intercept)"]
    raters = [c for c in fit.components if c.group == "rater"]
    text = "In plain words: "
    text += " ".join(_paired_sentence(test) for test in fit.balanced_check) or "see the table."
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


def _paired_sentence(test: PairedTest) -> str:
    higher = test.mean_difference >= 0
    better, other = (test.method, test.reference) if higher else (test.reference, test.method)
    size = abs(test.mean_difference)
    if test.ci_low is None or test.ci_high is None:
        return f"{better} is rated {size:.2f} points above {other} on every image alike."
    low, high = sorted((abs(test.ci_low), abs(test.ci_high)))
    if test.ci_low > 0 or test.ci_high < 0:
        return (
            f"{better} is rated higher than {other} by {size:.2f} points; on other images of this "
            f"kind the mean difference is likely to be between {low:.2f} and {high:.2f}."
        )
    return (
        f"{better} is rated {size:.2f} points higher than {other} here, but the images differ so "
        f"much that the mean difference on other images may well be zero or of the other sign "
        f"({test.method} − {test.reference}: {interval(test.ci_low, test.ci_high)})."
    )


# --- the top of the page --------------------------------------------------------------------------


def _findings(
    ratings: pd.DataFrame,
    overall: MosResult,
    methods: Sequence[str],
    fits: Sequence[tuple[float | None, MixedResult | MturkEvalError | str]],
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
    means = ratings.groupby(["image", "method"])["rating"].mean().unstack("method")
    pair = means[[best, worst]].dropna() if {best, worst} <= set(means.columns) else means.iloc[:0]
    if len(pair) > 1:
        ahead = int((pair[best] > pair[worst]).sum())
        found.append(f"{best} was rated above {worst} for {ahead} of {len(pair)} images.")
    for rate, fit in fits:
        at = "" if rate is None else f"At {rate:g} bpp, "
        if isinstance(fit, MixedResult):
            found += [f"{at}{_difference(test)}." for test in fit.balanced_check[:3]]
    return found


def _difference(test: PairedTest) -> str:
    a, b = test.method, test.reference
    value, low, high = test.mean_difference, test.ci_low, test.ci_high
    if value < 0:
        a, b, value = b, a, -value
        low, high = (None, None) if low is None or high is None else (-high, -low)
    if low is None or high is None or test.t is None:
        return f"{a} − {b}: {value:.2f} points on every image"
    verdict = "excludes" if low > 0 else "includes"
    return (
        f"{a} − {b}: {value:.2f} points; the 95% interval over images, {interval(low, high)}, "
        f"{verdict} zero (paired t({test.df}) = {abs(test.t):.2f}, p {_equals(test.p)})"
    )


def _equals(p: float | None) -> str:
    shown = format_p(p)
    return shown if shown.startswith("<") else f"= {shown}"
