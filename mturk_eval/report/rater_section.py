"""The report on the raters: when they answered, how each behaved, and the built-in checks."""

from __future__ import annotations

import pandas as pd

from mturk_eval.report.blocks import Block, Heading, Section, picture, table_view
from mturk_eval.report.figures_raters import (
    STRAIGHT_LINE_MINIMUM,
    over_time_figure,
    rating_behaviour_figure,
    voting_behaviour_figure,
)
from mturk_eval.report.tables import Cell

_TIMES_NOTE = (
    "Second panel: median response time of each rater on a logarithmic axis; the line is the "
    "median rater. Both describe raters one by one; there is no interval."
)


def rater_section(ratings: pd.DataFrame | None, votes: pd.DataFrame | None) -> Section:
    """The section on raters, from all answers with their roles."""
    blocks: list[Block] = []
    times = {
        kind: table["submitted_at"].dropna()
        for kind, table in (("ratings", ratings), ("votes", votes))
        if table is not None and "submitted_at" in table and table["submitted_at"].notna().any()
    }
    if times:
        blocks.append(
            picture(
                lambda width: over_time_figure(times, width_in=width),
                alt="; ".join(
                    f"{len(t):,} {kind} between {_minute(t.min())} and {_minute(t.max())} UTC"
                    for kind, t in times.items()
                ),
                caption="Answers submitted so far, of all roles, against time (UTC).",
            )
        )
    if ratings is not None:
        blocks += _rating_blocks(_main(ratings))
    if votes is not None:
        blocks += _vote_blocks(_main(votes))
    checks = [*_rating_checks(ratings), *_vote_checks(votes)]
    if checks:
        blocks += [
            Heading(text="Built-in checks"),
            table_view(
                "Catch trials have a known answer; repeats show a trial again; identical trials "
                "show the same reconstruction on both sides. None of them enters a model.",
                ["check", "answers", "result"],
                checks,
            ),
        ]
    return Section(id="raters", title="Raters", blocks=tuple(blocks))


def raters_by_ratings(ratings: pd.DataFrame) -> pd.DataFrame:
    """Per rater: ``n``, ``mean``, ``sd`` (NaN for one rating) and ``median_s``."""
    grouped = ratings.groupby("rater")
    return pd.DataFrame(
        {
            "n": grouped["rating"].size(),
            "mean": grouped["rating"].mean(),
            "sd": grouped["rating"].std(),
            "median_s": _median_seconds(ratings),
        }
    )


def raters_by_votes(votes: pd.DataFrame) -> pd.DataFrame:
    """Per rater: decided votes ``n``, ``left_share``, and ``median_s``."""
    decided = votes[votes["choice"] != "not_sure"]
    grouped = decided.assign(left=decided["choice"] == "left").groupby("rater")
    return pd.DataFrame(
        {
            "n": grouped.size(),
            "left_share": grouped["left"].mean().astype(float),
            "median_s": _median_seconds(decided),
        }
    )


def _median_seconds(table: pd.DataFrame) -> pd.Series[float]:
    if "response_time_ms" not in table:
        return table.groupby("rater").size() * float("nan")
    times = pd.to_numeric(table["response_time_ms"], errors="coerce").astype(float)
    return times.groupby(table["rater"]).median() / 1000.0


def _minute(moment: pd.Timestamp) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


def _main(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["role"] == "main"] if "role" in table else table


def _rating_blocks(ratings: pd.DataFrame) -> list[Block]:
    raters = raters_by_ratings(ratings)
    if not raters["sd"].notna().any():
        return []
    straight = int(((raters["sd"] == 0) & (raters["n"] >= STRAIGHT_LINE_MINIMUM)).sum())
    timed = bool(raters["median_s"].notna().any())
    return [
        picture(
            lambda width: rating_behaviour_figure(raters, width_in=width),
            alt=(
                f"Mean and standard deviation of the ratings of {len(raters)} raters; "
                f"{straight} never varied."
            ),
            caption=(
                "First panel: mean and standard deviation of each rater's ratings; larger dots "
                f"rated more. Raters with {STRAIGHT_LINE_MINIMUM} or more ratings who gave "
                f"the same one every time: {straight}. {_TIMES_NOTE if timed else ''}"
            ).strip(),
        )
    ]


def _vote_blocks(votes: pd.DataFrame) -> list[Block]:
    raters = raters_by_votes(votes)
    if raters.empty:
        return []
    timed = bool(raters["median_s"].notna().any())
    return [
        picture(
            lambda width: voting_behaviour_figure(raters, width_in=width),
            alt=(
                f"Share of votes for the left side of {len(raters)} raters, median "
                f"{raters['left_share'].median():.0%}."
            ),
            caption=(
                "First panel: how often each rater chose the left side. Of raters who choose sides "
                "by chance, 95% fall into the grey band (normal approximation of the binomial); "
                f"those outside are crosses. {_TIMES_NOTE if timed else ''}"
            ).strip(),
        )
    ]


# --- checks ---------------------------------------------------------------------------------------


def _rating_checks(ratings: pd.DataFrame | None) -> list[list[Cell]]:
    if ratings is None or "role" not in ratings:
        return []
    rows: list[list[Cell]] = []
    catch = _with_expectation(ratings)
    if len(catch):
        off = (catch["rating"] - pd.to_numeric(catch["expected"], errors="coerce")).abs()
        rows.append(
            ["Ratings: catch trials", len(catch), f"{(off <= 1).mean():.0%} within 1 of the answer"]
        )
    key = ["rater", "image", "method", "bpp"]
    pairs = _repeat_pairs(ratings, key, "rating")
    if len(pairs):
        gap = (pairs["rating_again"] - pairs["rating"]).abs()
        rows.append(
            [
                "Ratings: repeats",
                len(pairs),
                f"{(gap == 0).mean():.0%} the same, mean change {gap.mean():.2f} points",
            ]
        )
    return rows


def _vote_checks(votes: pd.DataFrame | None) -> list[list[Cell]]:
    if votes is None or "role" not in votes:
        return []
    rows: list[list[Cell]] = []
    catch = _with_expectation(votes)
    if len(catch):
        right = (catch["choice"] == catch["expected"]).mean()
        rows.append(["Votes: catch trials", len(catch), f"{right:.0%} right"])
    identical = votes[(votes["role"] == "identical") & (votes["choice"] != "not_sure")]
    if len(identical):
        left = (identical["choice"] == "left").mean()
        rows.append(["Votes: identical pairs, decided", len(identical), f"{left:.0%} left"])
    sides = votes[["method_left", "method_right"]].astype(str)
    chosen = sides["method_left"].where(votes["choice"] == "left", sides["method_right"])
    pair = sides.min(axis=1) + " / " + sides.max(axis=1)
    table = votes.assign(pair=pair, chosen=chosen.where(votes["choice"] != "not_sure", "not_sure"))
    pairs = _repeat_pairs(table, ["rater", "image", "pair", "bpp"], "chosen")
    if len(pairs):
        same = (pairs["chosen"] == pairs["chosen_again"]).mean()
        rows.append(["Votes: repeats", len(pairs), f"{same:.0%} chose the same method"])
    return rows


def _with_expectation(table: pd.DataFrame) -> pd.DataFrame:
    if "expected" not in table:
        return table.iloc[:0]
    known = table["expected"].notna() & (table["expected"].astype(str) != "")
    return table[(table["role"] == "catch") & known]


def _repeat_pairs(table: pd.DataFrame, key: list[str], answer: str) -> pd.DataFrame:
    """Main answers beside the same rater's answers to their repeats."""
    main = table[table["role"] == "main"].drop_duplicates(key)
    again = table[table["role"] == "repeat"].drop_duplicates(key)
    return main[[*key, answer]].merge(
        again[[*key, answer]], on=key, how="inner", suffixes=("", "_again")
    )
