"""Bradley-Terry scores of many items with all standard errors, and clustered ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.speed_of_statistics.contenders import (
    Numbers,
    PythonContender,
    RContender,
    Row,
    Target,
    Task,
    Watch,
    Work,
)


def _ours(table: pd.DataFrame, watch: Watch) -> Numbers:
    from mturk_eval.stats.pairs.bradley_terry import fit_bradley_terry
    from mturk_eval.stats.pairs.clustered import clustered_covariance
    from mturk_eval.stats.pairs.vote_counts import CodedVotes

    votes = pd.DataFrame(
        {
            "image": table["image"],
            "rater": table["rater"],
            "method_left": table["left"],
            "method_right": table["right"],
            "choice": np.where(table["left_wins"] == 1, "left", "right"),
        }
    )
    with watch("count"):
        coded = CodedVotes.of(votes)
    with watch("scores"):
        fit = fit_bradley_terry(coded.counts, left_bias=False)
        std_errors = np.sqrt(np.diag(fit.covariance))
    with watch("clustered"):
        clustered = np.sqrt(np.diag(clustered_covariance(fit, coded, coded.rater)))
    return _numbers(fit.scores) | {
        "mean_std_error": float(std_errors.mean()),
        "mean_clustered_std_error": float(clustered.mean()),
    }


def _choix(function: str) -> Work:
    """From what the function takes, ready made: a list of (winner, loser), or a matrix of wins."""

    def work(table: pd.DataFrame, watch: Watch) -> Numbers:
        import choix

        winners, losers, k = _codes(table)
        data: Any = list(zip(winners.tolist(), losers.tolist(), strict=True))
        if function.endswith("dense"):
            data = np.zeros((k, k))
            np.add.at(data, (winners, losers), 1.0)
        arguments = (data,) if function.endswith("dense") else (k, data)
        options = {"alpha": 0.0} if function == "opt_pairwise" else {}
        with watch("scores"):
            scores = getattr(choix, function)(*arguments, **options)
        return _numbers(scores)

    return work


def _evalica(table: pd.DataFrame, watch: Watch) -> Numbers:
    import evalica

    left_wins = table["left_wins"] == 1
    winners = [evalica.Winner.X if left else evalica.Winner.Y for left in left_wins]
    left, right = table["left"].tolist(), table["right"].tolist()
    with watch("scores"):
        found = evalica.bradley_terry(left, right, winners, tolerance=1e-10, limit=10_000)
    return _numbers(np.log(found.scores.sort_index().to_numpy()))


def _codes(table: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    both = pd.concat([table["left"], table["right"]])
    codes, items = pd.factorize(both, sort=True)
    left, right = np.split(codes, 2)
    left_wins = table["left_wins"].to_numpy() == 1
    return np.where(left_wins, left, right), np.where(left_wins, right, left), len(items)


def _numbers(scores: NDArray[np.float64]) -> Numbers:
    centred = scores - scores.mean()
    return {"first_score": float(centred[0]), "score_sd": float(centred.std())}


TASKS = (
    Task(
        key="bradley-terry",
        data="votes_1000_items",
        warm_up="votes_30_items",
        contenders=(
            PythonContender(name="mturk-eval", work=_ours),
            PythonContender(name="choix, dense", work=_choix("ilsr_pairwise_dense"), note="no SEs"),
            PythonContender(name="choix, I-LSR", work=_choix("ilsr_pairwise"), note="no SEs"),
            PythonContender(name="choix, Newton-CG", work=_choix("opt_pairwise"), note="no SEs"),
            PythonContender(name="evalica", work=_evalica, note="no SEs"),
            RContender(
                name="BradleyTerry2::BTm", script="bradley_terry.R", arguments=(), slow=True
            ),
        ),
        rows=(
            Row(
                title="Bradley–Terry, 1,000 items, 28,800 votes, all SEs",
                laps=("scores",),
                limit_s=0.15,
                targets=(
                    Target(rival="choix, dense", at_least=3),
                    Target(rival="choix, I-LSR", at_least=3),
                    Target(rival="choix, Newton-CG", at_least=3),
                    Target(rival="evalica"),
                    Target(rival="BradleyTerry2::BTm"),
                ),
            ),
            Row(
                title="the same, from a table of single votes (text ids)",
                laps=("count", "scores"),
            ),
            Row(
                title="the same as the first, and SEs clustered by rater (limit: twice the first)",
                laps=("scores", "clustered"),
            ),
        ),
        compare=("first_score", "score_sd"),
    ),
)
