"""Models run on tidy tables: which rows, in which groups, with which notes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from mturk_eval.errors import NoDataError, StatisticsError, TableError
from mturk_eval.stats.documents import Document
from mturk_eval.tidy.columns import Table, check_repeats, check_roles, model_rows
from mturk_eval.trials import HIGHEST_RATING, LOWEST_RATING, ORIGINAL_METHOD

if TYPE_CHECKING:
    import pandas as pd

    from mturk_eval.tidy.ledger import LedgerTable


class Result(Protocol):
    """A fitted model, as `mturk_eval.stats` returns it."""

    @property
    def generalises_to(self) -> tuple[str, ...]: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...

    def document(self) -> Document: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupResult:
    """A model fitted to the rows in which the grouping column has ``value`` (None: empty)."""

    value: str | float | None
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """A model fitted to a table, once or per value of the column ``by``."""

    source: str
    batches: tuple[str, ...]
    by: str | None
    groups: tuple[GroupResult, ...]
    n_observations: int
    table_warnings: tuple[str, ...]

    def document(self) -> Document:
        """The JSON object of ``analyze``; with ``by``, one such object per value in ``results``.

        With ``by`` the warnings at the top are those on the table and, after their group's value,
        those of every group.
        """
        origin = {"source": self.source, "batches": list(self.batches)}
        documents = [group.result.document() for group in self.groups]
        if self.by is None:
            document = documents[0]
            document["warnings"] = [*self.table_warnings, *document["warnings"]]
            return document | origin
        units = [unit for group in self.groups for unit in group.result.generalises_to]
        values = [group.value for group in self.groups]
        whole: Document = {
            "model": documents[0]["model"],
            "n_observations": self.n_observations,
            "generalises_to": list(dict.fromkeys(units)),
            "warnings": [*self.table_warnings, *self._warnings_of_groups()],
            **origin,
            "by": self.by,
            "results": [
                {"value": value} | document
                for value, document in zip(values, documents, strict=True)
            ],
        }
        if "rows" in documents[0]:
            whole["rows"] = [
                {self.by: value} | row
                for value, document in zip(values, documents, strict=True)
                for row in document["rows"]
            ]
        return whole

    def _warnings_of_groups(self) -> list[str]:
        return [
            f"{self.by} {'(empty)' if group.value is None else group.value}: {warning}"
            for group in self.groups
            for warning in group.result.warnings
        ]


def analyze_table(
    table: Table,
    fit: Callable[[pd.DataFrame], Result],
    *,
    by: str | None = None,
    batches: Sequence[str] = (),
) -> Analysis:
    """Fit a model to the main trials of a table, or to each group of them.

    Raises
    ------
    TableError
        If there is no column ``by``.
    NoDataError
        If no row is of a main trial.
    StatisticsError
        If the model cannot be fitted; with ``by``, the message starts with the group.
    """
    table = model_rows(table)
    frame = table.frame
    if frame.empty:
        raise NoDataError(
            f"{table.source}: there are no answers to main trials to analyze. Collect answers "
            "first, or give a table in which some rows have the role main (or none has a role)."
        )
    return Analysis(
        source=table.source,
        batches=tuple(batches),
        by=by,
        groups=tuple(_fitted(table, fit, by)),
        n_observations=len(frame),
        table_warnings=table.warnings,
    )


def _fitted(
    table: Table, fit: Callable[[pd.DataFrame], Result], by: str | None
) -> list[GroupResult]:
    if by is None:
        return [GroupResult(value=None, result=fit(table.frame))]
    if by not in table.frame:
        raise TableError(
            f"{table.source} has no column {by} (--by {by}); it has "
            f"{', '.join(map(str, table.frame.columns))}."
        )
    fitted = []
    for value, rows in table.frame.groupby(by, dropna=False, sort=True):
        shown = _json_value(value)
        try:
            fitted.append(GroupResult(value=shown, result=fit(rows)))
        except StatisticsError as error:
            raise StatisticsError(f"{by} {shown}: {error}") from error
    return fitted


def catch_rows(table: Table) -> pd.DataFrame:
    """Catch trials' answers, which some models hold the main trials against; none without roles."""
    frame = table.frame
    return frame[frame["role"] == "catch"] if "role" in frame else frame.iloc[:0]


def split_originals(table: Table, original: str | None) -> tuple[Table, pd.DataFrame]:
    """The ratings of reconstructions, and those of hidden originals.

    Originals are the catch trials in which an original is rated like a reconstruction, or the rows
    whose method is called ``original``.

    Raises
    ------
    NoDataError
        If no original was rated.
    """
    frame, catch = table.frame, catch_rows(table)
    if original is None:
        hidden = catch[catch["method"] == ORIGINAL_METHOD]
        what = "no catch trial in which an original is rated (generate --catch)"
        rest = table
    else:
        named = frame["method"] == original
        hidden, what = frame[named], f"no row of the method {original}"
        rest = replace(table, frame=frame[~named])
    if hidden.empty:
        raise NoDataError(
            f"{table.source} has {what}. Differential scores need ratings of the hidden "
            "originals; name their method with --original METHOD."
        )
    if model_rows(rest).frame.empty:
        raise NoDataError(
            f"{table.source} holds ratings of originals only. Differential scores compare "
            "reconstructions with them; check --original."
        )
    return rest, hidden


def _json_value(value: object) -> str | float | None:
    """A grouping value as JSON takes it; None where the cell is empty."""
    if isinstance(value, int | float):
        return None if math.isnan(value) else float(value)
    return None if value is None else str(value)


def require_one_rate(table: Table) -> None:
    """Refuse several target rates: a model over all of them would mix different questions.

    Raises
    ------
    TableError
        Naming the rates and the ways out.
    """
    frame = model_rows(table).frame
    if "bpp" not in frame:
        return
    rates = frame["bpp"].unique()
    if len(rates) > 1:
        shown = ", ".join("none" if math.isnan(rate) else f"{rate:g}" for rate in sorted(rates))
        raise TableError(
            f"{table.source}, column bpp: the data hold {len(rates)} target rates ({shown} bpp). "
            "Fit one model per rate with --by bpp, or say how the rate enters with --formula."
        )


def ledger_ratings(data: LedgerTable) -> Table:
    """The ledger's ratings, held to the scale the pages offer."""
    table = _from_ledger(data)
    low, high = LOWEST_RATING, HIGHEST_RATING
    outside = table.frame[~table.frame["rating"].between(low, high)]
    if not outside.empty:
        first = outside.iloc[0]
        raise TableError(
            f"{table.source}, trial {first['trial_id']}, column rating: {first['rating']} is "
            f"outside the scale {low} to {high}."
        )
    return table


def ledger_votes(data: LedgerTable) -> Table:
    """The ledger's votes."""
    return _from_ledger(data)


def _from_ledger(data: LedgerTable) -> Table:
    source = f"ledger ({', '.join(data.batches)})"
    frame = data.frame.reset_index(drop=True)
    frame = frame.assign(bpp=frame["bpp"].astype(float))
    check_roles(frame, source)
    return Table(frame=frame, source=source, warnings=check_repeats(frame, source))
