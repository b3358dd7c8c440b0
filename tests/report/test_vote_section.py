"""The report's section on votes: scores, images won, and what it does with little data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mturk_eval.report.blocks import Heading, Note, Picture, Section, TableView
from mturk_eval.report.figures_votes import scores_figure, tournament_figure
from mturk_eval.report.style import NARROW_IN, WIDE_IN, looks
from mturk_eval.report.vote_section import vote_section
from mturk_eval.stats.pairs.tournament import run_tournament
from mturk_eval.stats.pairs.vote_scores import score_methods
from tests.report.studies import METHODS, a_voting_study

VOTED = a_voting_study().query("role == 'main'")
STYLES = looks(METHODS)


def _captions(section: Section) -> str:
    return " ".join(b.caption for b in section.blocks if isinstance(b, Picture | TableView))


def _table(section: Section, column: str) -> TableView:
    return next(b for b in section.blocks if isinstance(b, TableView) and column in b.header)


def test_images_won_are_counted_at_every_rate() -> None:
    section = vote_section(VOTED, STYLES)
    assert Heading(text="Images won") in section.blocks
    table = _table(section, "won")
    assert {row[0] for row in table.rows} == {"0.1", "0.5"}
    assert len(table.rows) == 2 * len(METHODS)
    won = [float(row[table.header.index("won")]) for row in table.rows]
    assert sum(won) == pytest.approx(12, abs=0.3)  # 6 images at 2 rates; shares are rounded
    assert "intervals of a share of images (Wilson's" in _captions(section)


def test_one_rate_has_no_column_of_rates() -> None:
    section = vote_section(VOTED.query("bpp == 0.1"), STYLES)
    assert "bpp" not in _table(section, "won").header
    assert "at each target rate" not in _captions(section)


def test_captions_explain_both_units() -> None:
    captions = _captions(vote_section(VOTED, STYLES))
    assert "A difference of 1 logit means being chosen in 73%" in captions
    assert "1 JOD is the difference at which 75% choose the better one" in captions


def test_one_rater_and_one_image_have_counts_and_no_intervals() -> None:
    votes = VOTED.query("rater == 'r0'")
    votes = votes[votes["image"] == votes["image"].iloc[0]]
    captions = _captions(vote_section(votes, STYLES))
    assert "There are no intervals" in captions


def test_votes_between_a_method_and_itself_are_one_note() -> None:
    same = VOTED.assign(method_right=VOTED["method_left"])
    section = vote_section(same, STYLES)
    assert [type(block) for block in section.blocks] == [Note]


@pytest.mark.parametrize("width_in", [WIDE_IN, NARROW_IN])
@pytest.mark.parametrize("rates", [1, 2])
def test_the_figure_has_a_marker_per_method_and_a_line_of_chance(
    width_in: float, rates: int
) -> None:
    votes = VOTED if rates == 2 else VOTED.query("bpp == 0.1")
    result = run_tournament(votes, resamples=20)
    axes = tournament_figure(result, STYLES, width_in=width_in).axes[0]
    assert len(axes.patches) == rates * len(METHODS)
    labels = [name for name in axes.get_legend_handles_labels()[1] if name != "chance"]
    assert sorted(labels) == sorted(METHODS)
    low, high = axes.get_xlim()
    assert low == 0
    assert high > 6


def test_votes_without_rates_have_one_group_of_bars() -> None:
    result = run_tournament(VOTED.drop(columns="bpp"), resamples=20)
    axes = tournament_figure(result, STYLES).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(METHODS)


def test_the_second_axis_of_scores_is_in_jod() -> None:
    figure = scores_figure(score_methods(VOTED), STYLES)
    axes = figure.axes[0]
    assert axes.get_xlabel() == "Bradley–Terry score (logit), mean of the methods 0"
    figure.draw_without_rendering()
    (top,) = axes.child_axes
    np.testing.assert_allclose(np.array(top.get_xlim()) * np.log(3), axes.get_xlim(), rtol=1e-6)
    jod = scores_figure(score_methods(VOTED, model="thurstone"), STYLES).axes[0]
    assert not jod.child_axes
    assert jod.get_xlabel().startswith("Thurstone score (JOD)")


def test_a_method_that_was_not_shown_at_a_rate_leaves_its_place_empty() -> None:
    shown = VOTED[
        (VOTED["bpp"] == 0.1)
        | ~(VOTED[["method_left", "method_right"]] == "jpeg").any(axis="columns")
    ]
    result = run_tournament(pd.DataFrame(shown), resamples=20)
    assert len(tournament_figure(result, STYLES).axes[0].patches) == 2 * len(METHODS) - 1
