"""/v1/admin: accounts, grants, refunds and overruns, for keys with the scope `admin`."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response
from msgspec import UNSET, UnsetType

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import ResponseLink, get, post
from imagegate.api.pagination import CursorPage, cursor_page, decode_cursor, read_list
from imagegate.api.params import IDEMPOTENCY_KEY, Cursor, IdempotencyKey, PageLimit
from imagegate.api.responses import REPLAYED_HEADER, replayed_headers, view_of
from imagegate.api.validation import not_blank, one_line
from imagegate.api_docs.schema import (
    CREDITS_PATTERN,
    AccountIdText,
    ApiKeyText,
    RefundIdText,
    Seconds,
    TaskIdText,
    doc,
    schema,
)
from imagegate.domain import errors, ids
from imagegate.domain.accounts import ApiKey, NewKey, Scope
from imagegate.domain.audit import Action, Actor, AuditEntry
from imagegate.domain.money import Money, to_money
from imagegate.domain.pages import Position
from imagegate.flows.accounts import create_key, open_account
from imagegate.flows.audit import write_act
from imagegate.flows.fields import parse_grant
from imagegate.flows.refunds import refund
from imagegate.runtime import Runtime
from imagegate.store import acts
from imagegate.store.audit import list_audit_page
from imagegate.store.ledger import GrantRefused
from imagegate.store.queries.admin import (
    AccountName,
    GrantConflict,
    GrantEntry,
    NoSuchAccount,
    Overrun,
    list_accounts_page,
    list_overruns_page,
)
from imagegate.store.refunds import AlreadyRefunded, NoSuchTask, NotCharged, Refund, RefundConflict


class AccountBody(msgspec.Struct, kw_only=True):
    """An account that is created where it does not exist."""

    name: Annotated[str, one_line()]
    with_key: Annotated[bool, doc("Also create a key")] = False


class GrantBody(msgspec.Struct, kw_only=True):
    """Credits to grant; a negative number takes them back."""

    account_id: AccountIdText
    credits: Annotated[
        Annotated[str, schema(pattern=CREDITS_PATTERN)] | int, doc('A decimal such as "2.5", or a whole number; not 0')
    ]


class AccountView(msgspec.Struct, kw_only=True):
    id: AccountIdText
    object: Literal["account"] = "account"
    name: str
    available: Money
    held: Money
    key: ApiKeyText | UnsetType = UNSET


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


class AuditView(msgspec.Struct, kw_only=True):
    """An act of an operator, or on an account, a key, a secret, credits or a route. It holds no secret.

    `before` and `after` hold what was changed: amounts in nanos, times in Unix microseconds.
    """

    id: str
    object: Literal["audit_entry"] = "audit_entry"
    created: Seconds
    action: Annotated[str, doc("What was done", enum=[*Action])]
    actor: Annotated[str, doc("Who did it: `key:<id>`, `command line`, or a part of the program; empty: nobody known")]
    via: Annotated[str, doc("How", enum=["api", "page", "command line", "program"])]
    address: Annotated[str, doc("From where: the client's address, or user and machine of a command line")]
    request_id: Annotated[str, doc("Of the response to the act; empty where there was no request")]
    account_id: Annotated[str, doc("The account concerned; empty: none")]
    target: Annotated[str, doc("The id or name of what was changed")]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    times: Annotated[int, doc("Refused sign-ins of an address within a minute are one entry")]


class AuditPage(CursorPage, kw_only=True):
    data: list[AuditView]


class AccountPage(CursorPage, kw_only=True):
    data: list[AccountView]


class OverrunPage(CursorPage, kw_only=True):
    data: list[OverrunView]


@get("/v1/admin/accounts", summary="Every account", tag="admin", scope=Scope.admin, response_example=examples.ACCOUNTS)
async def list_accounts(runtime: Runtime, key: ApiKey, limit: PageLimit = 50, cursor: Cursor = "") -> AccountPage:
    page = await read_list(
        runtime, key, "ask for fewer rows with limit", list_accounts_page, decode_cursor(cursor, AccountName), limit
    )
    return cursor_page(AccountPage, page, lambda account: view_of(AccountView, account, runtime.credits_per_usd))


@post(
    "/v1/admin/accounts",
    summary="Create an account; with_key also creates a key, shown once",
    tag="admin",
    scope=Scope.admin,
    request_example={"name": "shop", "with_key": True},
    response_example=examples.ACCOUNT,
    links=(
        ResponseLink("create_grant", "Give it credits", body={"account_id": "$response.body#/id", "credits": "2.5"}),
    ),
)
async def create_account(data: AccountBody, runtime: Runtime, actor: Actor) -> AccountView:
    account = await open_account(runtime.db, data.name, actor)
    view = view_of(AccountView, account, runtime.credits_per_usd)
    if data.with_key:
        view.key, _ = await create_key(runtime.db, runtime.keyring, account.id, NewKey(name="key"), actor)
    return view


@post(
    "/v1/admin/grants",
    summary="Give credits, or take them back; once per Idempotency-Key",
    tag="admin",
    scope=Scope.admin,
    request_example=examples.GRANT_REQUEST,
    response_example=examples.GRANT_RESPONSE,
    response_headers=(REPLAYED_HEADER,),
    errors=(errors.IdempotencyConflict, errors.NotFound),
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
    amount, account_id = (
        parse_grant("credits", data.credits, runtime.credits_per_usd),
        data.account_id.replace("\0", " "),
    )
    ref = f"grant:{_operation_key(key, idempotency_key)}"
    match await write_act(runtime.db, acts.grant_once, account_id, amount, ref, actor):
        case GrantEntry() as granted:
            view = view_of(GrantView, granted, runtime.credits_per_usd)
            return Response(view, headers=replayed_headers(granted.replayed))
        case GrantConflict():
            raise errors.IdempotencyConflict
        case GrantRefused():
            raise errors.InvalidRequest("The balance cannot grow that much, or is less than that", param="credits")
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
async def list_audit(runtime: Runtime, limit: PageLimit = 50, cursor: Cursor = "") -> AuditPage:
    page = await runtime.db.read(list_audit_page, decode_cursor(cursor, Position), limit)

    def view(one: AuditEntry) -> AuditView:
        return view_of(AuditView, one, runtime.credits_per_usd)

    return cursor_page(AuditPage, page, view)


def _operation_key(key: ApiKey, idempotency_key: str) -> str:
    """Two operators may choose the same Idempotency-Key: it counts within the operator's account."""
    return "api:" + hashlib.sha256(f"{key.account_id}:{idempotency_key}".encode()).hexdigest()
