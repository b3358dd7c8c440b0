"""Publishing: exactly the planned HITs, however often it is interrupted and run again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mturk_eval.errors import (
    BudgetExceededError,
    CredentialsError,
    EndpointUnreachableError,
    LedgerError,
    MarketplaceError,
    PageTooLargeError,
)
from mturk_eval.hits.pages import check_pages
from mturk_eval.hits.templates import load_templates, shipped_templates
from mturk_eval.ledger import open_ledger
from mturk_eval.requester.client import MTurkMarketplace, connect
from mturk_eval.requester.publish import plan_publish
from mturk_eval.trials import Stimulus, Trial, TwoAfcTrial
from tests.requester.conftest import Study
from tests.samples import make_settings


def names(study: Study) -> list[str]:
    return sorted(hit["RequesterAnnotation"].rsplit(" ", 1)[1] for hit in study.posted())


def test_every_hit_is_posted_once_with_the_batchs_terms(study: Study) -> None:
    batch = study.generate("2afc", design__trials_per_hit=1, hit__assignments=7)
    assert study.publish().n_posted == len(batch.hits) == 3
    assert names(study) == ["hit-001", "hit-002", "hit-003"]
    hit = study.posted()[0]
    assert (hit["MaxAssignments"], hit["Reward"]) == (7, "0.30")
    assert hit["Title"] == batch.settings.wording.title
    assert len({hit["HITTypeId"] for hit in study.posted()}) == 1


def test_published_again_posts_nothing(study: Study) -> None:
    study.generate("2afc", design__trials_per_hit=1)
    study.publish()
    assert study.publish().n_posted == 0
    assert len(study.posted()) == 3


def test_what_a_rater_must_not_know_changes_nothing_at_the_marketplace(study: Study) -> None:
    """Other roles, methods, rates and answers, the same images and ids: the same pages."""
    batch = study.generate("2afc", design__catch=0.5)
    disguised = replace(
        batch,
        stimuli=tuple(map(disguise, batch.stimuli)),
        hits=tuple(
            replace(hit, trials=tuple(map(disguise_trial, hit.trials))) for hit in batch.hits
        ),
        catch_answers=dict.fromkeys(batch.catch_answers, "left"),
    )
    templates = load_templates(study.folder)
    pages = [
        check_pages(one.hits, "2afc", one.settings.wording, templates) for one in (batch, disguised)
    ]
    assert pages[0] == pages[1]
    study.publish()
    (posted,) = study.posted()
    assert all(trial.id in posted["Question"] for trial in batch.trials)
    for word in ("degraded", "jpeg", "image0"):
        assert word not in posted["Question"]


def disguise(stimulus: Stimulus) -> Stimulus:
    return replace(stimulus, id=f"x{stimulus.id}", method="other", target_bpp=9.0, image="other")


def disguise_trial(trial: Trial) -> Trial:
    assert isinstance(trial, TwoAfcTrial)
    return replace(
        trial,
        role="main",
        original=disguise(trial.original),
        left=disguise(trial.left),
        right=disguise(trial.right),
    )


class Interrupted(MTurkMarketplace):
    """A marketplace whose requester dies before or after the n-th HIT is posted."""

    def __init__(self, inner: MTurkMarketplace, *, at: int, after: bool) -> None:
        self.__dict__.update(inner.__dict__)
        self.at, self.after, self.calls = at, after, 0
        self.lock = threading.Lock()

    def create_hit(self, *arguments: Any, **options: Any) -> str:
        with self.lock:
            self.calls += 1
            fatal = self.calls == self.at
        if fatal and not self.after:
            raise KeyboardInterrupt
        hit_id = super().create_hit(*arguments, **options)
        if fatal:
            raise KeyboardInterrupt
        return hit_id


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_interrupted_run_is_finished_by_the_next(study: Study, at: int, after: bool) -> None:
    study.generate("2afc", design__trials_per_hit=1)
    with pytest.raises(KeyboardInterrupt):
        study.publish(marketplace=Interrupted(study.marketplace, at=at, after=after))
    study.publish()
    assert names(study) == ["hit-001", "hit-002", "hit-003"]
    known = study.ledger.hits(study.batches["study"][0].id)
    assert {hit.hit_id for hit in known.values()} == {hit["HITId"] for hit in study.posted()}


def test_a_run_interrupted_days_ago_is_finished_all_the_same(study: Study) -> None:
    """Tokens live for 24 h; after that the annotation tells which HITs are there."""
    study.generate("2afc", design__trials_per_hit=1)
    with pytest.raises(KeyboardInterrupt):
        study.publish(marketplace=Interrupted(study.marketplace, at=2, after=True))
    study.market.clock.advance(days=3)
    done = study.publish()
    assert done.n_adopted >= 1
    assert names(study) == ["hit-001", "hit-002", "hit-003"]


def test_a_lost_ledger_does_not_double_the_study(study: Study) -> None:
    study.generate("2afc", design__trials_per_hit=1)
    study.publish()
    with open_ledger(f"sqlite:///{study.folder / 'new.db'}") as fresh:
        study.ledger = fresh
        # It may as well be a rehearsal's: a person decides.
        with pytest.raises(LedgerError, match="posted from another ledger"):
            study.publish()
        assert fresh.batches() == []
        assert study.publish(adopt=True).n_adopted == 3
    assert len(study.posted()) == 3


KILLED = """
import os, signal, sys, threading
from mturk_eval.cli import main
from mturk_eval.requester.client import MTurkMarketplace

at, after, calls, lock = int(sys.argv[1]), sys.argv[2] == "True", 0, threading.Lock()
create_hit = MTurkMarketplace.create_hit

def dying(self, *arguments, **options):
    global calls
    with lock:
        calls += 1
        fatal = calls == at
    if fatal and not after:
        os.kill(os.getpid(), signal.SIGKILL)
    hit_id = create_hit(self, *arguments, **options)
    if fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    return hit_id

MTurkMarketplace.create_hit = dying
sys.argv[1:] = sys.argv[3:]
main()
"""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 13, 24])
def test_a_killed_process_is_finished_by_the_next(study: Study, at: int, after: bool) -> None:
    study.generate("satisfaction", images=12, design__trials_per_hit=1)
    command = [
        *(sys.executable, "-c", KILLED, str(at), str(after), "publish", "study", "--yes"),
        *("--endpoint", study.market.url, "--ledger", study.settings.ledger),
    ]
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": study.market.account}
    killed = subprocess.run(
        command, cwd=study.folder, env=environment, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    study.publish()
    assert names(study) == [f"hit-{n:03d}" for n in range(1, 25)]
    known = study.ledger.hits(study.batches["study"][0].id)
    assert {hit.hit_id for hit in known.values()} == {hit["HITId"] for hit in study.posted()}


def test_two_processes_publish_the_batch_once(study: Study) -> None:
    study.generate("satisfaction", images=6, design__trials_per_hit=1)
    command = [
        *(sys.executable, "-m", "mturk_eval", "publish", "study", "--yes"),
        *("--endpoint", study.market.url, "--ledger", study.settings.ledger),
    ]
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": study.market.account}
    running = [
        subprocess.Popen(command, cwd=study.folder, env=environment, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in running:
        _, message = process.communicate()
        assert b"Traceback" not in message, message
    study.publish()
    assert names(study) == [f"hit-{n:03d}" for n in range(1, 13)]


# --- what is refused, before anything is spent ---------------------------------------------------


def test_a_study_stays_within_its_budget(study: Study) -> None:
    study.generate("2afc", design__trials_per_hit=1, payment__reward_usd="1.00")
    study.settings = make_settings(
        endpoint=study.market.url,
        ledger=study.settings.ledger,
        payment={"reward_usd": "1.00", "budget_usd": "29.99"},
    )
    with pytest.raises(BudgetExceededError, match=r"\$30\.00 .* \$29\.99"):
        study.publish()
    assert study.posted() == []


def test_what_was_published_counts_towards_the_budget(study: Study) -> None:
    study.generate("2afc", "first", design__trials_per_hit=1, payment__reward_usd="1.00")
    study.publish("first")
    study.generate("2afc", "second", design__trials_per_hit=1, payment__reward_usd="1.00")
    study.settings = make_settings(
        endpoint=study.market.url,
        ledger=study.settings.ledger,
        payment={"budget_usd": "59.99"},
    )
    with pytest.raises(BudgetExceededError, match=r"on top of \$30\.00 already committed"):
        study.publish("second")


def test_an_account_without_the_money_is_told(study: Study) -> None:
    study.generate("2afc", payment__reward_usd="5000.00", hit__assignments=10)
    with pytest.raises(MarketplaceError, match=r"holds \$\d+\.\d\d, these HITs cost \$50000\.00"):
        study.publish()
    assert study.posted() == []


def test_masters_fees_count_towards_the_budget(study: Study) -> None:
    masters = {
        "QualificationTypeId": "2F1QJWKUDD8XADTFD2Q0G6UTO95ALH",
        "Comparator": "Exists",
    }
    study.generate("2afc", "first", hit__qualifications=[masters], hit__assignments=10)
    study.settings = make_settings(
        endpoint=study.market.url, ledger=study.settings.ledger, fees="mturk"
    )
    study.publish("first")
    (batch,) = study.ledger.batches()
    # 0.30 with 20 % + 20 % from ten assignments + 5 % for Masters: 0.135, rounded half up.
    assert (batch.fee_usd, batch.cost_usd) == (Decimal("0.14"), Decimal("4.40"))


def test_money_is_reserved_when_publishing_begins(study: Study) -> None:
    """Two plans made at the same time cannot both spend the budget."""
    study.settings = make_settings(
        endpoint=study.market.url, ledger=study.settings.ledger, payment={"budget_usd": "5.00"}
    )
    plans = {}
    for name in ("first", "second"):
        batch = study.generate("2afc", name)
        plans[name] = plan_publish(
            batch, study.settings, study.ledger, load_templates(study.folder)
        )
    study.publish("first")
    with pytest.raises(BudgetExceededError):
        study.execute(plans["second"], "second")
    assert len(study.posted()) == 1


def test_changed_templates_do_not_finish_a_batch_begun_with_others(study: Study) -> None:
    study.generate("2afc", design__trials_per_hit=1)
    with pytest.raises(KeyboardInterrupt):
        study.publish(marketplace=Interrupted(study.marketplace, at=1, after=True))
    templates = study.folder / "hit_templates"
    templates.mkdir()
    page = shipped_templates() / "2afc.html.j2"
    (templates / page.name).write_text(page.read_text().replace("is closer", "is nearer"))
    with pytest.raises(LedgerError, match="templates have changed"):
        study.publish()


def test_another_batch_of_a_published_name_is_refused(study: Study) -> None:
    study.generate("2afc")
    study.publish()
    batch, folder = study.batches["study"]
    settings = batch.settings.model_copy(update={"generator": "x", "name": batch.name})
    changed = settings.model_copy(
        update={"payment": settings.payment.model_copy(update={"reward_usd": Decimal("0.40")})}
    )
    study.batches["study"] = (replace(batch, settings=changed), folder)
    with pytest.raises(LedgerError, match="other contents was published before"):
        study.publish()


def test_a_batch_stays_at_its_endpoint(study: Study) -> None:
    batch = study.generate("2afc")
    study.publish()
    elsewhere = make_settings(endpoint="http://example.org", ledger=study.settings.ledger)
    with pytest.raises(LedgerError, match="Use another --ledger"):
        plan_publish(batch, elsewhere, study.ledger, load_templates(study.folder))


def test_a_page_over_the_limit_is_refused_before_anything_is_sent(study: Study) -> None:
    study.generate("2afc", images=40, design__trials_per_hit=100)
    with pytest.raises(PageTooLargeError, match="smaller --trials-per-hit"):
        study.publish()
    assert study.posted() == []


def test_nothing_at_the_endpoint_is_told_at_once() -> None:
    with pytest.raises(EndpointUnreachableError, match="mturk-eval serve"):
        connect("http://127.0.0.1:9")


def test_amazons_endpoint_is_told_to_be_gone() -> None:
    assert "closed on 2026-09-30" in str(
        EndpointUnreachableError("https://mturk-requester.us-east-1.amazonaws.com")
    )


def test_an_endpoint_without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from mturk_eval.requester.client import find_credentials

    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert find_credentials("http://127.0.0.1:8765").access_key == "local"
    with pytest.raises(CredentialsError, match="No AWS credentials found"):
        find_credentials("https://mturk-requester.us-east-1.amazonaws.com")
