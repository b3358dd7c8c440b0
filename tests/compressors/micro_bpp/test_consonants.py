"""Fifteen consonants and the space in four bits each, and what anything else costs."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mturk_eval.compressors.micro_bpp import Code, CodeError, shorten, split_words
from mturk_eval.compressors.micro_bpp.consonants import CONSONANTS, OUTSIDE, consonants_of

SQUARE = 1024 * 1024

words = st.text(CONSONANTS + OUTSIDE, min_size=1, max_size=12)
texts = st.lists(words, min_size=1, max_size=60).map(" ".join)


def test_the_alphabet_is_the_papers_sixteen_symbols() -> None:
    assert ", ".join(CONSONANTS) == "n, t, s, r, h, l, d, c, m, f, g, p, b, k, v"
    assert len(CONSONANTS) + len(" ") == 2**4
    assert not set(CONSONANTS) & set(OUTSIDE)


@pytest.mark.parametrize(
    ("characters", "symbol_rate"), [(31, 118), (51, 195), (131, 500), (210, 801), (469, 1789)]
)
def test_rates_of_the_papers_examples(characters: int, symbol_rate: int) -> None:
    """The paper prints 194 for the second: 50.9 characters, so cut and not rounded."""
    rate = Code(text="n" * characters).rate(SQUARE)
    assert round(rate.symbol_rate) == symbol_rate


def test_25_characters_at_1024_by_1024() -> None:
    """Four bits a symbol; 13 bytes, since half a byte cannot be written; and a byte of length."""
    code = Code(text="ndn rch vndv lttc shdv bl")
    rate = code.rate(SQUARE)
    assert (rate.symbols, len(code.payload), len(code.file)) == (25, 13, 14)
    assert rate.symbol_rate == pytest.approx(95.367, abs=5e-4)
    assert rate.payload_rate == pytest.approx(99.18, abs=5e-3)
    assert rate.file_rate == pytest.approx(106.81, abs=5e-3)


def test_the_papers_own_text_has_a_w_and_pays_for_it() -> None:
    """'ndn trdtln rch wndw lt shdw' has 27 characters, three of them outside the alphabet."""
    code = Code(text="ndn trdtln rch wndw lt shdw")
    assert len(code.text) == 27
    assert len(code.symbols) == 27 + 2 * 3
    assert (len(code.payload), len(code.file)) == (17, 18)


@given(texts)
@example("w")
@example("n w")
@example("nw ww 12 x")
def test_a_file_is_read_back_as_the_text_it_was(text: str) -> None:
    code = Code(text=text)
    assert Code.read(code.file) == code
    assert len(code.payload) == -(-len(code.symbols) // 2)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_text_or_a_named_error(data: bytes) -> None:
    """And no two files are the same text."""
    try:
        code = Code.read(data)
    except CodeError:
        return
    assert code.file == data


@given(texts, st.data())
def test_a_file_that_was_cut_is_refused(text: str, data: st.DataObject) -> None:
    file = Code(text=text).file
    with pytest.raises(CodeError):
        Code.read(file[: data.draw(st.integers(0, len(file) - 1))])


@pytest.mark.parametrize("text", ["", " ", "n ", " n", "n  t", "a", "N", "n,t", "n\nt", "ü"])
def test_what_is_no_text_cannot_be_coded(text: str) -> None:
    with pytest.raises(CodeError, match="cannot be coded"):
        Code(text=text)


@pytest.mark.parametrize(
    ("word", "left"),
    [
        ("Indian", "ndn"), ("traditional", "trdtnl"), ("arches", "rch"), ("WINDOWS", "wndw"),
        ("grass", "grss"), ("bus", "bs"), ("iris", "rs"), ("gas", "gs"), ("yellow", "llw"),
        ("eye", ""), ("3", "3"), ("square", "sqr"), ("Ωmega", "mg"),
    ],
)  # fmt: skip
def test_vowels_case_and_plurals_go(word: str, left: str) -> None:
    assert consonants_of(word) == left


@given(st.lists(st.text(string.ascii_letters + string.digits, min_size=1), min_size=1))
def test_words_are_a_code_or_nothing_is_left(chosen: list[str]) -> None:
    """Every word is in the text, or named as lost."""
    if not any(consonants_of(word) for word in chosen):
        with pytest.raises(CodeError, match="Nothing is left"):
            shorten(chosen)
        return
    code, lost = shorten(chosen)
    assert len(code.text.split(" ")) + len(lost) == len(chosen)


def test_answers_of_models_in_many_forms_are_words() -> None:
    expected = ("red", "boat", "left", "shore")
    for answer in (
        "red boat left shore",
        "Red, boat; left... shore!".lower(),
        "1. red\n2. boat\n3. left\n4. shore",
        "- red\n- boat\n* left\n• shore",
        "**red** boat (left) `shore`",
        "réd boat\tleft\n\nshore",
    ):
        assert split_words(answer) == expected
    assert split_words(" ...\n") == ()
