"""Answers that are owed to clients which send no Idempotency-Key, and how a repeated request finds the one it lost.

A request that says that it is a repeat joins the newest task of the same key and the same body, delivered or not; any
other joins only a task whose answer was lost for certain. A failure after a purchase is given again for a while.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from imagegate.concurrency import LiveAnswer
from imagegate.domain.time import US_PER_MINUTE, US_PER_SECOND
from imagegate.store.dialect import Row
from imagegate.store.transaction import Tx, name_values

MAX_UNFINISHED_US = 15 * US_PER_MINUTE
MAX_ENDED_US = 150 * US_PER_SECOND
MAX_FAILED_US = 30 * US_PER_SECOND
LIVE_US = 15 * US_PER_SECOND  # renewed every third of it
_MAX_COUNT = 60  # bits of a signed integer
_MAX_ROWS = 200  # identical requests of one key that are looked at, the newest first
_SELECT = """SELECT w.task_id, w.created, w.owner, w.live_until, w.joins, w.joined, w.ended, w.delivered,
    t.state, t.ended AS task_ended, t.account_id FROM answers w JOIN tasks t ON t.id = w.task_id
    WHERE w.key_id = :key_id AND w.fingerprint = :fingerprint AND w.created > :since"""


class OwedAnswer(msgspec.Struct, frozen=True):
    """The answer that a request waits for. `keep_us`: how old the task of a request can be that is of interest.

    `owner` names this process; `shared` says that there may be others. `live` knows the connections of this one.
    """

    key_id: str
    fingerprint: str
    retry_count: int
    owner: str
    shared: bool
    keep_us: int
    live: LiveAnswer


class Joined(msgspec.Struct, frozen=True):
    """The request waits for this task; nothing is created."""

    task_id: str


class FailedBefore(msgspec.Struct, frozen=True):
    """The same failed a moment ago, after a purchase: nothing is bought again."""

    task_id: str


def find_answer(tx: Tx, account_id: str, owed: OwedAnswer) -> Joined | FailedBefore | None:
    """Join the task of an earlier request of the same key, if one is to be joined."""
    if tx.is_retry and owed.live.joined_task:
        # Our own first try may have been committed: its mark must not keep us out.
        return Joined(owed.live.joined_task)
    rows = _load(tx, owed)
    for row in rows:
        has_failed = row["state"] == "failed" and row["task_ended"] > tx.now - MAX_FAILED_US
        if has_failed and may_be_bought(tx, account_id, row["task_id"]):
            return FailedBefore(row["task_id"])
    candidates = [row for row in rows if _is_young(row, tx.now) and _may_join(row, owed, tx.now)]
    # Stable: the newest first, within these.
    candidates.sort(key=lambda row: (_is_waited_for(row, owed, tx.now), row["delivered"]))
    for row in candidates:
        if _claim(tx, row, owed):
            owed.live.join(row["task_id"])
            return Joined(row["task_id"])
    return None


def _load(tx: Tx, owed: OwedAnswer) -> list[Row]:
    only_lost = "" if owed.retry_count else "AND w.delivered = 0"
    return tx.fetch_all(
        f"{_SELECT} {only_lost} ORDER BY w.created DESC, w.task_id LIMIT :limit",
        {
            "key_id": owed.key_id,
            "fingerprint": owed.fingerprint,
            "since": tx.now - owed.keep_us,
            "limit": _MAX_ROWS,
        },
    )


def _is_young(row: Row, now: int) -> bool:
    if row["state"] == "completed":
        return bool(max(row["task_ended"], row["ended"] or 0) > now - MAX_ENDED_US)
    return row["state"] in ("queued", "running") and row["created"] > now - MAX_UNFINISHED_US


def _may_join(row: Row, owed: OwedAnswer, now: int) -> bool:
    if owed.retry_count:
        return not row["joined"] & _bit(owed)
    is_undecided = owed.live.is_undecided(row["task_id"])
    return not row["delivered"] and not is_undecided and not _is_waited_for(row, owed, now)


def _is_waited_for(row: Row, owed: OwedAnswer, now: int) -> bool:
    if row["owner"] != owed.owner:  # where there are no others, the owner is dead
        return owed.shared and row["live_until"] > now
    return owed.live.is_waited_for(row["task_id"])


def _claim(tx: Tx, row: Row, owed: OwedAnswer) -> bool:
    """False where another process was faster."""
    changed = tx.execute(
        """UPDATE answers SET joins = joins + 1, joined = joined | :bit, owner = :owner, live_until = :live_until,
            delivered = 0 WHERE task_id = :task_id AND joins = :joins""",
        {
            "task_id": row["task_id"],
            "joins": row["joins"],
            "bit": _bit(owed) if owed.retry_count else 0,
            "owner": owed.owner,
            "live_until": tx.now + LIVE_US,
        },
    )
    return changed == 1


def _bit(owed: OwedAnswer) -> int:
    return 1 << min(owed.retry_count, _MAX_COUNT)


def new_row(task_id: str, created: int, owed: OwedAnswer) -> Row:
    """Of the task that a request has created."""
    return {
        "task_id": task_id,
        "key_id": owed.key_id,
        "fingerprint": owed.fingerprint,
        "created": created,
        "owner": owed.owner,
        "live_until": created + LIVE_US,
    }


def end_answer(tx: Tx, account_id: str, task_id: str, owner: str, delivered: bool) -> None:
    """Record that the connection of this process no longer waits, and whether the answer has arrived."""
    tx.execute_nowait(
        """UPDATE answers SET ended = :now, live_until = 0,
            delivered = CASE WHEN :delivered = 1 THEN 1 ELSE delivered END
        WHERE task_id = :task_id AND owner = :owner""",
        {"task_id": task_id, "owner": owner, "delivered": int(delivered)},
    )


def renew_answers(tx: Tx, owner: str, task_ids: Sequence[str]) -> None:
    """Tell other processes that connections to this one wait for these tasks."""
    asked, ids = name_values("id", task_ids)
    tx.execute_nowait(
        f"UPDATE answers SET live_until = :live_until WHERE owner = :owner AND task_id IN ({asked})",
        {**ids, "owner": owner, "live_until": tx.now + LIVE_US},
    )


def purge_answers(tx: Tx, keep_us: int, limit: int) -> int:
    """Delete the rows that no request can join any more; return how many."""
    return tx.execute(
        """DELETE FROM answers WHERE task_id IN (
            SELECT task_id FROM answers WHERE created <= :before ORDER BY created LIMIT :limit)""",
        {"before": tx.now - keep_us, "limit": limit},
    )


def may_be_bought(tx: Tx, account_id: str, task_id: str) -> bool:
    """Return whether a call of this task has bought images, or may have."""
    row = tx.fetch_one(
        """SELECT id FROM attempts WHERE task_id = :task_id AND account_id = :account_id
            AND outcome IN ('sending', 'unknown', 'produced') LIMIT 1""",
        {"task_id": task_id, "account_id": account_id},
    )
    return row is not None
