"""Closing an account: its keys, sessions and links end, and what was not sent for it is cancelled.

One commit says all of it: the tasks that nobody works on carry a cancel request from then on, with which no worker
begins a call. Ending them, with their webhooks, is left to whoever finds them: the request that closed the account, the
worker that claims them, the sweep.
"""

from __future__ import annotations

from imagegate.domain.tasks import Task
from imagegate.store import api_keys, files
from imagegate.store.dialect import STATE
from imagegate.store.tasks import SELECT_TASK, task_from_row
from imagegate.store.transaction import Tx, name_values

_UNFINISHED = f"{STATE} IN ('queued', 'running') AND deleted IS NULL"
# Nothing is being bought for it, nor was: the rule by which a cancel ends a task.
_UNSENT = f"""{_UNFINISHED} AND NOT EXISTS (
    SELECT 1 FROM attempts a WHERE a.task_id = tasks.id AND a.outcome IN ('sending', 'produced'))"""


def close_account(tx: Tx, account_id: str) -> list[str]:
    """Close an account that the caller has locked by `lock_for_closing`; return the ids of the keys that ended."""
    this = {"account_id": account_id}
    tx.execute_nowait("UPDATE accounts SET closed = :now WHERE id = :account_id", this)
    ended = api_keys.disable_all(tx, account_id)
    tx.execute_nowait("DELETE FROM sessions WHERE account_id = :account_id", this)
    files.end_links(tx, account_id)
    tx.execute_nowait(
        f"""UPDATE tasks SET cancel_requested = COALESCE(cancel_requested, :now),
            due = CASE WHEN state = 'queued' THEN :now ELSE due END
        WHERE account_id = :account_id AND {_UNSENT}""",
        this,
    )
    return ended


def lock_for_closing(tx: Tx, account_id: str) -> None:
    """What a close changes, in the order in which settlements and submits lock it: tasks, keys, account.

    A call that begins at this moment is sent or not, and a task that is created at this moment exists or not.
    """
    this = {"account_id": account_id}
    tx.lock_rows(f"SELECT id FROM tasks WHERE account_id = :account_id AND {_UNFINISHED} ORDER BY id", this)
    tx.lock_rows("SELECT id FROM api_keys WHERE account_id = :account_id ORDER BY id", this)
    tx.lock_row("SELECT id FROM accounts WHERE id = :account_id", this)


def reopen_account(tx: Tx, account_id: str) -> None:
    tx.execute_nowait("UPDATE accounts SET closed = NULL WHERE id = :account_id", {"account_id": account_id})


def list_unsent_tasks(tx: Tx, limit: int) -> list[Task]:
    """Return tasks of closed accounts for which nothing is being bought: those that the close found, and those whose
    calls have come to nothing since."""
    # Not with one statement: there is hardly ever such an account, and a planner may begin with all unfinished tasks.
    closed = tx.fetch_all(
        "SELECT id FROM accounts WHERE closed IS NOT NULL AND unfinished > 0 ORDER BY id LIMIT :limit", {"limit": limit}
    )
    if not closed:
        return []
    listed, named = name_values("account", [row["id"] for row in closed])
    rows = tx.fetch_all(
        f"{SELECT_TASK} WHERE account_id IN ({listed}) AND {_UNSENT} LIMIT :limit", named | {"limit": limit}
    )
    return [task_from_row(row) for row in rows]
