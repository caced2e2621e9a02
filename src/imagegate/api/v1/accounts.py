"""/v1/admin/accounts: every account, a new one, and the closing of one, for keys with the scope `admin`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import ResponseLink, get, post
from imagegate.api.pagination import CursorPage, cursor_page, decode_cursor, read_list
from imagegate.api.params import Cursor, PageLimit
from imagegate.api.validation import one_line, storable
from imagegate.api_docs.schema import ACCOUNT_ID_PATTERN, doc
from imagegate.domain import errors
from imagegate.domain.accounts import ApiKey, NewKey, Scope
from imagegate.domain.audit import Actor
from imagegate.flows import closing
from imagegate.flows.accounts import create_key, open_account
from imagegate.flows.views.accounts import AccountDetailView, AccountView, account_detail_view, account_view
from imagegate.runtime import Runtime
from imagegate.store import accounts
from imagegate.store.daily_sums import sum_used
from imagegate.store.queries.admin import AccountName, list_accounts_page

AccountIdPath = Annotated[
    str,
    PathParameter(name="account_id"),
    doc("The id of an account", pattern=ACCOUNT_ID_PATTERN, examples=[examples.ACCOUNT_ID]),
]


class AccountBody(msgspec.Struct, kw_only=True):
    """An account that is created where it does not exist."""

    name: Annotated[str, one_line()]
    with_key: Annotated[bool, doc("Also create a key")] = False


class AccountPage(CursorPage, kw_only=True):
    data: list[AccountView]


@get(
    "/v1/admin/accounts",
    summary="Every account, by name",
    tag="admin",
    scope=Scope.admin,
    response_example=examples.ACCOUNTS,
)
async def list_accounts(
    runtime: Runtime,
    key: ApiKey,
    limit: PageLimit = 50,
    cursor: Cursor = "",
    q: Annotated[
        str,
        QueryParameter(name="q"),
        Meta(max_length=100, description="Only accounts with this text in their name, or with this id"),
    ] = "",
) -> AccountPage:
    page = await read_list(
        runtime,
        key,
        "ask for fewer rows with limit",
        list_accounts_page,
        decode_cursor(cursor, AccountName),
        limit,
        storable(q),
    )
    return cursor_page(AccountPage, page, lambda account: account_view(account, runtime.credits_per_usd))


@post(
    "/v1/admin/accounts",
    summary="Create an account; with_key also creates a key, shown once",
    tag="admin",
    scope=Scope.admin,
    request_example={"name": "shop", "with_key": True},
    response_example=examples.ACCOUNT,
    links=(
        ResponseLink("create_grant", "Give it credits", body={"account_id": "$response.body#/id", "credits": "2.5"}),
        ResponseLink("close_account", "Close it", {"account_id": "$response.body#/id"}),
    ),
    errors=(errors.AccountClosed,),
)
async def create_account(data: AccountBody, runtime: Runtime, actor: Actor) -> AccountView:
    account = await open_account(runtime.db, data.name, actor)
    view = account_view(account, runtime.credits_per_usd)
    if data.with_key:
        view.key, _ = await create_key(runtime.db, runtime.keyring, account.id, NewKey(name="key"), actor)
    return view


@get(
    "/v1/admin/accounts/{account_id:str}",
    summary="One account",
    tag="admin",
    scope=Scope.admin,
    response_example=examples.ACCOUNT_DETAIL,
    errors=(errors.NotFound,),
)
async def get_account(runtime: Runtime, account_id: AccountIdPath) -> AccountDetailView:
    found = await runtime.db.read(accounts.find_account, storable(account_id))
    if found is None:
        raise errors.NotFound
    used = await runtime.db.read(sum_used, found.id)
    return account_detail_view(found, used, runtime.credits_per_usd)


@post(
    "/v1/admin/accounts/{account_id:str}/close",
    summary="Close an account: its keys end, and what was not sent is cancelled",
    description="Its keys, sessions and upload links end, all in one commit. Tasks that were not sent are cancelled and"
    " their holds released; those that were sent finish, are charged and delivered as always. The balance stays. Until"
    " it is reopened the account gets no credits and no keys; credits can be taken back from it. A repeat changes"
    " nothing. A key cannot close its own account.",
    tag="admin",
    scope=Scope.admin,
    response_example=examples.CLOSED_ACCOUNT,
    errors=(errors.NotFound, errors.PermissionDenied),
    links=(ResponseLink("reopen_account", "Reopen it", {"account_id": "$response.body#/id"}),),
)
async def close_account(runtime: Runtime, key: ApiKey, actor: Actor, account_id: AccountIdPath) -> AccountView:
    closed = await closing.close_account(runtime, storable(account_id), key, actor)
    return account_view(closed, runtime.credits_per_usd)


@post(
    "/v1/admin/accounts/{account_id:str}/reopen",
    summary="Reopen a closed account; the keys that its closing ended stay ended",
    tag="admin",
    scope=Scope.admin,
    response_example=examples.OPEN_ACCOUNT,
    errors=(errors.NotFound,),
)
async def reopen_account(runtime: Runtime, actor: Actor, account_id: AccountIdPath) -> AccountView:
    reopened = await closing.reopen_account(runtime, storable(account_id), actor)
    return account_view(reopened, runtime.credits_per_usd)
