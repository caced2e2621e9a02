"""POST /v1/tasks/{id}/cancel."""

from __future__ import annotations

from litestar import Response, post

from imagegate.api.auth import require_scope
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, described
from imagegate.api.responses import find_owned_task, task_response
from imagegate.api.v1.tasks import TASK_ID, TASK_LINKS
from imagegate.domain import errors
from imagegate.domain.accounts import ApiKey, Scope
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
            response_type=TaskView,
            response_example=examples.CANCELLED_TASK,
            links=(TASK_LINKS[0],),
            parameters=(TASK_ID,),
            errors=(errors.InvalidTaskId, errors.TaskNotFound, errors.TaskNotCancellable),
        )
    ),
)
async def cancel_task(runtime: Runtime, key: ApiKey, task_id: str) -> Response[bytes]:
    require_scope(key, Scope.images_write)
    task = await find_owned_task(runtime, key.account_id, task_id)
    return task_response(runtime, await cancel(runtime, task))
