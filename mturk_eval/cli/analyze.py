"""``mturk-eval analyze``: the statistics of a study, from the ledger or from any CSV."""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from mturk_eval.cli.answers import Answers
from mturk_eval.cli.context import print_json, settings_of, stopping
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
        typer.Option(
            "--data", help="CSV of ratings or votes, one answer a row; default: the ledger."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="NAME=COLUMN",
            help="The file's COLUMN is our NAME, e.g. rater=worker; may be given again.",
        ),
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
        EstimationName | None,
        typer.Option("--estimation", help="mixed: default reml; bias-inconsistency: default ml."),
    ] = None,
    df: Annotated[
        DfName | None,
        typer.Option("--df", help="mixed: degrees of freedom of tests; default satterthwaite."),
    ] = None,
    adjustment: Annotated[
        AdjustmentName | None,
        typer.Option(
            "--adjustment", help="mixed: adjusts p for all pairs of levels; default holm."
        ),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            metavar="FACTOR=LEVEL",
            help="mixed, ordinal: the level others are compared with; default: alphabetically "
            "first.",
        ),
    ] = None,
    contrasts: Annotated[
        ContrastsName | None,
        typer.Option(
            "--contrasts", help="mixed, ordinal: how factors are coded; default treatment."
        ),
    ] = None,
    link: Annotated[LinkName | None, typer.Option("--link", help="ordinal: default logit.")] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            "--unit",
            help="What intervals let vary: rater, rating, image or both (raters and images); "
            "default rater, tournament: image, bd-rate: both.",
        ),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(
            "--interval",
            help="mos: percentile (default), bca, t, bounded; dmos, sos: no bounded; mixed: wald "
            "(default), profile; scores: robust (default), bootstrap.",
        ),
    ] = None,
    score_unit: Annotated[
        str | None,
        typer.Option(
            "--score-unit",
            help="bradley-terry: logit (default), JOD, Elo; thurstone: JOD (default), probit.",
        ),
    ] = None,
    prior_sd: Annotated[
        float | None,
        typer.Option(
            "--prior-sd",
            min=0.0,
            help="Scores: sd of a normal prior, in their unit; default: none.",
        ),
    ] = None,
    original: Annotated[
        str | None,
        typer.Option(
            "--original",
            metavar="METHOD",
            help="dmos: what the file calls the hidden original; default: catch trials.",
        ),
    ] = None,
    anchor: Annotated[
        str | None,
        typer.Option(
            "--anchor",
            metavar="METHOD",
            help="bd-rate: the method the others are compared with; needed.",
        ),
    ] = None,
    interpolation: Annotated[
        InterpolationName | None,
        typer.Option("--interpolation", help="bd-rate: default pchip."),
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option(
            "--metrics",
            metavar="CSV",
            help="metrics: columns image, method (bpp), and one per metric.",
        ),
    ] = None,
    direction: Annotated[
        list[str] | None,
        typer.Option(
            "--direction",
            metavar="METRIC=higher|lower",
            help="metrics: which values are better; default: read off the data. May be given "
            "again.",
        ),
    ] = None,
    mapping: Annotated[
        MappingName | None,
        typer.Option(
            "--mapping", help="metrics: the curve from metric to rating; default logistic-4."
        ),
    ] = None,
    answers: Annotated[
        str | None,
        typer.Option("--answers", help="reliability: of ratings or votes; default: what there is."),
    ] = None,
    resamples: Annotated[
        int | None, typer.Option("--resamples", min=2, help="How many resamples a bootstrap draws.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Of a bootstrap: same seed, same numbers; default 0."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Scores: processes for --interval bootstrap."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            "--dask", metavar="ADDRESS", help="Scores: a Dask scheduler for it, or local."
        ),
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
    if scale is not None and not -math.inf < scale[0] < scale[1] < math.inf:
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
    if "direction" in options:
        options["direction"] = _directions(direction)
    with stopping("There is no result."):
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
    _check_bootstrap(model, recipe, given)
    if recipe.of_votes and "scale" in given:
        raise typer.BadParameter(f"--scale means nothing to --model {model}: votes have none.")
    for name in recipe.required:
        if name not in given:
            raise typer.BadParameter(f"--model {model} needs {_flag(name)}.")
    for name in ("column", "scale", "drop_missing"):
        if data is None and name in given:
            raise typer.BadParameter(f"{_flag(name)} is for a CSV given with --data.")
    for name in ("batch", "ledger"):
        if data is not None and name in given:
            raise typer.BadParameter(
                f"{_flag(name)} is about the ledger; with --data FILE the answers are in the file."
            )


def _check_bootstrap(model: str, recipe: Recipe, given: dict[str, Any]) -> None:
    """Refuse options of a bootstrap where nothing is drawn."""
    bootstrap = recipe.bootstrap
    if bootstrap is None or given.get(bootstrap.option, bootstrap.default) in bootstrap.values:
        return
    for name in ("resamples", "seed", "workers", "dask"):
        if name in given:
            raise typer.BadParameter(
                f"{_flag(name)} is of a bootstrap: with --model {model} there is one with "
                f"{_flag(bootstrap.option)} {_either(bootstrap.values)}."
            )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _either(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"


def _directions(given: Sequence[str] | None) -> dict[str, str]:
    """Which values of a metric are better, by the metric's name."""
    directions = _pairs("--direction", given)
    for name, value in directions.items():
        if value not in {"higher", "lower"}:
            raise typer.BadParameter(
                f"--direction {name}={value}: which values are better, higher or lower?"
            )
    return directions


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
