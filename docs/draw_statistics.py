"""Draw the figures of the pages on statistics anew: ``python docs/draw_statistics.py [FOLDER]``.

Each is drawn twice, for a page and for a phone, from the tables that the pages analyze.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from statistics_figures import of_models, of_plans, of_ratings, of_stimuli, of_votes

from mturk_eval.report.style import NARROW_IN, WIDE_IN, svg_bytes

PICTURES: Final = Path(__file__).parent / "pictures"

FIGURES: Final[Mapping[str, Callable[[float], Figure]]] = {
    "means": of_ratings.means_by_unit,
    "differential-scores": of_ratings.differential_scores,
    "spread": of_ratings.spread_of_opinions,
    "raters": of_ratings.bias_and_inconsistency,
    "mixed-model": of_models.differences_by_image,
    "default-rule": of_models.error_rates,
    "ordinal-model": of_models.expected_answers,
    "votes": of_votes.clusterings,
    "tournament": of_votes.images_won,
    "guessing": of_votes.guessing,
    "agreement": of_stimuli.agreement,
    "bd-rate": of_stimuli.rate_curves,
    "metrics": of_stimuli.metrics,
    "power": of_plans.power_by_images,
}
"""By name, what draws it at a width in inches."""


def draw(folder: Path) -> None:
    """Write every figure in both widths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in FIGURES.items():
        (folder / f"statistics-{name}.svg").write_bytes(svg_bytes(figure(WIDE_IN)))
        (folder / f"statistics-{name}-phone.svg").write_bytes(svg_bytes(figure(NARROW_IN)))


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
