"""/v1/admin/routes and /v1/admin/tasks/{id}: where calls go, how they went and what is left of them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar import Request, Response, get, post

from imagegate.api.auth import require_scope
from imagegate.api.body import read_json
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, described
from imagegate.api.responses import json_response
from imagegate.api.v1.tasks import TASK_ID
from imagegate.domain import errors
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.errors import NotFound, TaskNotFound
from imagegate.domain.money import Money
from imagegate.flows.views import routes
from imagegate.flows.views.routes import AdminAttemptView, RouteView
from imagegate.runtime import Runtime


class RouteList(msgspec.Struct, kw_only=True):
    object: Literal["list"] = "list"
    data: list[RouteView]


class ResetBody(msgspec.Struct, kw_only=True):
    """The name of a route or of an upstream."""

    name: str


class TaskCost(msgspec.Struct, kw_only=True):
    """`margin` is what is left of the charge after a refund and all calls; below zero the operator pays."""

    id: str
    object: Literal["task.cost"] = "task.cost"
    charged: Money
    refunded: Money
    cost: Money
    waste: Money
    margin: Money
    attempts: list[AdminAttemptView]


@get(
    "/v1/admin/routes",
    opt=described(
        Operation(
            summary="Every route: its health, and what its calls of the last day cost",
            tag="admin",
            response_type=RouteList,
            response_example=examples.ROUTES,
        )
    ),
)
async def list_routes(runtime: Runtime, key: ApiKey) -> Response[bytes]:
    require_scope(key, Scope.admin)
    return json_response(RouteList(data=await routes.route_views(runtime)))


@post(
    "/v1/admin/routes/reset",
    status_code=200,
    opt=described(
        Operation(
            summary="Forget the health of a route or an upstream: its next call passes",
            tag="admin",
            request_type=ResetBody,
            response_type=RouteList,
            response_example=examples.ROUTES,
            request_example={"name": "gpt-image-2@azure-eu"},
            errors=(errors.NotFound,),
        )
    ),
)
async def reset_route(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey) -> Response[bytes]:
    require_scope(key, Scope.admin)
    body = await read_json(request, ResetBody, runtime.settings.server)
    if not await routes.reset_route_health(runtime, body.name):
        raise NotFound("There is no route or upstream of this name", param="name")
    return json_response(RouteList(data=await routes.route_views(runtime)))


@get(
    "/v1/admin/tasks/{task_id:str}",
    opt=described(
        Operation(
            summary="What a task of any account brought and cost, and each of its attempts",
            tag="admin",
            response_type=TaskCost,
            response_example=examples.TASK_COST,
            parameters=(TASK_ID,),
            errors=(errors.TaskNotFound,),
        )
    ),
)
async def get_task_cost(runtime: Runtime, key: ApiKey, task_id: str) -> Response[bytes]:
    require_scope(key, Scope.admin)
    found: Any = await routes.attempt_views(runtime, task_id)
    if found is None:
        raise TaskNotFound
    margin, attempts = found
    return json_response(TaskCost(id=task_id, attempts=attempts, **margin))
