"""GET and POST /v1/keys, PATCH and DELETE /v1/keys/{id}: who may act for the account, and within what limits."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, get, patch, post
from msgspec import UNSET, UnsetType

from imagegate.api.auth import need
from imagegate.api.body import read_json
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Follow, Operation, described, page_of, path
from imagegate.api.responses import cursor, json_answer, next_cursor, whole_number
from imagegate.domain import errors
from imagegate.domain.accounts import CUSTOMER_SCOPES, Key, Scope
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.fields import (
    CREDITS_PATTERN,
    KEY_ID_PATTERN,
    HasMore,
    KeyIdText,
    KeyText,
    NextCursor,
    Seconds,
    said,
    shape,
)
from imagegate.domain.money import Money, Nanos, money, nanos_of_credits
from imagegate.flows import api_keys
from imagegate.flows.accounts import NewKey
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.security.rate_limit import MOST_PER_MINUTE
from imagegate.store.accounts import page_of_keys

_MOST_ENTRIES, _MOST_NAME, _LAST_MOMENT = 100, 100, 2**40
_MOST_TASKS = 1_000_000


_Name = Annotated[str, shape(minLength=1, maxLength=_MOST_NAME)]
_Scopes = Annotated[
    list[Annotated[str, shape(enum=[*Scope])]],
    shape(minItems=1, maxItems=_MOST_ENTRIES),
]
_Models = Annotated[list[str], shape(minItems=1, maxItems=_MOST_ENTRIES)]
_Cap = Annotated[str, shape(pattern=CREDITS_PATTERN.replace("[+-]?", "[+]?"))]
_Moment = Annotated[int, shape(minimum=1, maximum=_LAST_MOMENT)]
_Rate = Annotated[int, shape(minimum=1, maximum=MOST_PER_MINUTE)]
_Tasks = Annotated[int, shape(minimum=1, maximum=_MOST_TASKS)]
_Networks = Annotated[
    list[Annotated[str, said("An address or a network such as 192.0.2.7 or 2001:db8::/32")]],
    shape(minItems=1, maxItems=_MOST_ENTRIES),
]
_KEY_ID = path(
    "key_id", {"type": "string", "pattern": KEY_ID_PATTERN, "examples": [examples.KEY_ID]}, "The id of a key"
)


_ID = {"key_id": "$response.body#/id"}
_FOLLOW = (Follow("change_key", "Change it", _ID), Follow("delete_key", "End it", _ID))


class KeyBody(msgspec.Struct, kw_only=True):
    """What a caller may say of a key. Absent: unchanged, or the default of a new key. null: no limit.

    `concurrent_tasks`: carried out side by side, further ones wait. `in_flight_cap_credits`: what unfinished tasks may
    cost together, further ones are refused until some have ended.
    """

    name: Annotated[_Name | None, said("For people; not only white space")] | UnsetType = UNSET
    scopes: Annotated[_Scopes | None, said("What it may do; none that the calling key lacks")] | UnsetType = UNSET
    models: Annotated[_Models | None, said("The only models it may use; null: all")] | UnsetType = UNSET
    cap_credits: Annotated[_Cap | int | None, said("What it may spend in all; null: no cap")] | UnsetType = UNSET
    daily_cap_credits: Annotated[_Cap | int | None, said("What it may spend on a UTC day")] | UnsetType = UNSET
    expires_at: Annotated[_Moment | None, said("Its end, in Unix seconds; a moment to come")] | UnsetType = UNSET
    allowed_ips: Annotated[_Networks | None, said("Where it works from; null: anywhere")] | UnsetType = UNSET
    disabled: Annotated[bool | None, said("Of a change alone: true disables, false enables again")] | UnsetType = UNSET
    rate_per_minute: Annotated[_Rate | None, said("Requests per minute; null: no limit")] | UnsetType = UNSET
    concurrent_tasks: Annotated[_Tasks | None, said("Carried out side by side")] | UnsetType = UNSET
    in_flight_cap_credits: Annotated[_Cap | int | None, said("What unfinished tasks may cost")] | UnsetType = UNSET


class KeyView(msgspec.Struct, kw_only=True):
    """A key. Its value is kept nowhere."""

    id: KeyIdText
    object: Literal["api_key"] = "api_key"
    name: str
    shown: Annotated[str, said("The part of its value that may be shown again")]
    status: Annotated[str, said("Whether it works", enum=["live", "disabled", "expired"])]
    scopes: list[Annotated[str, shape(enum=[*Scope])]]
    models: Annotated[list[str] | None, said("null: all")]
    allowed_ips: Annotated[list[str] | None, said("Addresses and networks; null: any")]
    cap: Annotated[Money | None, said("null: none")]
    daily_cap: Annotated[Money | None, said("null: none")]
    spent: Money
    spent_today: Annotated[Money, said("Held or charged on this UTC day")]
    rate_per_minute: Annotated[int | None, said("null: no limit")]
    concurrent_tasks: Annotated[int | None, said("null: no limit")]
    in_flight_cap: Annotated[Money | None, said("null: none")]
    in_flight: Annotated[Money, said("What is held for its unfinished tasks")]
    created: Seconds
    expires_at: Seconds | None
    disabled_at: Seconds | None
    key: KeyText | UnsetType = UNSET


class KeyList(msgspec.Struct, kw_only=True):
    object: Literal["list"] = "list"
    data: list[KeyView]
    has_more: HasMore
    next_cursor: NextCursor


class DeletedKey(msgspec.Struct, kw_only=True):
    id: KeyIdText
    object: Literal["api_key"] = "api_key"
    deleted: Literal[True] = True


class Place(msgspec.Struct, array_like=True):
    created: int
    id: str


@get(
    "/v1/keys",
    opt=described(
        Operation(
            summary="The account's keys, without their values",
            tag="keys",
            scope=Scope.billing_read,
            answer=KeyList,
            gives=examples.KEYS,
            parameters=page_of("Keys"),
        )
    ),
)
async def list_keys(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    need(key, Scope.billing_read)
    limit, below = whole_number(request, "limit", 50, 1, 200), cursor(request, Place)
    start = (below.created, below.id) if below else None
    found = await runtime.db.read(page_of_keys, key.account_id, start, limit + 1)
    shown, more = found[:limit], len(found) > limit
    end = next_cursor(Place(shown[-1].created, shown[-1].id)) if more else None
    return json_answer(KeyList(data=[_view(runtime, one) for one in shown], has_more=more, next_cursor=end))


@post(
    "/v1/keys",
    status_code=200,
    opt=described(
        Operation(
            summary="Make a key, within what the calling key may do; its value is shown this once",
            tag="keys",
            takes=KeyBody,
            scope=Scope.billing_read,
            answer=KeyView,
            example={"name": "shop", "scopes": ["images:write", "tasks:read"], "daily_cap_credits": 100},
            gives=examples.NEW_KEY,
            follow=_FOLLOW,
        )
    ),
)
async def create_key(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    need(key, Scope.billing_read)
    body = await read_json(request, KeyBody, runtime.settings.server)
    asked = {name: value for name, value in _changes(runtime, body).items() if value is not None}
    asked.pop("disabled", None)
    value, made = await api_keys.make_key(runtime, key, NewKey(**{"name": "key", "scopes": CUSTOMER_SCOPES, **asked}))
    view = _view(runtime, made)
    view.key = value
    return json_answer(view)


@patch(
    "/v1/keys/{key_id:str}",
    opt=described(
        Operation(
            summary="Change or disable a key; null takes a limit away",
            tag="keys",
            takes=KeyBody,
            scope=Scope.billing_read,
            answer=KeyView,
            example={"disabled": True},
            gives=examples.KEY,
            follow=_FOLLOW,
            parameters=(_KEY_ID,),
            errors=(errors.NotFound,),
        )
    ),
)
async def change_key(request: Request[Any, Any, Any], runtime: Runtime, key: Key, key_id: str) -> Response[bytes]:
    need(key, Scope.billing_read)
    body = await read_json(request, KeyBody, runtime.settings.server)
    return json_answer(_view(runtime, await api_keys.change_key(runtime, key, key_id, _changes(runtime, body))))


@delete(
    "/v1/keys/{key_id:str}",
    status_code=200,
    opt=described(
        Operation(
            summary="End a key for good",
            tag="keys",
            scope=Scope.billing_read,
            answer=DeletedKey,
            gives=examples.KEY_DELETED,
            parameters=(_KEY_ID,),
            errors=(errors.NotFound,),
        )
    ),
)
async def delete_key(runtime: Runtime, key: Key, key_id: str) -> Response[bytes]:
    need(key, Scope.billing_read)
    await api_keys.delete_key(runtime, key, key_id)
    return json_answer(DeletedKey(id=key_id))


def _changes(runtime: Runtime, body: KeyBody) -> dict[str, Any]:
    """Column and checked value of every field that was given."""
    asked: dict[str, Any] = {}
    if body.name is not UNSET and body.name is not None:
        asked["name"] = _name(body.name)
    if body.scopes is not UNSET and body.scopes is not None:
        asked["scopes"] = tuple(_scope(text, place) for place, text in enumerate(_some(body.scopes, "scopes")))
    if body.models is not UNSET:
        asked["models"] = _models(runtime, body.models)
    if body.allowed_ips is not UNSET:
        asked["ips"] = _networks(body.allowed_ips)
    for column in ("cap", "daily_cap", "in_flight_cap"):
        name = f"{column}_credits"
        if getattr(body, name) is not UNSET:
            asked[column] = _cap(runtime, name, getattr(body, name))
    for name, most in (("rate_per_minute", MOST_PER_MINUTE), ("concurrent_tasks", _MOST_TASKS)):
        if getattr(body, name) is not UNSET:
            asked[name] = _number(name, getattr(body, name), most)
    return asked | _ends(runtime, body)


def _ends(runtime: Runtime, body: KeyBody) -> dict[str, Any]:
    ends: dict[str, Any] = {}
    if body.expires_at is not UNSET:
        ends["expires"] = _moment(runtime, body.expires_at)
    if body.disabled is not UNSET and body.disabled is not None:
        ends["disabled"] = runtime.clock() if body.disabled else None
    return ends


def _name(text: str) -> str:
    if not text.strip() or "\0" in text or len(text) > _MOST_NAME:
        raise InvalidRequest(f"name must be 1 to {_MOST_NAME} characters, not only white space", param="name")
    return text


def _scope(text: str, place: int) -> Scope:
    try:
        return Scope(text)
    except ValueError as error:
        param = f"scopes[{place}]"
        raise InvalidRequest(f"{param} must be one of {', '.join(Scope)}", param=param) from error


def _models(runtime: Runtime, names: list[str] | None) -> tuple[str, ...] | None:
    for place, name in enumerate(_some(names, "models") if names is not None else []):
        if runtime.book.find(name) is None:
            raise InvalidRequest(f"models[{place}] names no model", param=f"models[{place}]")
    return None if names is None else tuple(dict.fromkeys(names))


def _networks(entries: list[str] | None) -> tuple[str, ...] | None:
    if entries is None:
        return None
    return tuple(_network(text, place) for place, text in enumerate(_some(entries, "allowed_ips")))


def _network(text: str, place: int) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError as error:
        param = f"allowed_ips[{place}]"
        message = f"{param} must be an address or a network such as 192.0.2.7 or 2001:db8::/32"
        raise InvalidRequest(message, param=param) from error


def _some(entries: list[str], field: str) -> list[str]:
    if not 1 <= len(entries) <= _MOST_ENTRIES:
        raise InvalidRequest(f"{field} must have 1 to {_MOST_ENTRIES} entries; null means no limit", param=field)
    return entries


def _cap(runtime: Runtime, field: str, amount: str | int | None) -> Nanos | None:
    if amount is None:
        return None
    try:
        nanos = nanos_of_credits(str(amount), runtime.credits_per_usd)
    except ValueError as error:
        raise InvalidRequest(f"{field}: {error}"[:300], param=field) from error
    if nanos < 0:
        raise InvalidRequest(f"{field} must not be negative", param=field)
    return nanos


def _number(field: str, number: int | None, most: int) -> int | None:
    if number is not None and not 1 <= number <= most:
        raise InvalidRequest(f"{field} must be a whole number from 1 to {most}; null means no limit", param=field)
    return number


def _moment(runtime: Runtime, seconds: int | None) -> int | None:
    if seconds is not None and not runtime.clock() < seconds * PER_SECOND < _LAST_MOMENT * PER_SECOND:
        raise InvalidRequest("expires_at must be a moment to come, in Unix seconds", param="expires_at")
    return None if seconds is None else seconds * PER_SECOND


def _view(runtime: Runtime, key: Key) -> KeyView:
    rate, now = runtime.credits_per_usd, runtime.clock()
    return KeyView(
        id=key.id,
        name=key.name,
        shown=key.shown,
        status="live" if key.live(now) else "disabled" if key.disabled is not None else "expired",
        scopes=[str(scope) for scope in key.scopes],
        models=None if key.models is None else list(key.models),
        allowed_ips=None if key.ips is None else list(key.ips),
        cap=None if key.cap is None else money(key.cap, rate),
        daily_cap=None if key.daily_cap is None else money(key.daily_cap, rate),
        spent=money(key.spent, rate),
        spent_today=money(key.spent_today(now), rate),
        rate_per_minute=key.rate_per_minute,
        concurrent_tasks=key.concurrent_tasks,
        in_flight_cap=None if key.in_flight_cap is None else money(key.in_flight_cap, rate),
        in_flight=money(key.held, rate),
        created=key.created // PER_SECOND,
        expires_at=None if key.expires is None else key.expires // PER_SECOND,
        disabled_at=None if key.disabled is None else key.disabled // PER_SECOND,
    )
