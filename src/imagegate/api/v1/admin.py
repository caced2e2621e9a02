"""/v1/admin: grants, refunds, overruns, the audit log and the margin, for keys with the scope `admin`."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec
from litestar import Response
from litestar.params import QueryParameter
from msgspec import Meta

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import ResponseLink, get, post
from imagegate.api.pagination import CursorPage, cursor_page, decode_cursor, read_list
from imagegate.api.params import IDEMPOTENCY_KEY, Cursor, IdempotencyKey, PageLimit
from imagegate.api.responses import REPLAYED_HEADER, replayed_headers, view_of
from imagegate.api.validation import not_blank, storable
from imagegate.api_docs.schema import (
    CREDITS_PATTERN,
    AccountIdText,
    RefundIdText,
    Seconds,
    TaskIdText,
    doc,
    schema,
)
from imagegate.domain import errors, ids
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.audit import Action, Actor
from imagegate.domain.money import Money, to_money
from imagegate.domain.pages import Position
from imagegate.flows.audit import write_act
from imagegate.flows.fields import parse_grant
from imagegate.flows.refunds import refund
from imagegate.flows.views.accounts import AuditView, audit_view
from imagegate.flows.views.margin import (
    DEFAULT_MARGIN_DAYS,
    MAX_MARGIN_DAYS,
    MarginView,
    margin_days,
    margin_view,
)
from imagegate.runtime import Runtime
from imagegate.store import acts
from imagegate.store.audit import list_audit_page
from imagegate.store.ledger import GrantRefused
from imagegate.store.queries.admin import (
    GrantConflict,
    GrantEntry,
    NoSuchAccount,
    Overrun,
    list_overruns_page,
)
from imagegate.store.queries.margin import sum_margin
from imagegate.store.refunds import AlreadyRefunded, NoSuchTask, NotCharged, Refund, RefundConflict


class GrantBody(msgspec.Struct, kw_only=True):
    """Credits to grant; a negative number takes them back."""

    account_id: AccountIdText
    credits: Annotated[
        Annotated[str, schema(pattern=CREDITS_PATTERN)] | int, doc('A decimal such as "2.5", or a whole number; not 0')
    ]


class GrantView(msgspec.Struct, kw_only=True):
    id: str
    object: Literal["grant"] = "grant"
    account_id: AccountIdText
    amount: Money
    available: Money
    actor: Annotated[str, doc("The key that granted it, as `key:<id>`")]
    created: Seconds


class OverrunView(msgspec.Struct, kw_only=True):
    """A charge that was capped at its hold: price = charged + overrun."""

    id: str
    object: Literal["overrun"] = "overrun"
    task_id: TaskIdText
    account_id: AccountIdText
    created: Seconds
    charged: Money
    price: Money
    overrun: Money


class RefundBody(msgspec.Struct, kw_only=True):
    """The task and the reason, which only operators see."""

    task_id: TaskIdText
    reason: Annotated[str, not_blank()]


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


class AuditPage(CursorPage, kw_only=True):
    data: list[AuditView]


class OverrunPage(CursorPage, kw_only=True):
    data: list[OverrunView]


@post(
    "/v1/admin/grants",
    summary="Give credits, or take them back; once per Idempotency-Key",
    tag="admin",
    scope=Scope.admin,
    request_example=examples.GRANT_REQUEST,
    response_example=examples.GRANT_RESPONSE,
    response_headers=(REPLAYED_HEADER,),
    errors=(errors.IdempotencyConflict, errors.NotFound, errors.AccountClosed),
)
async def create_grant(
    data: GrantBody,
    runtime: Runtime,
    key: ApiKey,
    actor: Actor,
    idempotency_key: Annotated[
        IdempotencyKey,
        IDEMPOTENCY_KEY,
        doc("Makes a repeat safe: the same grant is booked once", examples=["grant-2026-11"]),
    ],
) -> Response[GrantView]:
    amount, account_id = parse_grant("credits", data.credits, runtime.credits_per_usd), storable(data.account_id)
    ref = f"grant:{_operation_key(key, idempotency_key)}"
    match await write_act(runtime.db, acts.grant_once, account_id, amount, ref, actor):
        case GrantEntry() as granted:
            view = view_of(GrantView, granted, runtime.credits_per_usd)
            return Response(view, headers=replayed_headers(granted.replayed))
        case GrantConflict():
            raise errors.IdempotencyConflict
        case GrantRefused():
            raise errors.InvalidRequest("The balance cannot grow that much, or is less than that", param="credits")
        case acts.AccountClosed():
            raise errors.AccountClosed(param="account_id")
        case NoSuchAccount():
            raise errors.NotFound("No account has this id", param="account_id")


@post(
    "/v1/admin/refunds",
    summary="Refund the whole charge of a settled task, once",
    description="The task says `refund_status` `completed` from then on; its images stay. No webhook is sent.",
    tag="admin",
    scope=Scope.admin,
    request_example=examples.REFUND_REQUEST,
    response_example=examples.REFUND_RESPONSE,
    response_headers=(REPLAYED_HEADER,),
    errors=(errors.InvalidTaskId, errors.TaskNotFound, errors.TaskNotRefundable, errors.IdempotencyConflict),
    links=(ResponseLink("get_task_cost", "What is left of it", parameters={"task_id": "$response.body#/task_id"}),),
)
async def create_refund(
    data: RefundBody,
    runtime: Runtime,
    key: ApiKey,
    actor: Actor,
    idempotency_key: Annotated[
        IdempotencyKey,
        IDEMPOTENCY_KEY,
        doc("Makes a repeat safe: it is answered with the same refund", examples=["refund-ticket-17"]),
    ],
) -> Response[RefundView]:
    if not data.task_id.startswith(ids.TASK_PREFIX):
        raise errors.InvalidTaskId(param="task_id")
    operation_key = _operation_key(key, idempotency_key)
    match await refund(runtime.db, data.task_id, data.reason, actor, operation_key):
        case Refund() as booked:
            view = view_of(RefundView, booked, runtime.credits_per_usd)
            return Response(view, headers=replayed_headers(booked.replayed))
        case RefundConflict():
            raise errors.IdempotencyConflict
        case NoSuchTask():
            raise errors.TaskNotFound
        case NotCharged():
            raise errors.TaskNotRefundable(param="task_id", reason="not_charged")
        case AlreadyRefunded():
            raise errors.TaskNotRefundable(
                "The charge of this task was refunded before", param="task_id", reason="already_refunded"
            )


@get(
    "/v1/admin/overruns",
    summary="Charges that were capped at their hold, newest first",
    tag="admin",
    scope=Scope.admin,
    response_example=examples.OVERRUNS,
)
async def list_overruns(runtime: Runtime, key: ApiKey, limit: PageLimit = 50, cursor: Cursor = "") -> OverrunPage:
    page = await read_list(
        runtime, key, "ask for fewer rows with limit", list_overruns_page, decode_cursor(cursor, Position), limit
    )
    rate = runtime.credits_per_usd

    def view(one: Overrun) -> OverrunView:
        return view_of(OverrunView, one, rate, price=to_money(one.charged + one.overrun, rate))

    return cursor_page(OverrunPage, page, view)


@get(
    "/v1/admin/audit",
    summary="What was done by operators and on accounts, keys, secrets and routes, newest first",
    tag="admin",
    scope=Scope.admin,
    response_example=examples.AUDIT,
)
async def list_audit(
    runtime: Runtime,
    key: ApiKey,
    limit: PageLimit = 50,
    cursor: Cursor = "",
    account_id: Annotated[
        str, QueryParameter(name="account_id"), Meta(max_length=100, description="Only acts on this account")
    ] = "",
    action: Annotated[
        str, QueryParameter(name="action"), schema(enum=["", *Action]), doc("Only acts of this kind")
    ] = "",
) -> AuditPage:
    page = await read_list(
        runtime,
        key,
        "ask for fewer rows with limit",
        list_audit_page,
        decode_cursor(cursor, Position),
        limit,
        storable(account_id),
        action,
    )
    return cursor_page(AuditPage, page, audit_view)


@get(
    "/v1/admin/margin",
    summary="Revenue, cost and margin of the last days, by model and by route",
    description="From the ledger, like the metrics of the day.",
    tag="admin",
    scope=Scope.admin,
    response_example=examples.MARGIN,
)
async def get_margin(
    runtime: Runtime,
    key: ApiKey,
    days: Annotated[
        int, QueryParameter(name="days"), Meta(ge=1, le=MAX_MARGIN_DAYS, description="UTC days, today included")
    ] = DEFAULT_MARGIN_DAYS,
) -> MarginView:
    asked = margin_days(runtime.clock(), days)
    found = await read_list(runtime, key, "ask for fewer days", sum_margin, *asked)
    return margin_view(found, asked, runtime.credits_per_usd)


def _operation_key(key: ApiKey, idempotency_key: str) -> str:
    """Two operators may choose the same Idempotency-Key: it counts within the operator's account."""
    return "api:" + hashlib.sha256(f"{key.account_id}:{idempotency_key}".encode()).hexdigest()
