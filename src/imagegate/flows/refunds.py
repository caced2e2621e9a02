"""Refunds: an operator gives a task's charge back. The task shows it from then on; no webhook is sent."""

from __future__ import annotations

from imagegate.domain import ids
from imagegate.domain.audit import Actor
from imagegate.flows.audit import write_act
from imagegate.store import acts
from imagegate.store.database import Database
from imagegate.store.dialect import wall_clock
from imagegate.store.refunds import NewRefund, NoSuchTask, RefundOutcome, find_refund_account


async def refund(db: Database, task_id: str, reason: str, actor: Actor, idempotency_key: str = "") -> RefundOutcome:
    """Refund the whole charge. A repeat with the same `idempotency_key` gets the same answer; without a key, a second
    refund of the task is refused."""
    account_id = await db.read(find_refund_account, task_id) if ids.TASK_ID_RE.fullmatch(task_id) else None
    if account_id is None:
        return NoSuchTask()
    now = wall_clock()
    new_id = ids.new_id("rfd", now)
    new = NewRefund(
        id=new_id,
        task_id=task_id,
        reason=reason,
        actor=actor.name,
        idempotency_key=idempotency_key or new_id,
        commit_id=ids.new_id("cmt", now),
    )
    return await write_act(db, acts.refund_task, account_id, new, actor)
