"""The regenerated tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matched_ratings import DESIGNS, METHODS
from models import (
    BY_IMAGE_SLOPES,
    INTERCEPTS,
    PUBLISHED,
    STRUCTURES,
    MethodTest,
    ModelLine,
    implied_df,
)
from numpy.typing import NDArray

from mturk_eval.report.figures_ratings import image_order
from mturk_eval.stats.mixed.paired import paired_tests
from mturk_eval.stats.ratings.mos import MosResult

NOT_THEIR_DATA = (
    "> **The ratings behind this page are made to match the published table. They are not the "
    "paper's data,** of which only means and standard errors are printed.\n\n"
)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose columns of numbers, but for the first, are aligned to the right.

    Examples
    --------
    >>> print(markdown_table(["model", "t"], [["(1 | image)", "10.32"]]), end="")
    | model | t |
    | --- | ---: |
    | (1 \\| image) | 10.32 |
    """
    body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    numeric = [all(_is_number(row[column]) for row in body) for column in range(len(head))]
    rule = ["---", *("---:" if is_numeric else "---" for is_numeric in numeric[1:])]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (list(head), rule, *body))


def _is_number(cell: str) -> bool:
    return cell.strip("*")[:1] in tuple("-−+.0123456789")


def p_text(p: float) -> str:
    """Three decimals, or the order of magnitude.

    Examples
    --------
    >>> p_text(0.09172), p_text(4.7e-30)
    ('.092', '5e-30')
    """
    return f"{p:.3f}".removeprefix("0") if p >= 0.0005 else f"{p:.0e}"


def signed(number: float) -> str:
    """Two decimals with a minus sign as in print."""
    return f"{number:.2f}".replace("-", "−")


def table_1(published: pd.DataFrame, means: MosResult) -> str:
    """Table 1: sizes as published, means and standard errors of the matched ratings."""
    cell = {(row.image, row.method): row for row in means.rows}
    rows = []
    for line in published.to_dict("records"):
        pictures = [cell[line["image"], method] for method in METHODS]
        best = max(picture.mean for picture in pictures)
        marks = ["**" if picture.mean == best else "" for picture in pictures]
        rows.append(
            [
                str(line["image"]),
                str(line["original_kb"]),
                f"{line['human_kb']:.3f}",
                f"{line['webp_kb']:.3f}",
                *(f"{m}{c.mean:.2f}{m}" for m, c in zip(marks, pictures, strict=True)),
                *(f"{c.std_error:.2f}" for c in pictures),
            ]
        )
    head = ["image", "original, KB", "chat, KB", "WebP, KB", "mean, human", "mean, WebP"]
    return (
        "# Table 1\n\n"
        + NOT_THEIR_DATA
        + "Mean ratings (1 to 10, 100 of each picture; the better one in bold) and their standard "
        "errors, computed\nfrom the matched ratings; file sizes copied from the paper.\n\n"
        + markdown_table([*head, "SE, human", "SE, WebP"], rows)
    )


def model_table(studies: Mapping[str, Sequence[ModelLine]]) -> str:
    """What every random part says of the method, under every design."""
    text = [
        "# The model line\n\n",
        NOT_THEIR_DATA,
        f"Published: {PUBLISHED.estimate} points, t = {PUBLISHED.t}, p = {p_text(PUBLISHED.p)}, "
        "named as a model with random intercepts.\nBelow: human minus WebP in rating points under "
        "every random part that might be meant. REML; tests by Satterthwaite,\nand by Kenward and "
        "Roger (KR) with their own standard error.\n\n## What each one claims\n\n",
        markdown_table(
            ["model", "a small p is a claim …"],
            [[f"`{structure.formula}`", structure.claim] for structure in STRUCTURES],
        ),
    ]
    head = ["random part", "estimate", "SE", "t", "df", "p", "SE, KR", "t, KR", "df, KR", "p, KR"]
    for name, lines in studies.items():
        text += [
            f"\n## {DESIGNS[name].title}\n\n",
            markdown_table(head, [_model_row(line) for line in lines if line.formula]),
        ]
        if name.startswith("split"):
            text.append(
                "\nNo rater saw both methods, so by-rater slopes are not in these data: in the "
                "last row they only let the raters\nof the two methods differ in spread.\n"
            )
        text += [_default_rule(line) for line in lines if line.formula is None]
        text.append(
            f"\n```sh\nmturk-eval analyze --model mixed --data ratings_{name}.csv "
            f"--reference method=webp \\\n    --formula '{BY_IMAGE_SLOPES}'\n```\n"
        )
    return "".join(text)


def _model_row(line: ModelLine) -> list[str]:
    by_satterthwaite, by_kenward_roger = line.satterthwaite, line.kenward_roger
    row = [f"{by_satterthwaite.estimate:.3f}"]
    for test in (by_satterthwaite, by_kenward_roger):
        row += [f"{test.std_error:.3f}", f"{test.t:.2f}", f"{test.df:.1f}", p_text(test.p)]
    if line.formula == BY_IMAGE_SLOPES:
        row = [f"**{number}**" for number in row]
    return [f"`{by_satterthwaite.formula.removeprefix('rating ~ method + ')}`", *row]


def _default_rule(line: ModelLine) -> str:
    test = line.satterthwaite
    steps = "".join(f"{place}. {step}\n" for place, step in enumerate(test.steps, start=1))
    return (
        f"\nThe default rule (no `--formula`) ends at `{test.formula}`:\n"
        f"{test.estimate:.3f} points (95 % interval {signed(test.ci_low)} to "
        f"{signed(test.ci_high)}), t = {test.t:.2f}, df {test.df:.1f}, p = {p_text(test.p)}. "
        f"Its steps:\n\n{steps}"
    )


def drawings_table(drawings: Mapping[str, NDArray[np.float64]]) -> str:
    """How much the test depends on which raters came, the published table being the same."""
    n = len(next(iter(drawings.values())))
    rows = []
    for name, values in drawings.items():
        summaries = {
            "median": np.median(values, axis=0),
            "5th percentile": np.quantile(values, 0.05, axis=0),
            "95th percentile": np.quantile(values, 0.95, axis=0),
            "nearest to the printed line": _nearest(values),
        }
        for summary, (estimate, std_error, t, df, p) in summaries.items():
            figures = [f"{estimate:.3f}", f"{std_error:.3f}", f"{t:.2f}", f"{df:.1f}", p_text(p)]
            rows.append([DESIGNS[name].title, summary, *figures])
    return (
        "\n## Had other raters come\n\n"
        "Where raters rate some pictures each, the model allows for the leniency of those who came "
        "to each picture, and by\nthe chance of who came its estimate leaves the plain difference "
        f"of means.\n`{BY_IMAGE_SLOPES}`, Satterthwaite, on {n}\ndrawings of the raters, all with "
        "the same published table; percentiles column by column.\n\n"
        + markdown_table(["design", "drawing", "estimate", "SE", "t", "df", "p"], rows)
    )


def _nearest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The drawing whose estimate, t and p are nearest to print, in units of their spread."""
    printed = np.array([PUBLISHED.estimate, PUBLISHED.t, PUBLISHED.p])
    gap = (values[:, [0, 2, 4]] - printed) / values[:, [0, 2, 4]].std(axis=0)
    return np.asarray(values[np.argmin(np.sum(gap**2, axis=1))])


def comparison(
    published: pd.DataFrame, ratings: pd.DataFrame, means: MosResult,
    studies: Mapping[str, Sequence[ModelLine]],
) -> str:  # fmt: skip
    """Published against reproduced, in one table."""
    paired = paired_tests(ratings, reference="webp")[0]
    slopes = [_line(lines, BY_IMAGE_SLOPES) for lines in studies.values()]
    intercepts = [_line(lines, INTERCEPTS) for lines in studies.values()]
    low_df, high_df = implied_df(PUBLISHED)
    mean_gap, error_gap = _largest_gaps(published, means)
    means_text = "the same" if mean_gap < 1e-9 else f"within {mean_gap:.3f}"
    rows = [
        ["means of Table 1", "26, 2 decimals", *(means_text for _ in studies)],
        ["SEs of Table 1", "26, 2 decimals", *(f"within {error_gap:.4f}" for _ in studies)],
        ["human − WebP, points", f"{PUBLISHED.estimate}", *(f"{t.estimate:.3f}" for t in slopes)],
        ["SE", "not printed (0.541 = 0.984 / 1.82)", *(f"{t.std_error:.3f}" for t in slopes)],
        ["t", f"{PUBLISHED.t}", *(f"{t.t:.2f}" for t in slopes)],
        [
            "df", f"not printed ({low_df:.1f} to {high_df:.1f} by t and p)",
            *(f"{t.df:.1f}" for t in slopes),
        ],
        ["p", p_text(PUBLISHED.p), *(p_text(t.p) for t in slopes)],
        ["t with random intercepts alone", f"{PUBLISHED.t}", *(f"{t.t:.2f}" for t in intercepts)],
        ["p with random intercepts alone", p_text(PUBLISHED.p), *(p_text(t.p) for t in intercepts)],
    ]  # fmt: skip
    head = ["", "published", *(DESIGNS[name].title for name in studies)]
    return (
        "# Published against reproduced\n\n"
        + NOT_THEIR_DATA
        + f"The test is that of `{BY_IMAGE_SLOPES}` (REML, Satterthwaite),\n"
        f"with random intercepts alone that of `{INTERCEPTS}`. A paired t test over the 13\n"
        f"differences of Table 1 gives {paired.mean_difference:.3f} points, t = {paired.t:.3f}, "
        f"df {paired.df}, p = {p_text(paired.p or np.nan)}.\n\n"
        "The images of Figure 6 in their order, by human − WebP: "
        f"{', '.join(image_order(means.rows, METHODS))}.\n\n" + markdown_table(head, rows)
    )


def _line(lines: Sequence[ModelLine], formula: str) -> MethodTest:
    return next(line.satterthwaite for line in lines if line.formula == formula)


def _largest_gaps(published: pd.DataFrame, means: MosResult) -> tuple[float, float]:
    """Of the means and of the standard errors, in rating points."""
    cell = {(row.image, row.method): row for row in means.rows}
    gaps = [
        (
            abs(cell[line["image"], method].mean - line[f"mean_{method}"]),
            abs((cell[line["image"], method].std_error or np.inf) - line[f"std_error_{method}"]),
        )
        for line in published.to_dict("records")
        for method in METHODS
    ]
    mean_gap, error_gap = np.max(gaps, axis=0)
    return float(mean_gap), float(error_gap)
