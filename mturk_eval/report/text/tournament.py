"""The tournament of votes, as text."""

from __future__ import annotations

from mturk_eval.report.tables import Cell, decimal, format_rate, interval, text_table, wrapped
from mturk_eval.report.text.result import result_text
from mturk_eval.stats.pairs.tournament import RateSummary, TournamentResult

TOURNAMENT_RULE = (
    "A method beats another at an image if most of their votes chose it (a vote that was not sure "
    "counts half for each); the method that beats most others wins the image, and m methods that "
    "share first place win 1/m of it each."
)


def describe_tournament_interval(result: TournamentResult) -> str:
    """What the intervals of images won are, in a sentence or two."""
    if all(row.ci_low is None for row in result.rows):
        return "There are no intervals: nothing varies that they could speak about."
    if result.unit == "image":
        return (
            f"{result.ci_level:.0%} intervals of a share of images (Wilson's, with the number of "
            "independent images that the spread amounts to). They speak about other images, each "
            "with as many votes by these raters."
        )
    drawn, speaks = {
        "rater": ("raters", "other raters and these images"),
        "both": ("raters and images", "other raters and other images"),
    }[result.unit]
    return (
        f"{result.ci_level:.0%} {result.ci_method} intervals; {drawn} resampled "
        f"{result.resamples:,} times (seed {result.seed}). They speak about {speaks}. Resampled "
        "raters leave more pairs level than there are, which pulls limits towards chance where a "
        "pair has few votes: --unit image does not."
    )


@result_text.register
def _tournament_text(result: TournamentResult) -> str:
    parts = [f"\nTournament: images won by each method ({result.n_votes:,} votes)"]
    for rate in result.rates:
        parts += ["", _rate_head(rate), "", _rate_table(result, rate)]
    return "\n".join(
        [
            *parts,
            "",
            wrapped(TOURNAMENT_RULE),
            wrapped(
                "shared: images whose first place it shares. by_…: images won if a shared first "
                "place goes to the one that beats the others in it, to the larger share of the "
                "image's votes, or to the higher Bradley-Terry score at the rate."
            ),
            wrapped(describe_tournament_interval(result)),
        ]
    )


def _rate_head(rate: RateSummary) -> str:
    where = "" if rate.bpp is None else f"{format_rate(rate.bpp)} bpp: "
    level = f"; level pairs: {rate.level_pairs:,} of {rate.n_pairs:,}" if rate.level_pairs else ""
    return wrapped(
        f"{where}{rate.n_images} images, {rate.n_votes:,} votes{level}. By chance every method "
        f"shown everywhere would win {decimal(rate.chance, 1)}."
    )


def _rate_table(result: TournamentResult, rate: RateSummary) -> str:
    rows: list[list[Cell]] = [
        [
            row.method, decimal(row.images_won, 2), row.n_images,
            interval(row.ci_low, row.ci_high, 1), row.ties, decimal(row.by_head_to_head, 2),
            decimal(row.by_vote_share, 2),
            None if row.by_score is None else decimal(row.by_score, 2),
        ]
        for row in result.rows
        if row.bpp == rate.bpp
    ]  # fmt: skip
    return text_table(
        ["method", "won", "of", f"{result.ci_level:.0%} interval", "shared", "by_head_to_head",
         "by_vote_share", "by_score"],
        rows,
    )  # fmt: skip
