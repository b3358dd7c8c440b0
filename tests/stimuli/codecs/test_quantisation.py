"""JPEG's quality made continuous agrees with libjpeg where libjpeg has a quality."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mturk_eval.stimuli.codecs import find_codec
from mturk_eval.stimuli.codecs.quantisation import quantisation_tables
from tests.stimuli.codecs.pictures import picture


@pytest.mark.parametrize("quality", [*range(1, 101, 7), 2, 3, 49, 50, 51, 99, 100])
def test_a_whole_quality_gives_the_file_that_libjpeg_makes(quality: float) -> None:
    buffer = io.BytesIO()
    picture().save(
        buffer, "JPEG", quality=quality, subsampling="4:2:0", optimize=True, progressive=True
    )
    assert find_codec("jpeg").encode(picture(), quality) == buffer.getvalue()


@given(
    low=st.floats(min_value=1, max_value=100),
    high=st.floats(min_value=1, max_value=100),
)
def test_tables_are_legal_and_never_coarser_at_more_quality(low: float, high: float) -> None:
    low, high = sorted((low, high))
    coarse, fine = quantisation_tables(low), quantisation_tables(high)
    for table in (*coarse, *fine):
        assert len(table) == 64
        assert 1 <= min(table) <= max(table) <= 255
    # Whole qualities below 50 divide whole numbers, as libjpeg does: up to one percent finer.
    for worse, better in zip(coarse, fine, strict=True):
        assert all(b <= w + 2 for w, b in zip(worse, better, strict=True))


def test_there_are_many_files_between_two_whole_qualities() -> None:
    codec = find_codec("jpeg")
    files = {codec.encode(picture(), 40 + step / 10) for step in range(11)}
    assert len(files) > 5
