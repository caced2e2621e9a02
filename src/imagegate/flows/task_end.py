"""A task has ended here: what is counted and traced of it, after the commit."""

from __future__ import annotations

from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.traces import trace_task
from imagegate.runtime import Runtime


def count_task_end(runtime: Runtime, task: Task, *, charge: int = 0, images: int = 0, error: str = "") -> None:
    """`error` is its code where it failed, else `charge` in nanos what it cost."""
    runtime.counters.count_task(error, max(0, runtime.clock() - task.created) / US_PER_SECOND)
    trace_task(runtime, task, charge=charge, images=images, error=error)
