"""Concurrency slots of keys: of a key with `concurrent_tasks`, no more tasks than that run side by side.

A task of such a key is created with `waiting_for_slot`, and gets a slot when the key has a free one, oldest first. So
a claim never reads tasks that it may not take, however many wait. A task keeps its slot until it ends, also where its
worker dies or releases it.
"""

from __future__ import annotations

from imagegate.store.dialect import SKIP_LOCKED
from imagegate.store.transaction import Tx


def fill_slots(tx: Tx, account_id: str) -> None:
    """Give the free slots of the account's keys to their waiting tasks."""
    # Tasks are counted after their key is locked: two workers that fill its slots do so one after the other.
    keys = tx.lock_rows(
        """SELECT id, concurrent_tasks FROM api_keys
        WHERE account_id = :account_id AND concurrent_tasks IS NOT NULL ORDER BY id""",
        {"account_id": account_id},
    )
    for key in keys:
        occupied = tx.fetch_int(
            """SELECT COUNT(*) AS n FROM tasks
            WHERE key_id = :key_id AND state IN ('queued', 'running') AND waiting_for_slot = 0""",
            {"key_id": key["id"]},
        )
        if occupied < key["concurrent_tasks"]:
            _fill_key_slots(tx, key["id"], key["concurrent_tasks"] - occupied)


def _fill_key_slots(tx: Tx, key_id: str, free_slots: int) -> None:
    # A locked row is skipped: whoever holds it cancels the task and may wait for our key, so we must not wait for him.
    tx.execute_nowait(
        f"""WITH next AS MATERIALIZED (
            SELECT id FROM tasks WHERE key_id = :key_id AND state IN ('queued', 'running') AND state = 'queued'
                AND waiting_for_slot = 1
            ORDER BY due LIMIT :free_slots {SKIP_LOCKED})
        UPDATE tasks SET waiting_for_slot = 0 WHERE id IN (SELECT id FROM next) AND waiting_for_slot = 1""",
        {"key_id": key_id, "free_slots": free_slots},
    )


def apply_new_limit(tx: Tx, account_id: str, key_id: str, limit: int | None) -> None:
    """Make the key's queued tasks wait for a slot from now on, or not any more where `limit` is None."""
    tx.execute_nowait(
        """UPDATE tasks SET waiting_for_slot = :waiting
        WHERE key_id = :key_id AND account_id = :account_id AND state IN ('queued', 'running') AND state = 'queued'
            AND waiting_for_slot <> :waiting""",
        {"key_id": key_id, "account_id": account_id, "waiting": 0 if limit is None else 1},
    )
