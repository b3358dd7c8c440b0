"""Formulas are lme4's, as far as this version fits them; the rest is refused with the way out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mturk_eval.errors import MturkEvalError
from mturk_eval.stats.formulas.design import build_design
from mturk_eval.stats.formulas.grammar import FormulaError, parse_formula
from tests.stats.reference import crossed_study


def test_a_formula_is_taken_apart() -> None:
    formula = parse_formula("rating ~ method * bpp + (1 + method || image) + (1 | rater)")
    assert formula.response == "rating"
    assert formula.fixed == "method * bpp"
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
        ("x + z ~ x + (1 | g)", "COLUMN"),
        ("y ~ x + (1 | g", "parenthesis lacks its partner"),
        ("y ~ a/b + (1 | g)", "'/' nests groups"),
        ("y ~ x", "no random term"),
        ("y ~ x + 1 | g", "parentheses"),
        ("y ~ x + (1 | )", "lacks a side"),
        ("y ~ x + (1 | g + h)", "no group"),
    ],
)
def test_what_is_no_formula_is_refused(text: str, says: str) -> None:
    with pytest.raises(FormulaError, match=says):
        parse_formula(text)


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ('y ~ __import__("os").system("x") + (1|g)', "'__import__('"),
        ("y ~ I(1/0) + (1|g)", "'I('"),
        ("y ~ log(x) + (1|g)", "'log('"),
        ("log(y) ~ x + (1|g)", "'log('"),
        ("y ~ x + (1 + f (x) || g)", "'f('"),
        ("y ~ {1/0} + (1|g)", "'{'"),
        ("y ~ `1/0` + (1|g)", "'`'"),
        ("y ~ x ** z + (1|g)", "'**'"),
        ("y ~ x ^ z + (1|g)", "'^'"),
        ("y ~ x % z + (1|g)", "'%'"),
        ("y ~ 2 + (1|g)", "'2'"),
        ("y ~ 1e9 + (1|g)", "'1e9'"),
        ("y ~ .5 + (1|g)", "'.5'"),
        ("y ~ 'x' + (1|g)", "'x'"),
        ('y ~ "x y" + (1|g)', '"x y"'),
        ("y ~ x[0] + (1|g)", "'['"),
        ("y ~ x, z + (1|g)", "','"),
        ("y ~ x = 1 + (1|g)", "'='"),
    ],
)
def test_a_token_that_is_no_part_of_a_formula_is_named(text: str, token: str) -> None:
    """Nothing in a formula is evaluated: functions, numbers and quoted text are refused."""
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    assert token in str(caught.value)
    assert "\n" not in str(caught.value)


@given(text=st.text(alphabet="xyg ~+-*:|()/01.2'\"`[]{}%^@!,\\", max_size=30))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_formula_or_refused(text: str) -> None:
    study = crossed_study(1, images=3, raters=3).rename(columns={"rating": "y", "image": "g"})
    try:
        formula = parse_formula("y ~ " + text + " + (1 | g)")
        build_design(formula, study.assign(x=1.5), reference={}, contrasts="treatment")
    except MturkEvalError:
        return
