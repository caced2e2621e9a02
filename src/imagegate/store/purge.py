"""Deleting history: tasks that ended long ago, with everything that belongs to them.

Ledger entries stay for ever and still sum to zero; a hold goes with its task, and with it two lines of the statement
that cancel each other out. Each command deletes a few rows and leaves the rest for the next one.
"""

from __future__ import annotations

from imagegate.store.daily_sums import open_since
from imagegate.store.dialect import SKIP_LOCKED
from imagegate.store.transaction import Tx

# Foreign keys: the attempts before their delivery, and everything before the task.
_DELETE_TASK_ROWS = (
    "DELETE FROM delivery_attempts WHERE delivery_id IN (SELECT id FROM deliveries WHERE task_id = :id)",
    "DELETE FROM deliveries WHERE task_id = :id",
    "DELETE FROM attempts WHERE task_id = :id",
    "DELETE FROM task_steps WHERE task_id = :id",
    "DELETE FROM assets WHERE task_id = :id",
    "DELETE FROM holds WHERE task_id = :id",
    "DELETE FROM tasks WHERE id = :id",
)


def purge_tasks(tx: Tx, retention_us: int, limit: int) -> int:
    """Delete tasks that ended `retention_us` ago; return how many.

    Their bytes must be gone, their webhook closed and their Idempotency-Key expired; starred ones stay. Metadata go
    with their task by themselves. Those of days that are not closed stay too: they are not counted yet.
    """
    rows = tx.fetch_all(
        f"""SELECT t.id FROM tasks t WHERE t.state IN ('completed', 'failed') AND t.ended <= :before
            AND NOT EXISTS (SELECT 1 FROM assets a WHERE a.task_id = t.id AND a.deleted IS NULL)
            AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.task_id = t.id AND d.state = 'waiting')
            AND NOT EXISTS (SELECT 1 FROM idempotency i WHERE i.task_id = t.id)
            AND NOT EXISTS (SELECT 1 FROM starred_tasks s WHERE s.task_id = t.id)
        ORDER BY t.ended LIMIT :limit {SKIP_LOCKED}""",
        {"before": min(tx.now - retention_us, open_since(tx) - 1), "limit": limit},
    )
    for row in rows:
        for statement in _DELETE_TASK_ROWS:
            tx.execute_nowait(statement, {"id": row["id"]})
    return len(rows)


def purge_test_webhooks(tx: Tx, retention_us: int, limit: int) -> int:
    """Delete test webhooks, which belong to no task, closed `retention_us` ago; return how many."""
    rows = tx.fetch_all(
        f"""SELECT id FROM deliveries WHERE task_id IS NULL AND closed <= :before
        ORDER BY closed LIMIT :limit {SKIP_LOCKED}""",
        {"before": tx.now - retention_us, "limit": limit},
    )
    for row in rows:
        tx.execute_nowait("DELETE FROM delivery_attempts WHERE delivery_id = :id", {"id": row["id"]})
        tx.execute_nowait("DELETE FROM deliveries WHERE id = :id", {"id": row["id"]})
    return len(rows)
