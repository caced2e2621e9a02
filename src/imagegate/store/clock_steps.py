"""Moves what is due at a time of the clock along with a step of the clock: tasks run on elapsed time."""

from __future__ import annotations

from imagegate.domain.time import ClockStep
from imagegate.store.transaction import Tx


def follow_step(tx: Tx, step: ClockStep, max_deadline_us: int) -> None:
    """Move deadlines, leases and inputs of unfinished tasks, and what waits for its time, by the size of the step.

    Several processes may see the same step of a server's clock: a task that was moved has more time than any new one,
    and is left alone.
    """
    params = {"expected": step.expected, "now": step.now, "size": step.size, "max": max_deadline_us}
    if step.size > 0:
        _follow_forward(tx, params)
    else:
        _follow_back(tx, params)


def _follow_forward(tx: Tx, params: dict[str, int]) -> None:
    # Inputs first: they go with the task, and the condition is about its deadline before it moves.
    tx.execute_nowait(
        """UPDATE assets SET expires = expires + :size WHERE expires > :expected AND deleted IS NULL
            AND kind IN ('reference', 'upright', 'mask', 'repaint') AND task_id IN (
                SELECT id FROM tasks WHERE state IN ('queued', 'running') AND created <= :expected
                AND deadline > :expected AND deadline <= created + :max)""",
        params,
    )
    tx.execute_nowait(
        """UPDATE tasks SET deadline = deadline + :size, lease_until = lease_until + :size
        WHERE state IN ('queued', 'running') AND created <= :expected AND deadline > :expected
            AND deadline <= created + :max""",
        params,
    )


def _follow_back(tx: Tx, params: dict[str, int]) -> None:
    tx.execute_nowait("UPDATE tasks SET due = due + :size WHERE state = 'queued' AND due > :now", params)
    tx.execute_nowait(
        "UPDATE tasks SET deadline = deadline + :size WHERE state IN ('queued', 'running') AND deadline > :now + :max",
        params,
    )
