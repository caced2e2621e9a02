"""/v1/admin/routes and /v1/admin/tasks/{id}: where calls go, how they went and what is left of them."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, get, post

from imagegate.api.answers import json_answer
from imagegate.api.auth import need
from imagegate.api.operations import Operation, described, path
from imagegate.domain import errors
from imagegate.domain.credit import Key, Scope
from imagegate.domain.errors import NotFound, TaskNotFound
from imagegate.domain.money import Money
from imagegate.flows.operate import (
    RouteView,
    TriedView,
    reset_route,
    route_views,
    tried_views,
)
from imagegate.runtime import Runtime


class RouteList(msgspec.Struct, kw_only=True):
    object: str = "list"
    data: list[RouteView]


class TaskCost(msgspec.Struct, kw_only=True):
    """`margin` is what is left of the charge after all calls; below zero the operator pays."""

    id: str
    object: str = "task.cost"
    charged: Money
    cost: Money
    waste: Money
    margin: Money
    attempts: list[TriedView]


@get(
    "/v1/admin/routes",
    opt=described(
        Operation(summary="Every route: its health, and what its calls of the last day cost", tag="admin",
                  answer=RouteList)
    ),
)  # fmt: skip
async def list_routes(runtime: Runtime, key: Key) -> Response[bytes]:
    need(key, Scope.admin)
    return json_answer(RouteList(data=await route_views(runtime)))


@post(
    "/v1/admin/routes/{name:path}",
    status_code=200,
    opt=described(
        Operation(
            summary="Forget the health of a route or an upstream: its next call passes",
            tag="admin",
            answer=RouteList,
            parameters=(path("name", {"type": "string"}, "The name of a route or of an upstream"),),
            errors=(errors.NotFound,),
        )
    ),
)
async def reset(runtime: Runtime, key: Key, name: str) -> Response[bytes]:
    need(key, Scope.admin)
    if not await reset_route(runtime, name.lstrip("/")):
        raise NotFound("There is no route or upstream of this name", param="name")
    return json_answer(RouteList(data=await route_views(runtime)))


@get(
    "/v1/admin/tasks/{task_id:str}",
    opt=described(
        Operation(
            summary="What a task of any account brought and cost, and each of its attempts",
            tag="admin",
            answer=TaskCost,
            parameters=(path("task_id", {"type": "string"}, "The id of a task"),),
            errors=(errors.TaskNotFound,),
        )
    ),
)
async def get_task_cost(runtime: Runtime, key: Key, task_id: str) -> Response[bytes]:
    need(key, Scope.admin)
    found: Any = await tried_views(runtime, task_id)
    if found is None:
        raise TaskNotFound
    margin, attempts = found
    return json_answer(TaskCost(id=task_id, attempts=attempts, **margin))
