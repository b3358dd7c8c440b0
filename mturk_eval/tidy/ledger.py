"""The ledger's responses as tidy tables, one row per answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mturk_eval.errors import NoDataError, TableError
from mturk_eval.ledger import Ledger, open_ledger
from mturk_eval.trials import Kind, SatisfactionTrial, Trial

if TYPE_CHECKING:
    import pandas as pd

# `expected` is a catch trial's right answer, empty elsewhere.
_SHARED: Final = ("role", "expected", "batch", "hit", "trial_id", "assignment_status")
RATINGS_FROM_LEDGER: Final = (
    "rater", "image", "method", "bpp", "rating", *_SHARED, "actual_bpp", "submitted_at",
    "response_time_ms",
)  # fmt: skip
VOTES_FROM_LEDGER: Final = (
    "rater", "image", "bpp", "method_left", "method_right", "choice", *_SHARED,
    "submitted_at", "response_time_ms", "magnifier_ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LedgerTable:
    """A tidy table and the batches it comes from."""

    frame: pd.DataFrame
    batches: tuple[str, ...]


def ratings_table(ledger_url: str, batches: Sequence[str] = ()) -> LedgerTable:
    """The ratings of satisfaction batches, of all roles.

    Raises
    ------
    NoDataError
        If there are none.
    LedgerError
        If the ledger or a named batch is not there.
    """
    return _table(ledger_url, batches, "satisfaction", RATINGS_FROM_LEDGER)


def votes_table(ledger_url: str, batches: Sequence[str] = ()) -> LedgerTable:
    """The votes of 2AFC batches, of all roles; raises as `ratings_table`."""
    return _table(ledger_url, batches, "2afc", VOTES_FROM_LEDGER)


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file of an export."""

    path: Path
    kind: Kind
    n_rows: int
    batches: tuple[str, ...]


def export_tidy(ledger_url: str, batches: Sequence[str], out: Path) -> list[WrittenFile]:
    """Write tidy CSV: ``out``, or ``.ratings.csv`` and ``.votes.csv`` beside it for both kinds.

    Raises
    ------
    NoDataError
        If there is nothing to write.
    TableError
        If ``out`` is a folder.
    """
    from mturk_eval.tidy.csv_files import write_csv

    if out.is_dir():
        raise TableError(f"--out {out} is a folder; give a file such as {out / 'responses.csv'}.")
    tables: dict[Kind, LedgerTable] = {}
    kinds: tuple[tuple[Kind, Sequence[str]], ...] = (
        ("satisfaction", RATINGS_FROM_LEDGER),
        ("2afc", VOTES_FROM_LEDGER),
    )
    for kind, columns in kinds:
        with suppress(NoDataError):
            tables[kind] = _table(ledger_url, batches, kind, columns)
    if not tables:
        raise NoDataError(
            "The ledger holds no responses to export yet. Run `mturk-eval collect` first."
        )
    stem = out.with_suffix("") if out.suffix == ".csv" else out
    names = {"satisfaction": "ratings", "2afc": "votes"}
    written = []
    for kind, table in tables.items():
        path = stem.with_name(f"{stem.name}.{names[kind]}.csv") if len(tables) > 1 else out
        write_csv(table.frame, path)
        written.append(WrittenFile(path, kind, len(table.frame), table.batches))
    return written


def _table(
    ledger_url: str, names: Sequence[str], kind: Kind, columns: Sequence[str]
) -> LedgerTable:
    import pandas as pd

    with open_ledger(ledger_url, create=False) as ledger:
        chosen = [batch for batch in ledger.batches(names) if batch.kind == kind]
        rows = [row for batch in chosen for row in _rows(ledger, batch.id, batch.name)]
    if not rows:
        what = "ratings" if kind == "satisfaction" else "2AFC votes"
        of = f" of {', '.join(names)}" if names else ""
        raise NoDataError(
            f"The ledger holds no {what}{of} yet. Run `mturk-eval collect` once raters have "
            "answered."
        )
    frame = pd.DataFrame(rows, columns=list(columns))
    frame["submitted_at"] = pd.to_datetime(frame["submitted_at"], utc=True)
    return LedgerTable(frame=frame, batches=tuple(batch.name for batch in chosen))


def _rows(ledger: Ledger, batch_id: str, batch: str) -> list[dict[str, Any]]:
    trials = {t.id: t for hit in ledger.trials(batch_id).values() for t in hit}
    expected = ledger.catch_answers(batch_id)
    return [
        _row(batch, trials[r["trial_id"]], r) | {"expected": expected.get(r["trial_id"])}
        for r in ledger.responses(batch_id)
    ]


def _row(batch: str, trial: Trial, response: Mapping[str, Any]) -> dict[str, Any]:
    row = {
        "rater": response["rater"],
        "image": trial.original.image,
        "role": trial.role,
        "batch": batch,
        "hit": response["hit"],
        "trial_id": trial.id,
        "assignment_status": response["status"],
        "submitted_at": response["submitted_at"],
        "response_time_ms": _between(response["first_paint_ms"], response["answered_ms"]),
    }
    if isinstance(trial, SatisfactionTrial):
        shown = trial.reconstruction
        return row | {
            "method": shown.method,
            "bpp": shown.target_bpp,
            "actual_bpp": shown.bpp,
            "rating": int(response["answer"]),
        }
    rates = [s.target_bpp for s in (trial.left, trial.right) if s.target_bpp is not None]
    return row | {
        "bpp": rates[0] if rates else None,
        "method_left": trial.left.method,
        "method_right": trial.right.method,
        "choice": response["answer"],
        "magnifier_ms": response["magnifier_ms"],
    }


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)
