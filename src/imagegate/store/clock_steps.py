"""Moves what is due at a time of the clock along with a step of the clock: tasks run on elapsed time."""

from __future__ import annotations

import msgspec

from imagegate.domain.time import ClockStep
from imagegate.store.transaction import Tx


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
    for statement in (
        "UPDATE tasks SET due = :now WHERE state = 'queued' AND due > :now + :requeue_us",
        """UPDATE tasks SET deadline = :now + :deadline_us
        WHERE state IN ('queued', 'running') AND deadline > :now + :deadline_us""",
        "UPDATE tasks SET lease_until = :now + :lease_us WHERE state = 'running' AND lease_until > :now + :lease_us",
        "UPDATE tasks SET waiting_since = :now WHERE state = 'queued' AND waiting_since > :now",
        """UPDATE tasks SET spool_wait = :now + :spool_wait_us
        WHERE state = 'queued' AND spool_wait > :now + :spool_wait_us""",
        "UPDATE deliveries SET due = :now WHERE state = 'waiting' AND due > :now + :retry_us",
        """UPDATE deliveries SET lease_until = :now + :webhook_lease_us
        WHERE owner IS NOT NULL AND lease_until > :now + :webhook_lease_us""",
    ):
        tx.execute_nowait(statement, params)
