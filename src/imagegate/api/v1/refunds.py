"""POST /v1/admin/refunds: refund the charge of a settled task."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec
from litestar import Response, post

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, ResponseLink
from imagegate.api.params import IDEMPOTENCY_KEY, IdempotencyKey
from imagegate.api.responses import REPLAYED_HEADER, replayed_headers
from imagegate.api.validation import not_blank
from imagegate.api_docs.schema import AccountIdText, RefundIdText, Seconds, TaskIdText, doc
from imagegate.domain import errors, ids
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.errors import IdempotencyConflict, InvalidTaskId, TaskNotFound, TaskNotRefundable
from imagegate.domain.money import Money, to_money
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.refunds import refund
from imagegate.runtime import Runtime
from imagegate.store.refunds import AlreadyRefunded, NoSuchTask, NotCharged, Refund, RefundConflict


class RefundBody(msgspec.Struct, kw_only=True):
    """The task and the reason, which only operators see."""

    task_id: TaskIdText
    reason: Annotated[str, not_blank(500)]


class RefundView(msgspec.Struct, kw_only=True):
    id: RefundIdText
    object: Literal["refund"] = "refund"
    task_id: TaskIdText
    account_id: AccountIdText
    amount: Annotated[Money, doc("The task's whole charge")]
    available: Money
    reason: str
    actor: Annotated[str, doc("The key that refunded it, as `key:<id>`")]
    created: Seconds


@post(
    "/v1/admin/refunds",
    status_code=200,
    operation=Operation(
        summary="Refund the whole charge of a settled task, once",
        description="The task says `refund_status` `completed` from then on; its images stay. No webhook is sent.",
        tag="admin",
        scope=Scope.admin,
        request_example=examples.REFUND_REQUEST,
        response_example=examples.REFUND_RESPONSE,
        response_headers=(REPLAYED_HEADER,),
        errors=(errors.InvalidTaskId, errors.TaskNotFound, errors.TaskNotRefundable, errors.IdempotencyConflict),
        links=(ResponseLink("get_task_cost", "What is left of it", parameters={"task_id": "$response.body#/task_id"}),),
    ),
)
async def create_refund(
    data: RefundBody,
    runtime: Runtime,
    key: ApiKey,
    idempotency_key: Annotated[
        IdempotencyKey,
        IDEMPOTENCY_KEY,
        doc("Makes a repeat safe: it is answered with the same refund", examples=["refund-ticket-17"]),
    ],
) -> Response[RefundView]:
    if not data.task_id.startswith(ids.TASK_PREFIX):
        raise InvalidTaskId(param="task_id")
    scoped = _scoped_idempotency_key(key, idempotency_key)
    match await refund(runtime.db, data.task_id, data.reason, f"key:{key.id}", scoped):
        case Refund() as booked:
            return Response(_refund_view(runtime, booked), headers=replayed_headers(booked.replayed))
        case RefundConflict():
            raise IdempotencyConflict
        case NoSuchTask():
            raise TaskNotFound
        case NotCharged():
            raise TaskNotRefundable(param="task_id", reason="not_charged")
        case AlreadyRefunded():
            raise TaskNotRefundable(
                "The charge of this task was refunded before", param="task_id", reason="already_refunded"
            )


def _scoped_idempotency_key(key: ApiKey, idempotency_key: str) -> str:
    """Two operators may choose the same Idempotency-Key: it counts within the operator's account."""
    return "api:" + hashlib.sha256(f"{key.account_id}:{idempotency_key}".encode()).hexdigest()


def _refund_view(runtime: Runtime, booked: Refund) -> RefundView:
    rate = runtime.credits_per_usd
    return RefundView(
        id=booked.id,
        task_id=booked.task_id,
        account_id=booked.account_id,
        amount=to_money(booked.amount, rate),
        available=to_money(booked.available, rate),
        reason=booked.reason,
        actor=booked.actor,
        created=booked.created // US_PER_SECOND,
    )
