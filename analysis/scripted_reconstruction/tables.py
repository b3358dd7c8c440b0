"""The paper's two tables, and what it published against what is reproduced, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

import numpy as np
import pandas as pd
from measures import Measured

from mturk_eval.compressors.scripts import ElementLibrary
from mturk_eval.compressors.scripts.difference import TOLERANCES

COLUMNS: dict[str, Callable[[Measured], int]] = {
    "original": lambda m: m.original_bytes,
    "WebP q0": lambda m: len(m.webp),
    "JPEG q0": lambda m: len(m.jpeg),
    "script": lambda m: m.sizes.script,
    "compiled": lambda m: m.sizes.compiled,
    "script, bzip2": lambda m: m.sizes.script_bzip2,
    "compiled, bzip2": lambda m: m.sizes.compiled_bzip2,
}
PUBLISHED_DIFFERENCE = 25.22
SHOWN = {"webp": "WebP q0", "jpeg": "JPEG q1", "script": "script"}


def sizes(measured: Sequence[Measured]) -> pd.DataFrame:
    """Table 1 as rows."""
    rows = [
        {"image": m.image, **{name: of(m) for name, of in COLUMNS.items()}}
        | {"elements": m.sizes.elements, "operations": m.script.n_operations}
        for m in measured
    ]
    return pd.DataFrame(rows)


def differences(measured: Sequence[Measured]) -> pd.DataFrame:
    """Table 2 with every tolerance: percent of pixels beyond it."""
    rows = [
        {
            "image": m.image,
            "reconstruction": name,
            "tolerance": tolerance,
            "percent": round(share, 4),
        }
        for m in measured
        for name in SHOWN
        for tolerance, share in enumerate(m.differences[name].curve)
    ]
    return pd.DataFrame(rows)


def table_1(measured: Sequence[Measured]) -> str:
    """Sizes in bytes."""
    head = ["", *list(COLUMNS)[:3], "HIC chat", *list(COLUMNS)[3:], "its elements"]
    lines = [
        [
            m.image,
            *[f"{of(m):,}" for of in list(COLUMNS.values())[:3]],
            "–",
            *[f"{of(m):,}" for of in list(COLUMNS.values())[3:]],
            f"{m.sizes.elements:,}",
        ]
        for m in measured
    ]
    rows = sizes(measured)
    means = [f"{rows[name].mean():,.0f}" for name in COLUMNS]
    lines.append(["**mean**", *means[:3], "–", *means[3:], f"{rows['elements'].mean():,.0f}"])
    return (
        "# Table 1: bytes of each photograph\n\n"
        "`compiled` is the size that counts. Original: the lossless file. HIC chat: nobody has "
        "described these\nphotographs in a chat. Elements: the files that the script uses."
        "\n\n" + markdown(head, lines)
    )


def table_2(measured: Sequence[Measured]) -> str:
    """Percent of pixels that differ."""
    head = ["", *[f"{name}, > {t}" for t in TOLERANCES for name in SHOWN.values()]]
    cells = [
        [m.differences[name].percent(t) for t in TOLERANCES for name in SHOWN] for m in measured
    ]
    lines = [
        [m.image, *[f"{value:.1f}" for value in row]]
        for m, row in zip(measured, cells, strict=True)
    ]
    means = [fmean(column) for column in zip(*cells, strict=True)]
    lines.append(["**mean**", *[f"{value:.1f}" for value in means]])
    how = measured[0].differences["script"].method
    return (
        "# Table 2: percent of pixels that differ from the original\n\n"
        f"Of pixels after resizing to {how}: those of which a channel differs "
        "by more than 0, 8, 16\nor 32 of 255. Every tolerance is in differences.csv.\n\n"
        + markdown(head, lines)
    )


def comparison(measured: Sequence[Measured], library: ElementLibrary, chat_kb: float) -> str:
    """What the paper states in its text, and what comes out here."""
    n = len(measured)
    compiled = fmean(m.sizes.compiled for m in measured)
    original = fmean(m.original_bytes for m in measured)
    used = library.file_bytes(name for m in measured for name in m.script.elements)
    far = {
        name: [fmean(m.differences[name].percent(t) for m in measured) for t in TOLERANCES]
        for name in SHOWN
    }
    curves = {
        name: np.mean([m.differences[name].curve for m in measured], axis=0) for name in SHOWN
    }
    most = curves["script"] > np.maximum(curves["webp"], curves["jpeg"])
    ranked = f"beyond {np.flatnonzero(most)[0]}" if most.any() else "at no tolerance"
    near = int(np.abs(curves["script"] - PUBLISHED_DIFFERENCE).argmin())
    raw = fmean(3 * m.photograph.width * m.photograph.height for m in measured)
    head = ["", "published", f"reproduced, {n} photographs"]
    lines = [
        ["compiled script, mean", "318 bytes", f"{compiled:,.0f} bytes"],
        [
            "original, mean",
            "“2 million” bytes (2,661 kB as the chat paper prints the same 13 images)",
            f"{original:,.0f} bytes, lossless",
        ],
        ["smaller than the original by", "99.9884 %", f"{100 * (1 - compiled / original):.4f} %"],
        ["smaller than the pixels by", "not given", f"{100 * (1 - compiled / raw):.4f} %"],
        [
            "pixels that differ, script",
            "25.22 %, bound not given",
            " · ".join(f"{v:.1f}" for v in far["script"]) + " %, beyond 0 · 8 · 16 · 32",
        ],
        ["… WebP q0", "in a picture only", " · ".join(f"{v:.1f}" for v in far["webp"]) + " %"],
        ["… JPEG q1", "in a picture only", " · ".join(f"{v:.1f}" for v in far["jpeg"]) + " %"],
        ["tolerance that gives 25.22 %", "not given", f"{near}, of 255"],
        ["the script differs most", "yes", ranked],
        [
            "JPEG q0 and q1",
            "taken for two settings",
            "one file, byte for byte" if all(m.jpeg_is_one_file for m in measured) else "two files",
        ],
        ["chat of the same image, mean", f"{chat_kb:.2f} kB for 13 images", "no chats"],
        ["elements that are used, once", "not counted", f"{used:,} bytes for all {n}"],
        [
            "compiled script with its share of these",
            "not counted",
            f"{compiled + used / n:,.0f} bytes at {n} pictures, "
            f"{compiled + used / 1000:,.0f} at 1,000",
        ],
    ]
    return markdown(head, lines)


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    rows = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
