"""The life of a task as a stream: each change once, in order, from any number on.

Knows: how a task looked at an earlier change, and when the stream is over. Refuses to know: the wire format.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec

from imagegate.domain.tasks import TERMINAL, Task
from imagegate.flows.views.task import TaskView, task_view
from imagegate.runtime import Runtime
from imagegate.store.queries.task_history import Change, history

SILENCE_S = 15.0


class Event(msgspec.Struct, frozen=True):
    """One change, and the task as it was then."""

    number: int
    task: TaskView


class Silence(msgspec.Struct, frozen=True):
    """Nothing has happened for a while."""


async def is_over(runtime: Runtime, task: Task, seen: int) -> bool:
    """Whether somebody who has seen change number `seen` has seen the end."""
    found = await runtime.db.snapshot(history, task.account_id, task.id)
    return found is None or (found[1][-1].state in TERMINAL and found[1][-1].number <= seen)


async def events(runtime: Runtime, task: Task, seen: int) -> AsyncIterator[Event | Silence]:
    """Every change after number `seen`, until the terminal one. One look per wake-up, and one per silence."""
    while True:
        with runtime.signals.watching(task.id) as changed:
            found = await runtime.db.snapshot(history, task.account_id, task.id)
            if found is None:
                return
            for change in found[1][seen:]:
                yield Event(change.number, task_view(runtime, as_it_was(found[0], change), change.at))
            seen = max(seen, found[1][-1].number)
            if found[1][-1].state in TERMINAL or runtime.signals.closing:
                return
            await asyncio.wait([changed], timeout=SILENCE_S)
            if not changed.done():
                yield Silence()


def as_it_was(task: Task, change: Change) -> Task:
    """The task at one of its changes: what came later is taken away."""
    if change.state in TERMINAL:
        return task
    return msgspec.structs.replace(
        task,
        state=change.state,
        claim_no=change.claim_no,
        progress=change.progress,
        sent=task.sent if task.sent is not None and task.sent <= change.at else None,
        ended=None,
        charge=None,
        usage=None,
        usage_source=None,
        engine=None,
        results=(),
        error=None,
        results_expire=None,
    )
