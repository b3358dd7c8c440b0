"""What a reliability analysis says: rows of coefficients with their limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mturk_eval.stats.documents import Document, number
from mturk_eval.stats.reliability.intraclass import IntraclassCorrelation
from mturk_eval.stats.resampling.intervals import percentile_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityRow:
    """One coefficient; ``value`` or limits are None where the data leave them undefined.

    ``level`` says of what: the measurement level of an alpha, ``single`` ratings or their
    ``average`` for an ICC, ``half`` or ``all`` raters for split halves, ``observed`` or ``chance``
    for the agreement of votes.
    """

    statistic: str
    level: str
    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None

    @classmethod
    def bootstrapped(
        cls,
        statistic: str,
        level: str,
        value: float,
        replicates: NDArray[np.float64],
        ci_level: float,
    ) -> ReliabilityRow:
        """The row of a value with percentile limits; resamples without a value are left out."""
        if not np.isfinite(value):
            return cls(statistic=statistic, level=level, value=None)
        low, high = percentile_limits(replicates[None, :], ci_level)
        return cls(
            statistic=statistic,
            level=level,
            value=value,
            ci_low=number(low[0]),
            ci_high=number(high[0]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityResult:
    """How well raters agree.

    ``ci_methods`` says, by statistic, how its limits were made; ``f_tests`` are those of the ICCs
    of a complete table.
    """

    rows: tuple[ReliabilityRow, ...]
    n_observations: int
    n_raters: int
    n_units: int
    unit_columns: tuple[str, ...]
    generalises_to: tuple[str, ...]
    ci_methods: dict[str, str]
    ci_level: float
    resamples: int
    seed: int
    warnings: tuple[str, ...]
    f_tests: tuple[IntraclassCorrelation, ...] = ()

    def row(self, statistic: str, level: str) -> ReliabilityRow:
        """The row of that name.

        Raises
        ------
        KeyError
            If there is none.
        """
        for row in self.rows:
            if (row.statistic, row.level) == (statistic, level):
                return row
        raise KeyError((statistic, level))

    def document(self) -> Document:
        """The JSON object of ``analyze --model reliability --json``."""
        return {
            "model": "reliability",
            "n_observations": self.n_observations,
            "generalises_to": list(self.generalises_to),
            "warnings": list(self.warnings),
            "n_raters": self.n_raters,
            "n_units": self.n_units,
            "unit": list(self.unit_columns),
            "ci_method": dict(self.ci_methods),
            "ci_level": self.ci_level,
            "resamples": self.resamples,
            "seed": self.seed,
            "rows": [
                {
                    "statistic": row.statistic,
                    "level": row.level,
                    "value": number(row.value),
                    "ci_low": number(row.ci_low),
                    "ci_high": number(row.ci_high),
                }
                for row in self.rows
            ],
            "f_tests": [
                {
                    "statistic": test.form,
                    "f": number(test.f),
                    "df_numerator": test.df_numerator,
                    "df_denominator": test.df_denominator,
                    "p": number(test.p),
                }
                for test in self.f_tests
            ],
        }
