"""Freed memory stays with the process while features are computed, and no longer."""

from __future__ import annotations

import platform
import resource
from pathlib import Path

import numpy as np
import pytest

from mturk_eval.metric.memory import freed_memory_kept

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another C library: nothing to change"
)
N_PAGES = 16_384  # 64 MiB: beyond what glibc keeps by itself


def first_touches() -> int:
    """How often the system clears pages, some of them large, for memory that is then freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(N_PAGES * resource.getpagesize(), np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def test_memory_that_was_freed_is_used_again_and_given_back_at_the_end() -> None:
    first_touches()
    every_time = first_touches()
    with freed_memory_kept():
        first_touches()
        assert first_touches() < every_time / 10
        kept = resident_pages()
    assert resident_pages() < kept - N_PAGES / 2


def test_an_error_on_the_way_gives_it_back_too() -> None:
    kept = 0

    def fail() -> None:
        nonlocal kept
        first_touches()
        kept = resident_pages()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), freed_memory_kept():
        fail()
    assert resident_pages() < kept - N_PAGES / 2
