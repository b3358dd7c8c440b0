"""How often raters of pairs guess, as text."""

from __future__ import annotations

from mturk_eval.report.tables import Cell, interval, wrapped
from mturk_eval.report.text.result import first_rows, result_text
from mturk_eval.stats.pairs.rater_reliability import RaterReliability, RaterRow


@result_text.register
def _rater_reliability_text(result: RaterReliability) -> str:
    golden = any(row.golden for row in result.rows)
    level = f"{result.ci_level:.0%} interval"

    def cells(row: RaterRow) -> list[Cell]:
        right = f"{row.golden_right:g} of {row.golden}" if row.golden else "–"
        agreement = None if row.agreement is None else f"{row.agreement:.0%}"
        return [
            row.rater, row.n_votes, row.guessing, interval(row.ci_low, row.ci_high), agreement,
            *([right] if golden else []),
        ]  # fmt: skip

    header = ["rater", "votes", "guessing", level, "agreement", *(["golden"] if golden else [])]
    about_golden = (
        " golden: trials with a known answer that were answered rightly." if golden else ""
    )
    return "\n".join(
        [
            f"\nHow often each rater guesses ({len(result.rows)} raters), most first\n",
            first_rows(header, [cells(row) for row in result.rows], "raters, who guess less"),
            "\nScores with votes weighed so, in logits\n",
            first_rows(["item", "score"], [list(score) for score in result.scores], "items"),
            "",
            wrapped(
                "guessing: the share of a rater's answers that are like coin flips, from 0 to 1, "
                "estimated together with the scores. agreement: the share of votes for the method "
                f"with the higher score.{about_golden} Raters of hard pairs agree less without "
                "guessing more."
            ),
            wrapped(
                f"{result.ci_level:.0%} posterior intervals, the scores taken as known. A wide "
                "interval says that the rater gave too few answers to tell. These numbers are for "
                "reading and for rules stated in advance; they are no reason to refuse payment."
            ),
        ]
    )
