"""Operations on workers: blocks."""

from __future__ import annotations

import sqlalchemy as sa

from mturk_eval.server.api.errors import bad_value
from mturk_eval.server.api.operations import Call, Params, Reply, operation
from mturk_eval.server.api.paging import page
from mturk_eval.server.store import worker, worker_block


def require_worker(call: Call, worker_id: str) -> None:
    """Refuse a worker id that nobody here has."""
    if call.db.scalar(sa.select(worker.c.id).where(worker.c.id == worker_id)) is None:
        raise bad_value("WorkerId", worker_id)


@operation("CreateWorkerBlock", writes=True)
def create_worker_block(call: Call, params: Params) -> Reply:
    """Keep a worker from the requester's HITs; a second block replaces the reason."""
    require_worker(call, params["WorkerId"])
    _unblock(call, params["WorkerId"])
    call.db.execute(
        worker_block.insert().values(
            account=call.account, worker_id=params["WorkerId"], reason=params["Reason"]
        )
    )
    return {}


@operation("DeleteWorkerBlock", writes=True)
def delete_worker_block(call: Call, params: Params) -> Reply:
    """Lift a block; fine if there is none."""
    require_worker(call, params["WorkerId"])
    _unblock(call, params["WorkerId"])
    return {}


def _unblock(call: Call, worker_id: str) -> None:
    call.db.execute(
        worker_block.delete().where(
            worker_block.c.account == call.account, worker_block.c.worker_id == worker_id
        )
    )


@operation("ListWorkerBlocks")
def list_worker_blocks(call: Call, params: Params) -> Reply:
    """The requester's blocks, oldest first."""
    query = sa.select(worker_block).where(worker_block.c.account == call.account)
    rows, described = page(call.db, query, params, keys=[worker_block.c.seq])
    blocks = [{"WorkerId": row["worker_id"], "Reason": row["reason"]} for row in rows]
    return {"WorkerBlocks": blocks, **described}
