"""What several resources share: the task of an account, waiting for its end, and replayed responses."""

from __future__ import annotations

from typing import Annotated

from litestar.params import PathParameter

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import ResponseHeader
from imagegate.api_docs.schema import doc
from imagegate.domain import ids
from imagegate.domain.errors import InvalidTaskId, TaskNotFound
from imagegate.domain.tasks import Task
from imagegate.flows.wait import wait_until_terminal
from imagegate.runtime import Runtime
from imagegate.store.tasks import find_task

TaskIdPath = Annotated[
    str,
    PathParameter(name="task_id"),
    doc("The id of a task of this account", pattern=f"^{ids.TASK_ID_RE.pattern}$", examples=[examples.TASK_ID]),
]
REPLAYED_HEADER = ResponseHeader(
    "Idempotency-Replayed", {"enum": ["true"]}, "Where this is the response of an earlier request"
)


def replayed_headers(replayed: bool) -> dict[str, str]:
    return {"Idempotency-Replayed": "true"} if replayed else {}


async def find_owned_task(runtime: Runtime, account_id: str, task_id: str) -> Task:
    """The account's own task; another account's is as unknown as one that never was."""
    if not task_id.startswith(ids.TASK_PREFIX):
        raise InvalidTaskId(param="task_id")
    task = await runtime.db.read(find_task, account_id, task_id) if ids.TASK_ID_RE.fullmatch(task_id) else None
    if task is None:
        raise TaskNotFound
    return task


async def wait_for_task(runtime: Runtime, task: Task, seconds: int) -> Task:
    return task if task.terminal or seconds == 0 else await wait_until_terminal(runtime, task, seconds)
