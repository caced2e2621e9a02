"""POST /v1/tasks/{id}/cancel."""

from __future__ import annotations

from litestar import Response, post

from imagegate.api.auth import need
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, described
from imagegate.api.responses import owned_task, task_answer
from imagegate.api.v1.tasks import FOLLOW, TASK_ID
from imagegate.domain import errors
from imagegate.domain.accounts import Key, Scope
from imagegate.flows.cancel import cancel
from imagegate.flows.views.task import TaskView
from imagegate.runtime import Runtime


@post(
    "/v1/tasks/{task_id:str}/cancel",
    status_code=200,
    opt=described(
        Operation(
            summary="Cancel: free before anything was sent, afterwards as it ends",
            tag="tasks",
            scope=Scope.images_write,
            answer=TaskView,
            gives=examples.CANCELLED,
            follow=(FOLLOW[0],),
            parameters=(TASK_ID,),
            errors=(errors.InvalidTaskId, errors.TaskNotFound, errors.TaskNotCancellable),
        )
    ),
)
async def cancel_task(runtime: Runtime, key: Key, task_id: str) -> Response[bytes]:
    need(key, Scope.images_write)
    task = await owned_task(runtime, key.account_id, task_id)
    return task_answer(runtime, await cancel(runtime, task))
