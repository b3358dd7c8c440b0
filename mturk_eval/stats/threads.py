"""How many threads the linear algebra of a fit may use.

The wheels of NumPy and SciPy carry an OpenBLAS each, and the idle threads of one spin against the
working threads of the other: with two threads a small fit took ten times as long. The engine does
its large products with SciPy's, so NumPy's gets one thread, and SciPy's more where matrices are
large enough to gain from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import scipy
import scipy.linalg  # loads SciPy's OpenBLAS, so that the controller sees it
from threadpoolctl import ThreadpoolController

LARGE_MATRIX = 6_000
"""Side of a square matrix from which several threads are used.

Below it they gain less than a factor of two, and lose one of twenty where others use the cores.
"""


@cache
def _pools() -> tuple[ThreadpoolController, ThreadpoolController]:
    """Every BLAS in the process; and NumPy's, where SciPy has one of its own.

    Finding them takes milliseconds, so they are kept; a limit takes 0.03 ms.
    """
    blas = ThreadpoolController().select(user_api="blas")
    of_scipy = Path(scipy.__file__).parent.name
    files = [pool.filepath for pool in blas.lib_controllers]
    others = [file for file in files if of_scipy not in Path(file).parent.name]
    return blas, blas.select(filepath=others if len(others) < len(files) else [])


@contextmanager
def threads_for(side: int) -> Iterator[None]:
    """Limit BLAS threads while matrices of this side are worked on.

    Parameters
    ----------
    side : int
        Rows of the largest dense matrix.

    Examples
    --------
    >>> with threads_for(26):
    ...     sum([1, 1])
    2
    """
    everyone, others = _pools()
    with (others if side >= LARGE_MATRIX else everyone).limit(limits=1):
        yield
