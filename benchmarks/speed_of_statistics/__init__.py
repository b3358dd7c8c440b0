"""How fast the statistics are, beside the packages people use today, in one run on one machine.

    python -m benchmarks.speed_of_statistics [--only TASK] [--quick] [--r-blas FOLDER]

Every contender runs in a process of its own, so that its peak memory is its own, after a warm-up
on a small table, so that imports and lazily loaded code do not count; R is timed inside R. Prints
seconds, memory, ratios, and how far the rivals' numbers are from ours; a whole run writes
``benchmarks/speed_of_statistics.md`` and a figure. A rival that is not installed is named as
missing.

R's own BLAS is slow where the dense block is large: lme4 needs 8.5 s instead of 68 s for InstEval
with a slope when it is given OpenBLAS (``--r-blas``), and a ratio against the slow one says little.
"""
