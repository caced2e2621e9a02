"""GET and POST /v1/keys, PATCH and DELETE /v1/keys/{id}: the keys of the account."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar.params import PathParameter, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import ResponseLink, delete, get, patch, post
from imagegate.api.pagination import CursorPage, cursor_page, decode_cursor, read_list
from imagegate.api.params import Cursor, PageLimit
from imagegate.api.rate_limits import ActionLimiter
from imagegate.api.responses import view_of
from imagegate.api.validation import one_line
from imagegate.api_docs.schema import CREDITS_PATTERN, KEY_ID_PATTERN, ApiKeyText, KeyIdText, Seconds, doc, schema
from imagegate.domain import errors
from imagegate.domain.accounts import CUSTOMER_SCOPES, ApiKey, NewKey, Scope
from imagegate.domain.audit import Actor
from imagegate.domain.money import Money, to_money
from imagegate.domain.pages import Position
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows import api_keys
from imagegate.flows.fields import check_expiry, check_models, check_network, parse_cap
from imagegate.runtime import Runtime
from imagegate.security.rate_limit import MAX_REQUESTS_PER_MINUTE
from imagegate.store.acts import KeysEnded
from imagegate.store.api_keys import list_keys_page

_MAX_ENTRIES, _MAX_EXPIRES_AT = 100, 2**40

_Entries = Meta(
    min_length=1, max_length=_MAX_ENTRIES, extra={"rule": f"must have 1 to {_MAX_ENTRIES} entries; null means no limit"}
)
_Name = Annotated[str, one_line()]
_Scopes = Annotated[list[Annotated[str, schema(enum=[*Scope])]], _Entries]
_Models = Annotated[list[str], _Entries]
_Networks = Annotated[list[Annotated[str, doc("An address or a network such as 192.0.2.7 or 2001:db8::/32")]], _Entries]
_Cap = Annotated[str, schema(pattern=CREDITS_PATTERN.replace("[+-]?", "[+]?"))]
_Timestamp = Annotated[int, Meta(ge=1, le=_MAX_EXPIRES_AT, extra={"rule": "must be a future Unix timestamp"})]
_Rate = Annotated[int, Meta(ge=1, le=MAX_REQUESTS_PER_MINUTE)]
_Tasks = Annotated[int, Meta(ge=1, le=1_000_000)]
_EndedKeys = Annotated[list[KeyIdText], doc("Keys that it made, or that those made, and that were disabled with it")]
_MadeKeys = Literal["end", "keep"]
MadeKeys = Annotated[
    str,
    QueryParameter(name="made_keys"),
    schema(enum=["end", "keep"]),
    doc("What becomes of the keys that it made, and those that they made: disabled with it, or kept"),
]
MadeBy = Annotated[
    str,
    QueryParameter(name="made_by"),
    Meta(max_length=100, description="Only the keys that this key made, and those that they made"),
]
KeyIdPath = Annotated[
    str, PathParameter(name="key_id"), doc("The id of a key", pattern=KEY_ID_PATTERN, examples=[examples.KEY_ID])
]

_KEY_ID_LINK = {"key_id": "$response.body#/id"}
_LINKS = (ResponseLink("change_key", "Change it", _KEY_ID_LINK), ResponseLink("delete_key", "Delete it", _KEY_ID_LINK))


class KeyBody(msgspec.Struct, kw_only=True):
    """Fields of a key. Absent: unchanged, or the default of a new key. null: no limit.

    `concurrent_tasks`: tasks that run at a time, further ones wait. `in_flight_cap_credits`: what unfinished tasks may
    cost together; further ones are refused until some have ended.
    """

    name: Annotated[_Name | None, doc("For people; not only white space")] | UnsetType = UNSET
    scopes: Annotated[_Scopes | None, doc("What it may do; none that the calling key does not have")] | UnsetType = (
        UNSET
    )
    models: Annotated[_Models | None, doc("The models it may use; null: all")] | UnsetType = UNSET
    cap_credits: Annotated[_Cap | int | None, doc("What it may spend in total; null: no cap")] | UnsetType = UNSET
    daily_cap_credits: Annotated[_Cap | int | None, doc("What it may spend on a UTC day")] | UnsetType = UNSET
    expires_at: Annotated[_Timestamp | None, doc("When it expires; a future Unix timestamp")] | UnsetType = UNSET
    allowed_ips: Annotated[_Networks | None, doc("The addresses it may be used from; null: any")] | UnsetType = UNSET
    disabled: Annotated[bool | None, doc("Only in a change: true disables, false enables again")] | UnsetType = UNSET
    rate_per_minute: Annotated[_Rate | None, doc("Requests per minute; null: no limit")] | UnsetType = UNSET
    concurrent_tasks: Annotated[_Tasks | None, doc("Tasks that run at a time")] | UnsetType = UNSET
    in_flight_cap_credits: Annotated[_Cap | int | None, doc("What unfinished tasks may cost")] | UnsetType = UNSET
    made_keys: (
        Annotated[_MadeKeys | None, doc("With `disabled` true: what becomes of the keys it made, `end` by default")]
        | UnsetType
    ) = UNSET


class KeyView(msgspec.Struct, kw_only=True):
    """A key. Its value is not stored."""

    id: KeyIdText
    object: Literal["api_key"] = "api_key"
    name: str
    shown: Annotated[str, doc("The part of its value that may be shown again")]
    status: Annotated[str, doc("Whether it works", enum=["live", "disabled", "expired"])]
    scopes: list[Annotated[str, schema(enum=[*Scope])]]
    models: Annotated[list[str] | None, doc("null: all")]
    allowed_ips: Annotated[list[str] | None, doc("Addresses and networks; null: any")]
    cap: Annotated[Money | None, doc("null: none")]
    daily_cap: Annotated[Money | None, doc("null: none")]
    spent: Money
    spent_today: Annotated[Money, doc("Held or charged on this UTC day")]
    rate_per_minute: Annotated[int | None, doc("null: no limit")]
    concurrent_tasks: Annotated[int | None, doc("null: no limit")]
    in_flight_cap: Annotated[Money | None, doc("null: none")]
    in_flight: Annotated[Money, doc("Held for its unfinished tasks")]
    created: Seconds
    expires_at: Seconds | None
    disabled_at: Seconds | None
    made_by: Annotated[KeyIdText | None, doc("The key that made it; null: made by the operator")]
    key: ApiKeyText | UnsetType = UNSET
    ended_keys: _EndedKeys | UnsetType = UNSET


class KeyList(CursorPage, kw_only=True):
    data: list[KeyView]


class DeletedKey(msgspec.Struct, kw_only=True):
    id: KeyIdText
    object: Literal["api_key"] = "api_key"
    deleted: Literal[True] = True
    ended_keys: _EndedKeys | UnsetType = UNSET


@get(
    "/v1/keys",
    summary="The account's keys, without their values",
    tag="keys",
    scope=Scope.billing_read,
    response_example=examples.KEYS,
)
async def list_keys(
    runtime: Runtime, key: ApiKey, limit: PageLimit = 50, cursor: Cursor = "", made_by: MadeBy = ""
) -> KeyList:
    page = await read_list(
        runtime,
        key,
        "ask for fewer keys with limit",
        list_keys_page,
        key.account_id,
        decode_cursor(cursor, Position),
        limit,
        made_by.replace("\0", " "),
    )
    return cursor_page(KeyList, page, lambda one: _key_view(runtime, one))


@post(
    "/v1/keys",
    summary="Create a key with no more rights than the calling key; its value is shown this once",
    tag="keys",
    scope=Scope.keys_write,
    request_example={"name": "shop", "scopes": ["images:write", "tasks:read"], "daily_cap_credits": 340},
    response_example=examples.NEW_KEY,
    links=_LINKS,
)
async def create_key(
    data: KeyBody, runtime: Runtime, key: ApiKey, actor: Actor, action_limiter: ActionLimiter
) -> KeyView:
    fields = {name: value for name, value in _changes(runtime, data).items() if value is not None}
    await action_limiter.count_new_key(key.account_id)
    fields.pop("disabled", None)
    value, new_key = await api_keys.make_key(
        runtime, key, NewKey(**{"name": "key", "scopes": CUSTOMER_SCOPES, **fields}), actor
    )
    view = _key_view(runtime, new_key)
    view.key = value
    return view


@patch(
    "/v1/keys/{key_id:str}",
    summary="Change or disable a key; null removes a limit",
    tag="keys",
    scope=Scope.keys_write,
    request_example={"disabled": True},
    response_example=examples.KEY,
    links=_LINKS,
    errors=(errors.NotFound,),
)
async def change_key(data: KeyBody, runtime: Runtime, key: ApiKey, actor: Actor, key_id: KeyIdPath) -> KeyView:
    ends = data.made_keys != "keep"
    changed = await api_keys.change_key(runtime, key, key_id, _changes(runtime, data), ends, actor)
    view = _key_view(runtime, changed.key)
    view.ended_keys = _ended_ids(changed)
    return view


@delete(
    "/v1/keys/{key_id:str}",
    summary="Delete a key",
    tag="keys",
    scope=Scope.keys_write,
    response_example=examples.DELETED_KEY,
    errors=(errors.NotFound,),
)
async def delete_key(
    runtime: Runtime, key: ApiKey, actor: Actor, key_id: KeyIdPath, made_keys: MadeKeys = "end"
) -> DeletedKey:
    deleted = await api_keys.delete_key(runtime, key, key_id, made_keys != "keep", actor)
    return DeletedKey(id=key_id, ended_keys=_ended_ids(deleted))


def _ended_ids(changed: KeysEnded) -> list[str] | UnsetType:
    return [one.id for one in changed.made_keys] or UNSET


def _changes(runtime: Runtime, body: KeyBody) -> dict[str, Any]:
    """Column and value of every field that was given."""
    plain = {column: getattr(body, column) for column in ("rate_per_minute", "concurrent_tasks")}
    changes: dict[str, Any] = {column: value for column, value in plain.items() if value is not UNSET}
    if body.name is not UNSET and body.name is not None:
        changes["name"] = body.name
    if body.scopes is not UNSET and body.scopes is not None:
        changes["scopes"] = tuple(_scope(text, index) for index, text in enumerate(body.scopes))
    if body.models is not UNSET:
        changes["models"] = body.models and check_models("models", body.models, runtime.catalog)
    if body.allowed_ips is not UNSET:
        ips = body.allowed_ips
        changes["ips"] = (
            None
            if ips is None
            else tuple(check_network(f"allowed_ips[{index}]", text) for index, text in enumerate(ips))
        )
    for column in ("cap", "daily_cap", "in_flight_cap"):
        field = f"{column}_credits"
        amount = getattr(body, field)
        if amount is not UNSET:
            changes[column] = None if amount is None else parse_cap(field, amount, runtime.credits_per_usd)
    if body.expires_at is not UNSET:
        at = body.expires_at
        changes["expires"] = at and check_expiry("expires_at", at * US_PER_SECOND, runtime.clock(), "Unix timestamp")
    if body.disabled is not UNSET and body.disabled is not None:
        changes["disabled"] = runtime.clock() if body.disabled else None
    return changes


def _scope(text: str, index: int) -> Scope:
    try:
        return Scope(text)
    except ValueError as error:
        param = f"scopes[{index}]"
        raise errors.InvalidRequest(f"{param} must be one of {', '.join(Scope)}", param=param) from error


def _key_view(runtime: Runtime, key: ApiKey) -> KeyView:
    rate, now = runtime.credits_per_usd, runtime.clock()
    return view_of(
        KeyView,
        key,
        rate,
        shown=key.hint,
        status="live" if key.is_active(now) else "disabled" if key.disabled is not None else "expired",
        allowed_ips=key.ips,
        spent_today=to_money(key.spent_today(now), rate),
        in_flight=to_money(key.held, rate),
        expires_at=None if key.expires is None else key.expires // US_PER_SECOND,
        disabled_at=None if key.disabled is None else key.disabled // US_PER_SECOND,
    )
