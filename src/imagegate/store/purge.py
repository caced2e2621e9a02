"""Deleting history: tasks that ended long ago, with everything that belongs to them.

Ledger entries stay for ever and still sum to zero; a hold goes with its task, and with it two lines of the statement
that cancel each other out. What may go is looked for by readers; each command deletes a few rows, and asks again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from imagegate.store.daily_sums import open_since
from imagegate.store.dialect import ONE_OF_IDS, SKIP_LOCKED, indexed_by
from imagegate.store.transaction import Tx, name_values

# Foreign keys: the attempts before their delivery, and everything before the task.
_DELETE_TASK_ROWS = (
    "DELETE FROM attempts WHERE task_id IN ({ids})",
    "DELETE FROM task_steps WHERE task_id IN ({ids})",
    "DELETE FROM assets WHERE task_id IN ({ids})",
    "DELETE FROM holds WHERE task_id IN ({ids})",
    "DELETE FROM tasks WHERE id IN ({ids})",
)
# Columns that are in no index: what is old is on the disk, and who reads it first waits for that.
_READ_AHEAD = (
    f"SELECT COUNT(detail) AS n FROM attempts WHERE task_id {ONE_OF_IDS}",
    f"SELECT COUNT(sent) AS n FROM task_steps WHERE task_id {ONE_OF_IDS}",
    f"SELECT COUNT(charge) AS n FROM holds WHERE task_id {ONE_OF_IDS}",
    f"SELECT COUNT(number) AS n FROM task_search WHERE task_id {ONE_OF_IDS}",
)
# What keeps a task: its star, bytes that are there, a webhook on its way, an Idempotency-Key that may come again. The
# limits keep PostgreSQL from reading each of these tables whole, to have the answer for all tasks at once.
_KEPT_BY = """COALESCE((SELECT 1 FROM starred_tasks s WHERE s.task_id = t.id LIMIT 1),
    (SELECT 1 FROM assets a WHERE a.task_id = t.id AND a.deleted IS NULL LIMIT 1),
    (SELECT 1 FROM deliveries d WHERE d.task_id = t.id AND d.state = 'waiting' LIMIT 1),
    (SELECT 1 FROM idempotency i WHERE i.task_id = t.id LIMIT 1))"""


class Ended(msgspec.Struct, frozen=True):
    """A place among the tasks in the order in which they ended."""

    ended: int
    id: str


BEGINNING = Ended(-1, "")


class OldTasks(msgspec.Struct, frozen=True):
    """Tasks that may go, and the place of the last one that was looked at; None where there was no other."""

    task_ids: list[str]
    last: Ended | None


def list_old_tasks(tx: Tx, retention_us: int, after: Ended, limit: int) -> OldTasks:
    """Look at up to `limit` tasks that ended `retention_us` ago, from the one behind `after` on, in their order.

    What keeps the others is looked at when it ends: see `find_freed_tasks`.
    """
    rows = tx.fetch_all(
        f"""SELECT t.id, t.ended, {_KEPT_BY} AS kept FROM tasks t {indexed_by("tasks_old")}
        WHERE t.state IN ('completed', 'failed') AND t.ended >= :ended AND (t.ended, t.id) > (:ended, :id)
            AND t.ended <= :before
        ORDER BY t.ended, t.id LIMIT :limit""",
        {"ended": after.ended, "id": after.id, "before": _ended_before(tx, retention_us), "limit": limit},
    )
    free = [row["id"] for row in rows if row["kept"] is None]
    return OldTasks(free, Ended(rows[-1]["ended"], rows[-1]["id"]) if len(rows) == limit else None)


def read_ahead(tx: Tx, task_ids: Sequence[str]) -> None:
    """Bring to memory what `purge_tasks` will delete: the writer must not wait for the disk."""
    for select in _READ_AHEAD:
        tx.fetch_all(select, {"ids": json.dumps(task_ids)})


def _ended_before(tx: Tx, retention_us: int) -> int:
    """Never within a day that is not closed: its tasks are not counted yet."""
    return min(tx.now - retention_us, open_since(tx) - 1)


def find_freed_tasks(tx: Tx, retention_us: int, task_ids: Sequence[str]) -> list[str]:
    """Return those of these tasks that ended `retention_us` ago and that nothing keeps."""
    if not task_ids:
        return []
    ids, params = name_values("id", task_ids)
    rows = tx.fetch_all(
        f"""SELECT t.id FROM tasks t WHERE t.id IN ({ids}) AND t.ended <= :before AND {_KEPT_BY} IS NULL
            ORDER BY t.id""",
        {**params, "before": _ended_before(tx, retention_us)},
    )
    return [row["id"] for row in rows]


def purge_tasks(tx: Tx, retention_us: int, task_ids: Sequence[str]) -> int:
    """Delete those of these tasks that ended `retention_us` ago and that nothing keeps; return how many.

    Metadata go with their task by themselves.
    """
    given, params = name_values("id", task_ids)
    rows = tx.fetch_all(
        f"""SELECT t.id FROM tasks t WHERE t.id IN ({given}) AND t.ended <= :before AND {_KEPT_BY} IS NULL
            ORDER BY t.id {SKIP_LOCKED}""",
        {**params, "before": _ended_before(tx, retention_us)},
    )
    if rows:
        ids, params = name_values("id", [row["id"] for row in rows])
        _delete_deliveries(tx, f"SELECT id FROM deliveries WHERE task_id IN ({ids})", params)
        for statement in _DELETE_TASK_ROWS:
            tx.execute_nowait(statement.format(ids=ids), params)
    return len(rows)


def purge_test_webhooks(tx: Tx, retention_us: int, limit: int) -> int:
    """Delete test webhooks, which belong to no task, closed `retention_us` ago; return how many."""
    rows = tx.fetch_all(
        f"""SELECT id FROM deliveries {indexed_by("deliveries_alone")} WHERE task_id IS NULL AND closed <= :before
        ORDER BY closed LIMIT :limit {SKIP_LOCKED}""",
        {"before": tx.now - retention_us, "limit": limit},
    )
    if rows:
        ids, params = name_values("id", [row["id"] for row in rows])
        _delete_deliveries(tx, ids, params)
    return len(rows)


def _delete_deliveries(tx: Tx, ids: str, params: dict[str, str]) -> None:
    """With their attempts. A receiver that has no other delivery is forgotten: the next one begins anew."""
    tx.execute_nowait(f"DELETE FROM delivery_attempts WHERE delivery_id IN ({ids})", params)
    deleted = tx.fetch_all(f"DELETE FROM deliveries WHERE id IN ({ids}) RETURNING host", params)
    if deleted:
        hosts, host_params = name_values("host", sorted({row["host"] for row in deleted}))
        tx.execute_nowait(
            f"""DELETE FROM webhook_hosts WHERE host IN (
                SELECT h.host FROM webhook_hosts h WHERE h.host IN ({hosts})
                    AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.host = h.host) {SKIP_LOCKED})""",
            host_params,
        )
