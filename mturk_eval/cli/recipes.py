"""What `analyze` can compute: for each model the answers it takes, its options, and the call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from mturk_eval.cli.answers import Answers

if TYPE_CHECKING:
    from mturk_eval.report.models import Analysis
    from mturk_eval.stats.evaluation.metric_results import MetricEvaluation
    from mturk_eval.stats.pairs.choice_models import ChoiceModel

Options = Mapping[str, Any]
"""Options as given, by their Python names; those not given are absent."""

_UNITS = ("rater", "rating", "image", "both")
_BOOTSTRAP = ("resamples", "seed")
_SCORES = ("unit", "interval", "score_unit", "prior_sd", *_BOOTSTRAP, "workers", "dask")


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapWith:
    """Where a model draws resamples: with these values of an option, whose default is known."""

    option: str
    values: tuple[str, ...]
    default: str


_OF_MEANS = BootstrapWith(option="interval", values=("percentile", "bca"), default="percentile")
_OF_SCORES = BootstrapWith(option="interval", values=("bootstrap",), default="robust")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one model is run.

    ``options`` are those of `analyze` that mean something to it, beside the ones all models share;
    ``choices`` the values of an option where models differ in them; ``bootstrap`` where its
    bootstrap's options mean something (None: always, as far as it has them). Votes have no scale.
    """

    run: Callable[[Answers, str | None, Options], Analysis]
    options: tuple[str, ...]
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    bootstrap: BootstrapWith | None = None
    of_votes: bool = False


def _mos(answers: Answers, by: str | None, options: Options) -> Analysis:
    from mturk_eval.report.models import analyze_table
    from mturk_eval.stats.ratings.mos import mean_opinion_scores

    table, batches = answers.ratings()
    scale = answers.known_scale if options.get("interval") == "bounded" else None
    fit = partial(mean_opinion_scores, scale=scale, **options)
    return analyze_table(table, fit, by=by, batches=batches)


def _dmos(answers: Answers, by: str | None, options: Options) -> Analysis:
    from mturk_eval.report.models import analyze_table, split_originals
    from mturk_eval.stats.ratings.dmos import differential_opinion_scores

    given = {name: value for name, value in options.items() if name != "original"}
    table, batches = answers.ratings()
    table, originals = split_originals(table, options.get("original"))
    fit = partial(
        differential_opinion_scores, originals=originals, scale=answers.known_scale, **given
    )
    return analyze_table(table, fit, by=by, batches=batches)


def _sos(answers: Answers, by: str | None, options: Options) -> Analysis:
    from mturk_eval.report.models import analyze_table
    from mturk_eval.stats.ratings.sos import sos

    table, batches = answers.ratings()
    fit = partial(sos, scale=answers.known_scale, **options)
    return analyze_table(table, fit, by=by, batches=batches)


def _bias_inconsistency(answers: Answers, by: str | None, options: Options) -> Analysis:
    from mturk_eval.report.models import analyze_table
    from mturk_eval.stats.ratings.bias_inconsistency import bias_inconsistency

    table, batches = answers.ratings()
    return analyze_table(table, partial(bias_inconsistency, **options), by=by, batches=batches)


def _mixed(answers: Answers, by: str | None, options: Options) -> Analysis:
    from mturk_eval.report.models import analyze_table, require_one_rate
    from mturk_eval.stats.mixed.model import fit_mixed

    formulas = [options[name] for name in ("formula", "compare") if name in options]
    table, batches = answers.table_for(*formulas) if "formula" in options else answers.ratings()
    if "formula" not in options and by is None:
        require_one_rate(table)
    return analyze_table(table, partial(fit_mixed, **options), by=by, batches=batches)


def _ordinal(answers: Answers, by: str | None, options: Options) -> Analysis:
    from mturk_eval.report.models import analyze_table, require_one_rate
    from mturk_eval.stats.ordinal.model import fit_ordinal_ratings

    if "formula" in options:
        table, batches = answers.table_for(options["formula"])
    else:
        table, batches = answers.ratings()
        if by is None:
            require_one_rate(table)
    return analyze_table(table, partial(fit_ordinal_ratings, **options), by=by, batches=batches)


def _scores(model: ChoiceModel, answers: Answers, by: str | None, options: Options) -> Analysis:
    from mturk_eval.report.models import analyze_table
    from mturk_eval.stats.pairs.vote_scores import score_methods

    table, batches = answers.votes()
    return analyze_table(
        table, partial(score_methods, model=model, **options), by=by, batches=batches
    )


def _tournament(answers: Answers, by: str | None, options: Options) -> Analysis:
    from mturk_eval.report.models import analyze_table
    from mturk_eval.stats.pairs.tournament import run_tournament

    table, batches = answers.votes()
    return analyze_table(table, partial(run_tournament, **options), by=by, batches=batches)


def _rater_reliability(answers: Answers, by: str | None, options: Options) -> Analysis:
    from mturk_eval.report.models import analyze_table, catch_rows
    from mturk_eval.stats.pairs.rater_reliability import rater_reliability

    table, batches = answers.votes()
    golden = catch_rows(table)
    known = golden[golden["expected"].notna()] if "expected" in golden else None
    fit = partial(rater_reliability, golden=known)
    return analyze_table(table, fit, by=by, batches=batches)


def _reliability(answers: Answers, by: str | None, options: Options) -> Analysis:
    from mturk_eval.report.models import analyze_table
    from mturk_eval.stats.reliability.ratings import rating_reliability
    from mturk_eval.stats.reliability.votes import vote_reliability

    given = {name: value for name, value in options.items() if name != "answers"}
    if options.get("answers", answers.kind()) == "votes":
        table, batches = answers.votes()
        return analyze_table(table, partial(vote_reliability, **given), by=by, batches=batches)
    table, batches = answers.ratings()
    return analyze_table(table, partial(rating_reliability, **given), by=by, batches=batches)


def _bd_rate(answers: Answers, by: str | None, options: Options) -> Analysis:
    from mturk_eval.report.models import analyze_table
    from mturk_eval.stats.evaluation.bd_rate import bd_rate

    table, batches = answers.ratings()
    return analyze_table(table, partial(bd_rate, **options), by=by, batches=batches)


def _metrics(answers: Answers, by: str | None, options: Options) -> Analysis:
    import pandas as pd

    from mturk_eval.report.models import analyze_table
    from mturk_eval.stats.evaluation.metrics import evaluate_metrics
    from mturk_eval.stats.ratings.mos import mean_opinion_scores
    from mturk_eval.tidy.files import read_metric_values

    given = {name: options[name] for name in ("mapping", *_BOOTSTRAP) if name in options}
    directions = options.get("direction")
    table, batches = answers.ratings()
    values = read_metric_values(options["metrics"])

    def evaluated(rows: pd.DataFrame) -> MetricEvaluation:
        means = pd.DataFrame(mean_opinion_scores(rows).document()["rows"])
        return evaluate_metrics(means, values, directions=directions, **given)

    return analyze_table(table, evaluated, by=by, batches=batches)


RECIPES: Mapping[str, Recipe] = {
    "mos": Recipe(
        run=_mos,
        options=("unit", "interval", *_BOOTSTRAP),
        bootstrap=_OF_MEANS,
        choices={"unit": _UNITS, "interval": ("percentile", "bca", "t", "bounded")},
    ),
    "dmos": Recipe(
        run=_dmos,
        options=("unit", "interval", "original", *_BOOTSTRAP),
        bootstrap=_OF_MEANS,
        choices={"unit": _UNITS, "interval": ("percentile", "bca", "t")},
    ),
    "sos": Recipe(
        run=_sos,
        options=("interval", *_BOOTSTRAP),
        bootstrap=_OF_MEANS,
        choices={"interval": ("percentile", "bca", "t")},
    ),
    "bias-inconsistency": Recipe(run=_bias_inconsistency, options=("estimation",)),
    "mixed": Recipe(
        run=_mixed,
        options=(
            "formula", "estimation", "df", "interval", "adjustment", "compare", "reference",
            "contrasts",
        ),
        choices={"interval": ("wald", "profile")},
    ),
    "ordinal": Recipe(run=_ordinal, options=("formula", "link", "reference", "contrasts")),
    "bradley-terry": Recipe(
        run=partial(_scores, "bradley-terry"),
        of_votes=True,
        options=_SCORES,
        bootstrap=_OF_SCORES,
        choices={
            "unit": _UNITS,
            "interval": ("robust", "bootstrap"),
            "score_unit": ("logit", "JOD", "Elo"),
        },
    ),
    "thurstone": Recipe(
        run=partial(_scores, "thurstone"),
        of_votes=True,
        options=_SCORES,
        bootstrap=_OF_SCORES,
        choices={
            "unit": _UNITS,
            "interval": ("robust", "bootstrap"),
            "score_unit": ("JOD", "probit"),
        },
    ),
    "tournament": Recipe(
        run=_tournament,
        of_votes=True,
        options=("unit", *_BOOTSTRAP),
        choices={"unit": ("image", "rater", "both")},
        bootstrap=BootstrapWith(option="unit", values=("rater", "both"), default="image"),
    ),
    "rater-reliability": Recipe(run=_rater_reliability, of_votes=True, options=()),
    "reliability": Recipe(
        run=_reliability,
        options=("answers", *_BOOTSTRAP),
        choices={"answers": ("ratings", "votes")},
    ),
    "bd-rate": Recipe(
        run=_bd_rate,
        options=("anchor", "interpolation", "unit", *_BOOTSTRAP),
        choices={"unit": ("rater", "image", "both")},
        required=("anchor",),
    ),
    "metrics": Recipe(
        run=_metrics,
        options=("metrics", "direction", "mapping", *_BOOTSTRAP),
        required=("metrics",),
    ),
}  # fmt: skip
