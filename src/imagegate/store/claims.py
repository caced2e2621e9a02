"""Claims: a worker's timed right to a task, and the number that fences it.

Knows: that every write after a claim carries `claim_no`. Refuses to know: what a worker does between two commits.
"""

from __future__ import annotations

from imagegate.crash_points import point
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Task
from imagegate.store import assets, key_concurrency
from imagegate.store.deliveries import Render
from imagegate.store.engines import SKIP_LOCKED
from imagegate.store.settlement import fail_task
from imagegate.store.tasks import TASK, Done, LostLease, step, stepped, task_of
from imagegate.store.transaction import Tx

CRASH_LOOP = TaskError(
    TaskErrorCode.service_error, "The task stopped its worker too often.", reason="worker_crash_loop"
)


def claim_due(tx: Tx, account_id: str, owner: str, lease_us: int, limit: int) -> list[Task]:
    """Take up to `limit` due tasks of the account: lease them and raise their claim number."""
    key_concurrency.let_in(tx, account_id)
    # Materialised: a plain subquery may be run once per row by PostgreSQL, and then the limit means nothing.
    rows = tx.all(
        f"""WITH due AS MATERIALIZED (
            SELECT id FROM tasks WHERE account_id = :account_id AND state = 'queued' AND due <= :now
            ORDER BY due LIMIT :limit {SKIP_LOCKED})
        UPDATE tasks SET state = 'running', claim_no = claim_no + 1, owner = :owner, lease_until = :lease,
            started = COALESCE(started, :now)
        WHERE id IN (SELECT id FROM due) AND state = 'queued' RETURNING id""",
        owner=owner,
        lease=tx.now + lease_us,
        now=tx.now,
        account_id=account_id,
        limit=limit,
    )
    for row in rows:
        step(tx, row["id"])
    if rows:
        point("claim.pre_commit")
    return [task_of(tx.all(f"{TASK} WHERE id = :id", id=row["id"])[0]) for row in rows]


def renew_leases(tx: Tx, owner: str, claims: list[tuple[str, int]], lease_us: int) -> list[str]:
    """Extend what is still ours; the ids of those that are not."""
    lost = []
    for task_id, claim_no in claims:
        changed = tx.run(
            """UPDATE tasks SET lease_until = :lease
            WHERE id = :id AND claim_no = :claim_no AND owner = :owner AND state IN ('running', 'finalizing')""",
            lease=tx.now + lease_us,
            id=task_id,
            claim_no=claim_no,
            owner=owner,
        )
        if changed == 0:
            lost.append(task_id)
    return lost


def reclaim_lost(tx: Tx, owner: str, shared: bool, crashes_max: int, limit: int, render: Render) -> list[str]:
    """Put tasks of dead workers back in the queue, and end those that killed too many; all their ids.

    On an engine with one process every task of another owner is lost, whatever its lease says, and none of our own
    is; on a shared engine the lease decides.
    """
    lost = "lease_until <= :now" if shared else "owner <> :owner"
    rows = tx.all(
        f"""WITH lost AS MATERIALIZED (
            SELECT id FROM tasks WHERE state IN ('running', 'finalizing') AND {lost}
            ORDER BY lease_until LIMIT :limit {SKIP_LOCKED})
        UPDATE tasks SET state = 'queued', crashes = crashes + 1, owner = NULL, lease_until = NULL
        WHERE id IN (SELECT id FROM lost) AND state IN ('running', 'finalizing')
        RETURNING id, account_id, claim_no, crashes""",
        now=tx.now,
        owner=owner,
        limit=limit,
    )
    for row in rows:
        step(tx, row["id"])
        if row["crashes"] > crashes_max:
            commit_id = f"cmt_crashed_{row['id']}"
            fail_task(tx, row["account_id"], row["id"], row["claim_no"], CRASH_LOOP, commit_id, render)
    return [row["id"] for row in rows]


def hand_back(tx: Tx, account_id: str, task_id: str, claim_no: int, wait_us: int = 0) -> Done | LostLease:
    """Give a task that nothing works on back to the queue, due after `wait_us`. That is no crash."""
    changed = tx.run(
        """UPDATE tasks SET state = 'queued', owner = NULL, lease_until = NULL, due = :due
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state = 'running'""",
        due=tx.now + wait_us,
        id=task_id,
        account_id=account_id,
        claim_no=claim_no,
    )
    return stepped(tx, task_id, changed)


def add_inputs(
    tx: Tx, account_id: str, task_id: str, claim_no: int, fetched: list[assets.NewAsset]
) -> Done | LostLease:
    """[ assets ]: what was fetched for a task that is still ours. They live as long as the task may."""
    row = tx.one(
        """SELECT deadline FROM tasks
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state = 'running'""",
        id=task_id,
        account_id=account_id,
        claim_no=claim_no,
    )
    if row is None:
        return LostLease()
    for asset in fetched:
        if not tx.again or not assets.is_known(tx, asset.key):
            assets.add_asset(tx, account_id, asset, row["deadline"], None)
    return Done()
