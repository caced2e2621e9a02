"""Moves what is due at a time of the clock along with a step of the clock: tasks run on elapsed time."""

from __future__ import annotations

import msgspec

from imagegate.domain.time import ClockStep
from imagegate.store.dialect import indexed_by
from imagegate.store.transaction import Tx

# Table, change and condition. The conditions name those of partial indexes, word for word: SQLite takes one only then.
_QUEUED = "state IN ('queued', 'running') AND state = 'queued'"
_TOO_FAR_AHEAD = (
    ("tasks", "due = :now", f"{_QUEUED} AND due > :now + :requeue_us"),
    (
        "tasks",
        "deadline = :now + :deadline_us",
        "state IN ('queued', 'running') AND deadline > :now + :deadline_us",
    ),
    ("tasks", "lease_until = :now + :lease_us", "state = 'running' AND lease_until > :now + :lease_us"),
    ("tasks", "waiting_since = :now", "state = 'queued' AND waiting_since > :now"),
    ("tasks", "spool_wait = :now + :spool_wait_us", f"{_QUEUED} AND spool_wait > :now + :spool_wait_us"),
    (
        f"deliveries {indexed_by('deliveries_due')}",
        "due = :now",
        "state = 'waiting' AND owner IS NULL AND due > :now + :retry_us",
    ),
    (
        "deliveries",
        "lease_until = :now + :webhook_lease_us",
        "owner IS NOT NULL AND lease_until > :now + :webhook_lease_us",
    ),
)


class Horizons(msgspec.Struct, frozen=True):
    """How far ahead, in microseconds, each time can be at most: what is further was written before a step back.

    `requeue_us`: when a waiting task looks again. `retry_us`: when a webhook is sent again. `spool_wait_us`: how
    long a task waits for a spool.
    """

    deadline_us: int
    lease_us: int
    requeue_us: int
    retry_us: int
    webhook_lease_us: int
    spool_wait_us: int


def follow_step(tx: Tx, step: ClockStep, horizons: Horizons) -> None:
    """Forward: move deadlines, leases, waits and inputs of unfinished work by the size of the step. Back: pull in.

    Several processes may see the same step of a server's clock: a task that was moved has more time than any new one,
    and is left alone.
    """
    if step.size > 0:
        _follow_forward(tx, step, horizons)
    else:
        pull_in(tx, horizons)


def _follow_forward(tx: Tx, step: ClockStep, horizons: Horizons) -> None:
    params = {"expected": step.expected, "size": step.size, "max": horizons.deadline_us}
    # Inputs first: they go with the task, and the condition is about its deadline before it moves.
    tx.execute_nowait(
        """UPDATE assets SET expires = expires + :size WHERE expires > :expected AND deleted IS NULL
            AND kind IN ('reference', 'upright', 'mask', 'repaint') AND task_id IN (
                SELECT id FROM tasks WHERE state IN ('queued', 'running') AND created <= :expected
                AND deadline > :expected AND deadline <= created + :max)""",
        params,
    )
    tx.execute_nowait(
        """UPDATE tasks SET deadline = deadline + :size, lease_until = lease_until + :size,
            waiting_since = waiting_since + :size, spool_wait = spool_wait + :size
        WHERE state IN ('queued', 'running') AND created <= :expected AND deadline > :expected
            AND deadline <= created + :max""",
        params,
    )
    tx.execute_nowait(
        """UPDATE deliveries SET lease_until = lease_until + :size
        WHERE owner IS NOT NULL AND lease_until > :expected AND lease_until <= :expected + :lease""",
        {"expected": step.expected, "size": step.size, "lease": horizons.webhook_lease_us},
    )


def pull_in(tx: Tx, horizons: Horizons) -> None:
    """Whatever is further ahead than it can be was written before the clock was set back: nothing waits for the clock
    to come there again. Also where nobody ran when it was set."""
    params = msgspec.structs.asdict(horizons)
    for table, change, condition in _TOO_FAR_AHEAD:
        tx.execute_nowait(f"UPDATE {table} SET {change} WHERE {condition}", params)


def is_too_far_ahead(tx: Tx, horizons: Horizons) -> bool:
    """Whether `pull_in` has anything to do: all that has not ended is looked at, which need not hold up who writes."""
    params = msgspec.structs.asdict(horizons)
    return any(
        tx.fetch_one(f"SELECT 1 AS found FROM {table} WHERE {condition} LIMIT 1", params)
        for table, _, condition in _TOO_FAR_AHEAD
    )
