"""Publishing is plan, show, execute. The plan is data; executing it can be repeated at any time.

Each HIT's intent is written to the ledger before the call and its id right after, its token derives
from batch and HIT, and its annotation names both. So killing it anywhere and running it again gives
exactly the planned HITs, never one more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mturk_eval.batch import Batch
from mturk_eval.config import Settings
from mturk_eval.errors import LedgerError, MarketplaceError
from mturk_eval.hits.pages import check_pages, question_xml, render_page
from mturk_eval.ledger import Ledger, PublishedBatch
from mturk_eval.requester.client import HitType, Marketplace
from mturk_eval.requester.costs import Cost, batch_cost
from mturk_eval.stimuli.hosting import Hosting, host_images
from mturk_eval.trials import HitSpec

if TYPE_CHECKING:
    from jinja2 import Environment

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPlan:
    """What publishing a batch would do now."""

    batch: Batch
    record: PublishedBatch
    hosting: str
    to_post: tuple[HitSpec, ...]
    is_new: bool
    cost: Cost
    committed_usd: Decimal
    budget_usd: Decimal | None

    @property
    def n_posted(self) -> int:
        """HITs that were posted before."""
        return len(self.batch.hits) - len(self.to_post)

    def document(self) -> dict[str, Any]:
        """The plan as JSON."""
        return {
            "batch": self.batch.name,
            "batch_id": self.batch.id,
            "kind": self.batch.kind,
            "endpoint": self.record.endpoint,
            "hosting": self.hosting,
            "hits_to_post": len(self.to_post),
            "hits_posted_before": self.n_posted,
            "cost": self.cost.document(),
            "committed_usd": f"{self.committed_usd:.2f}",
            "budget_usd": None if self.budget_usd is None else f"{self.budget_usd:.2f}",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What publishing did."""

    n_posted: int
    n_adopted: int
    hit_type_id: str | None


def plan_publish(
    batch: Batch, settings: Settings, ledger: Ledger, templates: Environment
) -> PublishPlan:
    """Work out what is missing at the endpoint and what it costs; nothing is changed.

    Raises
    ------
    LedgerError
        If another batch of this name was published, or this one elsewhere.
    PageTooLargeError, TemplateError
        If a page cannot be rendered within MTurk's limit.
    BudgetExceededError
        If the cost is over the study's budget.
    """
    pages_sha256 = check_pages(batch.hits, batch.kind, batch.settings.wording, templates)
    whole = batch_cost(batch, settings.fee_schedule)
    record = PublishedBatch.of(
        batch,
        endpoint=settings.endpoint_url,
        fees=whole.fees,
        fee_usd=whole.fee_usd,
        pages_sha256=pages_sha256,
    )
    ledger.check_batch(record, budget_usd=settings.payment.budget_usd)
    known = ledger.hits(batch.id)
    to_post = tuple(
        hit for hit in batch.hits if hit.name not in known or known[hit.name].hit_id is None
    )
    return PublishPlan(
        batch=batch,
        record=record,
        hosting=settings.hosting,
        to_post=to_post,
        is_new=not known,
        cost=batch_cost(batch, settings.fee_schedule, n_hits=len(to_post)),
        committed_usd=sum(
            (other.cost_usd for other in ledger.batches() if other.id != batch.id), Decimal(0)
        ),
        budget_usd=settings.payment.budget_usd,
    )


def execute_publish(
    plan: PublishPlan,
    folder: Path,
    *,
    marketplace: Marketplace,
    hosting: Hosting,
    ledger: Ledger,
    templates: Environment,
    adopt: bool = False,
    progress: Progress = lambda _step, _done, _all: None,
) -> Published:
    """Put the images up and post the planned HITs.

    Parameters
    ----------
    adopt : bool, default False
        Whether HITs of this batch that another ledger posted are taken over, answers included.

    Raises
    ------
    LedgerError
        If another ledger posted HITs of this batch and ``adopt`` is False.
    BudgetExceededError
        If another batch was published since the plan was made.
    MarketplaceError, CredentialsError, EndpointUnreachableError, HostingError
        The HITs posted until then are in the ledger; the same call posts the rest.
    """
    batch = plan.batch
    balance = marketplace.balance()
    if balance < plan.cost.total_usd:
        raise MarketplaceError(
            "GetAccountBalance",
            f"the account holds ${balance:.2f}, these HITs cost ${plan.cost.total_usd:.2f}. "
            "Nothing was published.",
        )
    if not plan.to_post:
        return Published(n_posted=0, n_adopted=0, hit_type_id=None)
    found = _found(plan, marketplace)
    if found and plan.is_new and not adopt:
        raise LedgerError(
            f"{len(found)} HITs of batch {batch.name!r} are at {plan.record.endpoint} already, "
            "posted from another ledger. Use that ledger; or give this batch another name; or say "
            "--adopt to take these HITs over with their answers. Nothing was published."
        )
    needed = {s.id: s for hit in plan.to_post for t in hit.trials for s in t.stimuli}
    urls = host_images(
        list(needed.values()),
        folder,
        hosting,
        lambda done, total: progress("images", done, total),
    )
    ledger.add_batch(batch, plan.record, budget_usd=plan.budget_usd)
    for hit, hit_id, type_id in found:
        ledger.intend_hit(batch.id, hit.name, request_token(batch, hit))
        ledger.record_hit(batch.id, hit.name, hit_id=hit_id, hit_type_id=type_id)
    n_adopted = len(found)
    waiting = _without_id(plan, ledger)
    hit_type_id = marketplace.create_hit_type(_hit_type(batch))
    post = _Poster(plan, urls, hit_type_id, marketplace, ledger, templates)
    with ThreadPoolExecutor(max_workers=4) as pool:
        try:
            for number, _ in enumerate(pool.map(post, waiting), start=1):
                progress("HITs", number + n_adopted, len(plan.to_post))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Published(n_posted=len(waiting), n_adopted=n_adopted, hit_type_id=hit_type_id)


@dataclass(frozen=True, slots=True)
class _Poster:
    """Posts one HIT: intent into the ledger, the call, the id into the ledger."""

    plan: PublishPlan
    urls: Mapping[str, str]
    hit_type_id: str
    marketplace: Marketplace
    ledger: Ledger
    templates: Environment

    def __call__(self, hit: HitSpec) -> None:
        batch = self.plan.batch
        settings = batch.settings
        page = render_page(hit, batch.kind, settings.wording, self.urls, self.templates)
        question = question_xml(page, hit=hit.name)
        token = request_token(batch, hit)
        self.ledger.intend_hit(batch.id, hit.name, token)
        hit_id = self.marketplace.create_hit(
            self.hit_type_id,
            question,
            assignments=settings.hit.assignments,
            lifetime_s=settings.hit.lifetime_s,
            annotation=annotation(batch, hit),
            token=token,
        )
        self.ledger.record_hit(batch.id, hit.name, hit_id=hit_id, hit_type_id=self.hit_type_id)


def request_token(batch: Batch, hit: HitSpec) -> str:
    """The UniqueRequestToken of a HIT: the same for the same HIT of the same batch."""
    return hashlib.sha256(f"{batch.id} {hit.name}".encode()).hexdigest()[:48]


def annotation(batch: Batch, hit: HitSpec) -> str:
    """What marks a HIT as ours at the marketplace, for longer than a token lives."""
    return f"mturk-eval {batch.id} {hit.name}"


def _found(plan: PublishPlan, marketplace: Marketplace) -> list[tuple[HitSpec, str, str]]:
    """Planned HITs that are at the marketplace already: an interrupted run could not note them."""
    wanted = {annotation(plan.batch, hit): hit for hit in plan.to_post}
    return [
        (wanted[found], hit_id, type_id)
        for found, hit_id, type_id in marketplace.annotations()
        if found in wanted
    ]


def _without_id(plan: PublishPlan, ledger: Ledger) -> list[HitSpec]:
    known = ledger.hits(plan.batch.id)
    return [h for h in plan.to_post if h.name not in known or known[h.name].hit_id is None]


def _hit_type(batch: Batch) -> HitType:
    settings = batch.settings
    return HitType(
        title=settings.wording.title,
        description=settings.wording.description,
        keywords=settings.wording.keywords,
        reward_usd=settings.payment.reward_usd,
        assignment_duration_s=settings.hit.assignment_duration_s,
        auto_approval_delay_s=settings.hit.auto_approval_delay_s,
        qualifications=settings.hit.qualifications,
    )
