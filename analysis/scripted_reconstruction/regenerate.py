"""Regenerate Tables 1 and 2 of Mahtab et al. (2019) on sample photographs.

    python analysis/scripted_reconstruction/regenerate.py [--out DIR] [--image NAME …]

The scripts are in scripts/, the elements they use in elements/ (see cut_elements.py).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from figures import difference_curves, side_by_side, size_bars
from measures import measure
from tables import comparison, differences, sizes, table_1, table_2

from mturk_eval.compressors.scripts import compile_script, read_library
from mturk_eval.report.style import NARROW_IN, WIDE_IN, svg_bytes

HERE = Path(__file__).parent
PHOTOGRAPHS = HERE.parents[1] / "mturk_eval" / "demo" / "photographs"
CHATS = HERE.parent / "human_compression" / "published.csv"
WIDTHS_IN = {"": WIDE_IN, "_phone": NARROW_IN}


def regenerate(out: Path, images: Sequence[str]) -> None:
    """Write everything into the folder ``out``; all images if none is named."""
    out.mkdir(parents=True, exist_ok=True)
    library = read_library(HERE / "elements")
    scripts = sorted((HERE / "scripts").glob("*.py"))
    measured = [
        measure(script, PHOTOGRAPHS / f"{script.stem}.webp", library)
        for script in scripts
        if not images or script.stem in images
    ]
    for m in measured:
        (out / f"{m.image}.haac").write_bytes(compile_script(m.script, library))
    sizes(measured).to_csv(out / "sizes.csv", index=False)
    differences(measured).to_csv(out / "differences.csv", index=False)
    (out / "table_1.md").write_text(table_1(measured))
    (out / "table_2.md").write_text(table_2(measured))
    chat_kb = float(pd.read_csv(CHATS)["human_kb"].mean())
    (out / "published_against_reproduced.md").write_text(comparison(measured, library, chat_kb))
    for suffix, width_in in WIDTHS_IN.items():
        (out / f"sizes{suffix}.svg").write_bytes(svg_bytes(size_bars(measured, width_in)))
        (out / f"differences{suffix}.svg").write_bytes(
            svg_bytes(difference_curves(measured, width_in))
        )
    side_by_side(measured).save(out / "pictures.webp", quality=72, method=6)


def main() -> None:
    """Read the options and regenerate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "results", help="default: results/ here")
    parser.add_argument("--image", action="append", default=[], help="this one only; repeatable")
    options = parser.parse_args()
    regenerate(options.out, options.image)
    print((options.out / "published_against_reproduced.md").read_text())
    print(f"Everything is in {options.out}.")


if __name__ == "__main__":
    main()
