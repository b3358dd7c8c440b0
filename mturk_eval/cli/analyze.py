"""``mturk-eval analyze``: the statistics of a study, from the ledger or from any CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mturk_eval.cli.context import print_json, settings_of
from mturk_eval.cli.options import BatchNames, Json, LedgerUrl

if TYPE_CHECKING:
    from mturk_eval.report.models import Analysis
    from mturk_eval.tidy.columns import Table


class ModelName(StrEnum):
    """The models there are."""

    mos = "mos"
    mixed = "mixed"
    bradley_terry = "bradley-terry"


class EstimationName(StrEnum):
    """How variances are estimated."""

    reml = "reml"
    ml = "ml"


class ContrastsName(StrEnum):
    """How factors are coded."""

    treatment = "treatment"
    sum = "sum"


class UnitName(StrEnum):
    """What intervals let vary."""

    rater = "rater"
    rating = "rating"
    image = "image"
    both = "both"


_MIXED_ONLY = ("formula", "estimation", "reference", "contrasts")
_BOOTSTRAP_ONLY = ("resamples", "seed")


def analyze(
    ctx: typer.Context,
    model: Annotated[ModelName, typer.Option("--model", help="What to compute.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Tidy CSV of ratings or votes instead of the ledger."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="NAME=COLUMN", help="The file's COLUMN is our NAME."),
    ] = None,
    formula: Annotated[
        str | None,
        typer.Option(
            "--formula", help="mixed: lme4's syntax; columns, + - : *, (), 0, 1 and bars only."
        ),
    ] = None,
    estimation: Annotated[
        EstimationName | None, typer.Option("--estimation", help="mixed: default reml.")
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "--reference", metavar="FACTOR=LEVEL", help="mixed: default first alphabetically."
        ),
    ] = None,
    contrasts: Annotated[
        ContrastsName | None, typer.Option("--contrasts", help="mixed: default treatment.")
    ] = None,
    scale: Annotated[
        tuple[float, float] | None,
        typer.Option("--scale", metavar="LOW HIGH", help="Refuse ratings outside this scale."),
    ] = None,
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Leave out rows without a usable answer.")
    ] = False,
    by: Annotated[
        str | None, typer.Option("--by", metavar="COLUMN", help="One model per value, e.g. bpp.")
    ] = None,
    unit: Annotated[
        UnitName | None,
        typer.Option("--unit", help="mos, bradley-terry: what intervals let vary; default rater."),
    ] = None,
    resamples: Annotated[
        int | None, typer.Option("--resamples", min=1, help="mos: bootstrap resamples, 2000.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="mos: default 0.")] = None,
    batch: BatchNames = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """Compute means, a mixed model, or Bradley-Terry scores.

    Examples: `mturk-eval analyze --model mos`, and with your own table
    `mturk-eval analyze --model mixed --data ratings.csv --column rater=worker`.
    """
    _refuse_unused(ctx, model, data)
    _check_scale(scale)
    source = _Source(
        data=data,
        rename=_pairs("--column", column),
        scale=scale,
        drop_missing=drop_missing,
        batches=tuple(batch or ()),
        ledger="" if data is not None else settings_of(ctx, {"ledger": ledger}).ledger,
    )
    match model:
        case ModelName.mos:
            analysis = _mos(source, by, unit or UnitName.rater, resamples or 2_000, seed or 0)
        case ModelName.mixed:
            analysis = _mixed(
                source,
                by,
                formula,
                estimation or EstimationName.reml,
                _pairs("--reference", reference),
                contrasts or ContrastsName.treatment,
            )
        case ModelName.bradley_terry:
            analysis = _bradley_terry(source, by, unit or UnitName.rater)
    if json:
        print_json(analysis.document())
        return
    from mturk_eval.report.tables import analysis_text

    typer.echo(analysis_text(analysis))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Where the answers are, and how to read them."""

    data: Path | None
    rename: Mapping[str, str]
    scale: tuple[float, float] | None
    drop_missing: bool
    batches: tuple[str, ...]
    ledger: str

    def ratings(self) -> tuple[Table, tuple[str, ...]]:
        """The ratings, and the names of the ledger's batches they are from."""
        if self.data is None:
            return self._ledger_ratings()
        from mturk_eval.tidy.files import read_ratings

        table = read_ratings(
            self.data, rename=self.rename, scale=self.scale, drop_missing=self.drop_missing
        )
        return table, ()

    def table_for(self, formula: str) -> tuple[Table, tuple[str, ...]]:
        """The columns a formula needs, whatever they are called."""
        if self.data is None:
            return self._ledger_ratings()
        from mturk_eval.stats.formulas.grammar import parse_formula
        from mturk_eval.tidy.files import read_table

        parsed = parse_formula(formula)
        table = read_table(
            self.data,
            response=parsed.response,
            variables=sorted(parsed.variables),
            rename=self.rename,
            scale=self.scale,
            drop_missing=self.drop_missing,
        )
        return table, ()

    def votes(self) -> tuple[Table, tuple[str, ...]]:
        """The votes, and the names of the ledger's batches they are from."""
        if self.data is None:
            from mturk_eval.report.models import ledger_votes
            from mturk_eval.tidy.ledger import votes_table

            answers = votes_table(self.ledger, self.batches)
            return ledger_votes(answers), answers.batches
        from mturk_eval.tidy.files import read_votes

        table = read_votes(self.data, rename=self.rename, drop_missing=self.drop_missing)
        return table, ()

    def _ledger_ratings(self) -> tuple[Table, tuple[str, ...]]:
        from mturk_eval.report.models import ledger_ratings
        from mturk_eval.tidy.ledger import ratings_table

        answers = ratings_table(self.ledger, self.batches)
        return ledger_ratings(answers), answers.batches


def _mos(source: _Source, by: str | None, unit: UnitName, resamples: int, seed: int) -> Analysis:
    from mturk_eval.report.models import analyze_table
    from mturk_eval.stats.ratings.mos import mean_opinion_scores

    table, batches = source.ratings()
    return analyze_table(
        table,
        lambda rows: mean_opinion_scores(rows, unit=unit.value, resamples=resamples, seed=seed),
        by=by,
        batches=batches,
    )


def _mixed(
    source: _Source,
    by: str | None,
    formula: str | None,
    estimation: EstimationName,
    reference: Mapping[str, str],
    contrasts: ContrastsName,
) -> Analysis:
    from mturk_eval.report.models import analyze_table, require_one_rate
    from mturk_eval.stats.mixed.model import fit_mixed

    table, batches = source.ratings() if formula is None else source.table_for(formula)
    if formula is None and by is None:
        require_one_rate(table)
    return analyze_table(
        table,
        lambda rows: fit_mixed(
            rows,
            formula,
            estimation=estimation.value,
            reference=reference,
            contrasts=contrasts.value,
        ),
        by=by,
        batches=batches,
    )


def _bradley_terry(source: _Source, by: str | None, unit: UnitName) -> Analysis:
    from mturk_eval.report.models import analyze_table
    from mturk_eval.stats.pairs.vote_scores import score_methods

    table, batches = source.votes()
    return analyze_table(
        table, lambda rows: score_methods(rows, unit=unit.value), by=by, batches=batches
    )


def _refuse_unused(ctx: typer.Context, model: ModelName, data: Path | None) -> None:
    """An option that would change nothing is a misunderstanding; say so."""
    unused = {
        ModelName.mos: _MIXED_ONLY,
        ModelName.mixed: (*_BOOTSTRAP_ONLY, "unit"),
        ModelName.bradley_terry: (*_MIXED_ONLY, *_BOOTSTRAP_ONLY, "scale"),
    }[model]
    given = {
        name
        for name, value in ctx.params.items()
        if value is not None and value is not False and not (isinstance(value, Sized) and not value)
    }
    for name in unused:
        if name in given:
            raise typer.BadParameter(f"--{name} means nothing to --model {model.value}.")
    for name in ("column", "scale", "drop_missing"):
        if data is None and name in given:
            option = name.replace("_", "-")
            raise typer.BadParameter(f"--{option} is for a CSV given with --data.")
    if data is not None and "batch" in given:
        raise typer.BadParameter("--batch chooses from the ledger; with --data there is none.")


def _check_scale(scale: tuple[float, float] | None) -> None:
    if scale is None:
        return
    low, high = scale
    if not low < high:
        raise typer.BadParameter(
            f"--scale {low:g} {high:g}: LOW must be below HIGH, e.g. --scale 1 10."
        )


def _pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """``NAME=VALUE`` options as a mapping."""
    pairs = {}
    for text in given or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise typer.BadParameter(f"{option} {text}: write {option} NAME=VALUE.")
        if name in pairs:
            raise typer.BadParameter(f"{option} {name} is given twice.")
        pairs[name] = value
    return pairs
