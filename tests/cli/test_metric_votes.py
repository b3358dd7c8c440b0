"""Which votes of a ledger `mturk-eval metric train` takes, and what it says of the others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mturk_eval.batch import read_batch
from tests.cli.conftest import Cli
from tests.cli.test_metric import PICTURES, QUICK, RANDOM, _write_pictures
from tests.market import Market

TRAIN = (
    *("metric", "train", *RANDOM, *QUICK, "--no-classical", "--test-images", "photo-0"),
    *("--batch-folder", "batch", "--out", "m.safetensors", "--json"),
)


def _one_is_not_sure(market: Market) -> int:
    """A rater who cannot tell in any trial of one HIT; how many main trials that were."""
    batch = read_batch(Path("batch"))
    hit = market.mturk.list_hits(MaxResults=100)["HITs"][0]
    fields = {f"{trial.id}.choice": "not_sure" for trial in batch.trials}
    market.worker("doubtful").do(hit, **fields)
    return sum(trial.role == "main" for trial in batch.trials if trial.id in hit["Question"])


@pytest.mark.usefixtures("endpoint")
def test_votes_of_the_ledger_that_count_and_those_that_do_not(
    cli: Cli, tmp_path: Path, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Main trials count; not sure is half a vote; a rejection is about pay unless one says else."""
    pytest.importorskip("torch")
    monkeypatch.setenv("MTURK_EVAL_NOT_SURE", "true")
    _write_pictures(tmp_path)
    made = cli("generate", "2afc", *PICTURES, "--out", "batch", "--assignments", 4,
               "--catch", 0.2, "--repeats", 0.2)  # fmt: skip
    assert made.code == 0, made.err
    assert cli("publish", "batch", "--yes").code == 0
    assert cli("simulate", "batch", "--raters", 3).code == 0
    unsure = _one_is_not_sure(market)
    assert cli("collect").code == 0
    hit = market.mturk.list_hits(MaxResults=100)["HITs"][0]
    work = market.mturk.list_assignments_for_hit(HITId=hit["HITId"])["Assignments"][0]
    market.mturk.reject_assignment(AssignmentId=work["AssignmentId"], RequesterFeedback="bots")
    assert cli("collect").code == 0
    assert cli("export", "--out", "votes.csv").code == 0
    votes = pd.read_csv("votes.csv")
    main = votes[votes["role"] == "main"]
    roles: Counter[Any] = Counter(votes["role"])
    rejected = main[main["assignment_status"] == "Rejected"]
    assert roles["catch"]
    assert roles["repeat"]
    assert len(rejected)

    def trained(*more: object) -> tuple[int, str, str]:
        done = cli(*TRAIN, *more)
        assert done.code == 0, done.err
        provenance = done.json["provenance"]
        held_out = main if "--exclude-rejected" not in more else main.drop(rejected.index)
        n_held_out = int((held_out["image"] == "photo-0").sum())
        notes = " ".join(done.json["notes"])
        assert " ".join(provenance["notes"]).endswith(notes)
        return provenance["n_votes"] + n_held_out, provenance["screening"], notes

    n_votes, screening, notes = trained()
    assert n_votes == len(main)
    assert f"votes of rejected assignments: {len(rejected)}, counted" in screening
    assert "main trials only" in screening
    assert f"{roles['catch']} catch" in notes
    assert f"{roles['repeat']} repeat" in notes
    assert "Triplets have 3 to 4 votes" in notes
    assert unsure
    assert f"{unsure} of {len(main)} votes were 'not sure'" in notes
    assert f"{len(rejected)} of {len(main)} votes are of assignments that were rejected" in notes

    n_votes, screening, notes = trained("--exclude-rejected")
    assert n_votes == len(main) - len(rejected)
    assert "left out" in screening
    assert "rejected" not in notes
    assert "weigh a triplet by its votes" not in notes  # all have three again

    # The same from the exported file, whose rows say what they are.
    found = cli(*TRAIN, "--votes", "votes.csv").json["provenance"]
    assert found["n_votes"] == len(main) - int((main["image"] == "photo-0").sum())
    assert "rejected assignments" in found["screening"]
