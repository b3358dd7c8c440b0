"""``mturk-eval analyze``: the statistics of a study, from the ledger or from any CSV."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from mturk_eval.cli.answers import Answers
from mturk_eval.cli.context import print_json, settings_of
from mturk_eval.cli.options import BatchNames, Json, LedgerUrl
from mturk_eval.cli.recipes import RECIPES, Recipe


class ModelName(StrEnum):
    """The models there are."""

    mos = "mos"
    dmos = "dmos"
    sos = "sos"
    bias_inconsistency = "bias-inconsistency"
    mixed = "mixed"
    ordinal = "ordinal"
    bradley_terry = "bradley-terry"
    thurstone = "thurstone"
    tournament = "tournament"
    rater_reliability = "rater-reliability"
    reliability = "reliability"
    bd_rate = "bd-rate"
    metrics = "metrics"


class EstimationName(StrEnum):
    """How variances are estimated."""

    reml = "reml"
    ml = "ml"


class DfName(StrEnum):
    """Degrees of freedom of a mixed model's tests."""

    satterthwaite = "satterthwaite"
    kenward_roger = "kenward-roger"
    none = "none"


class ContrastsName(StrEnum):
    """How factors are coded."""

    treatment = "treatment"
    sum = "sum"


class AdjustmentName(StrEnum):
    """How p values allow for the number of pairs."""

    holm = "holm"
    tukey = "tukey"
    none = "none"


class LinkName(StrEnum):
    """The link of an ordinal model."""

    logit = "logit"
    probit = "probit"


class InterpolationName(StrEnum):
    """How a rate curve runs between its points."""

    cubic = "cubic"
    pchip = "pchip"
    akima = "akima"


class MappingName(StrEnum):
    """The curve from a metric to ratings."""

    logistic_4 = "logistic-4"
    logistic_5 = "logistic-5"
    linear = "linear"


_SHARED = ("model", "data", "column", "scale", "drop_missing", "by", "batch", "ledger", "json")


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
    formula: Annotated[
        str | None,
        typer.Option(
            "--formula", help="mixed, ordinal: lme4's syntax; names, + - : *, 0, 1, bars."
        ),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option("--compare", help="mixed: a formula to compare by likelihood ratio."),
    ] = None,
    estimation: Annotated[
        EstimationName | None, typer.Option("--estimation", help="mixed: default reml.")
    ] = None,
    df: Annotated[
        DfName | None,
        typer.Option("--df", help="mixed: degrees of freedom; default satterthwaite."),
    ] = None,
    adjustment: Annotated[
        AdjustmentName | None,
        typer.Option("--adjustment", help="mixed: of p for all pairs of levels; default holm."),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            metavar="FACTOR=LEVEL",
            help="mixed, ordinal: default first alphabetically.",
        ),
    ] = None,
    contrasts: Annotated[
        ContrastsName | None,
        typer.Option("--contrasts", help="mixed, ordinal: default treatment."),
    ] = None,
    link: Annotated[LinkName | None, typer.Option("--link", help="ordinal: default logit.")] = None,
    unit: Annotated[
        str | None,
        typer.Option("--unit", help="What intervals let vary: rater, rating, image or both."),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(
            "--interval",
            help="mos: percentile, bca, t, bounded; mixed: wald, profile; scores: robust, "
            "bootstrap.",
        ),
    ] = None,
    score_unit: Annotated[
        str | None,
        typer.Option(
            "--score-unit", help="bradley-terry: logit, JOD, Elo; thurstone: JOD, probit."
        ),
    ] = None,
    prior_sd: Annotated[
        float | None,
        typer.Option("--prior-sd", min=0.0, help="Scores: a normal prior, in their unit."),
    ] = None,
    original: Annotated[
        str | None,
        typer.Option("--original", metavar="METHOD", help="dmos: the hidden original's method."),
    ] = None,
    anchor: Annotated[
        str | None,
        typer.Option("--anchor", metavar="METHOD", help="bd-rate: the method to compare with."),
    ] = None,
    interpolation: Annotated[
        InterpolationName | None,
        typer.Option("--interpolation", help="bd-rate: default pchip."),
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option("--metrics", metavar="CSV", help="metrics: image, method, a column each."),
    ] = None,
    mapping: Annotated[
        MappingName | None, typer.Option("--mapping", help="metrics: default logistic-4.")
    ] = None,
    answers: Annotated[
        str | None,
        typer.Option("--answers", help="reliability: of ratings or of votes."),
    ] = None,
    resamples: Annotated[
        int | None, typer.Option("--resamples", min=1, help="How many bootstrap resamples.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Of the bootstrap; default 0.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes for a scores' bootstrap.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option("--dask", metavar="ADDRESS", help="A Dask scheduler for it, or local."),
    ] = None,
    batch: BatchNames = None,
    ledger: LedgerUrl = None,
    json: Json = False,
) -> None:
    """Compute means, mixed and ordinal models, scores, agreement, or what ratings say of rates.

    Of ratings: mos, dmos, sos, bias-inconsistency, mixed, ordinal, bd-rate, metrics. Of votes:
    bradley-terry, thurstone, tournament, rater-reliability. Of either: reliability.

    Examples: `mturk-eval analyze --model mos`, and with your own table
    `mturk-eval analyze --model mixed --data ratings.csv --column rater=worker`.
    """
    recipe = RECIPES[model.value]
    given = _given(ctx)
    _check_options(model.value, recipe, given, data)
    if scale is not None and not scale[0] < scale[1]:
        raise typer.BadParameter(
            f"--scale {scale[0]:g} {scale[1]:g}: LOW must be below HIGH, e.g. --scale 1 10."
        )
    source = Answers(
        data=data,
        rename=_pairs("--column", column),
        scale=scale,
        drop_missing=drop_missing,
        batches=tuple(batch or ()),
        ledger="" if data is not None else settings_of(ctx, {"ledger": ledger}).ledger,
    )
    options = {name: given[name] for name in recipe.options if name in given}
    if "reference" in options:
        options["reference"] = _pairs("--reference", reference)
    analysis = recipe.run(source, by, options)
    if json:
        print_json(analysis.document())
        return
    from mturk_eval.report.text import analysis_text

    typer.echo(analysis_text(analysis))


def _given(ctx: typer.Context) -> dict[str, Any]:
    """The options that were given, enumerations by their values."""
    return {
        name: value.value if isinstance(value, StrEnum) else value
        for name, value in ctx.params.items()
        if value is not None and value is not False and not (isinstance(value, Sized) and not value)
    }


def _check_options(model: str, recipe: Recipe, given: dict[str, Any], data: Path | None) -> None:
    """Refuse what is missing, and what would change nothing: it is a misunderstanding."""
    for name, value in given.items():
        if name not in (*_SHARED, *recipe.options):
            raise typer.BadParameter(f"{_flag(name)} means nothing to --model {model}.")
        known = recipe.choices.get(name, (value,))
        if value not in known:
            raise typer.BadParameter(
                f"{_flag(name)} {value}: with --model {model} it is {_either(known)}."
            )
    if recipe.of_votes and "scale" in given:
        raise typer.BadParameter(f"--scale means nothing to --model {model}: votes have none.")
    for name in recipe.required:
        if name not in given:
            raise typer.BadParameter(f"--model {model} needs {_flag(name)}.")
    for name in ("column", "scale", "drop_missing"):
        if data is None and name in given:
            raise typer.BadParameter(f"{_flag(name)} is for a CSV given with --data.")
    if data is not None and "batch" in given:
        raise typer.BadParameter("--batch chooses from the ledger; with --data there is none.")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _either(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"


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
