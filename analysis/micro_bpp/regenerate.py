"""Regenerate what can be of Dotzel et al. (2024), semantic compression at micro-bits per pixel.

    python analysis/micro_bpp/regenerate.py [--out DIR]

Writes the rate table, the costs of the paper's example text, and bytes against words on the sample
photographs. The models are a stand-in without any intelligence: see README.md.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rates import costs_markdown, rate_table, rates_markdown, text_costs
from sweep import PHOTOGRAPHS, contact_sheet, draw_rates, sweep

from mturk_eval.report.style import NARROW_IN, WIDE_IN, svg_bytes

HERE = Path(__file__).parent
WORDS = (2, 5, 10, 20, 30, 50)
SHOWN_WORDS = (5, 20, 50)


def regenerate(
    out: Path, *, n_photographs: int, words: Sequence[int], size_px: int, iterations: int
) -> None:
    """Write everything into the folder ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    table = rate_table(pd.read_csv(HERE / "published.csv"))
    table.to_csv(out / "rates.csv", index=False)
    (out / "rates.md").write_text(rates_markdown(table))
    (out / "example_text.md").write_text(costs_markdown(text_costs()))

    photographs = sorted(PHOTOGRAPHS.glob("*.webp"))[:n_photographs]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        rates = sweep(work, photographs, words=words, iterations=iterations, size_px=size_px)
        shown = [number for number in SHOWN_WORDS if number in words]
        sheet = contact_sheet(work, [path.stem for path in photographs[:3]], shown)
    rates.to_csv(out / "bytes_by_words.csv", index=False, float_format="%.6g")
    for name, width_in in (("bytes_by_words", WIDE_IN), ("bytes_by_words_phone", NARROW_IN)):
        (out / f"{name}.svg").write_bytes(svg_bytes(draw_rates(rates, width_in)))
    sheet.quantize(128).save(out / "stand_in_pictures.png", optimize=True)


def main() -> None:
    """Read the options and regenerate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "results", help="default: results/ here")
    parser.add_argument("--photographs", type=int, default=6, help="how many of the samples")
    parser.add_argument("--words", type=int, nargs="+", default=WORDS, help="how many are kept")
    parser.add_argument("--size", type=int, default=1024, help="side of the pictures, pixels")
    parser.add_argument("--iterations", type=int, default=2, help="reflections")
    options = parser.parse_args()
    regenerate(
        options.out,
        n_photographs=options.photographs,
        words=options.words,
        size_px=options.size,
        iterations=options.iterations,
    )
    print((options.out / "rates.md").read_text())
    print(f"Everything is in {options.out}.")


if __name__ == "__main__":
    main()
