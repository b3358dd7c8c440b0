"""Regenerate what Bhown et al. (2019) published of their ratings, from ratings made to match it.

    python analysis/human_compression/regenerate.py [--out DIR]

Writes Table 1, Figure 6 and the model line, each as published against reproduced, and the ratings
they are computed from. The ratings are not the paper's data: see README.md.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from figure import WIDTHS_IN, draw, picture_means
from matched_ratings import DESIGNS, cells_of, matched_ratings
from models import DF_METHODS, STRUCTURES, draw_again, method_test
from tables import comparison, drawings_table, model_table, table_1

from mturk_eval.report.style import svg_bytes

HERE = Path(__file__).parent


def regenerate(out: Path, *, drawings: int) -> None:
    """Write everything into the folder ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    published = pd.read_csv(HERE / "published.csv")
    cells = cells_of(published)
    studies = {name: matched_ratings(cells, design) for name, design in DESIGNS.items()}
    for name, ratings in studies.items():
        ratings.to_csv(out / f"ratings_{name}.csv", index=False)

    means = picture_means(studies["complete"])
    for name, width_in in WIDTHS_IN.items():
        (out / f"{name}.svg").write_bytes(svg_bytes(draw(means, width_in)))
    pd.DataFrame(means.document()["rows"]).to_csv(out / "figure_6.csv", index=False)
    (out / "table_1.md").write_text(table_1(published, means))

    formulas = [*(structure.formula for structure in STRUCTURES), None]
    tests = {
        name: [tuple(method_test(ratings, f, df) for df in DF_METHODS) for f in formulas]
        for name, ratings in studies.items()
    }
    again = {
        name: draw_again(cells, DESIGNS[name], drawings) for name in ("subsets", "split_subsets")
    }
    (out / "model.md").write_text(model_table(tests) + drawings_table(again))
    (out / "published_against_reproduced.md").write_text(comparison(published, means, tests))
    lines = [
        {"design": name, "default_rule": formula is None, **asdict(test)}
        for name, pairs in tests.items()
        for formula, pair in zip(formulas, pairs, strict=True)
        for test in pair
    ]
    pd.DataFrame(lines).drop(columns="steps").to_csv(out / "model.csv", index=False)


def main() -> None:
    """Read the options and regenerate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "results", help="default: results/ here")
    parser.add_argument(
        "--drawings", type=int, default=100, help="studies drawn anew for the last table"
    )
    options = parser.parse_args()
    regenerate(options.out, drawings=options.drawings)
    print((options.out / "published_against_reproduced.md").read_text())
    print(f"Everything is in {options.out}.")


if __name__ == "__main__":
    main()
