"""Freed memory stays with the process while features are computed, and no longer."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another C library: nothing to change"
)

# A process of its own: what other tests freed would be used first.
PROGRAM = """
import json, resource
from pathlib import Path

import numpy as np

from mturk_eval.metric.memory import freed_memory_kept

N_BYTES = 1 << 26  # beyond what glibc keeps by itself

def times_cleared():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(N_BYTES, np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

times_cleared()
usual = times_cleared()
try:
    with freed_memory_kept():
        times_cleared()
        kept, held = times_cleared(), resident()
        if FAIL:
            raise ZeroDivisionError
except ZeroDivisionError:
    pass
given_back = (held - resident()) / N_BYTES
after = times_cleared()
print(json.dumps({"usual": usual, "kept": kept, "given_back": given_back, "after": after}))
"""


@pytest.mark.parametrize("fails", [False, True])
def test_memory_that_was_freed_is_used_again_and_given_back_at_the_end(fails: bool) -> None:
    program = PROGRAM.replace("FAIL", str(fails))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    found = json.loads(done.stdout)
    assert found["kept"] < found["usual"] / 10
    assert found["given_back"] > 0.9
    assert found["after"] > found["usual"] / 2


USE = """
import resource
from pathlib import Path

import numpy as np

from mturk_eval.metric.backbones import random_backbone
from mturk_eval.metric.features import pair_features
from mturk_eval.metric.trunk import Trunk

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

trunk = Trunk(random_backbone("squeezenet1_1", 1))
small, large = np.zeros((20, 20, 3), np.uint8), np.zeros((800, 800, 3), np.uint8)
pair_features(trunk, small, [small])
before = resident()
pair_features(trunk, large, [large])
print((resident() - before) >> 20)
"""


def test_features_leave_no_activations_behind() -> None:
    pytest.importorskip("torch")
    done = subprocess.run([sys.executable, "-c", USE], capture_output=True, check=True)
    assert int(done.stdout) < 40  # MB; an original's activations alone take 80
