"""/v1/admin/routes and /v1/admin/tasks/{id}: the routes, their calls, and the margin of a task."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import get, post
from imagegate.api.responses import TaskIdPath
from imagegate.api_docs.schema import doc
from imagegate.domain import errors
from imagegate.domain.accounts import Scope
from imagegate.domain.audit import Actor
from imagegate.domain.money import Money
from imagegate.flows.views import routes
from imagegate.flows.views.routes import AdminAttemptView, RouteView
from imagegate.flows.views.task_row import AccountTaskRow, account_task_row
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
    task: Annotated[AccountTaskRow, doc("The task as lists of all accounts have it")]


@get(
    "/v1/admin/routes",
    summary="Every route: its health, and what its calls of the last day cost",
    tag="admin",
    scope=Scope.admin,
    response_example=examples.ROUTES,
)
async def list_routes(runtime: Runtime) -> RouteList:
    return RouteList(data=await routes.route_views(runtime))


@post(
    "/v1/admin/routes/reset",
    summary="Reset the health of a route or an upstream: its next call is made",
    description="A route whose upstream is broken is reset together with the upstream, and an upstream together with "
    "its broken routes.",
    tag="admin",
    scope=Scope.admin,
    response_example=examples.ROUTES,
    request_example={"name": "gpt-image-2@azure-eu"},
    errors=(errors.NotFound,),
)
async def reset_route(data: ResetBody, runtime: Runtime, actor: Actor) -> RouteList:
    if not await routes.reset_route_health(runtime.db, runtime.registry, data.name, runtime.clock(), actor):
        raise errors.NotFound("No route or upstream has this name", param="name")
    runtime.wake_ups.routes_back.set()
    return RouteList(data=await routes.route_views(runtime))


@get(
    "/v1/admin/tasks/{task_id:str}",
    summary="Revenue and cost of a task of any account, and each of its attempts",
    tag="admin",
    scope=Scope.admin,
    response_example=examples.TASK_COST,
    errors=(errors.TaskNotFound,),
)
async def get_task_cost(runtime: Runtime, task_id: TaskIdPath) -> TaskCost:
    found: Any = await routes.attempt_views(runtime, task_id)
    row = await account_task_row(runtime, task_id)
    if found is None or row is None:
        raise errors.TaskNotFound
    margin, attempts = found
    return TaskCost(id=task_id, attempts=attempts, task=row, **margin)
