"""What a reader of means and their intervals should be told."""

from __future__ import annotations

import numpy as np

from mturk_eval.stats.resampling.cells import Cells
from mturk_eval.stats.resampling.estimates import Estimates, IntervalChoice

DIFFERENT_IMAGES = "the methods' means are over different images"
"""What the warning about cells without ratings says."""
BOUNDED_ADVICE = " A bounded interval (--interval bounded) has one."
"""Ends the warning about constant cells, where a bounded interval is possible."""

_FEW_CLUSTERS = 10


def mean_warnings(
    cells: Cells, choice: IntervalChoice, of_cells: Estimates, of_groups: Estimates
) -> tuple[str, ...]:
    """Warnings about means per image and per method, in the order of their weight."""
    found = _without_interval(cells, choice, of_cells)
    found += few_warnings(cells, choice)
    if choice.unit in {"image", "both"} and cells.n_images < 2:
        found.append("There is one image: nothing is said about other images.")
    if choice.unit == "rating" and len(cells.value) > cells.n_raters:
        found.append(
            "Single ratings were resampled although raters rated more than once: the intervals "
            "take answers of one rater as independent and may be too narrow."
        )
    found += _constant_warnings(cells, choice)
    groups = np.unique(cells.rate * len(cells.methods) + cells.method)
    missing = cells.n_images * len(groups) - cells.n_cells
    if missing:
        found.append(
            f"{missing} of {cells.n_images * len(groups)} image x method cells have no "
            f"ratings: {DIFFERENT_IMAGES}."
        )
    if choice.unit == "rater" and cells.n_images > 1 and len(groups) > 1:
        found.append(
            "Intervals speak about these images. To compare methods in general, resample images "
            "too (--unit both) or use --model mixed."
        )
    return (*found, *undefined_warnings(of_cells.undefined + of_groups.undefined, choice))


def few_warnings(cells: Cells, choice: IntervalChoice) -> list[str]:
    """Few raters (or images, or ratings) tell too little of how they differ."""
    unit = choice.unit
    counts = {
        "rater": cells.n_raters if unit in {"rater", "both"} else 0,
        "image": cells.n_images if unit in {"image", "both"} else 0,
    }
    # A t quantile allows for few units; quantiles of replicates do not.
    narrow = ", and rather too narrow" if choice.resampled else ""
    few = [f"{n} {name}s" for name, n in counts.items() if 2 <= n < _FEW_CLUSTERS]
    if few:
        found = [f"With {' and '.join(few)} the intervals are rough{narrow}."]
        if counts["rater"] == 2 and choice.resampled:
            found.append(
                "Of two raters a resample holds one or both, so the limits are the two raters' own "
                "means: read them as a range, not as a confidence interval. Collect more raters."
            )
        return found
    if unit == "image":
        return []
    per_cell = cells.counts if unit == "rating" else cells.raters_per_cell
    small = per_cell[(per_cell > 1) & (per_cell < _FEW_CLUSTERS)]
    if not len(small):
        return []
    return [
        f"{len(small)} of {cells.n_cells} image x method cells have fewer than {_FEW_CLUSTERS} "
        f"{'ratings' if unit == 'rating' else 'raters'} (the fewest: {small.min()}): their "
        f"intervals are rough{narrow}."
    ]


def undefined_warnings(undefined: int, choice: IntervalChoice) -> list[str]:
    """A BCa interval does not always exist."""
    if not undefined:
        return []
    why = (
        "all their replicates lie on one side of the estimate"
        if choice.kind == "bca"
        else "a mean does not exist in their resamples"
    )
    return [
        f"{undefined} means or differences have no {choice.kind} interval, since {why}. Take more "
        "resamples, or another kind of interval."
    ]


def _without_interval(cells: Cells, choice: IntervalChoice, of_cells: Estimates) -> list[str]:
    if choice.unit == "image":
        return [
            "One image's mean has no other images to draw, so the rows per image have no interval; "
            "those of the methods do."
        ]
    few = int((~of_cells.known).sum())
    if not few:
        return []
    what = "rating" if choice.unit == "rating" else "rater"
    return [
        f"{few} of {cells.n_cells} image x method cells hold one {what} only and have no interval."
    ]


def _constant_warnings(cells: Cells, choice: IntervalChoice) -> list[str]:
    lowest, highest = np.full(cells.n_cells, np.inf), np.full(cells.n_cells, -np.inf)
    np.minimum.at(lowest, cells.cell, cells.value)
    np.maximum.at(highest, cells.cell, cells.value)
    constant = int(((lowest == highest) & (cells.counts > 1)).sum())
    if not constant:
        return []
    where = f"All ratings are equal in {constant} of {cells.n_cells} cells"
    if choice.kind == "bounded":
        return [
            f"{where}: how much they vary is unknown, and their intervals are as wide as those of "
            "as many yes/no answers."
        ]
    # a bounded interval has no degrees of freedom over raters and images together
    advice = "" if choice.unit == "both" else BOUNDED_ADVICE
    return [f"{where}: their intervals have no width, which is not certainty.{advice}"]
