"""/v1/admin: accounts, grants and overruns, for keys with the scope `admin`."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from msgspec import UNSET, UnsetType

from imagegate.api.auth import require_scope
from imagegate.api.body import read_json
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, ResponseLink, described, header, page_parameters
from imagegate.api.responses import (
    IDEMPOTENCY_KEY_PATTERN,
    REPLAYED_HEADER,
    decode_cursor,
    encode_cursor,
    idempotency_key,
    json_response,
    whole_number,
)
from imagegate.domain import errors
from imagegate.domain.accounts import Account, ApiKey, Scope
from imagegate.domain.errors import IdempotencyConflict, InvalidRequest, NotFound
from imagegate.domain.fields import (
    CREDITS_PATTERN,
    AccountIdText,
    ApiKeyText,
    HasMore,
    NextCursor,
    Seconds,
    TaskIdText,
    doc,
    schema,
)
from imagegate.domain.money import Money, Nanos, parse_credits, to_money
from imagegate.domain.pages import Position
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.accounts import NewKey, create_key, open_account
from imagegate.runtime import Runtime
from imagegate.store.ledger import GrantRefused
from imagegate.store.queries.admin import (
    AccountName,
    GrantConflict,
    GrantEntry,
    NoSuchAccount,
    Overrun,
    grant_once,
    list_accounts_page,
    list_overruns_page,
)

_MAX_NAME_LENGTH = 100


class AccountBody(msgspec.Struct, kw_only=True):
    """An account that is made where it is absent."""

    name: Annotated[str, doc("Not only white space", minLength=1, maxLength=_MAX_NAME_LENGTH, pattern=r"[^\s\u0000]")]
    with_key: Annotated[bool, doc("Make a key of it too")] = False


class GrantBody(msgspec.Struct, kw_only=True):
    """Credits to give, or to take back where negative."""

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
    actor: Annotated[str, doc("The key that gave it, as `key:<id>`")]
    created: Seconds


class OverrunView(msgspec.Struct, kw_only=True):
    """A bill that was cut at its hold: price = charged + overrun."""

    id: str
    object: Literal["overrun"] = "overrun"
    task_id: TaskIdText
    account_id: AccountIdText
    created: Seconds
    charged: Money
    price: Money
    overrun: Money


class AccountPage(msgspec.Struct, kw_only=True):
    object: Literal["list"] = "list"
    data: list[AccountView]
    has_more: HasMore
    next_cursor: NextCursor


class OverrunPage(msgspec.Struct, kw_only=True):
    object: Literal["list"] = "list"
    data: list[OverrunView]
    has_more: HasMore
    next_cursor: NextCursor


@get(
    "/v1/admin/accounts",
    opt=described(
        Operation(
            summary="Every account",
            tag="admin",
            scope=Scope.admin,
            response_type=AccountPage,
            response_example=examples.ACCOUNTS,
            parameters=page_parameters("Accounts"),
        )
    ),
)
async def list_accounts(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey) -> Response[bytes]:
    require_scope(key, Scope.admin)
    limit, after = whole_number(request, "limit", 50, 1, 200), decode_cursor(request, AccountName)
    page = await runtime.db.read(list_accounts_page, after, limit)
    data = [_account_view(runtime, account) for account in page.rows]
    return json_response(AccountPage(data=data, has_more=page.has_more, next_cursor=encode_cursor(page.next_position)))


@post(
    "/v1/admin/accounts",
    status_code=200,
    opt=described(
        Operation(
            summary="Open an account; with_key makes a key of it, shown once",
            tag="admin",
            request_type=AccountBody,
            scope=Scope.admin,
            response_type=AccountView,
            request_example={"name": "shop", "with_key": True},
            response_example=examples.ACCOUNT,
            links=(
                ResponseLink(
                    "create_grant", "Give it credits", body={"account_id": "$response.body#/id", "credits": "2.5"}
                ),
            ),
        )
    ),
)
async def create_account(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey) -> Response[bytes]:
    """The account of this name, made where it is absent; with a new key where that is asked for."""
    require_scope(key, Scope.admin)
    body = await read_json(request, AccountBody, runtime.settings.server)
    if not body.name.strip() or "\0" in body.name or len(body.name) > _MAX_NAME_LENGTH:
        raise InvalidRequest(f"name must be 1 to {_MAX_NAME_LENGTH} characters, not only white space", param="name")
    account = await open_account(runtime.db, body.name)
    view = _account_view(runtime, account)
    if body.with_key:
        view.key, _ = await create_key(runtime.db, runtime.keyring, account, NewKey(name="key"))
    return json_response(view)


@post(
    "/v1/admin/grants",
    status_code=200,
    opt=described(
        Operation(
            summary="Give credits, or take them back; once per Idempotency-Key",
            tag="admin",
            request_type=GrantBody,
            scope=Scope.admin,
            response_type=GrantView,
            request_example=examples.GRANT_REQUEST,
            response_example=examples.GRANT_RESPONSE,
            parameters=(
                header(
                    "Idempotency-Key",
                    {
                        "type": "string",
                        "pattern": f"^{IDEMPOTENCY_KEY_PATTERN.pattern}$",
                        "examples": ["grant-2026-11"],
                    },
                    "Makes a repeat safe: the same grant is booked once",
                    required=True,
                ),
            ),
            response_headers=(REPLAYED_HEADER,),
            errors=(errors.IdempotencyConflict, errors.NotFound),
        )
    ),
)
async def create_grant(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey) -> Response[bytes]:
    """Credits given, or taken back where the number is negative. Once per Idempotency-Key."""
    require_scope(key, Scope.admin)
    once = idempotency_key(request)
    if once is None:
        raise InvalidRequest("A grant needs an Idempotency-Key", param="Idempotency-Key")
    body = await read_json(request, GrantBody, runtime.settings.server)
    amount, account_id = _parse_amount(runtime, body.credits), body.account_id.replace("\0", " ")
    granted = await runtime.db.write(grant_once, account_id, amount, _grant_ref(key, once), f"key:{key.id}")
    match granted:
        case GrantEntry():
            headers = {"Idempotency-Replayed": "true"} if granted.replayed else {}
            return json_response(_grant_view(runtime, granted), headers)
        case GrantConflict():
            raise IdempotencyConflict
        case GrantRefused():
            raise InvalidRequest("The account cannot have that much, or has less than that to take", param="credits")
        case NoSuchAccount():
            raise NotFound("There is no account of this id", param="account_id")


@get(
    "/v1/admin/overruns",
    opt=described(
        Operation(
            summary="Bills that were cut at their hold, newest first",
            tag="admin",
            scope=Scope.admin,
            response_type=OverrunPage,
            response_example=examples.OVERRUNS,
            parameters=page_parameters("Overruns"),
        )
    ),
)
async def list_overruns(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey) -> Response[bytes]:
    """Bills that were cut at their hold, newest first."""
    require_scope(key, Scope.admin)
    limit, before = whole_number(request, "limit", 50, 1, 200), decode_cursor(request, Position)
    page = await runtime.db.read(list_overruns_page, before, limit)
    data = [_overrun_view(runtime, overrun) for overrun in page.rows]
    return json_response(OverrunPage(data=data, has_more=page.has_more, next_cursor=encode_cursor(page.next_position)))


def _grant_ref(key: ApiKey, once: str) -> str:
    """Two operators may choose the same Idempotency-Key: it counts within the operator's account."""
    return "grant:api:" + hashlib.sha256(f"{key.account_id}:{once}".encode()).hexdigest()


def _parse_amount(runtime: Runtime, given: str | int) -> Nanos:
    try:
        amount = parse_credits(str(given), runtime.credits_per_usd)
    except ValueError as error:
        raise InvalidRequest(str(error)[:300], param="credits") from error
    if amount == 0:
        raise InvalidRequest("credits must not be 0", param="credits")
    return amount


def _account_view(runtime: Runtime, account: Account) -> AccountView:
    rate = runtime.credits_per_usd
    return AccountView(
        id=account.id, name=account.name, available=to_money(account.available, rate), held=to_money(account.held, rate)
    )


def _grant_view(runtime: Runtime, entry: GrantEntry) -> GrantView:
    rate = runtime.credits_per_usd
    return GrantView(
        id=entry.id,
        account_id=entry.account_id,
        amount=to_money(entry.amount, rate),
        available=to_money(entry.available, rate),
        actor=entry.actor,
        created=entry.created // US_PER_SECOND,
    )


def _overrun_view(runtime: Runtime, one: Overrun) -> OverrunView:
    rate = runtime.credits_per_usd
    return OverrunView(
        id=one.id,
        task_id=one.task_id,
        account_id=one.account_id,
        created=one.created // US_PER_SECOND,
        charged=to_money(one.charged, rate),
        price=to_money(one.charged + one.overrun, rate),
        overrun=to_money(one.overrun, rate),
    )
