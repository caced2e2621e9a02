"""The changes of a task as a stream: each change once, in order, from any number on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec

from imagegate.domain.tasks import TERMINAL_STATES, Task
from imagegate.flows.views.task import TaskView, task_view
from imagegate.runtime import Runtime
from imagegate.store.queries.tasks import TaskChange, load_history

HEARTBEAT_S = 15.0


class TaskEvent(msgspec.Struct, frozen=True):
    """A change, and the task as it was then."""

    number: int
    task: TaskView


class Heartbeat(msgspec.Struct, frozen=True):
    """Nothing has changed for `HEARTBEAT_S`: the connection needs a sign of life."""


async def has_seen_end(runtime: Runtime, task: Task, last_number: int) -> bool:
    """Whether a client that has seen change number `last_number` has seen the last one."""
    found = await runtime.db.snapshot(load_history, task.account_id, task.id)
    return found is None or (found[1][-1].state in TERMINAL_STATES and found[1][-1].number <= last_number)


async def stream_events(runtime: Runtime, task: Task, last_number: int) -> AsyncIterator[TaskEvent | Heartbeat]:
    """Every change after number `last_number`, up to the terminal one. One read per wake-up and per heartbeat."""
    while True:
        with runtime.wake_ups.watch_task(task.id) as changed:
            found = await runtime.db.snapshot(load_history, task.account_id, task.id)
            if found is None:
                return
            for change in found[1][last_number:]:
                yield TaskEvent(change.number, task_view(runtime, task_at(found[0], change), change.at))
            last_number = max(last_number, found[1][-1].number)
            if found[1][-1].state in TERMINAL_STATES or runtime.wake_ups.closing:
                return
            await asyncio.wait([changed], timeout=HEARTBEAT_S)
            if not changed.done():
                yield Heartbeat()


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
        is_buying=is_sent and change.waiting_reason is None,
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
