"""Results as plain text for a terminal: aligned tables, and sentences on what the numbers are."""

from __future__ import annotations

from mturk_eval.report.models import Analysis
from mturk_eval.report.tables import wrapped
from mturk_eval.report.text import (  # noqa: F401  (they register their types)
    bd_rate,
    metrics,
    mixed,
    ordinal,
    rater_reliability,
    ratings,
    reliability,
    tournament,
    votes,
)
from mturk_eval.report.text.result import result_text

__all__ = ["analysis_text"]


def analysis_text(analysis: Analysis) -> str:
    """An analysis for the terminal."""
    parts = [f"Data: {analysis.source}"]
    parts += [wrapped(warning, "Note: ") for warning in analysis.table_warnings]
    for group in analysis.groups:
        if analysis.by is not None:
            value = "(empty)" if group.value is None else group.value
            parts.append(f"\n=== {analysis.by} = {value} ===")
        parts.append(result_text(group.result))
        parts += [wrapped(warning, "Warning: ") for warning in group.result.warnings]
    return "\n".join(parts)
