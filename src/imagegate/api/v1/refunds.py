"""POST /v1/admin/refunds: the charge of a settled task, given back."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, post

from imagegate.api.auth import require_scope
from imagegate.api.body import read_json
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, ResponseLink, described, header
from imagegate.api.responses import IDEMPOTENCY_KEY_PATTERN, REPLAYED_HEADER, idempotency_key, json_response
from imagegate.domain import errors, ids
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.errors import (
    IdempotencyConflict,
    InvalidRequest,
    InvalidTaskId,
    TaskNotFound,
    TaskNotRefundable,
)
from imagegate.domain.fields import AccountIdText, RefundIdText, Seconds, TaskIdText, doc
from imagegate.domain.money import Money, to_money
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.refunds import refund
from imagegate.runtime import Runtime
from imagegate.store.refunds import AlreadyRefunded, NoSuchTask, NotCharged, Refund, RefundConflict

_MAX_REASON_LENGTH = 500


class RefundBody(msgspec.Struct, kw_only=True):
    """Which task, and why; the reason is for operators, its customer does not see it."""

    task_id: TaskIdText
    reason: Annotated[
        str, doc("Not only white space", minLength=1, maxLength=_MAX_REASON_LENGTH, pattern=r"[^\s\u0000]")
    ]


class RefundView(msgspec.Struct, kw_only=True):
    id: RefundIdText
    object: Literal["refund"] = "refund"
    task_id: TaskIdText
    account_id: AccountIdText
    amount: Annotated[Money, doc("The task's whole charge")]
    available: Money
    reason: str
    actor: Annotated[str, doc("The key that gave it back, as `key:<id>`")]
    created: Seconds


@post(
    "/v1/admin/refunds",
    status_code=200,
    opt=described(
        Operation(
            summary="Give the whole charge of a settled task back, once",
            description="The task says `refund_status` `completed` from then on; its images stay. No webhook is sent.",
            tag="admin",
            request_type=RefundBody,
            scope=Scope.admin,
            response_type=RefundView,
            request_example=examples.REFUND_REQUEST,
            response_example=examples.REFUND_RESPONSE,
            parameters=(
                header(
                    "Idempotency-Key",
                    {
                        "type": "string",
                        "pattern": f"^{IDEMPOTENCY_KEY_PATTERN.pattern}$",
                        "examples": ["refund-ticket-17"],
                    },
                    "Makes a repeat safe: it is answered with the same refund",
                    required=True,
                ),
            ),
            response_headers=(REPLAYED_HEADER,),
            errors=(
                errors.InvalidTaskId,
                errors.TaskNotFound,
                errors.TaskNotRefundable,
                errors.IdempotencyConflict,
            ),
            links=(
                ResponseLink("get_task_cost", "What is left of it", parameters={"task_id": "$response.body#/task_id"}),
            ),
        )
    ),
)
async def create_refund(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey) -> Response[bytes]:
    require_scope(key, Scope.admin)
    once = idempotency_key(request)
    if once is None:
        raise InvalidRequest("A refund needs an Idempotency-Key", param="Idempotency-Key")
    body = await read_json(request, RefundBody, runtime.settings.server)
    if not body.reason.strip() or "\0" in body.reason or len(body.reason) > _MAX_REASON_LENGTH:
        raise InvalidRequest(
            f"reason must be 1 to {_MAX_REASON_LENGTH} characters, not only white space", param="reason"
        )
    if not body.task_id.startswith(ids.TASK_PREFIX):
        raise InvalidTaskId(param="task_id")
    match await refund(runtime.db, body.task_id, body.reason, f"key:{key.id}", _scoped_idempotency_key(key, once)):
        case Refund() as booked:
            return json_response(
                _refund_view(runtime, booked), {"Idempotency-Replayed": "true"} if booked.replayed else {}
            )
        case RefundConflict():
            raise IdempotencyConflict
        case NoSuchTask():
            raise TaskNotFound
        case NotCharged():
            raise TaskNotRefundable(param="task_id", reason="not_charged")
        case AlreadyRefunded():
            raise TaskNotRefundable(
                "The charge of this task was given back before", param="task_id", reason="already_refunded"
            )


def _scoped_idempotency_key(key: ApiKey, once: str) -> str:
    """Two operators may choose the same Idempotency-Key: it counts within the operator's account."""
    return "api:" + hashlib.sha256(f"{key.account_id}:{once}".encode()).hexdigest()


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
