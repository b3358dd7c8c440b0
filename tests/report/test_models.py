"""Which rows a model gets: of the ledger, of main trials, of one rate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mturk_eval.errors import NoDataError, StatisticsError, TableError
from mturk_eval.report.models import (
    analyze_table,
    ledger_ratings,
    ledger_votes,
    require_one_rate,
)
from mturk_eval.report.tables import format_cell, interval
from mturk_eval.report.text import analysis_text
from mturk_eval.stats.mixed.model import fit_mixed
from mturk_eval.stats.pairs.vote_scores import score_methods
from mturk_eval.stats.ratings.mos import mean_opinion_scores
from mturk_eval.tidy.columns import Table
from mturk_eval.tidy.ledger import LedgerTable
from tests.report.studies import a_rating_study, a_voting_study


def _ledger(frame: pd.DataFrame) -> LedgerTable:
    return LedgerTable(frame=frame.assign(batch="wave-1"), batches=("wave-1",))


def test_an_analysis_of_the_ledger_names_its_batches() -> None:
    table = ledger_ratings(_ledger(a_rating_study().assign(bpp=None)))
    analysis = analyze_table(table, mean_opinion_scores, batches=("wave-1",))
    assert analysis.document()["batches"] == ["wave-1"]
    assert "ledger (wave-1)" in analysis_text(analysis)


def test_the_ledger_s_scale_is_1_to_10() -> None:
    study = a_rating_study()
    study.loc[3, "rating"] = 11
    with pytest.raises(TableError, match="outside the scale 1 to 10"):
        ledger_ratings(_ledger(study))


def test_votes_of_the_ledger_are_scored() -> None:
    analysis = analyze_table(ledger_votes(_ledger(a_voting_study())), score_methods, by="bpp")
    assert [group.value for group in analysis.groups] == [0.1, 0.5]
    assert "=== bpp = 0.1 ===" in analysis_text(analysis)


def test_an_empty_cell_is_a_group_of_its_own() -> None:
    study = a_rating_study().query("role == 'main'")
    study = study.assign(bpp=np.where(study["image"] == "photo-0", np.nan, 0.5))
    table = Table(frame=study, source="study")
    analysis = analyze_table(table, lambda rows: mean_opinion_scores(rows, resamples=5), by="bpp")
    assert [group.value for group in analysis.groups] == [0.5, None]
    with pytest.raises(TableError, match="2 target rates"):
        require_one_rate(table)


def test_one_rate_may_be_none_or_any() -> None:
    study = a_rating_study()
    require_one_rate(Table(frame=study, source="study"))
    require_one_rate(Table(frame=study.assign(bpp=0.5), source="study"))


def test_a_group_that_cannot_be_fitted_is_named() -> None:
    study = a_rating_study().query("role == 'main'")
    study = study.assign(wave=np.where(study["image"] == "photo-0", "first", "second"))
    with pytest.raises(StatisticsError, match="wave first: There is one image"):
        analyze_table(Table(frame=study, source="study"), fit_mixed, by="wave")


def test_no_main_trials_and_no_such_column_are_said() -> None:
    table = Table(frame=a_rating_study().query("role == 'catch'"), source="study")
    with pytest.raises(NoDataError, match="main trials"):
        analyze_table(table, mean_opinion_scores)
    with pytest.raises(TableError, match="no column codec"):
        analyze_table(
            Table(frame=a_rating_study(), source="study"), mean_opinion_scores, by="codec"
        )


def test_the_text_of_means_says_what_se_is_and_warns_of_few_raters() -> None:
    study = a_rating_study(raters=2).query("role == 'main' and image == 'photo-0'")
    analysis = analyze_table(Table(frame=study, source="study"), mean_opinion_scores)
    text = " ".join(analysis_text(analysis).split())
    assert "SE: delete-one jackknife over raters in every row" in text
    assert "With 2 raters" in text


def test_no_zero_has_a_minus_sign() -> None:
    assert format_cell(-0.0001) == "0.000"
    assert interval(-0.001, 0.001) == "[0.00, 0.00]"
    study = a_rating_study().query("role == 'main'")
    assert "-0.000" not in analysis_text(
        analyze_table(
            Table(frame=study.assign(rating=5.0 - 1e-9 * study.index % 2), source="study"),
            mean_opinion_scores,
        )
    )


def test_every_pair_is_in_the_text_and_one_without_a_test_has_its_reason() -> None:
    study = a_rating_study().query("role == 'main'")
    third = study[(study["method"] == "webp") & (study["image"] == "photo-1")]
    table = Table(frame=pd.concat([study, third.assign(method="jxl")]), source="study")
    text = analysis_text(analyze_table(table, fit_mixed))
    assert all(pair in text for pair in ("jxl - human", "webp - human", "webp - jxl"))
    assert "webp - jxl has no test: only one image" in text
    assert "p Holm" in text
    assert "unbalanced" in text
