"""Formulas are lme4's, as far as this version fits them; the rest is refused with the way out."""

from __future__ import annotations

import pytest

from mturk_eval.stats.formula import FormulaError, parse_formula


def test_a_formula_is_taken_apart() -> None:
    formula = parse_formula("rating ~ method * log(bpp) + (1 + method || image) + (1 | rater)")
    assert formula.response == "rating"
    assert formula.fixed == "method * log(bpp)"
    assert [(t.expression, t.group, t.independent) for t in formula.random] == [
        ("1 + method", "image", True),
        ("1", "rater", False),
    ]
    assert formula.variables == {"method", "bpp", "image", "rater"}


def test_spaces_and_the_order_of_terms_do_not_matter() -> None:
    one = parse_formula("y~(1|g)+x")
    other = parse_formula(" y ~ x + ( 1 | g ) ")
    assert str(one) == str(other) == "y ~ x + (1 | g)"


def test_nested_groups_are_written_out() -> None:
    assert [t.group for t in parse_formula("y ~ x + (1 | g/h)").random] == ["g", "g:h"]


def test_no_fixed_term_means_an_intercept() -> None:
    assert parse_formula("y ~ (1 | g)").fixed == "1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rating", "RESPONSE|COLUMN"),
        ("log(y) ~ x + (1 | g)", "COLUMN"),
        ("y ~ x", "no random term"),
        ("y ~ x + 1 | g", "parentheses"),
        ("y ~ x + (1 | )", "lacks a side"),
        ("y ~ x + (1 | g + h)", "no group"),
    ],
)
def test_what_is_no_formula_is_refused(text: str, says: str) -> None:
    with pytest.raises(FormulaError, match=says):
        parse_formula(text)
