"""How well raters agree, as text."""

from __future__ import annotations

from mturk_eval.report.tables import Cell, decimal, format_p, interval, text_table, wrapped
from mturk_eval.report.text.result import result_text
from mturk_eval.stats.reliability.result import ReliabilityResult, ReliabilityRow

_NAMES = {
    "krippendorff_alpha": "Krippendorff's alpha",
    "pairwise_agreement": "pairwise agreement",
    "split_half_srocc": "split-half SROCC",
    "split_half_plcc": "split-half PLCC",
}
_MEANINGS = {
    "krippendorff_alpha": "alpha: 1 is full agreement, 0 what chance gives; the level says how "
    "differences between answers count. Krippendorff asks for .667 at least where raters should "
    "find one truth; opinions differ more, and means of many can be reliable all the same.",
    "pairwise_agreement": "pairwise agreement: how often two raters gave the same vote on the same "
    "image and pair; chance: how often on the same pair of any images.",
    "ICC": "ICC: the share of the variance of ratings that is between stimuli, of one rater's "
    "rating (single) or of the mean of a stimulus's raters (average). For mean opinion scores "
    "report an average one and name its form: in ICC(2,k) and ICC(A,k) strict and generous raters "
    "disagree; in ICC(3,k) and ICC(C,k) they do not, since only differences between stimuli "
    "count; ICC(1,k) is for raters who are others for every stimulus.",
    "split_half": "split half: how two random halves of the raters order (SROCC) or place (PLCC) "
    "the stimuli alike; all: corrected to the whole number of raters.",
}


@result_text.register
def _reliability_text(result: ReliabilityResult) -> str:
    rows: list[list[Cell]] = [
        [_NAMES.get(row.statistic, row.statistic), row.level, row.value,
         interval(row.ci_low, row.ci_high, 3)]
        for row in result.rows
    ]  # fmt: skip
    table = text_table(["statistic", "level", "value", f"{result.ci_level:.0%} interval"], rows)
    families = tuple(dict.fromkeys(map(_family, result.rows)))
    units = " × ".join(result.unit_columns)
    return "\n".join(
        [
            "\nReliability: how well raters agree",
            f"{result.n_observations:,} answers of {result.n_raters:,} raters to "
            f"{result.n_units:,} units ({units})\n",
            table,
            *_f_tests_text(result),
            "",
            *(wrapped(_MEANINGS[family]) for family in families),
            wrapped(_intervals(result, families)),
        ]
    )


def _family(row: ReliabilityRow) -> str:
    """The name under which a row's meaning and interval are kept."""
    if row.statistic.startswith("ICC"):
        return "ICC"
    return "split_half" if row.statistic.startswith("split_half") else row.statistic


def _intervals(result: ReliabilityResult, families: tuple[str, ...]) -> str:
    """How the intervals were made, families with the same method together."""
    by_method: dict[str, list[str]] = {}
    for family in families:
        if (method := result.ci_methods.get(family, "none")) != "none":
            name = _NAMES.get(family, family.replace("_", " "))
            by_method.setdefault(method, []).append(name)
    made = "; ".join(f"{', '.join(names)}: {method}" for method, names in by_method.items())
    bootstrap = any("bootstrap" in method for method in by_method)
    drawn = f" Resampled {result.resamples:,} times (seed {result.seed})." if bootstrap else ""
    speaks = " and ".join(result.generalises_to)
    return f"{result.ci_level:.0%} intervals. {made}.{drawn} Bootstraps speak about other {speaks}."


def _f_tests_text(result: ReliabilityResult) -> list[str]:
    if not result.f_tests:
        return []
    rows: list[list[Cell]] = [
        [
            test.form, test.f, decimal(test.df_numerator, 0), decimal(test.df_denominator, 0),
            format_p(test.p),
        ]
        for test in result.f_tests
    ]  # fmt: skip
    return [
        "\nTests that the raters do not tell the stimuli apart (ICC = 0)\n",
        text_table(["statistic", "F", "df", "residual df", "p"], rows),
    ]
