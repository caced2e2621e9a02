"""POST /v1/tasks/{id}/cancel."""

from __future__ import annotations

from litestar import post

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation
from imagegate.api.responses import TaskIdPath, find_owned_task
from imagegate.api.v1.tasks import TASK_LINKS
from imagegate.domain import errors
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.flows.cancel import cancel
from imagegate.flows.views.task import TaskView, task_view
from imagegate.runtime import Runtime


@post(
    "/v1/tasks/{task_id:str}/cancel",
    status_code=200,
    operation=Operation(
        summary="Cancel: free before anything was sent, afterwards as it ends",
        tag="tasks",
        scope=Scope.images_write,
        response_example=examples.CANCELLED_TASK,
        links=(TASK_LINKS[0],),
        errors=(errors.InvalidTaskId, errors.TaskNotFound, errors.TaskNotCancellable),
    ),
)
async def cancel_task(runtime: Runtime, key: ApiKey, task_id: TaskIdPath) -> TaskView:
    task = await find_owned_task(runtime, key.account_id, task_id)
    return task_view(runtime, await cancel(runtime, task))
