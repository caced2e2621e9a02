"""Claims: a worker's lease on a task, and the claim number that fences it: every later write must carry it."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec

from imagegate.catalog.routes import Route
from imagegate.crash_points import crash_point
from imagegate.domain.assets import Asset
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Attempt, Task
from imagegate.store import assets, key_concurrency
from imagegate.store.attempts import begin_first_attempt
from imagegate.store.deliveries import RenderWebhook
from imagegate.store.dialect import ONE_OF_IDS, SKIP_LOCKED, STATE, Row
from imagegate.store.settlement import fail_task
from imagegate.store.tasks import (
    SELECT_TASK,
    Done,
    LostLease,
    log_step,
    record_step,
    record_step_if_changed,
    task_from_row,
)
from imagegate.store.transaction import Tx

# A claim looks past tasks for whose calls there is no place, but not through a whole queue of them.
_LOOKED_AT = 256
# Something that was bought for the task is in the spool of its attempt.
_IS_SPOOLED = """EXISTS (SELECT 1 FROM attempts a WHERE a.task_id = tasks.id AND a.spool IS NOT NULL
    AND (a.spooled = 1 OR a.outcome = 'produced'))"""
_IS_SPOOLED_ELSEWHERE = _IS_SPOOLED.replace("a.spool IS NOT NULL", "a.spool <> :spool")
CRASH_LOOP_ERROR = TaskError(
    TaskErrorCode.service_error, "The task stopped its worker too often.", reason="worker_crash_loop"
)


class FirstCall(msgspec.Struct, frozen=True):
    """Begin this call with the claim. The attempt already has the number of the claim."""

    attempt: Attempt
    route: Route
    key_fingerprint: str


class NoPlace(msgspec.Struct, frozen=True):
    """Leave the task in the queue: this process makes as many calls as it may of what could serve it."""


class NoFirstCall(msgspec.Struct, frozen=True):
    """Claim the task, and let its worker decide."""


PlanFirstCall = Callable[[Tx, Task], FirstCall | NoPlace | NoFirstCall]


class Claimed(msgspec.Struct, frozen=True):
    """`attempt`: the call that is marked as sending already."""

    task: Task
    attempt: Attempt | None


def claim_due_tasks(
    tx: Tx,
    account_id: str,
    owner: str,
    lease_us: int,
    limit: int,
    plan: PlanFirstCall,
    tried: list[Claimed],
    spool: str = "",
) -> list[Claimed]:
    """Take up to `limit` due tasks of the account: lease them, raise their claim number, and mark the first call of
    each for which `plan` names one.

    `plan` gets the task as the claim will leave it, once for each try of this transaction. `tried` is for the command
    itself: what an earlier try claimed. If that was committed after all, its calls are marked, and must be made.
    `spool` is the worker's own: what another spool holds is left alone for as long as its task waits for that one.
    """
    if tx.is_retry and (committed := [one for one in tried if _is_claimed(tx, one.task)]):
        return committed
    key_concurrency.fill_slots(tx, account_id)
    claimed: list[Claimed] = []
    full_models: set[str] = set()
    while True:
        rows = _select_due(tx, account_id, limit - len(claimed), full_models, spool)
        fulls_before = len(full_models)
        for row in rows:
            if row["model"] not in full_models:
                changes = {
                    "state": "running",
                    "claim_no": row["claim_no"] + 1,
                    "owner": owner,
                    "lease_until": tx.now + lease_us,
                    "started": row["started"] or tx.now,
                }
                task = task_from_row(row | changes)
                planned = plan(tx, task) if _may_begin(task) else NoFirstCall()
                if isinstance(planned, NoPlace):
                    full_models.add(row["model"])
                else:
                    claimed.append(_claim(tx, task, planned))
                    if row["spool_wait"] is not None:
                        _give_up_other_spools(tx, task.id, spool)
        if len(claimed) == limit or len(full_models) == fulls_before:
            break
    tried[:] = claimed
    if claimed:
        crash_point("claim.pre_commit")
    return claimed


def _select_due(tx: Tx, account_id: str, limit: int, full_models: set[str], spool: str) -> list[Row]:
    """Lock and return due tasks, the longest due first, past those for whose calls there is no place."""
    due = f"""account_id = :account_id AND {STATE} = 'queued' AND waiting_for_slot = 0 AND due <= :now
        AND (spool_wait IS NULL OR spool_wait <= :now OR NOT {_IS_SPOOLED_ELSEWHERE}) ORDER BY due"""
    params = {"account_id": account_id, "limit": limit, "spool": spool}
    if not full_models:
        return tx.fetch_all(f"{SELECT_TASK} WHERE {due} LIMIT :limit {SKIP_LOCKED}", params)
    looked_at = tx.fetch_all(f"SELECT id FROM tasks WHERE {due} LIMIT :limit", params | {"limit": _LOOKED_AT})
    models = {f"model_{number}": model for number, model in enumerate(sorted(full_models))}
    return tx.fetch_all(
        f"""{SELECT_TASK} WHERE id {ONE_OF_IDS} AND {STATE} = 'queued' AND model NOT IN (:{", :".join(models)})
        ORDER BY due LIMIT :limit {SKIP_LOCKED}""",
        {**models, "ids": json.dumps([row["id"] for row in looked_at]), "limit": limit},
    )


def _give_up_other_spools(tx: Tx, task_id: str, spool: str) -> None:
    """Nobody waits for them any more, and for what this worker makes nobody must have to wait for two."""
    tx.execute_nowait(
        "UPDATE attempts SET spool = NULL, spooled = 0 WHERE task_id = :task_id AND spool <> :spool",
        {"task_id": task_id, "spool": spool},
    )


def _is_claimed(tx: Tx, task: Task) -> bool:
    row = tx.fetch_one(f"SELECT claim_no, owner FROM tasks WHERE id = :id AND {STATE} = 'running'", {"id": task.id})
    return row is not None and (row["claim_no"], row["owner"]) == (task.claim_no, task.owner)


def _may_begin(task: Task) -> bool:
    """Whether nothing has to be looked up or fetched before its first call."""
    order = task.order
    return task.claim_no == 1 and task.cancel_requested is None and not (order.image_urls or order.mask_url)


def _claim(tx: Tx, task: Task, planned: FirstCall | NoFirstCall) -> Claimed:
    attempt = planned.attempt if isinstance(planned, FirstCall) else None
    if isinstance(planned, FirstCall) and not begin_first_attempt(
        tx, task.account_id, planned.attempt, task.owner or "", planned.route, planned.key_fingerprint
    ):
        attempt = None
    sent = "first_sent = COALESCE(first_sent, :now), waiting_since = NULL, waiting_reason = NULL," if attempt else ""
    tx.execute_nowait(
        f"""UPDATE tasks SET state = 'running', claim_no = :claim_no, owner = :owner, lease_until = :lease,
            started = :started, {sent} spool_wait = NULL, seq = seq + 1 WHERE id = :id""",
        {
            "claim_no": task.claim_no,
            "owner": task.owner,
            "lease": task.lease_until,
            "started": task.started,
            "id": task.id,
        },
    )
    log_step(tx, task.id)
    return Claimed(task, attempt)


def renew_leases(tx: Tx, owner: str, claims: list[tuple[str, int]], lease_us: int) -> list[str]:
    """Extend the leases that are still ours; return the task ids of those that are not."""
    lost = []
    for task_id, claim_no in claims:
        changed = tx.execute(
            f"""UPDATE tasks SET lease_until = :lease
            WHERE id = :id AND claim_no = :claim_no AND owner = :owner AND {STATE} = 'running'""",
            {"lease": tx.now + lease_us, "id": task_id, "claim_no": claim_no, "owner": owner},
        )
        if changed == 0:
            lost.append(task_id)
    return lost


def recover_lost_tasks(
    tx: Tx, owner: str, shared: bool, max_crashes: int, limit: int, render: RenderWebhook, spool_wait_us: int = 0
) -> list[str]:
    """Put tasks of dead workers back in the queue, fail those that stopped too many; return the ids of all of them.

    On an engine with one process every task of another owner is lost, whatever its lease says, and none of our own
    is; on a `shared` engine the lease decides. For so long a task waits for the spool that has what it bought.
    """
    lost = "lease_until <= :now" if shared else "owner <> :owner"
    rows = tx.fetch_all(
        f"""WITH lost AS MATERIALIZED (
            SELECT id FROM tasks WHERE state = 'running' AND {lost}
            ORDER BY lease_until LIMIT :limit {SKIP_LOCKED})
        UPDATE tasks SET state = 'queued', crashes = crashes + 1, owner = NULL, lease_until = NULL,
            spool_wait = CASE WHEN {_IS_SPOOLED} THEN lease_until + :spool_wait_us END
        WHERE id IN (SELECT id FROM lost) AND {STATE} = 'running'
        RETURNING id, account_id, claim_no, crashes""",
        {"owner": owner, "limit": limit, "spool_wait_us": spool_wait_us},
    )
    for row in rows:
        record_step(tx, row["id"])
        if row["crashes"] > max_crashes:
            commit_id = f"cmt_crashed_{row['id']}"
            fail_task(tx, row["account_id"], row["id"], row["claim_no"], CRASH_LOOP_ERROR, commit_id, render)
    return [row["id"] for row in rows]


def list_crash_loops(tx: Tx, task_ids: list[str]) -> list[Task]:
    """Return those of these tasks that `recover_lost_tasks` has failed."""
    rows = (tx.fetch_one(f"{SELECT_TASK} WHERE id = :id AND state = 'failed'", {"id": one}) for one in task_ids)
    return [task for task in (task_from_row(row) for row in rows if row) if task.error == CRASH_LOOP_ERROR]


def release_task(
    tx: Tx,
    account_id: str,
    task_id: str,
    claim_no: int,
    due: int = 0,
    waiting_since: int | None = None,
    waiting_reason: str | None = None,
    spool_wait_us: int = 0,
) -> Done | LostLease:
    """Give a task back to the queue, due at `due` in UTC microseconds; it does not count as a crash.

    `waiting_reason`: why no route takes it now; `waiting_since` when none could, other than a full one, at the latest.
    What was bought for it is in our spool: others leave it to those who have that for `spool_wait_us` after it is due.
    """
    changed = tx.execute(
        f"""UPDATE tasks SET state = 'queued', owner = NULL, lease_until = NULL,
            spool_wait = CASE WHEN {_IS_SPOOLED} THEN :spool_wait END,
            due = CASE WHEN cancel_requested IS NULL THEN :due ELSE :now END,
            waiting_since = :since, waiting_reason = :reason
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND {STATE} = 'running'""",
        {
            "due": due,
            "spool_wait": max(due, tx.now) + spool_wait_us,
            "since": waiting_since,
            "reason": waiting_reason,
            "id": task_id,
            "account_id": account_id,
            "claim_no": claim_no,
        },
    )
    return record_step_if_changed(tx, task_id, changed)


def has_other_work(tx: Tx, task_id: str, model: str) -> bool:
    """Whether another unfinished task of the model has made no call of unknown outcome: its call may be a trial."""
    return bool(
        tx.fetch_all(
            """SELECT t.id FROM tasks t
            WHERE t.state IN ('queued', 'running') AND t.model = :model AND t.id <> :id AND NOT EXISTS (
                SELECT 1 FROM attempts a WHERE a.task_id = t.id AND a.outcome = 'unknown') LIMIT 1""",
            {"id": task_id, "model": model},
        )
    )


def add_input_assets(tx: Tx, account_id: str, task_id: str, claim_no: int, new_assets: list[Asset]) -> Done | LostLease:
    """Add what was fetched for a task that is still ours; it is kept until the task's deadline."""
    row = tx.fetch_one(
        f"""SELECT deadline FROM tasks
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND {STATE} = 'running'""",
        {"id": task_id, "account_id": account_id, "claim_no": claim_no},
    )
    if row is None:
        return LostLease()
    for asset in new_assets:
        if not tx.is_retry or not assets.is_blob_known(tx, asset.key):
            assets.add_asset(tx, asset, row["deadline"], None)
    return Done()
