"""Regenerate what Bhown et al. (2019) published of their ratings, from ratings made to match it.

    python analysis/human_compression/regenerate.py [--out DIR]

Writes Table 1, Figure 6 and the model line, each as published against reproduced, and the ratings
they are computed from. The ratings are not the paper's data: see README.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from figure import WIDTHS_IN, draw, picture_means
from matched_ratings import DESIGNS, cells_of, matched_ratings
from models import ModelLine, draw_again, model_lines
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

    lines = {name: model_lines(ratings) for name, ratings in studies.items()}
    again = {
        name: draw_again(cells, DESIGNS[name], drawings) for name in ("subsets", "split_subsets")
    }
    (out / "model.md").write_text(model_table(lines) + drawings_table(again))
    model_rows(lines).to_csv(out / "model.csv", index=False)
    (out / "published_against_reproduced.md").write_text(
        comparison(published, studies["complete"], means, lines)
    )


def model_rows(studies: Mapping[str, Sequence[ModelLine]]) -> pd.DataFrame:
    """Every test of every study as one row, with all digits."""
    rows = [
        {"design": name, "default_rule": line.formula is None, **asdict(test)}
        for name, lines in studies.items()
        for line in lines
        for test in (line.satterthwaite, line.kenward_roger)
    ]
    return pd.DataFrame(rows).drop(columns="steps")


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
