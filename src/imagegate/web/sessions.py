"""Signing in and out, and the token with which the page calls the public API.

Knows: the cookie, who may send a request that changes something, and the brake on sign-ins. Refuses to know: what a
session is kept as. A session is taken here and nowhere else: `/v1` has no eye for cookies.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
from litestar import Request, Response, delete, post
from litestar.datastructures import Cookie

from imagegate.domain.errors import InvalidRequest, PermissionDenied, RateLimitExceeded, Unauthorized
from imagegate.flows.sessions import (
    BadKey,
    Nobody,
    Visitor,
    key_behind,
    local_visitor,
    sign_in,
    sign_out,
    sign_out_everywhere,
    token_for,
    who_is,
)
from imagegate.runtime import LOOPBACK, PER_SECOND, Runtime
from imagegate.security.rate_limit import Passed, Quota, Refused, take
from imagegate.store.rate_buckets import order_of, take_shared
from imagegate.store.sessions import LIFE_US

SIGN_INS_PER_MINUTE = 5
_MOST_BODY = 4096
_MOST_BUCKETS = 10_000


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    key: str


class Account(msgspec.Struct, kw_only=True):
    """What the page knows of its visitor. `local`: the account that needs no sign-in."""

    name: str
    key_name: str
    key_shown: str
    scopes: list[str]
    local: bool


class TokenAnswer(msgspec.Struct, kw_only=True):
    """`token` is null where nobody is signed in; it ends at `expires_at`, Unix seconds."""

    token: str | None = None
    expires_at: int | None = None
    account: Account | None = None


class Brake:
    """Counts sign-ins by address and by account, right or wrong."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._whole_at: dict[str, int] = {}

    async def pass_by(self, bucket: str) -> None:
        """RateLimitExceeded where there were too many."""
        quota = (Quota("sign_in", f"sign-in:{bucket}", SIGN_INS_PER_MINUTE),)
        result = await self._taken(quota)
        if isinstance(result, Refused):
            wait = {"Retry-After": str(math.ceil(result.retry_us / PER_SECOND))}
            raise RateLimitExceeded("Too many sign-ins, please try again in a minute", reason="sign_in", headers=wait)

    async def _taken(self, quota: tuple[Quota, ...]) -> Passed | Refused:
        if self._runtime.db.engine.shared:
            return await self._runtime.db.write(take_shared, order_of(quota), quota)
        now = self._runtime.clock()
        result = take(quota, self._whole_at, now)
        if isinstance(result, Passed):
            self._whole_at.update(result.whole_at)
        if len(self._whole_at) > _MOST_BUCKETS:
            self._whole_at = {one: moment for one, moment in self._whole_at.items() if moment > now}
        return result


@post("/web/session", request_max_body_size=_MOST_BODY, status_code=200)
async def open_session(request: Request[Any, Any, Any], runtime: Runtime, brake: Brake, client: str) -> Response[bytes]:
    """A key for a session. The session is a new one whatever the browser held before."""
    check_origin(request, runtime)
    _check_transport(runtime)
    await brake.pass_by(f"address:{client}")
    key = await key_behind(runtime, await _sent_key(request))
    if isinstance(key, BadKey):
        raise Unauthorized
    await brake.pass_by(f"account:{key.account_id}")
    opened = await sign_in(runtime, key, request.cookies.get(cookie_name(runtime), ""))
    return _answer(_token(runtime, opened.visitor), [_cookie(runtime, opened.value, LIFE_US // PER_SECOND)])


@post("/web/session/token", status_code=200)
async def trade_token(request: Request[Any, Any, Any], runtime: Runtime) -> Response[bytes]:
    """The session for a token of ten minutes; nulls where nobody is signed in."""
    check_origin(request, runtime)
    visitor = await _visitor(request, runtime)
    return _answer(TokenAnswer() if isinstance(visitor, Nobody) else _token(runtime, visitor))


@delete("/web/session", status_code=200)
async def close_session(request: Request[Any, Any, Any], runtime: Runtime) -> Response[bytes]:
    check_origin(request, runtime)
    visitor = await who_is(runtime, request.cookies.get(cookie_name(runtime), ""))
    if isinstance(visitor, Visitor):
        await sign_out(runtime, visitor)
    return _answer(TokenAnswer(), [_cookie(runtime, "", 0)])


@delete("/web/sessions", status_code=200)
async def close_all_sessions(request: Request[Any, Any, Any], runtime: Runtime) -> Response[bytes]:
    """On every device where the same key signed in."""
    check_origin(request, runtime)
    visitor = await who_is(runtime, request.cookies.get(cookie_name(runtime), ""))
    if isinstance(visitor, Visitor):
        await sign_out_everywhere(runtime, visitor)
    return _answer(TokenAnswer(), [_cookie(runtime, "", 0)])


def check_origin(request: Request[Any, Any, Any], runtime: Runtime) -> None:
    """Only our own pages may change something. PermissionDenied for any other."""
    site = request.headers.get("sec-fetch-site")
    ours = site in ("same-origin", "none") if site is not None else request.headers.get("origin") == runtime.origin
    if not ours:
        raise PermissionDenied("This may only be asked for by the page itself", reason="cross_site")


def cookie_name(runtime: Runtime) -> str:
    return "imagegate" if _plain(runtime) else "__Host-imagegate"


async def _visitor(request: Request[Any, Any, Any], runtime: Runtime) -> Visitor | Nobody:
    visitor = await who_is(runtime, request.cookies.get(cookie_name(runtime), ""))
    return await local_visitor(runtime) if isinstance(visitor, Nobody) and _is_local(request) else visitor


def _is_local(request: Request[Any, Any, Any]) -> bool:
    """Asked on this machine, under a name of this machine, and not through a proxy."""
    host = request.headers.get("host", "")
    named = (host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host) in LOOPBACK
    through = any(name in request.headers for name in ("x-forwarded-for", "forwarded", "via"))
    return named and not through and (request.client.host if request.client else "") in LOOPBACK


def _check_transport(runtime: Runtime) -> None:
    """Over plain http a browser would drop the cookie and everybody on the way could read the key."""
    if not (runtime.origin.startswith("https://") or runtime.on_loopback):
        raise PermissionDenied("Signing in needs https: set public_url to the https origin", reason="needs_https")


def _plain(runtime: Runtime) -> bool:
    return runtime.on_loopback and runtime.origin.startswith("http://")


def _cookie(runtime: Runtime, value: str, life_s: int) -> Cookie:
    return Cookie(
        cookie_name(runtime),
        value=value,
        max_age=life_s,
        path="/",
        secure=not _plain(runtime),
        httponly=True,
        samesite="lax",
    )


async def _sent_key(request: Request[Any, Any, Any]) -> str:
    try:
        return msgspec.json.decode(await request.body(), type=SignIn).key.strip()
    except msgspec.DecodeError as error:
        raise InvalidRequest('Send {"key": "…"}', param="key") from error


def _token(runtime: Runtime, visitor: Visitor) -> TokenAnswer:
    token, exp = token_for(runtime, visitor)
    key = visitor.key
    account = Account(
        name=visitor.account, key_name=key.name, key_shown=key.shown, scopes=list(key.scopes), local=visitor.local
    )
    return TokenAnswer(token=token, expires_at=exp, account=account)


def _answer(body: TokenAnswer, cookies: list[Cookie] | None = None) -> Response[bytes]:
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(body), headers=headers, cookies=cookies, media_type="application/json")
