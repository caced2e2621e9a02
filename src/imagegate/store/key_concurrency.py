"""Keys whose tasks take turns: of a key with `concurrent_tasks` no more than that are carried out side by side.

Knows: that a task of such a key is put into the queue as not yet due, and is let in when there is room. So the claim
looks at no task that it may not take, however many wait. Refuses to know: how a due task is claimed.

Waiting tasks stand in the order of their coming, `LATER` behind their own time. A task that was let in stays in: lost
or handed back, it is due at once and keeps its place among those that count.
"""

from __future__ import annotations

from imagegate.store.engines import FOR_UPDATE, SKIP_LOCKED
from imagegate.store.transaction import Tx

LATER = 2**61
# The due moment of a new task, for an INSERT that has `:now` and `:key_id`.
DUE = f""":now + COALESCE((SELECT CAST({LATER} AS BIGINT) FROM api_keys
    WHERE id = :key_id AND concurrent_tasks IS NOT NULL), 0)"""
_UNFINISHED = "state IN ('queued', 'running', 'finalizing')"


def fill_slots(tx: Tx, account_id: str) -> None:
    """Make due what the account's keys have room for; the oldest first."""
    limited = tx.fetch_all(
        f"""SELECT id, concurrent_tasks FROM api_keys
        WHERE account_id = :account_id AND concurrent_tasks IS NOT NULL ORDER BY id {FOR_UPDATE}""",
        account_id=account_id,
    )
    for key in limited:
        # Counted after the lock: workers of other processes let in before or after this, never beside it.
        occupied = tx.fetch_int(
            f"SELECT COUNT(*) AS n FROM tasks WHERE key_id = :key_id AND {_UNFINISHED} AND due < {LATER}",
            key_id=key["id"],
        )
        if occupied < key["concurrent_tasks"]:
            _fill_key_slots(tx, key["id"], key["concurrent_tasks"] - occupied)


def _fill_key_slots(tx: Tx, key_id: str, free_slots: int) -> None:
    # A row that somebody locks is being cancelled; to wait for it would be to wait for one who waits for our key.
    tx.execute_nowait(
        f"""WITH next AS MATERIALIZED (
            SELECT id FROM tasks WHERE key_id = :key_id AND {_UNFINISHED} AND state = 'queued' AND due >= {LATER}
            ORDER BY due LIMIT :room {SKIP_LOCKED})
        UPDATE tasks SET due = due - {LATER} WHERE id IN (SELECT id FROM next) AND due >= {LATER}""",
        key_id=key_id,
        room=free_slots,
    )


def apply_new_limit(tx: Tx, account_id: str, key_id: str, limit: int | None) -> None:
    """The key's limit has changed: what is queued waits from now on, or waits no longer."""
    before, shift = (f"due < {LATER}", LATER) if limit is not None else (f"due >= {LATER}", -LATER)
    tx.execute_nowait(
        f"""UPDATE tasks SET due = due + CAST(:shift AS BIGINT)
        WHERE key_id = :key_id AND account_id = :account_id AND {_UNFINISHED} AND state = 'queued' AND {before}""",
        key_id=key_id,
        account_id=account_id,
        shift=shift,
    )
