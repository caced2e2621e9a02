"""GET and POST /v1/keys, PATCH and DELETE /v1/keys/{id}: who may act for the account, and within what limits."""

from __future__ import annotations

import ipaddress
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, patch, post
from msgspec import UNSET, UnsetType

from imagegate.api.answers import cursor, json_answer, next_cursor, whole_number
from imagegate.api.auth import need
from imagegate.api.body import read_json
from imagegate.api.operations import Operation, described, path, query
from imagegate.domain import errors
from imagegate.domain.credit import CUSTOMER_SCOPES, Key, Scope
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.money import Money, Nanos, money, nanos_of_credits
from imagegate.domain.rates import MOST_PER_MINUTE
from imagegate.flows import keys
from imagegate.flows.credit import NewKey
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.store.accounts import page_of_keys

_MOST_ENTRIES, _MOST_NAME, _LAST_MOMENT = 100, 100, 2**40
_MOST_TASKS = 1_000_000


class KeyBody(msgspec.Struct, kw_only=True):
    """What a caller may say of a key. Absent: unchanged, or the default of a new key. null: no limit.

    `concurrent_tasks`: carried out side by side, further ones wait. `in_flight_cap_credits`: what unfinished tasks may
    cost together, further ones are refused until some have ended.
    """

    name: str | UnsetType | None = UNSET
    scopes: list[str] | UnsetType | None = UNSET
    models: list[str] | UnsetType | None = UNSET
    cap_credits: str | int | UnsetType | None = UNSET
    daily_cap_credits: str | int | UnsetType | None = UNSET
    expires_at: int | UnsetType | None = UNSET
    allowed_ips: list[str] | UnsetType | None = UNSET
    disabled: bool | UnsetType | None = UNSET
    rate_per_minute: int | UnsetType | None = UNSET
    concurrent_tasks: int | UnsetType | None = UNSET
    in_flight_cap_credits: str | int | UnsetType | None = UNSET


class KeyView(msgspec.Struct, kw_only=True):
    id: str
    object: str = "api_key"
    name: str
    shown: str
    status: str
    scopes: list[str]
    models: list[str] | None
    allowed_ips: list[str] | None
    cap: Money | None
    daily_cap: Money | None
    spent: Money
    spent_today: Money
    rate_per_minute: int | None
    concurrent_tasks: int | None
    in_flight_cap: Money | None
    in_flight: Money
    created: int
    expires_at: int | None
    disabled_at: int | None
    key: str | UnsetType = UNSET


class KeyList(msgspec.Struct, kw_only=True):
    object: str = "list"
    data: list[KeyView]
    has_more: bool
    next_cursor: str | None


class Deleted(msgspec.Struct, kw_only=True):
    id: str
    object: str = "api_key"
    deleted: bool = True


class Place(msgspec.Struct, array_like=True):
    created: int
    id: str


@get(
    "/v1/keys",
    opt=described(
        Operation(
            summary="The account's keys, without their values",
            tag="keys",
            answer=KeyList,
            parameters=(
                query(
                    "limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, "Entries of an answer"
                ),
                query("cursor", {"type": "string"}, "next_cursor of the answer before"),
            ),
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
            answer=KeyView,
            example={"name": "shop", "daily_cap_credits": 100},
        )
    ),
)
async def create_key(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    need(key, Scope.billing_read)
    body = await read_json(request, KeyBody, runtime.settings.server)
    asked = {name: value for name, value in _changes(runtime, body).items() if value is not None}
    asked.pop("disabled", None)
    value, made = await keys.make_key(runtime, key, NewKey(**{"name": "key", "scopes": CUSTOMER_SCOPES, **asked}))
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
            answer=KeyView,
            parameters=(path("key_id", {"type": "string"}, "The id of a key"),),
            errors=(errors.NotFound,),
        )
    ),
)
async def change_key(request: Request[Any, Any, Any], runtime: Runtime, key: Key, key_id: str) -> Response[bytes]:
    need(key, Scope.billing_read)
    body = await read_json(request, KeyBody, runtime.settings.server)
    return json_answer(_view(runtime, await keys.change_key(runtime, key, key_id, _changes(runtime, body))))


@delete(
    "/v1/keys/{key_id:str}",
    status_code=200,
    opt=described(
        Operation(
            summary="End a key for good",
            tag="keys",
            answer=Deleted,
            parameters=(path("key_id", {"type": "string"}, "The id of a key"),),
            errors=(errors.NotFound,),
        )
    ),
)
async def delete_key(runtime: Runtime, key: Key, key_id: str) -> Response[bytes]:
    need(key, Scope.billing_read)
    await keys.delete_key(runtime, key, key_id)
    return json_answer(Deleted(id=key_id))


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
