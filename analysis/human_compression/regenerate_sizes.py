"""Regenerate Table 2 of Bhown et al. (2019) in its shape, on photographs that stand in for theirs.

    python analysis/human_compression/regenerate_sizes.py [--out DIR]

Writes table_2.csv and table_2.md: WebP at quality 0, fewer and fewer pixels until its size is just
over that of the published chat. The 13 originals are not public: see README.md.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

import pandas as pd
from size_matching import SizeLine, encoder, match_sizes, published_ratios
from tables import markdown_table

HERE = Path(__file__).parent
HEAD = (
    "image", "original", "chat, bytes", "WebP in print", "bytes in print", "ratio in print",
    "stand-in", "WebP here", "bytes here", "ratio here",
)  # fmt: skip


def table_2(published: pd.DataFrame, lines: Sequence[SizeLine]) -> str:
    """Table 2 as published against reproduced."""
    rows = [
        [
            line.image,
            f"{line.width}×{line.height}",
            f"{line.chat_bytes:,}",
            f"{row['webp_width']}×{row['webp_height']}",
            f"{round(row['webp_kb'] * 1000):,}",
            f"{row['webp_kb'] / row['human_kb']:.3f}",
            line.photograph,
            f"{line.webp_width}×{line.webp_height}",
            f"{line.webp_bytes:,}",
            f"{line.ratio:.3f}",
        ]
        for line, (_, row) in zip(lines, published.iterrows(), strict=True)
    ]
    here, printed = [line.ratio for line in lines], published_ratios(published)
    return (
        "# Table 2\n\n"
        "> **The originals are not public. Sample photographs stand in for them,** cropped to the "
        "aspect and enlarged to\n> the resolution in print; chat sizes are those in print "
        "(1 KB = 1,000 bytes).\n\n"
        f"WebP at quality 0 by {encoder()}, coded at fewer pixels until the file is just over the "
        "chat.\n\n"
        + markdown_table(HEAD, rows)
        + f"\nRatio of WebP to chat: {min(printed):.3f} to {max(printed):.3f}, median "
        f"{median(printed):.3f}, in print; {min(here):.3f} to {max(here):.3f}, median "
        f"{median(here):.3f}, here.\n"
    )


def main() -> None:
    """Read the options and regenerate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "results", help="default: results/ here")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    published = pd.read_csv(HERE / "published.csv")
    lines = match_sizes(published, workers=os.cpu_count() or 1)
    rows = [{**asdict(line), "ratio": round(line.ratio, 4)} for line in lines]
    pd.DataFrame(rows).to_csv(options.out / "table_2.csv", index=False)
    text = table_2(published, lines)
    (options.out / "table_2.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
