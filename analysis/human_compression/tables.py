"""The regenerated tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matched_ratings import DESIGNS, METHODS
from models import BY_IMAGE_SLOPES, INTERCEPTS, PUBLISHED, STRUCTURES, MethodTest, implied_df
from numpy.typing import NDArray

from mturk_eval.report.figures_ratings import image_order
from mturk_eval.stats.ratings.mos import MosResult

NOT_THEIR_DATA = (
    "> **The ratings behind this page are made to match the published table. They are not the "
    "paper's data**, which gives only means and standard errors.\n"
)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; every column but the first is aligned to the right where it holds numbers."""
    body = [list(row) for row in rows]
    numeric = [all(_is_number(row[column]) for row in body) for column in range(len(head))]
    rule = ["---:" if is_numeric else "---" for is_numeric in numeric]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (list(head), rule, *body)) + "\n"


def _is_number(cell: str) -> bool:
    return cell.strip("*")[:1] in tuple("-−+0123456789")


def p_text(p: float) -> str:
    """Three decimals, or the order of magnitude.

    Examples
    --------
    >>> p_text(0.09172), p_text(4.7e-30)
    ('.092', '5e-30')
    """
    return f"{p:.3f}".removeprefix("0") if p >= 0.0005 else f"{p:.0e}"


def table_1(published: pd.DataFrame, means: MosResult) -> str:
    """Table 1: sizes as published, means and standard errors of the matched ratings."""
    cell = {(row.image, row.method): row for row in means.rows}
    rows = []
    for line in published.to_dict("records"):
        human, webp = (cell[line["image"], method] for method in METHODS)
        best = max(human.mean, webp.mean)
        rows.append(
            [
                line["image"],
                f"{line['original_kb']}",
                f"{line['human_kb']:.3f}",
                f"{line['webp_kb']:.3f}",
                *(
                    f"**{c.mean:.2f}**" if c.mean == best else f"{c.mean:.2f}"
                    for c in (human, webp)
                ),
                *(f"{c.std_error:.2f}" for c in (human, webp)),
            ]
        )
    head = ["image", "original, KB", "chat, KB", "WebP, KB", "mean, human", "mean, WebP"]
    return (
        "# Table 1\n\n"
        + NOT_THEIR_DATA
        + "\nMean ratings (1 to 10, 100 per picture; the better one in bold) and their standard "
        "errors, computed from the matched ratings; sizes copied from the paper.\n\n"
        + markdown_table([*head, "SE, human", "SE, WebP"], rows)
    )


def model_table(tests: Mapping[str, Sequence[tuple[MethodTest, MethodTest]]]) -> str:
    """What every random part says of the method, under every design."""
    text = [
        "# The model line\n\n",
        NOT_THEIR_DATA,
        f"\nPublished: {PUBLISHED.estimate} points, t = {PUBLISHED.t}, p = "
        f"{p_text(PUBLISHED.p)}, named as a model with random intercepts. Below: human minus WebP, "
        "in rating points, under every random part that might be meant (REML; df and p by "
        "Satterthwaite, and by Kenward and Roger with their standard error).\n\n"
        "## What each one claims\n\n",
        markdown_table(
            ["model", "a small p would be a claim …"],
            [[f"`{structure.formula}`", structure.claim] for structure in STRUCTURES],
        ),
    ]
    for name, pairs in tests.items():
        design = DESIGNS[name]
        text += [
            f"\n## {design.title[0].upper()}{design.title[1:]}\n\n",
            markdown_table(
                ["random part", "estimate", "SE", "t", "df", "p", "SE (KR)", "df (KR)", "p (KR)"],
                [_model_row(*pair) for pair in pairs[:-1]],
            ),
            f"\n{_default_rule(pairs[-1][0])}",
        ]
        if name.startswith("split"):
            text.append(
                "\nNo rater saw both methods, so the last row's by-rater slopes are not in the "
                "data: they only let the raters of the two methods differ in spread.\n"
            )
        text.append(
            f"\n```sh\nmturk-eval analyze --model mixed --data ratings_{name}.csv "
            "--reference method=webp \\\n"
            f"    --formula '{BY_IMAGE_SLOPES}' --df satterthwaite\n```\n"
        )
    return "".join(text)


def _model_row(satterthwaite: MethodTest, kenward_roger: MethodTest) -> list[str]:
    random_part = satterthwaite.formula.removeprefix("rating ~ method + ")
    row = [
        f"{satterthwaite.estimate:.3f}",
        f"{satterthwaite.std_error:.3f}",
        f"{satterthwaite.t:.2f}",
        f"{satterthwaite.df:.1f}",
        p_text(satterthwaite.p),
        f"{kenward_roger.std_error:.3f}",
        f"{kenward_roger.df:.1f}",
        p_text(kenward_roger.p),
    ]
    if satterthwaite.formula == BY_IMAGE_SLOPES:
        row = [f"**{number}**" for number in row]
    return [f"`{random_part}`", *row]


def _default_rule(test: MethodTest) -> str:
    steps = "".join(f"{place}. {step}\n" for place, step in enumerate(test.steps, start=1))
    return (
        f"The default rule, without a formula, ends at `{test.formula}`: "
        f"{test.estimate:.3f} points (95 % interval {_signed(test.ci_low)} to "
        f"{_signed(test.ci_high)}), t = {test.t:.2f}, df {test.df:.1f}, p = {p_text(test.p)}.\n\n"
        f"{steps}"
    )


def _signed(number: float) -> str:
    return f"{number:.2f}".replace("-", "−")


def drawings_table(drawings: Mapping[str, NDArray[np.float64]]) -> str:
    """How much the test depends on which raters came, the published table being the same."""
    rows = []
    for name, values in drawings.items():
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], axis=0)
        rows.append(
            [
                DESIGNS[name].title,
                *(
                    f"{middle[column]:.{digits}f} ({low[column]:.{digits}f} to "
                    f"{high[column]:.{digits}f})"
                    for column, digits in enumerate((3, 3, 2, 1, 3))
                ),
            ]
        )
    n = len(next(iter(drawings.values())))
    return (
        "\n## Had other raters come\n\n"
        "Where raters rate some pictures each, the model weighs them by what it knows of their "
        "leniency, and its estimate leaves the plain difference of means (0.967) by chance. "
        f"`{BY_IMAGE_SLOPES}` on {n} drawings of the raters, all with the same published table: "
        "median (5th to 95th percentile), Satterthwaite.\n\n"
        + markdown_table(["design", "estimate", "SE", "t", "df", "p"], rows)
    )


def comparison(
    published: pd.DataFrame,
    means: MosResult,
    tests: Mapping[str, Sequence[tuple[MethodTest, MethodTest]]],
) -> str:
    """Published against reproduced, in one table."""
    cell = {(row.image, row.method): row for row in means.rows}
    error_gap = max(
        abs((cell[line["image"], m].std_error or np.inf) - line[f"std_error_{m}"])
        for line in published.to_dict("records")
        for m in METHODS
    )
    mean_gap = max(
        abs(cell[line["image"], m].mean - line[f"mean_{m}"])
        for line in published.to_dict("records")
        for m in METHODS
    )
    widths = [row.ci_high - row.ci_low for row in means.rows if row.ci_high and row.ci_low]
    low_df, high_df = implied_df(PUBLISHED)
    slopes = {name: _of(pairs, BY_IMAGE_SLOPES) for name, pairs in tests.items()}
    intercepts = {name: _of(pairs, INTERCEPTS) for name, pairs in tests.items()}
    rows = [
        ["Table 1, 26 means", "two decimals", f"the same (largest gap {mean_gap:.4f})"],
        [
            "Table 1, 26 standard errors",
            "two decimals",
            f"the same when rounded (largest gap {error_gap:.4f})",
        ],
        [
            "Figure 6, order of the images",
            "by human − WebP",
            ", ".join(image_order(means.rows, METHODS)),
        ],
        [
            "Figure 6, 95 % intervals, 1,000 resamples",
            "drawn, not printed",
            f"{min(widths):.2f} to {max(widths):.2f} points wide",
        ],
        ["Human − WebP", f"{PUBLISHED.estimate}", _each(slopes, "{0.estimate:.3f}")],
        ["t", f"{PUBLISHED.t}", _each(slopes, "{0.t:.2f}")],
        [
            "df",
            f"not printed; t and p imply {low_df:.1f} to {high_df:.1f}",
            _each(slopes, "{0.df:.1f}"),
        ],
        ["p", p_text(PUBLISHED.p), ", ".join(p_text(test.p) for test in slopes.values())],
        [
            "The same under the model the text names, `(1 \\| image) + (1 \\| rater)`",
            f"t = {PUBLISHED.t}, p = {p_text(PUBLISHED.p)}",
            f"t = {_each(intercepts, '{0.t:.1f}')}; "
            f"p = {', '.join(p_text(test.p) for test in intercepts.values())}",
        ],
        ["Number of raters, and who rated what", "not printed", "cannot be known"],
    ]
    titles = "; ".join(DESIGNS[name].title for name in tests)
    return (
        "# Published against reproduced\n\n"
        + NOT_THEIR_DATA
        + f"\nThe model lines are `{BY_IMAGE_SLOPES}`, REML, Satterthwaite; the figures stand for "
        f"the designs in this order: {titles}.\n\n"
        + markdown_table(["", "published", "reproduced"], rows)
    )


def _of(pairs: Sequence[tuple[MethodTest, MethodTest]], formula: str) -> MethodTest:
    return next(pair[0] for pair in pairs if pair[0].formula == formula)


def _each(tests: Mapping[str, MethodTest], shape: str) -> str:
    return ", ".join(shape.format(test) for test in tests.values())
