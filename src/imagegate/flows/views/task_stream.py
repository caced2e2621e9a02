"""The changes of a task as a stream: each change once, in order, from any number on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import msgspec

from imagegate.domain.tasks import TERMINAL_STATES, Task
from imagegate.flows.views.task import TaskView, task_view
from imagegate.routing.planner import WaitReason
from imagegate.runtime import Runtime
from imagegate.store.queries.tasks import TaskChange, load_history


class TaskEvent(msgspec.Struct, frozen=True):
    """A change, and the task as it was then."""

    number: int
    task: TaskView


async def has_seen_end(runtime: Runtime, task: Task, last_number: int) -> bool:
    """Whether a client that has seen change number `last_number` has seen the last one."""
    found = await runtime.db.snapshot(load_history, task.account_id, task.id)
    return found is None or (found.changes[-1].state in TERMINAL_STATES and found.changes[-1].number <= last_number)


async def stream_events(
    runtime: Runtime, account_id: str, task_id: str, last_number: int, ping: Callable[[], None]
) -> AsyncIterator[TaskEvent]:
    """Every change after number `last_number`, up to the terminal one. One read at first, and one per change.

    `ping` is called after each `HEARTBEAT_S` of silence: the connection needs a sign of life.
    """
    wake_ups = runtime.wake_ups
    while True:
        with wake_ups.watch_task(task_id) as watch:
            found = await runtime.db.snapshot(load_history, account_id, task_id)
            if found is None:
                return
            events = [
                TaskEvent(one.number, task_view(runtime, task_at(found.task, one), one.at))
                for one in found.changes[last_number:]
            ]
            has_ended = found.changes[-1].state in TERMINAL_STATES
            last_number, watch.seen = max(last_number, found.changes[-1].number), found.last_step
            del found  # nothing of the task is held while nothing happens: thousands may wait
            while events:
                yield events.pop(0)
            if has_ended or wake_ups.closing:
                return
            wake_ups.heartbeats.add(watch, ping)
            await watch.wait()


def task_at(task: Task, change: TaskChange) -> Task:
    """The task at one of its changes: later values are removed."""
    if change.state in TERMINAL_STATES:
        return task
    is_sent = change.status == "processing"
    return msgspec.structs.replace(
        task,
        state=change.state,
        claim_no=change.claim_no,
        progress=change.progress,
        first_sent=(task.first_sent or change.at) if is_sent else None,
        is_buying=is_sent and change.waiting_reason in (None, WaitReason.storage),
        waiting_reason=change.waiting_reason,
        due=change.waiting_until or task.due,
        ended=None,
        charge=None,
        usage=None,
        usage_source=None,
        engine=None,
        results=(),
        error=None,
        results_expire=None,
    )
