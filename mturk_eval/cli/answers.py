"""Where the answers of an analysis are: the study's ledger, or a CSV of anybody's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mturk_eval.tidy.columns import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Answers to be read; each reader also gives the names of the ledger's batches read."""

    data: Path | None
    rename: Mapping[str, str]
    scale: tuple[float, float] | None
    drop_missing: bool
    batches: tuple[str, ...]
    ledger: str

    def ratings(self) -> tuple[Table, tuple[str, ...]]:
        """The ratings."""
        if self.data is None:
            from mturk_eval.report.models import ledger_ratings
            from mturk_eval.tidy.ledger import ratings_table

            answers = ratings_table(self.ledger, self.batches)
            return ledger_ratings(answers), answers.batches
        from mturk_eval.tidy.files import read_ratings

        table = read_ratings(
            self.data, rename=self.rename, scale=self.scale, drop_missing=self.drop_missing
        )
        return table, ()

    def table_for(self, *formulas: str) -> tuple[Table, tuple[str, ...]]:
        """The columns that formulas need, whatever they are called."""
        if self.data is None:
            return self.ratings()
        from mturk_eval.stats.formulas.grammar import parse_formula
        from mturk_eval.tidy.files import read_table

        parsed = [parse_formula(formula) for formula in formulas]
        table = read_table(
            self.data,
            response=parsed[0].response,
            variables=sorted(frozenset().union(*(one.variables for one in parsed))),
            rename=self.rename,
            scale=self.scale,
            drop_missing=self.drop_missing,
        )
        return table, ()

    def votes(self) -> tuple[Table, tuple[str, ...]]:
        """The votes."""
        if self.data is None:
            from mturk_eval.report.models import ledger_votes
            from mturk_eval.tidy.ledger import votes_table

            answers = votes_table(self.ledger, self.batches)
            return ledger_votes(answers), answers.batches
        from mturk_eval.tidy.files import read_votes

        table = read_votes(self.data, rename=self.rename, drop_missing=self.drop_missing)
        return table, ()

    @property
    def known_scale(self) -> tuple[float, float]:
        """The lowest and highest rating: that of our pages, or what --scale says.

        Raises
        ------
        InvalidInputError
            For a CSV without --scale.
        """
        from mturk_eval.errors import InvalidInputError
        from mturk_eval.trials import HIGHEST_RATING, LOWEST_RATING

        if self.data is None:
            return float(LOWEST_RATING), float(HIGHEST_RATING)
        if self.scale is None:
            raise InvalidInputError(
                f"{self.data}: this needs to know the lowest and highest rating there can be. "
                "Give them with --scale, e.g. --scale 1 10."
            )
        return self.scale

    def kind(self) -> str:
        """``votes`` where the CSV has choices, or the ledger has no ratings; else ``ratings``."""
        if self.data is not None:
            from mturk_eval.tidy.csv_files import column_names

            choice = self.rename.get("choice", "choice")
            return "votes" if choice in column_names(self.data) else "ratings"
        from mturk_eval.errors import NoDataError
        from mturk_eval.tidy.ledger import ratings_table

        try:
            ratings_table(self.ledger, self.batches)
        except NoDataError:
            return "votes"
        return "ratings"
