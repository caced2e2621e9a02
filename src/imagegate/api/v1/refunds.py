"""POST /v1/admin/refunds: the charge of a settled task, given back."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, post

from imagegate.api.auth import need
from imagegate.api.body import read_json
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Follow, Operation, described, header
from imagegate.api.responses import IDEMPOTENCY_KEY, REPLAYED, idempotency_key, json_answer
from imagegate.domain import errors, ids
from imagegate.domain.accounts import Key, Scope
from imagegate.domain.errors import (
    IdempotencyConflict,
    InvalidRequest,
    InvalidTaskId,
    TaskNotFound,
    TaskNotRefundable,
)
from imagegate.domain.fields import AccountIdText, RefundIdText, Seconds, TaskIdText, said
from imagegate.domain.money import Money, money
from imagegate.flows.refunds import refund
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.store.refunds import NoTask, NotCharged, Refund, RefundConflict, RefundedBefore

_MOST_REASON = 500


class RefundBody(msgspec.Struct, kw_only=True):
    """Which task, and why; the reason is for operators, its customer does not see it."""

    task_id: TaskIdText
    reason: Annotated[str, said("Not only white space", minLength=1, maxLength=_MOST_REASON, pattern=r"[^\s\u0000]")]


class RefundView(msgspec.Struct, kw_only=True):
    id: RefundIdText
    object: Literal["refund"] = "refund"
    task_id: TaskIdText
    account_id: AccountIdText
    amount: Annotated[Money, said("The task's whole charge")]
    available: Money
    reason: str
    actor: Annotated[str, said("The key that gave it back, as `key:<id>`")]
    created: Seconds


@post(
    "/v1/admin/refunds",
    status_code=200,
    opt=described(
        Operation(
            summary="Give the whole charge of a settled task back, once",
            about="The task says `refund_status` `completed` from then on; its pictures stay. No webhook is sent.",
            tag="admin",
            takes=RefundBody,
            scope=Scope.admin,
            answer=RefundView,
            example=examples.REFUND,
            gives=examples.REFUNDED,
            parameters=(
                header(
                    "Idempotency-Key",
                    {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$", "examples": ["refund-ticket-17"]},
                    "Makes a repeat safe: it is answered with the same refund",
                    required=True,
                ),
            ),
            headers=(REPLAYED,),
            errors=(
                errors.InvalidTaskId,
                errors.TaskNotFound,
                errors.TaskNotRefundable,
                errors.IdempotencyConflict,
            ),
            follow=(Follow("get_task_cost", "What is left of it", parameters={"task_id": "$response.body#/task_id"}),),
        )
    ),
)
async def create_refund(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    need(key, Scope.admin)
    once = idempotency_key(request)
    if once is None:
        raise InvalidRequest("A refund needs an Idempotency-Key", param="Idempotency-Key")
    body = await read_json(request, RefundBody, runtime.settings.server)
    if not body.reason.strip() or "\0" in body.reason or len(body.reason) > _MOST_REASON:
        raise InvalidRequest(f"reason must be 1 to {_MOST_REASON} characters, not only white space", param="reason")
    if not body.task_id.startswith(ids.TASK_PREFIX):
        raise InvalidTaskId(param="task_id")
    match await refund(runtime.db, body.task_id, body.reason, f"key:{key.id}", _once(key, once)):
        case Refund() as booked:
            return json_answer(_view(runtime, booked), {"Idempotency-Replayed": "true"} if booked.replayed else {})
        case RefundConflict():
            raise IdempotencyConflict
        case NoTask():
            raise TaskNotFound
        case NotCharged():
            raise TaskNotRefundable(param="task_id", reason="not_charged")
        case RefundedBefore():
            raise TaskNotRefundable(
                "The charge of this task was given back before", param="task_id", reason="already_refunded"
            )


def _once(key: Key, once: str) -> str:
    """Two operators may choose the same Idempotency-Key: it counts within the operator's account."""
    return "api:" + hashlib.sha256(f"{key.account_id}:{once}".encode()).hexdigest()


def _view(runtime: Runtime, booked: Refund) -> RefundView:
    rate = runtime.credits_per_usd
    return RefundView(
        id=booked.id,
        task_id=booked.task_id,
        account_id=booked.account_id,
        amount=money(booked.amount, rate),
        available=money(booked.available, rate),
        reason=booked.reason,
        actor=booked.actor,
        created=booked.created // PER_SECOND,
    )
