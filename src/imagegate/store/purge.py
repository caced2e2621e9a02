"""The end of the history: tasks that ended long ago go, with everything that is theirs.

Knows: what must be over before a task may go, and in which order its rows can. Refuses to know: how long is long.
Ledger lines stay for ever and still sum to zero; a hold goes with its task, and with it two lines of the statement that
cancel each other out. Each command takes a few and leaves the rest for the next.
"""

from __future__ import annotations

from imagegate.store.engines import SKIP_LOCKED
from imagegate.store.transaction import Tx

# the webhook's attempts before the webhook, and everything before the task
_DELETE_TASK_ROWS = (
    "DELETE FROM delivery_attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE task_id = :id)",
    "DELETE FROM deliveries WHERE task_id = :id",
    "DELETE FROM attempts WHERE task_id = :id",
    "DELETE FROM steps WHERE task_id = :id",
    "DELETE FROM assets WHERE task_id = :id",
    "DELETE FROM holds WHERE task_id = :id",
    "DELETE FROM tasks WHERE id = :id",
)


def purge_tasks(tx: Tx, retention_us: int, limit: int) -> int:
    """Tasks that ended `retention_us` ago, whose bytes are gone, whose webhook is closed and whose Idempotency-Key is
    forgotten; how many."""
    rows = tx.fetch_all(
        f"""SELECT t.id FROM tasks t WHERE t.state IN ('completed', 'failed') AND t.ended <= :before
            AND NOT EXISTS (SELECT 1 FROM assets a WHERE a.task_id = t.id AND a.deleted IS NULL)
            AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.task_id = t.id AND d.state = 'waiting')
            AND NOT EXISTS (SELECT 1 FROM idempotency i WHERE i.task_id = t.id)
        ORDER BY t.ended LIMIT :limit {SKIP_LOCKED}""",
        before=tx.now - retention_us,
        limit=limit,
    )
    for row in rows:
        for statement in _DELETE_TASK_ROWS:
            tx.execute_nowait(statement, id=row["id"])
    return len(rows)


def purge_test_webhooks(tx: Tx, retention_us: int, limit: int) -> int:
    """Test webhooks, which belong to no task, closed `retention_us` ago; how many."""
    rows = tx.fetch_all(
        f"""SELECT id FROM deliveries WHERE task_id IS NULL AND closed <= :before
        ORDER BY closed LIMIT :limit {SKIP_LOCKED}""",
        before=tx.now - retention_us,
        limit=limit,
    )
    for row in rows:
        tx.execute_nowait("DELETE FROM delivery_attempts WHERE delivery_id = :id", id=row["id"])
        tx.execute_nowait("DELETE FROM deliveries WHERE id = :id", id=row["id"])
    return len(rows)
