"""/v1/admin: accounts, grants and overruns, for keys with the scope `admin`."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from msgspec import UNSET, UnsetType

from imagegate.api.auth import need
from imagegate.api.body import read_json
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Follow, Operation, described, header, page_of
from imagegate.api.responses import (
    IDEMPOTENCY_KEY,
    REPLAYED,
    cursor,
    idempotency_key,
    json_answer,
    next_cursor,
    whole_number,
)
from imagegate.domain import errors
from imagegate.domain.accounts import Account, Key, Scope
from imagegate.domain.errors import IdempotencyConflict, InvalidRequest, NotFound
from imagegate.domain.fields import (
    CREDITS_PATTERN,
    AccountIdText,
    HasMore,
    KeyText,
    NextCursor,
    Seconds,
    TaskIdText,
    said,
    shape,
)
from imagegate.domain.money import Money, Nanos, money, nanos_of_credits
from imagegate.flows.accounts import NewKey, create_key, open_account
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.store.ledger import GrantRefused
from imagegate.store.queries.admin import (
    GrantConflict,
    GrantEntry,
    NoAccount,
    Overrun,
    grant_once,
    page_of_accounts,
    page_of_overruns,
)

_MOST_NAME = 100


class AccountBody(msgspec.Struct, kw_only=True):
    """An account that is made where it is absent."""

    name: Annotated[str, said("Not only white space", minLength=1, maxLength=_MOST_NAME, pattern=r"[^\s\u0000]")]
    with_key: Annotated[bool, said("Make a key of it too")] = False


class GrantBody(msgspec.Struct, kw_only=True):
    """Credits to give, or to take back where negative."""

    account_id: AccountIdText
    credits: Annotated[
        Annotated[str, shape(pattern=CREDITS_PATTERN)] | int, said('A decimal such as "2.5", or a whole number; not 0')
    ]


class AccountView(msgspec.Struct, kw_only=True):
    id: AccountIdText
    object: Literal["account"] = "account"
    name: str
    available: Money
    held: Money
    key: KeyText | UnsetType = UNSET


class GrantView(msgspec.Struct, kw_only=True):
    id: str
    object: Literal["grant"] = "grant"
    account_id: AccountIdText
    amount: Money
    available: Money
    actor: Annotated[str, said("The key that gave it, as `key:<id>`")]
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


class Name(msgspec.Struct, array_like=True):
    name: str


class Place(msgspec.Struct, array_like=True):
    created: int
    id: str


@get(
    "/v1/admin/accounts",
    opt=described(
        Operation(
            summary="Every account",
            tag="admin",
            scope=Scope.admin,
            answer=AccountPage,
            gives=examples.ACCOUNTS,
            parameters=page_of("Accounts"),
        )
    ),
)
async def list_accounts(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    need(key, Scope.admin)
    limit, below = whole_number(request, "limit", 50, 1, 200), cursor(request, Name)
    found = await runtime.db.read(page_of_accounts, below.name if below else "", limit + 1)
    shown, more = found[:limit], len(found) > limit
    data = [_account(runtime, one) for one in shown]
    return json_answer(
        AccountPage(data=data, has_more=more, next_cursor=next_cursor(Name(shown[-1].name)) if more else None)
    )


@post(
    "/v1/admin/accounts",
    status_code=200,
    opt=described(
        Operation(
            summary="Open an account; with_key makes a key of it, shown once",
            tag="admin",
            takes=AccountBody,
            scope=Scope.admin,
            answer=AccountView,
            example={"name": "shop", "with_key": True},
            gives=examples.ACCOUNT,
            follow=(
                Follow("create_grant", "Give it credits", body={"account_id": "$response.body#/id", "credits": "2.5"}),
            ),
        )
    ),
)
async def create_account(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    """The account of this name, made where it is absent; with a new key where that is asked for."""
    need(key, Scope.admin)
    body = await read_json(request, AccountBody, runtime.settings.server)
    if not body.name.strip() or "\0" in body.name or len(body.name) > _MOST_NAME:
        raise InvalidRequest(f"name must be 1 to {_MOST_NAME} characters, not only white space", param="name")
    account = await open_account(runtime.db, body.name)
    view = _account(runtime, account)
    if body.with_key:
        view.key, _ = await create_key(runtime.db, runtime.keyring, account, NewKey(name="key"))
    return json_answer(view)


@post(
    "/v1/admin/grants",
    status_code=200,
    opt=described(
        Operation(
            summary="Give credits, or take them back; once per Idempotency-Key",
            tag="admin",
            takes=GrantBody,
            scope=Scope.admin,
            answer=GrantView,
            example=examples.GRANT,
            gives=examples.GRANTED,
            parameters=(
                header(
                    "Idempotency-Key",
                    {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$", "examples": ["grant-2026-11"]},
                    "Makes a repeat safe: the same grant is booked once",
                    required=True,
                ),
            ),
            headers=(REPLAYED,),
            errors=(errors.IdempotencyConflict, errors.NotFound),
        )
    ),
)
async def create_grant(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    """Credits given, or taken back where the number is negative. Once per Idempotency-Key."""
    need(key, Scope.admin)
    once = idempotency_key(request)
    if once is None:
        raise InvalidRequest("A grant needs an Idempotency-Key", param="Idempotency-Key")
    body = await read_json(request, GrantBody, runtime.settings.server)
    amount, account_id = _amount(runtime, body.credits), body.account_id.replace("\0", " ")
    granted = await runtime.db.write(grant_once, account_id, amount, _ref(key, once), f"key:{key.id}")
    match granted:
        case GrantEntry():
            headers = {"Idempotency-Replayed": "true"} if granted.replayed else {}
            return json_answer(_grant(runtime, granted), headers)
        case GrantConflict():
            raise IdempotencyConflict
        case GrantRefused():
            raise InvalidRequest("The account cannot have that much, or has less than that to take", param="credits")
        case NoAccount():
            raise NotFound("There is no account of this id", param="account_id")


@get(
    "/v1/admin/overruns",
    opt=described(
        Operation(
            summary="Bills that were cut at their hold, newest first",
            tag="admin",
            scope=Scope.admin,
            answer=OverrunPage,
            gives=examples.OVERRUNS,
            parameters=page_of("Overruns"),
        )
    ),
)
async def list_overruns(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    """Bills that were cut at their hold, newest first."""
    need(key, Scope.admin)
    limit, below = whole_number(request, "limit", 50, 1, 200), cursor(request, Place)
    found = await runtime.db.read(page_of_overruns, (below.created, below.id) if below else None, limit + 1)
    shown, more = found[:limit], len(found) > limit
    end = next_cursor(Place(shown[-1].created, shown[-1].id)) if more else None
    return json_answer(OverrunPage(data=[_overrun(runtime, one) for one in shown], has_more=more, next_cursor=end))


def _ref(key: Key, once: str) -> str:
    """Two operators may choose the same Idempotency-Key: it counts within the operator's account."""
    return "grant:api:" + hashlib.sha256(f"{key.account_id}:{once}".encode()).hexdigest()


def _amount(runtime: Runtime, given: str | int) -> Nanos:
    try:
        amount = nanos_of_credits(str(given), runtime.credits_per_usd)
    except ValueError as error:
        raise InvalidRequest(str(error)[:300], param="credits") from error
    if amount == 0:
        raise InvalidRequest("credits must not be 0", param="credits")
    return amount


def _account(runtime: Runtime, account: Account) -> AccountView:
    rate = runtime.credits_per_usd
    return AccountView(
        id=account.id, name=account.name, available=money(account.available, rate), held=money(account.held, rate)
    )


def _grant(runtime: Runtime, entry: GrantEntry) -> GrantView:
    rate = runtime.credits_per_usd
    return GrantView(
        id=entry.id,
        account_id=entry.account_id,
        amount=money(entry.amount, rate),
        available=money(entry.available, rate),
        actor=entry.actor,
        created=entry.created // PER_SECOND,
    )


def _overrun(runtime: Runtime, one: Overrun) -> OverrunView:
    rate = runtime.credits_per_usd
    return OverrunView(
        id=one.id,
        task_id=one.task_id,
        account_id=one.account_id,
        created=one.created // PER_SECOND,
        charged=money(one.charged, rate),
        price=money(one.charged + one.overrun, rate),
        overrun=money(one.overrun, rate),
    )
