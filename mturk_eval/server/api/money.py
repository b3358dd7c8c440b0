"""Operations on money; none of it is real, all of it is accounted for."""

from __future__ import annotations

from decimal import Decimal

import sqlalchemy as sa

from mturk_eval.server.api.errors import RequestFailure
from mturk_eval.server.api.operations import Call, Params, Reply, operation
from mturk_eval.server.store import Record, account


def available_usd(call: Call) -> Decimal:
    """What the requester can still spend."""
    spent = call.db.scalar(
        sa.select(account.c.spent_usd).where(account.c.access_key == call.account)
    )
    return call.opening_balance_usd - (spent or Decimal(0))


def require_funds(call: Call, amount_usd: Decimal) -> None:
    """Refuse what the account cannot pay for."""
    if amount_usd > available_usd(call):
        raise RequestFailure(
            "This Requester has insufficient funds in their account to complete this transaction. "
            f"It needs ${amount_usd:.2f} and ${available_usd(call):.2f} are available; `mturk-eval "
            "serve` takes another opening balance from MTURK_EVAL_SERVER_BALANCE.",
            code="InsufficientFunds",
        )


@operation("GetAccountBalance")
def get_account_balance(call: Call, _params: Params) -> Reply:
    """What the account has left of its opening balance."""
    return {"AvailableBalance": available_usd(call), "OnHoldBalance": Decimal(0)}


def bonus_reply(record: Record) -> Reply:
    """A bonus in the API's shape."""
    return {
        "WorkerId": record["worker_id"],
        "BonusAmount": record["amount_usd"],
        "AssignmentId": record["assignment_id"],
        "Reason": record["reason"],
        "GrantTime": record["paid_at"],
    }
