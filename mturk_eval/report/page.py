"""One HTML file with a study's figures, tables and methods; it needs no other file, no network."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from mturk_eval.errors import InvalidInputError, NoDataError
from mturk_eval.report.blocks import Section
from mturk_eval.report.methods_text import methods_section
from mturk_eval.report.rater_section import rater_section
from mturk_eval.report.rating_section import rating_section
from mturk_eval.report.style import looks
from mturk_eval.report.vote_section import vote_section

_HYPHEN_AS_MINUS = re.compile(r"(?<![\w–-])-(?=\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSummary:
    """What a report is about; counts are of main trials."""

    out: Path
    title: str
    n_ratings: int
    n_votes: int
    raters: int
    images: int
    methods: tuple[str, ...]
    rates_bpp: tuple[float, ...]
    first: pd.Timestamp | None
    last: pd.Timestamp | None
    findings: tuple[str, ...]


def write_report(
    ratings: pd.DataFrame | None,
    votes: pd.DataFrame | None,
    out: Path,
    *,
    title: str,
    warnings: Sequence[str] = (),
) -> ReportSummary:
    """Write the report of a study.

    Parameters
    ----------
    ratings, votes : DataFrame or None
        Tidy tables of all roles; at least one of them has main trials.
    out : Path
        The HTML file; it is replaced as a whole or left as it was.
    warnings : sequence of str
        What was noticed when the tables were read, to be shown.

    Raises
    ------
    NoDataError
        If there is no answer to a main trial.
    InvalidInputError
        If ``out`` is a folder.
    """
    if out.is_dir():
        raise InvalidInputError(f"--out {out} is a folder; give a file such as {out}/report.html.")
    ratings, votes = _typed(ratings), _typed(votes)
    main_ratings, main_votes = _main(ratings), _main(votes)
    if main_ratings is None and main_votes is None:
        raise NoDataError("There are no answers to main trials to report on.")
    rated, voted = methods_by_rating(main_ratings), methods_by_votes(main_votes)
    methods = tuple(dict.fromkeys([*rated, *voted]))  # the one order of all figures and lists
    shared = set(rated) & set(voted)  # two studies in one report may each use the first colours
    sections: list[Section] = []
    if main_ratings is not None:
        sections.append(rating_section(main_ratings, looks(methods if shared else rated)))
    if main_votes is not None:
        sections.append(vote_section(main_votes, looks(methods if shared else voted)))
    sections.append(rater_section(ratings, votes))
    sections.append(methods_section(main_ratings, main_votes))
    summary = _summary(out, title, main_ratings, main_votes, methods, sections)
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            summary=summary, sections=[s for s in sections if s.blocks], warnings=list(warnings)
        )
    )
    _write(out, page)
    return summary


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mturk_eval.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["minus"] = lambda text: _HYPHEN_AS_MINUS.sub("−", str(text))
    return environment


def _typed(table: pd.DataFrame | None) -> pd.DataFrame | None:
    """The table with times as times, wherever it was read."""
    if table is None or "submitted_at" not in table:
        return table
    return table.assign(
        submitted_at=pd.to_datetime(table["submitted_at"], utc=True, errors="coerce")
    )


def _main(table: pd.DataFrame | None) -> pd.DataFrame | None:
    if table is None:
        return None
    rows = table[table["role"] == "main"] if "role" in table else table
    return None if rows.empty else rows.reset_index(drop=True)


def methods_by_rating(ratings: pd.DataFrame | None) -> list[str]:
    """Methods, the best rated first; images and rates count the same."""
    if ratings is None:
        return []
    rows = ratings.assign(method=ratings["method"].astype(str))
    cells = rows.groupby(["method", "bpp", "image"], dropna=False)["rating"].mean()
    means = cells.groupby(["method", "bpp"], dropna=False).mean().groupby("method").mean()
    return sorted(means.index, key=lambda method: (-round(means[method], 9), method))


def methods_by_votes(votes: pd.DataFrame | None) -> list[str]:
    """Methods, first the one that was chosen in the largest share of its votes."""
    if votes is None:
        return []
    won = {"left": (1.0, 0.0), "right": (0.0, 1.0)}
    points = [won.get(choice, (0.5, 0.5)) for choice in votes["choice"]]
    both = pd.DataFrame(
        {
            "method": [*votes["method_left"].astype(str), *votes["method_right"].astype(str)],
            "won": [*(left for left, _ in points), *(right for _, right in points)],
        }
    )
    share = both.groupby("method")["won"].mean()
    return sorted(share.index, key=lambda method: (-round(share[method], 9), method))


def _summary(
    out: Path,
    title: str,
    ratings: pd.DataFrame | None,
    votes: pd.DataFrame | None,
    methods: tuple[str, ...],
    sections: Sequence[Section],
) -> ReportSummary:
    tables = [table for table in (ratings, votes) if table is not None]
    both = pd.concat([table[["rater", "image", "bpp"]].astype(object) for table in tables])
    times = pd.concat([t["submitted_at"] for t in tables if "submitted_at" in t] or [pd.Series()])
    known = times.dropna()
    return ReportSummary(
        out=out,
        title=title,
        n_ratings=0 if ratings is None else len(ratings),
        n_votes=0 if votes is None else len(votes),
        raters=both["rater"].nunique(),
        images=both["image"].nunique(),
        methods=methods,
        rates_bpp=tuple(sorted(float(rate) for rate in both["bpp"].dropna().unique())),
        first=known.min() if len(known) else None,
        last=known.max() if len(known) else None,
        findings=tuple(finding for section in sections for finding in section.findings),
    )


def _write(out: Path, page: str) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(out)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
