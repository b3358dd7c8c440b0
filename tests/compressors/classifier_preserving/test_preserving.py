"""The loop: what is returned, what is traced, and that it always ends."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mturk_eval.compressors.classifier_preserving import (
    Bisection,
    Candidate,
    ClassifierError,
    Coding,
    Ending,
    Exhaustive,
    ProbabilityAtLeast,
    Qualities,
    RandomQuality,
    RuleError,
    SameSuperclass,
    Search,
    Shrink,
    Sizes,
    Steps,
    TopK,
    preserve,
    trace_csv,
)
from mturk_eval.compressors.classifier_preserving.classifiers import Probabilities
from mturk_eval.compressors.classifier_preserving.preserving import TRACE_COLUMNS
from mturk_eval.stimuli.codecs import find_codec
from tests.samples import picture


@dataclass(frozen=True)
class WiderThan:
    """Says 'wide' of pictures wider than so many pixels."""

    pixels: int

    def __call__(self, image: Image.Image) -> Probabilities:
        return np.array([0.9, 0.1] if image.width > self.pixels else [0.1, 0.9])


@dataclass(frozen=True)
class AnyOfWidths:
    """Says 'one of these' of pictures of certain widths, and so is not monotone."""

    widths: frozenset[int]

    def __call__(self, image: Image.Image) -> Probabilities:
        return np.array([1.0, 0.0] if image.width in self.widths else [0.0, 1.0])


def always(image: Image.Image) -> Probabilities:
    return np.array([0.6, 0.4])


def sharpness(image: Image.Image) -> Probabilities:
    """How much neighbouring pixels differ, which strong JPEG takes away."""
    grey = np.asarray(image.convert("L"), float)
    detail = min(np.abs(np.diff(grey, axis=1)).mean() / 20, 1.0)
    return np.array([detail, 1 - detail])


# The paper's loops


def test_the_result_is_the_last_picture_that_kept_its_class() -> None:
    made = preserve(picture(1, (96, 64)), WiderThan(50), search=Steps(step=Shrink()))
    widths = [(row.width_px, row.kept) for row in made.trace]
    assert widths == [(96, True), (81, True), (66, True), (51, True), (36, False)]
    assert made.shown.size == (51, 34)
    assert made.ending is Ending.answer_changed
    assert Image.open(io.BytesIO(made.coded)).size == (51, 34)


@given(
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    pixels=st.integers(1, 30),
)
def test_shrinking_ends_at_one_pixel_whatever_the_shape(
    width: int, height: int, pixels: int
) -> None:
    made = preserve(
        Image.new("RGB", (width, height)), always, search=Steps(step=Shrink(pixels=pixels))
    )
    assert made.shown.size == (1, 1)
    assert made.ending is Ending.nothing_left
    for before, after in zip(made.trace, made.trace[1:], strict=False):
        assert after.width_px <= before.width_px
        assert after.height_px <= before.height_px
        assert after.width_px <= max(1, before.width_px - pixels) or (
            after.height_px <= max(1, before.height_px - pixels)
        )


def test_jpeg_at_random_quality_is_seeded_and_ends_at_the_limit() -> None:
    search = Steps(step=RandomQuality(codec=find_codec("jpeg")))
    made, again, other = (
        preserve(picture(2), always, search=search, max_iterations=12, seed=seed)
        for seed in (1, 1, 2)
    )
    assert made.ending is Ending.iteration_limit
    assert len(made.trace) == 13
    assert made.trace == again.trace
    assert made.coded == again.coded
    assert made.trace != other.trace


def test_jpeg_losses_add_up() -> None:
    """Each round starts from what the last one left, as in the paper."""
    original = picture(3)
    search = Steps(step=RandomQuality(codec=find_codec("jpeg")))
    made = preserve(original, always, search=search, max_iterations=8)
    by_hand = original
    for row in made.trace[1:]:
        codec = find_codec("jpeg")
        assert row.quality is not None
        by_hand = codec.decode(codec.encode(by_hand, row.quality))
    assert by_hand.tobytes() == made.shown.tobytes()


def test_a_picture_that_no_step_spares_comes_back_lossless() -> None:
    original = picture(4)
    made = preserve(original, WiderThan(original.width - 1), search=Steps(step=Shrink()))
    assert made.kept.number == 0
    assert made.shown.tobytes() == original.tobytes()
    assert made.coded.startswith(b"\x89PNG")


def test_a_shrunk_picture_can_be_stored_by_a_codec() -> None:
    coding = Coding(codec=find_codec("webp"), quality=50)
    made = preserve(picture(5, (96, 64)), WiderThan(50), search=Steps(step=Shrink(coding=coding)))
    assert made.candidate.suffix == ".webp"
    assert Image.open(io.BytesIO(made.coded)).convert("RGB").tobytes() == made.shown.tobytes()


# Bisection, and the search that checks it


@given(threshold=st.integers(1, 95))
def test_bisection_finds_the_smallest_size_of_a_monotone_classifier(threshold: int) -> None:
    original = Image.new("RGB", (96, 64))
    classifier = WiderThan(threshold)
    made = preserve(original, classifier, search=Bisection(ladder=Sizes()))
    assert made.shown.width == threshold + 1
    assert len(made.trace) <= 9  # the original, and the logarithm of 96
    assert made.ending is Ending.narrowed_down


@given(widths=st.frozensets(st.integers(1, 47)))
def test_what_bisection_returns_was_shown_to_the_classifier_and_passed(
    widths: frozenset[int],
) -> None:
    """Whatever the classifier, and never below what trying everything finds."""
    original, classifier = Image.new("RGB", (48, 32)), AnyOfWidths(widths | {48})
    quick = preserve(original, classifier, search=Bisection(ladder=Sizes()))
    slow = preserve(original, classifier, search=Exhaustive(ladder=Sizes()))
    assert np.argmax(classifier(quick.shown)) == 0
    assert slow.shown.width == min(widths | {48})
    assert quick.shown.width >= slow.shown.width
    assert [row.width_px for row in slow.trace[1:]] == list(range(48, 0, -1))


def test_bisection_on_quality_agrees_with_trying_every_quality() -> None:
    ladder = Qualities(codec=find_codec("jpeg"), levels=101)
    rule = ProbabilityAtLeast(0.25)
    quick, slow = (
        preserve(picture(6), sharpness, search=search, rule=rule)
        for search in (Bisection(ladder=ladder), Exhaustive(ladder=ladder))
    )
    assert len(quick.trace) < 10 < 90 < len(slow.trace)
    assert quick.kept.quality is not None
    assert slow.kept.quality is not None
    assert quick.kept.quality >= slow.kept.quality
    assert quick.kept.original_class_probability >= 0.25
    assert len(quick.coded) < len(Coding()(picture(6)).coded)


# Limits and traces


@pytest.mark.parametrize(
    "search",
    [
        Steps(step=Shrink(pixels=1)),
        Steps(step=RandomQuality(codec=find_codec("jpeg"))),
        Bisection(ladder=Sizes()),
        Exhaustive(ladder=Sizes()),
    ],
    ids=lambda search: search.label,
)
def test_no_search_shows_more_pictures_than_allowed(search: Search) -> None:
    seen: list[Image.Image] = []

    def watching(image: Image.Image) -> Probabilities:
        seen.append(image)
        return always(image)

    made = preserve(picture(7), watching, search=search, max_iterations=3)
    assert len(seen) == 4  # and the original
    assert made.ending is Ending.iteration_limit


def test_a_search_that_ends_with_the_last_iteration_allowed_says_why() -> None:
    made = preserve(
        picture(1, (96, 64)), WiderThan(50), search=Steps(step=Shrink()), max_iterations=4
    )
    assert made.ending is Ending.answer_changed


def test_the_trace_counts_every_byte() -> None:
    original = picture(8, (96, 64))
    made = preserve(original, WiderThan(50), search=Steps(step=Shrink()))
    rows = list(csv.DictReader(io.StringIO(trace_csv(made.trace, ["wide", "narrow"]))))
    assert tuple(rows[0]) == TRACE_COLUMNS
    assert [row["top_1"] for row in rows] == ["wide"] * 4 + ["narrow"]
    assert [row["kept"] for row in rows] == ["yes"] * 4 + ["no"]
    last = rows[3]
    assert int(last["bytes"]) == len(made.coded)
    assert float(last["bpp"]) == pytest.approx(8 * len(made.coded) / (96 * 64), rel=1e-5)
    assert (last["width"], last["height"], last["quality"]) == ("51", "34", "")
    assert float(rows[4]["original_class_probability"]) == pytest.approx(0.1)


# Rules


def test_near_synonyms_pass_in_the_top_k_and_in_the_superclass() -> None:
    """The paper stops where 'tiger cat' becomes 'Egyptian cat'."""
    tiger_cat = np.array([0.6, 0.3, 0.1])
    egyptian_cat = np.array([0.4, 0.5, 0.1])
    teapot = np.array([0.2, 0.1, 0.7])
    cats = SameSuperclass(("cat", "cat", "teapot"))
    assert not TopK(1).holds(tiger_cat, egyptian_cat)
    assert TopK(2).holds(tiger_cat, egyptian_cat)
    assert cats.holds(tiger_cat, egyptian_cat)
    assert not cats.holds(tiger_cat, teapot)
    assert TopK(2).holds(tiger_cat, teapot)


def test_of_equal_probabilities_the_first_is_the_most_probable() -> None:
    even = np.array([0.25, 0.25, 0.25, 0.25])
    assert TopK(1).holds(even, even)
    assert not TopK(1).holds(np.array([0.1, 0.9, 0, 0]), even)


@pytest.mark.parametrize("k", [0, 2, 7])
def test_a_rule_that_cannot_fail_or_hold_is_refused(k: int) -> None:
    with pytest.raises(RuleError, match=f"top-{k} always or never holds"):
        preserve(picture(1), always, search=Steps(step=Shrink()), rule=TopK(k))


def test_a_threshold_that_the_original_misses_is_refused() -> None:
    with pytest.raises(RuleError, match=r"does not hold for the original itself.*0\.6"):
        preserve(picture(1), always, search=Steps(step=Shrink()), rule=ProbabilityAtLeast(0.7))


# Answers that are none


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([0.5, float("nan")], "NaN or infinite"),
        ([3.0, -1.0], "no probabilities: the lowest is -1, their sum 2"),
        ([[0.5, 0.5]], r"the shape \(1, 2\)"),
        ([1.0], r"the shape \(1,\)"),
        ("cat", "not a list of numbers"),
        (None, r"the shape \(\)"),
    ],
)
def test_an_answer_that_is_no_probabilities_is_named(answer: object, message: str) -> None:
    def wrong(image: Image.Image) -> Probabilities:
        return answer  # type: ignore[return-value]

    with pytest.raises(ClassifierError, match=message):
        preserve(picture(1), wrong, search=Steps(step=Shrink()))


def test_a_classifier_that_changes_its_classes_is_named() -> None:
    def changing(image: Image.Image) -> Probabilities:
        n = 2 if image.width == 48 else 3
        return np.full(n, 1 / n)

    with pytest.raises(ClassifierError, match=r"2 classes for the original and 3 .* 33×22"):
        preserve(picture(1), changing, search=Steps(step=Shrink()))


def test_a_candidate_holds_what_its_file_decodes_to() -> None:
    made: Candidate = Coding(codec=find_codec("jpeg"), quality=30)(picture(9))
    assert made.shown.tobytes() == find_codec("jpeg").decode(made.coded).tobytes()
    assert made.quality == 30
